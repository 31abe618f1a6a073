"""What a store call added to totals, as one line tells it."""

from collections import Counter
from typing import Any, Final

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_batch, make_event
from tests.conftest import Stack
from tests.infra.told import fields_of, lines
from usage_ingest.gains import MAX_GROUPS, NAME_LENGTH, TOLD, Gains
from usage_ingest.rollup import COUNTERS, KEY_FIELDS, OTHER, RollupKey

BOUND: Final = 32_768  # characters of a message in Application Insights


def key(subscription: str | None = "hr", model: str | None = "gpt-4o") -> RollupKey:
    given = {"subscription_id": subscription, "model": model, "source": "event_hub"}
    nothing: dict[str, Any] = dict.fromkeys(KEY_FIELDS)
    return RollupKey(**(nothing | given))


names = st.none() | st.text(min_size=1, max_size=8)
counters = st.dictionaries(st.sampled_from(TOLD), st.integers(-9, 9), max_size=4)


@given(st.lists(st.tuples(names, names, counters), max_size=60))
def test_the_groups_add_up_to_what_was_gained(
    added: list[tuple[str | None, str | None, dict[str, int]]],
) -> None:
    gains, wanted = Gains(), Counter[str]()
    for subscription, model, each in added:
        gains.add(key(subscription, model), each)
        wanted.update(each)

    told = Counter[str]()
    for group in gains.listed():
        told.update({name: group[name] for name in TOLD if name in group})
    assert {name: n for name, n in told.items() if n} == {n: c for n, c in wanted.items() if c}


def test_beyond_the_heaviest_groups_all_others_are_one() -> None:
    gains = Gains()
    for number in range(MAX_GROUPS + 5):
        gains.add(key(f"team-{number}"), {"requests": number + 1})

    told = gains.listed()

    assert len(told) == MAX_GROUPS + 1
    assert (told[0]["subscription"], told[0]["requests"]) == (f"team-{MAX_GROUPS + 4}", 35)
    assert told[-1] == {
        "subscription": OTHER,
        "model": OTHER,
        "source": "event_hub",
        "requests": 1 + 2 + 3 + 4 + 5,
    }


def test_the_longest_line_fits_application_insights() -> None:
    gains = Gains()
    for number in range(100):
        name = f"{number:03}" + "x" * 500
        gains.add(key(name, name), dict.fromkeys(TOLD, 10**12))

    told = gains.listed()

    assert len(orjson.dumps({"usage": told})) < BOUND
    assert len(told[0]["subscription"]) == NAME_LENGTH


def test_what_is_not_known_is_a_dash_and_what_is_equal_is_left_out() -> None:
    gains = Gains()
    gains.add(key(None, None), {"requests": 1, "images": 3})
    gains.add(key("moved"), {"requests": 1})
    gains.add(key("moved"), {"requests": -1})

    assert gains.listed() == [
        {"subscription": "-", "model": "-", "source": "event_hub", "requests": 1}
    ]


def test_what_is_told_is_what_rollups_count() -> None:
    assert {*TOLD} <= {*COUNTERS}
    assert len({*TOLD}) == len(TOLD)


async def test_a_batch_tells_what_its_totals_gained(stack: Stack, caplog: Any) -> None:
    early = make_event(usage=None)
    events = [make_event(status=429), make_event(subscription_id="other"), early]
    caplog.set_level("INFO", "usage_ingest")

    await stack.app.ingest.batch(make_batch(*events))
    first = counted(lines(caplog))
    await stack.app.ingest.batch(make_batch(*events))  # delivered again: nothing is gained
    again = counted(lines(caplog))
    whole = early | {"usage": {"prompt_tokens": 7, "completion_tokens": 1}}
    await stack.app.ingest.batch(make_batch(whole, first=3))
    completed = counted(lines(caplog))

    assert [(each["subscription"], each["requests"]) for each in first] == [
        ("hr-copilot", 2),
        ("other", 1),
    ]
    assert (first[0]["failed_requests"], first[0]["rate_limited_requests"]) == (1, 1)
    assert again == []
    assert [(each.get("requests"), each["input_tokens"]) for each in completed] == [(None, 7)]


def counted(said: list[str]) -> list[dict[str, Any]]:
    told = [fields for name, fields in map(fields_of, said) if name == "usage_counted"]
    return [group for fields in told for group in fields["usage"]]
