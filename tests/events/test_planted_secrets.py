"""No prompt, completion or caller's key in anything that parsing hands on, whatever comes in."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.gateways import (
    make_chargeback_event,
    make_chat_body,
    make_fabric_event,
    make_monitoring_event,
    make_toolkit_event,
)
from tests.sightings import HASHING, KEYS, json_values, make_rules, parse, to_bytes
from usage_ingest.document import to_document
from usage_ingest.events.privacy import Privacy
from usage_ingest.record import UsageRecord

PLANTED = "Xq7-planted-secret"
PLANTED_TOKENS = 739_104_582_116
KEYLESS = make_rules()
KEYED = make_rules(
    identity=HASHING, privacy=Privacy(end_user_id="hash", client_ip="truncate", keys=KEYS)
)

texts = st.sampled_from([PLANTED, f"keep {PLANTED} to yourself", f"data: {PLANTED}"])
contents = st.recursive(
    texts | st.just(PLANTED_TOKENS) | json_values,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "text", "arguments"]) | texts, inner)
    ),
    max_leaves=6,
)
asked = st.fixed_dictionaries(
    {"messages": contents, "prompt": contents, "user": texts, "metadata": contents}
)
told = st.fixed_dictionaries({"choices": contents, "output": contents, "error": contents})
wrong_values: list[Any] = [None, "", "soon", -1, [], {"prompt_tokens": -1}]
damage = st.dictionaries(
    st.sampled_from(["EventTime", "ServiceName", "RequestId", "SubscriptionId", "Tokens", "Type"]),
    st.sampled_from(wrong_values),
    max_size=2,
)


@st.composite
def fabric_events(draw: st.DrawFn) -> dict[str, Any]:
    body = make_chat_body(**draw(told))
    whole = json.dumps(body)
    response = draw(
        st.sampled_from([whole, f"data: {whole}\n\n", f"<html>{PLANTED}", PLANTED, whole[:-9]])
    )
    request = json.dumps({"model": "gpt-4o", "stream": draw(st.booleans())} | draw(asked))
    event = make_fabric_event(
        draw(st.sampled_from([request, request[:-5], PLANTED])),
        response,
        AppSubscriptionKey=draw(texts | st.just([PLANTED])),
    )
    if draw(st.booleans()):
        event["Request"] = draw(contents)
    return event


@st.composite
def other_events(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.booleans()):
        return make_monitoring_event(Prompt=draw(contents), Response=draw(contents))
    return make_toolkit_event(Prompt=draw(contents), AppSubscriptionKey=draw(texts))


@st.composite
def chargeback_events(draw: st.DrawFn) -> dict[str, Any]:
    request, response = {"model": "gpt-4o"} | draw(asked), make_chat_body(**draw(told))
    as_text = draw(st.booleans())
    return make_chargeback_event(
        requestBody=draw(st.sampled_from([request, json.dumps(request), PLANTED])),
        responseBody=json.dumps(response) if as_text else response,
        **draw(st.sampled_from([{}, {"prompt": PLANTED}, {"requestId": "a-1"}])),
    )


def everything_told(event: Mapping[str, Any]) -> str:
    """Return all that parsing hands on, with and without a key to hash with."""
    found = ""
    for rules in (KEYLESS, KEYED):
        for parsed in parse(to_bytes(event), rules=rules):
            found += str(parsed)
            found += str(asdict(parsed))
            if isinstance(parsed, UsageRecord):
                found += str(to_document(parsed, "-", "-", 400))
    return found


@given(fabric_events() | other_events() | chargeback_events(), damage)
def test_a_planted_secret_is_in_no_record_and_no_dead_letter(
    event: dict[str, Any], changes: dict[str, Any]
) -> None:
    found = everything_told(event | changes)

    assert PLANTED not in found
    assert str(PLANTED_TOKENS) not in found


def test_a_prompt_of_token_numbers_is_not_kept_in_a_dead_letter() -> None:
    """Completions and embeddings take prompts as numbers, and anybody can read those."""
    event = make_monitoring_event(Prompt=[PLANTED_TOKENS, 318], Tokens="odd")

    assert str(PLANTED_TOKENS) not in everything_told(event)


def test_the_keys_that_hash_are_not_told_either() -> None:
    assert KEYS["k1"].decode() not in everything_told(make_fabric_event())
