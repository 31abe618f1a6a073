"""What a dead letter keeps of an element: its form, never a caller's text. Pure.

Kept: keys (cut), types, numbers, the text of names and ids on a list where they stand at the
top, and counts that came as text. Every other text becomes its length and, where there is a key,
its HMAC. Of prompts and completions that came as something else than text the size is kept and
nothing more: a prompt may be a list of numbers, and its keys may be a caller's.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

KEY_LIMIT: Final = 64
MAX_NODES: Final = 400
MAX_LEVELS: Final = 8
_NAME: Final = re.compile(r"[\w .:/@+,()-]{0,128}")
_KEPT: Final = frozenset(
    """
    schema id gateway_request_id event_time gateway gateway_id region subscription_id product_id
    product_name api_id api_name operation_id operation_name app_id tenant_id provider api_kind
    deployment request_model response_model response_id object service_tier method backend
    served_deployment spillover_from error_source error_reason
    timestamp appid subscriptionid productname targetservice model gatewayname gatewayregion
    aigatewayid operationname backendid routelocation routename deploymentname prompttokens
    responsetokens totaltokens eventtime servicename gatewayid requestid type deploymentid
    tenantid clientappid time category resourceid level
    """.split()
)
_CONTENT: Final = frozenset(
    """
    prompt response request messages input output choices content contents candidates instructions
    requestbody responsebody tools
    """.split()
)
_COUNTS: Final = frozenset(
    """
    prompt_tokens completion_tokens input_tokens output_tokens total_tokens cached_tokens
    cache_write_tokens ttl_30m_tokens ttl_12h_tokens reasoning_tokens audio_tokens image_tokens
    text_tokens accepted_prediction_tokens rejected_prediction_tokens
    cache_creation_input_tokens cache_read_input_tokens ephemeral_5m_input_tokens
    ephemeral_1h_input_tokens thinking_tokens web_search_requests inputTokens outputTokens
    totalTokens cacheReadInputTokens cacheWriteInputTokens promptTokenCount candidatesTokenCount
    responseTokenCount thoughtsTokenCount toolUsePromptTokenCount cachedContentTokenCount
    totalTokenCount tokenCount seconds
    status latency_ms response_created
    """.split()
)
_SECRET: Final = re.compile("key|secret|password|authorization|credential")
_EXACT: Final = 2**53
_COUNT: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,6})?")

Hash = Callable[[str], str | None]


@dataclass(slots=True)
class _Walk:
    hashed: Hash
    nodes: int = 0
    whole: bool = True

    def withhold(self, kept: Any) -> Any:  # noqa: ANN401 - JSON is of any type
        self.whole = False
        return kept


def skeleton(element: object, hashed: Hash) -> tuple[Any, bool]:
    """Return the skeleton of an element.

    Args:
        element: Parsed JSON.
        hashed: Makes the keyed hash of a text, or None where there is no key.

    Returns:
        The skeleton, and whether nothing was withheld: then it can be parsed again.
    """
    walk = _Walk(hashed)
    kept = _kept(walk, element, "", 0)
    return kept, walk.whole


def _kept(walk: _Walk, value: object, key: str, level: int) -> Any:  # noqa: ANN401 - JSON
    walk.nodes += 1
    if walk.nodes > MAX_NODES or level > MAX_LEVELS:
        return walk.withhold({"~": "left out"})
    secret = _SECRET.search(key.lower()) is not None
    if (secret or key.lower() in _CONTENT) and not isinstance(value, str | bool | None):
        return _withheld_content(walk, value)
    if isinstance(value, Mapping):
        return _kept_object(walk, value, level)
    if isinstance(value, list):
        return _kept_list(walk, value, key, level)
    if isinstance(value, str):
        return _kept_text(walk, value, key, level)
    return _kept_number(walk, value)


def _withheld_content(walk: _Walk, value: object) -> Any:  # noqa: ANN401 - JSON
    size = {"~items": len(value)} if isinstance(value, Mapping | list) else {"~": "left out"}
    return walk.withhold(size)


def _kept_number(walk: _Walk, value: object) -> Any:  # noqa: ANN401 - JSON
    """Keep what JSON and doubles can hold; true, false and null come here too."""
    if isinstance(value, float) and not math.isfinite(value):
        return walk.withhold({"~number": str(value)})
    if isinstance(value, float) and value.is_integer():
        return walk.withhold(value)  # a store may give 12.0 back as 12: ids are made of the text
    if isinstance(value, int) and abs(value) > _EXACT:
        return walk.withhold({"~digits": len(str(value))})
    return value


def _kept_object(walk: _Walk, value: Mapping[str, Any], level: int) -> Any:  # noqa: ANN401 - JSON
    kept: dict[str, Any] = {}
    for key, inner in value.items():
        if walk.nodes > MAX_NODES:
            return walk.withhold(kept)
        name = _clean(key)
        if name != key:
            walk.whole = False
        kept[name] = _kept(walk, inner, key, level + 1)
    return kept


def _kept_list(walk: _Walk, value: list[Any], key: str, level: int) -> Any:  # noqa: ANN401 - JSON
    kept: list[Any] = []
    for inner in value:
        if walk.nodes > MAX_NODES:
            return walk.withhold(kept)
        kept.append(_kept(walk, inner, key, level + 1))
    return kept


def _kept_text(walk: _Walk, value: str, key: str, level: int) -> Any:  # noqa: ANN401 - JSON
    listed = level == 1 and key.lower() in _KEPT and _NAME.fullmatch(value)
    counted = key in _COUNTS and _COUNT.fullmatch(value)
    if listed or counted or not value:
        return value
    withheld: dict[str, Any] = {"~length": len(value)}
    if (mac := walk.hashed(value)) is not None:
        withheld["~hmac"] = mac
    return walk.withhold(withheld)


def _clean(key: str) -> str:
    return re.sub("[\x00-\x1f\ud800-\udfff]", "", key[:KEY_LIMIT])
