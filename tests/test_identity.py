from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_ingest.errors import ConfigError
from usage_ingest.identity import (
    BEGINNING,
    NOTICE_DAYS,
    DatedValue,
    Identity,
    changed,
    cosmos_partition_key,
)

TODAY = date(2026, 11, 20)
GROWN = Identity(
    {
        "shards/hr-copilot": (DatedValue("2026-11-20", "4"), DatedValue("2026-12-01", "8")),
        "hmac_key": (DatedValue(BEGINNING, "k1"), DatedValue("2026-12-01", "k2")),
    }
)
IDS = [f"{number:032x}" for number in range(200)]


@pytest.mark.parametrize(
    ("day", "shards", "key_id"),
    [
        ("2026-11-19", 1, "k1"),
        ("2026-11-20", 4, "k1"),
        ("2026-11-30", 4, "k1"),
        ("2026-12-01", 8, "k2"),
        ("2027-12-01", 8, "k2"),
    ],
)
def test_a_value_holds_from_its_day_on(day: str, shards: int, key_id: str) -> None:
    assert GROWN.shards("hr-copilot", day) == shards
    assert GROWN.hmac_key_id(day) == key_id


def test_the_order_in_which_values_are_stored_says_nothing() -> None:
    values = GROWN.values["shards/hr-copilot"]

    assert Identity({"shards/hr-copilot": values[::-1]}).shards("hr-copilot", "2026-12-01") == 8


def test_what_nobody_set_has_one_shard_and_no_key() -> None:
    assert Identity().shards("hr-copilot", "2026-11-20") == 1
    assert Identity().hmac_key_id("2026-11-20") is None


@pytest.mark.parametrize("value", ["0", "-1", "many", "", "1.5", "10000"])
def test_a_number_of_shards_that_cannot_be_is_a_config_error(value: str) -> None:
    """Guessing one would place records where no later reading finds them."""
    wrong = Identity({"shards/hr-copilot": (DatedValue(BEGINNING, value),)})

    if value:
        with pytest.raises(ConfigError, match="shards/hr-copilot"):
            wrong.shards("hr-copilot", "2026-11-20")
    else:
        assert wrong.shards("hr-copilot", "2026-11-20") == 1


def test_a_change_gives_three_days_notice() -> None:
    values = changed((), "4", TODAY + timedelta(days=NOTICE_DAYS), TODAY)

    assert values == (DatedValue("2026-11-23", "4"),)
    with pytest.raises(ConfigError, match="choose 2026-11-23 or later"):
        changed((), "4", TODAY + timedelta(days=NOTICE_DAYS - 1), TODAY)


def test_a_change_comes_after_every_value_already_set() -> None:
    values = (DatedValue("2026-12-01", "8"),)

    with pytest.raises(ConfigError, match="2026-12-01 or later is set already"):
        changed(values, "4", date(2026, 12, 1), TODAY)
    assert changed(values, "4", date(2026, 12, 2), TODAY)[-1] == DatedValue("2026-12-02", "4")


def test_a_record_without_a_subscription_has_a_place() -> None:
    assert cosmos_partition_key(None, "2026-11-20", IDS[0], Identity()) == "-|2026-11-20|0"


def test_golden_shards() -> None:
    """A record is looked for where it was first placed."""
    one = cosmos_partition_key("hr-copilot", "2026-11-20", "0123456789abcdef" * 2, Identity())
    eight = cosmos_partition_key("hr-copilot", "2026-12-20", "0123456789abcdef" * 2, GROWN)

    assert (one, eight) == ("hr-copilot|2026-11-20|0", "hr-copilot|2026-12-20|7")


def test_records_spread_over_all_shards_of_their_day() -> None:
    def places(day: str) -> set[str]:
        return {cosmos_partition_key("hr-copilot", day, each, GROWN) for each in IDS}

    assert places("2026-11-19") == {"hr-copilot|2026-11-19|0"}
    assert places("2026-11-20") == {f"hr-copilot|2026-11-20|{shard}" for shard in range(4)}
    assert places("2026-12-01") == {f"hr-copilot|2026-12-01|{shard}" for shard in range(8)}


@given(st.dates(TODAY, TODAY + timedelta(days=60)), st.dates(TODAY, TODAY + timedelta(days=60)))
def test_no_change_moves_what_is_stored(from_day: date, stored: date) -> None:
    """Stored by now is at most a day ahead: an event time further ahead is impossible."""
    values = GROWN.values["shards/hr-copilot"]
    try:
        after = Identity({"shards/hr-copilot": changed(values, "16", from_day, TODAY)})
    except ConfigError:
        return
    if stored <= TODAY + timedelta(days=1):
        for record_id in IDS[:5]:
            before = cosmos_partition_key("hr-copilot", stored.isoformat(), record_id, GROWN)
            assert before == cosmos_partition_key(
                "hr-copilot", stored.isoformat(), record_id, after
            )


def bins(*values: tuple[str, str]) -> Identity:
    return Identity({"bin_size": tuple(DatedValue(day, value) for day, value in values)})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1m", 60),
        ("15m", 900),
        ("45m", 2_700),
        ("1440m", 86_400),
        ("1h", 3_600),
        ("6h", 21_600),
        ("24h", 86_400),
        ("1d", 86_400),
    ],
)
def test_a_bin_is_as_long_as_its_size_says(value: str, seconds: int) -> None:
    assert bins((BEGINNING, value)).bin_seconds("2026-11-20") == seconds


@pytest.mark.parametrize(
    "value",
    ["0m", "7m", "5h", "25h", "2d", "1.5h", "-1h", "1s", "1H", " 1h", "h", "3600", "01h", "2880m"],
)
def test_a_size_that_does_not_divide_a_day_is_a_config_error(value: str) -> None:
    """A bin across midnight would count in two days."""
    with pytest.raises(ConfigError, match=r"identity 'bin_size': .* does not divide a day"):
        bins((BEGINNING, value)).bin_seconds("2026-11-20")


def test_a_size_holds_from_its_day_on_and_is_an_hour_before_the_first() -> None:
    identity = bins(("2026-11-20", "15m"), ("2026-12-01", "1d"))

    days = ("2026-11-19", "2026-11-20", "2026-11-30", "2026-12-01")
    assert [identity.bin_seconds(day) for day in days] == [3_600, 900, 900, 86_400]


def test_profiles_are_those_that_have_a_definition_on_some_day() -> None:
    names = ("metric_profile/own", "bin_size", "metric_profile/ai-hub", "hmac_key")

    identity = Identity({name: (DatedValue("2999-01-01", "{}"),) for name in names})

    assert identity.metric_profiles() == ["ai-hub", "own"]
