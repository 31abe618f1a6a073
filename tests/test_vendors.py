"""The payloads that the vendors' own classes make, and the fields that those classes know.

The only tests that import the SDKs: it takes seconds.
"""

import shutil
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import pytest
from anthropic.types import MessageDeltaUsage, Usage
from anthropic.types.beta import BetaMessageDeltaUsage, BetaUsage
from azure.ai.inference.models import CompletionsUsage, EmbeddingsUsage
from botocore.model import ListShape, Shape, StructureShape
from google.genai.types import GenerateContentResponseUsageMetadata, UsageMetadata
from openai.types import CompletionUsage, CreateEmbeddingResponse
from openai.types.audio.transcription import UsageDuration, UsageTokens
from openai.types.audio.transcription_text_done_event import Usage as StreamedTranscriptionUsage
from openai.types.audio.transcription_verbose import Usage as VerboseUsage
from openai.types.batch_usage import BatchUsage
from openai.types.beta.token_usage import TokenUsage as AgentUsage
from openai.types.create_embedding_response import Usage as EmbeddingUsage
from openai.types.decision import Usage as DecisionUsage
from openai.types.images_response import ImagesResponse
from openai.types.images_response import Usage as ImageUsage
from openai.types.realtime import RealtimeResponseUsage
from openai.types.realtime.conversation_item_input_audio_transcription_completed_event import (
    UsageTranscriptTextUsageDuration,
    UsageTranscriptTextUsageTokens,
)
from openai.types.responses import ResponseUsage
from openai.types.responses.response import ToolUsage
from pydantic import BaseModel, ValidationError

from tests.data.regenerate import HERE, beside, main
from tests.data.vendors.files import files
from tests.data.vendors.usages import usages
from tests.data.vendors.wire import (
    Bedrock,
    Json,
    UnlikeTheWireError,
    built,
    built_for_azure,
)
from usage_ingest.errors import InvalidEventError
from usage_ingest.events.shapes import SHAPES
from usage_ingest.events.usage import READERS, has_usage_apart, read_usage, service_tier
from usage_ingest.events.usage.hint import Hint

NOT_STORED: Final = {
    "transcription": {"type"},  # the details tell too
    "realtime": {"input_token_details.cached_tokens_details"},  # their sum is stored
    # Another model's: they flag the record.
    "images-svg": {"svg_usage"},
    "responses-tools": {
        "tool_usage.image_gen.cached_tokens",
        "tool_usage.image_gen.cached_tokens_details",
        "tool_usage.image_gen.input_tokens_details",
        "tool_usage.image_gen.output_tokens_details",
    },
    "anthropic": {"inference_geo", "speed", "server_tool_use.web_fetch_requests"},
    "anthropic-beta": {
        "fallback_credit",  # a matter of the price
        "iterations.compaction.type",  # a name: its counts are stored
        "iterations.message",  # in the counts already, as the next one
        "iterations.fallback_message",
        "iterations.advisor_message",  # another model's: it flags the record
    },
    "gemini": {
        "cacheTokensDetails",  # their sum is stored
        "promptTokensDetails.modality",  # added up with the next one: zeros hide a name
        "toolUsePromptTokensDetails.modality",
    },
    "gemini-live": {"trafficType"},  # serviceTier goes before it
}


@pytest.fixture(name="copied")
def _copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HERE, tmp_path / "copied"))


def test_the_check_passes_on_what_is_on_file() -> None:
    assert main(["--check"]) == 0


@pytest.mark.parametrize("name", ["chat-plain.expected.json", "chat-plain.json"])
def test_the_check_fails_on_a_change_and_writes_nothing(
    name: str, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = copied / "usage" / name
    changed.write_text(changed.read_text().replace("12", "13"))
    before = changed.read_text()

    assert main(["--check"], copied) == 1

    assert f"usage/{name}: differs" in capsys.readouterr().out
    assert changed.read_text() == before


def test_regenerating_writes_what_is_missing_and_names_what_is_left_over(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, by_hand = copied / "usage/chat-plain.json", copied / "usage/negative-count.json"
    for missing in (made, beside(made)):
        missing.unlink()

    assert main([], copied) == 0
    for missing in (made, beside(made)):
        assert missing.read_bytes() == (HERE / "usage" / missing.name).read_bytes()

    by_hand.unlink()
    assert main(["--check"], copied) == 1
    assert "negative-count.expected.json: has no payload" in capsys.readouterr().out


def test_every_api_and_every_shape_has_payloads_made_by_classes() -> None:
    """Shapes that hold counts alone hold those of an answer."""
    told = [
        (each["usage"], Hint(each["provider"], each.get("api_kind"))) for each in usages().values()
    ]
    readers = {reader for of in told for reader in READERS if reader.matches(*of)}
    shapes = {str(shape.__name__).rpartition(".")[2] for shape in SHAPES}  # type: ignore[attr-defined]

    assert readers == set(READERS)
    assert {path.partition("/")[0] for path in files()} == shapes | {"usage", "bodies"}


EMBEDDING: Final = {"prompt_tokens": 1, "total_tokens": 1}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(EMBEDDING | {"promt_tokens": 1}, id="misspelt"),
        pytest.param({"prompt_tokens": 1}, id="missing"),
        pytest.param(EMBEDDING | {"total_tokens": "1"}, id="of-another-type"),
    ],
)
def test_a_payload_unlike_its_class_is_refused(fields: Json) -> None:
    wrong = (UnlikeTheWireError, ValidationError)
    embedding = {"object": "list", "model": "m", "data": []}

    with pytest.raises(wrong):
        built(CreateEmbeddingResponse, embedding | {"usage": fields})
    with pytest.raises(wrong):
        built_for_azure(EmbeddingsUsage, fields)


@pytest.mark.parametrize(
    "fields", [{"outputTokenz": 1}, {"totalTokens": "1"}, {"cacheDetails": [{"ttl": "5m"}]}, {}]
)
def test_a_payload_unlike_its_shape_is_refused(fields: Json) -> None:
    usage = {"inputTokens": 1, "outputTokens": 1} | fields

    with pytest.raises(UnlikeTheWireError):
        Bedrock().built("TokenUsage", usage)


def sample(hint: Any) -> Any:
    """Return a value with every field that a class knows, all of them zero."""
    kind, arguments = get_origin(hint), [each for each in get_args(hint) if each is not NoneType]
    if kind is Literal:
        return arguments[0]
    if kind is list:
        return [sample(each) for each in variants(arguments[0])]
    if kind in (Union, Annotated):
        return sample(arguments[0])
    if issubclass(hint, BaseModel):
        of = hint.model_fields.items()
        return {each.alias or name: sample(each.annotation) for name, each in of}
    return list(hint)[1].value if issubclass(hint, Enum) else hint()


def variants(hint: Any) -> tuple[Any, ...]:
    """Return the classes of an entry of a list."""
    return get_args(get_args(hint)[0]) if get_origin(hint) is Annotated else (hint,)


def sample_of_shape(shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        return {name: sample_of_shape(each) for name, each in shape.members.items()}
    if isinstance(shape, ListShape):
        return [sample_of_shape(shape.member)]
    return 0 if shape.type_name == "integer" else shape.metadata["enum"][0]


def changed(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each field's path, and the value with another count or name in that field alone."""
    if isinstance(value, dict):
        for key, inner in value.items():
            for below, other in changed(inner, f"{path}.{key}" if path else key):
                yield below, {**value, key: other}
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            kind = inner.get("type", "")
            for below, other in changed(inner, f"{path}.{kind}" if kind else path):
                yield below, [*value[:at], other, *value[at + 1 :]]
    else:
        yield path, "another" if isinstance(value, str) else value + 1


def outcome(usage: Json, hint: Hint) -> Any:
    try:
        return read_usage(usage, hint), service_tier(usage), has_usage_apart(usage)
    except InvalidEventError as error:
        return error.reason


ANTHROPIC: Final = Hint("anthropic")
USAGES: Final = {
    "chat": (sample(CompletionUsage), Hint()),
    "embeddings": (sample(EmbeddingUsage), Hint()),
    "responses": (sample(ResponseUsage), Hint()),
    "responses-tools": (sample(ResponseUsage) | {"tool_usage": sample(ToolUsage)}, Hint()),
    "batches": (sample(BatchUsage), Hint()),
    "decisions": (sample(DecisionUsage), Hint()),
    "agents": (sample(AgentUsage), Hint()),
    "images": (sample(ImageUsage), Hint(api_kind="images")),
    "images-svg": (
        sample(ImageUsage) | {"svg_usage": sample(ImagesResponse)["svg_usage"]},
        Hint(),
    ),
    "transcription": (sample(UsageTokens), Hint()),
    "transcription-by-duration": (sample(UsageDuration), Hint()),
    "transcription-streamed": (sample(StreamedTranscriptionUsage), Hint()),
    "transcription-verbose": (sample(VerboseUsage), Hint()),
    "transcription-of-realtime-by-tokens": (sample(UsageTranscriptTextUsageTokens), Hint()),
    "transcription-of-realtime": (sample(UsageTranscriptTextUsageDuration), Hint()),
    "realtime": (sample(RealtimeResponseUsage), Hint()),
    "anthropic": (sample(Usage), ANTHROPIC),
    "anthropic-delta": (sample(MessageDeltaUsage), ANTHROPIC),
    "anthropic-beta": (sample(BetaUsage), ANTHROPIC),
    "anthropic-beta-delta": (sample(BetaMessageDeltaUsage), ANTHROPIC),
    "bedrock": (sample_of_shape(Bedrock().shape("TokenUsage")), Hint("bedrock")),
    "gemini": (sample(GenerateContentResponseUsageMetadata), Hint()),
    "gemini-live": (sample(UsageMetadata), Hint()),
    "azure": (dict.fromkeys(CompletionsUsage.__annotations__, 0), Hint()),
}


@pytest.mark.parametrize("name", USAGES)
def test_every_field_that_the_classes_know_is_read_or_known_not_to_be(name: str) -> None:
    """Where a newer SDK adds a field: read it, or say in NOT_STORED why not."""
    usage, hint = USAGES[name]
    before = outcome(usage, hint)
    beginnings = name.split("-")
    known = {
        path
        for end in range(1, len(beginnings) + 1)
        for path in NOT_STORED.get("-".join(beginnings[:end]), ())
    }

    ignored = {path for path, other in changed(usage) if outcome(other, hint) == before}

    unknown = {
        path
        for path in ignored
        if not any(path == each or path.startswith(f"{each}.") for each in known)
    }
    assert not unknown
