"""Whatever callers and backends send: below 200 KB, cut, clean, and still an event."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies.calls import CHAT, asked, body_on_file, make_response, send
from tests.policies.gateway import Gateway
from usage_ingest.events.fields import TAG_LIMIT, TEXT_LIMIT
from usage_ingest.record import UsageState

HOSTILE = {
    "plain": "x" * 30_000,
    "quotes": '"\\' * 10_000,
    "three bytes each": "\u20ac" * 20_000,
    "surrogate pairs": "\U0001f600" * 10_000,
    "pairs from an odd place": "x" + "\U0001f600" * 1_000,
    "escaped line ends": "\u2028\u2029" * 10_000,
    "controls": "a\r\nb\t\x00\x1b[31m\x7f\x85c" * 1_000,
    "blanks": " " * 10_000,
    "angle brackets": "<script>&'" * 1_000,
    "JSON": '","usage":{"total_tokens":1},"x":"' * 500,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_names_of_callers_are_cut_and_clean(gateway: Gateway, text: str) -> None:
    """`send` looks at size, lengths and characters."""
    headers = dict.fromkeys(("x-usage-app", "x-usage-user", "x-usage-session"), text)
    headers |= {f"x-usage-tag-{number}": text for number in range(40)}

    done = send(gateway, headers=headers, body=asked(model=text, stream=True))

    written = json.dumps(done.event, ensure_ascii=False)
    assert len(done.event.get("tags", {})) <= 8
    dimensions = json.dumps(done.metrics, ensure_ascii=False)
    assert "\ufffd" not in written + dimensions
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", written + dimensions)
    assert done.event["usage"] is None


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_answers_and_names_of_the_gateway_stay_below_the_limit(
    gateway: Gateway, text: str
) -> None:
    named = {"id": text, "name": text}
    answer: dict[str, Any] = dict.fromkeys(("id", "model", "object", "service_tier"), text)
    answer |= {"usage": {text: 1, "a": text, "b": [text] * 3, "prompt_tokens": 5}}

    done = send(
        gateway,
        **dict.fromkeys(("product", "api", "operation", "user"), named),
        subscription={"id": "hr-copilot", "name": text},
        region=text,
        response=make_response(answer, x_ms_deployment_name=text),
    )

    assert done.event["usage"]["prompt_tokens"] == 5
    assert done.record.usage.input_tokens == 5


USAGES: dict[str, Any] = {
    "many keys": {"total_tokens": 7} | {f"k{number}": number for number in range(50_000)},
    "a long list": {"total_tokens": 7, "items": [[1, 2, 3]] * 50_000},
    "deep": {"total_tokens": 7, "x": json.loads("[" * 500 + "]" * 500)},
    "deep objects": {"total_tokens": 7, "x": json.loads('{"a":' * 200 + "1" + "}" * 200)},
    "a giant number": {"total_tokens": 7, "x": 10**300},
    "odd names": {"": 1, " ": 2, "total_tokens": 7, "\u2028" * 20_000: 3, '"}': 4},
    "a long text": {"total_tokens": 7, "note": "x" * 30_000},
}


@pytest.mark.parametrize("usage", USAGES.values(), ids=list(USAGES))
def test_a_hostile_usage_is_cut_from_its_leaves(gateway: Gateway, usage: dict[str, Any]) -> None:
    done = send(gateway, response=make_response(body_on_file("chat") | {"usage": usage}))

    kept = done.event["usage"]
    assert kept["total_tokens"] == done.record.usage.total_tokens == 7
    assert kept.keys() <= usage.keys()


def test_usage_above_the_limit_keeps_its_counts_and_loses_what_is_deepest(gateway: Gateway) -> None:
    details = {f"detail_{number}": {"cached_tokens": number} for number in range(3_000)}
    usage = {"details": details, "prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}

    done = send(gateway, response=make_response({"usage": usage}))

    assert (done.record.usage.input_tokens, done.record.usage.output_tokens) == (10, 2)


def test_what_json_cannot_hold_makes_no_broken_event(gateway: Gateway) -> None:
    written = (
        '{"id":"x", /* planted */ "usage":{"prompt_tokens":3, "a": new Date(1), "b": /* c */ [1,'
        ' /* d */ 2], \'c\': undefined, "d": NaN, "e": [Infinity]}}'
    )

    done = send(gateway, response=make_response(written))

    assert done.event["usage"] == {"prompt_tokens": 3, "b": [1, 2], "e": []}


def test_eight_tags_at_most_the_first_by_name(gateway: Gateway) -> None:
    headers = {f"X-Usage-Tag-{name}": f"v-{name}" for name in "jihgfedcba"}

    tags = send(gateway, headers=headers).event["tags"]

    assert tags == {name: f"v-{name}" for name in "abcdefgh"}


def test_tags_of_odd_names_and_values(gateway: Gateway) -> None:
    headers: dict[str, Any] = {
        "x-usage-tag-": "nameless",
        "x-usage-tag-!!!": "nameless",
        "x-usage-tag-a=b": "c=d\nteam=forged",
        "x-usage-tag-long" + "g" * 100: "h" * 100,
        "x-usage-tag-empty": "  ",
        "x-usage-tag-twice": ["one", "two"],
        "x-usage-tagged": "other",
    }

    tags = send(gateway, headers=headers).event["tags"]

    assert tags == {
        "ab": "c=dteam=forged",
        "long" + "g" * 60: "h" * TAG_LIMIT,
        "twice": "one,two",
    }


def test_a_long_subscription_id_makes_a_key_that_the_hub_takes(gateway: Gateway) -> None:
    done = send(gateway, subscription={"id": "s" * 256, "name": None})

    assert len(done.told["events"][0]["key"]) <= 128
    assert done.event["subscription_id"] == "s" * TEXT_LIMIT


any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, width=32) | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=60)
@given(
    text=any_text,
    request=any_json,
    answer=any_json | st.fixed_dictionaries({}, optional={"usage": any_json, "id": any_json}),
    status=st.sampled_from([200, 400, 500]),
)
def test_no_call_breaks_the_contract(
    gateway: Gateway, text: str, request: Any, answer: Any, status: int
) -> None:
    """Whatever comes is one event that is either a record or refused for its usage alone."""
    if isinstance(answer, dict) and isinstance(answer.get("usage"), dict):
        answer = answer | {"usage": {"total_tokens": 3, "else": answer["usage"]}}
    headers = {"x-usage-app": text, "x-usage-tag-a": text}

    done = send(
        gateway, url=CHAT, headers=headers, body=request, response=make_response(answer, status)
    )

    assert done.record.usage_state in (UsageState.REPORTED, UsageState.NONE)


def test_the_largest_event_there_can_be_is_below_the_limit(gateway: Gateway) -> None:
    """Every text as long as it may be, and written as six bytes a character."""
    six = "y" + "\u2028" * 30
    long = six * 30
    headers = dict.fromkeys(("x-usage-app", "x-usage-user", "x-usage-session"), long)
    headers |= {f"x-usage-tag-{number}{'n' * 70}": long for number in range(9)}
    answer: dict[str, Any] = dict.fromkeys(("id", "model", "object", "service_tier"), long)
    answer["usage"] = {"total_tokens": 7} | {f"{number}": six * 6 for number in range(120)}

    done = send(
        gateway,
        product={"id": long, "name": long},
        api={"id": long, "name": long},
        operation={"id": long, "name": long},
        user={"id": long},
        subscription={"id": "x" * 256, "name": long},
        service=long,
        region=long,
        body=asked(model=long),
        headers=headers,
        response=make_response(
            answer, x_ms_deployment_name=long, x_ms_spillover_from_deployment=long
        ),
    )

    (logged,) = done.told["events"]
    assert len(logged["body"].encode()) > 140_000
    assert done.record.usage.total_tokens == 7
