"""Lines: a name, fields as JSON, and nothing that stops what is told of."""

import json
import logging
from typing import Any, Final, cast

import pytest

from tests.infra.told import fields_of, lines
from usage_ingest import telemetry
from usage_ingest.errors import ConfigError

SURROGATE: Final = "\ud800"


@pytest.fixture(autouse=True)
def _told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "usage_ingest")


def test_a_line_is_a_name_and_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    telemetry.event("gaps_watched", partitions=2, records_stored=0)
    telemetry.alarm("gap_lost", partition_id="0", gaps=1)

    assert lines(caplog) == [
        'gaps_watched {"partitions":2,"records_stored":0}',
        'alarm gap_lost {"partition_id":"0","gaps":1}',
    ]


@pytest.mark.parametrize("odd", [SURROGATE, 2**70, {1: "a key that is no text"}, object()])
def test_a_value_that_is_hard_to_write_stops_nothing(
    caplog: pytest.LogCaptureFixture, odd: object
) -> None:
    telemetry.event("gap_step_failed", text=odd)

    ((name, fields),) = [fields_of(each) for each in lines(caplog)]
    assert (name, [*fields]) == ("gap_step_failed", ["text"])


def test_what_leaves_a_function_is_alarmed_and_raised_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = ConfigError("COSMOS_ENDPOINT: is missing")

    with pytest.raises(ConfigError), telemetry.failures_told("status"):
        raise error

    assert [fields_of(each) for each in lines(caplog)] == [
        ("function_failed", {"function": "status", "error": "ConfigError", "text": str(error)})
    ]


def test_of_an_error_that_is_not_ours_only_the_type_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its text may hold what an event says."""
    with pytest.raises(KeyError), telemetry.failures_told("close_gaps"):
        raise KeyError("what a customer wrote")

    (line,) = lines(caplog)
    assert "customer" not in line
    assert fields_of(line)[1] == {"function": "close_gaps", "error": "KeyError", "text": None}


def test_a_function_that_works_is_not_alarmed(caplog: pytest.LogCaptureFixture) -> None:
    with telemetry.failures_told("close_gaps"):
        telemetry.count("events_received")

    assert lines(caplog) == []


def test_a_field_that_is_not_declared_fails_the_test_that_logs_it() -> None:
    """As every test of the app is watched: see tests/conftest.py."""
    from tests.declared import Declared  # noqa: PLC0415 - what is tested

    watching = Declared()
    for line in (
        'health {"lag":1}',
        'healthy {"lag":1}',
        'health {"lags":1}',
        "alarm gap_lost {}",
        "alarm gap_last {}",
        "something else",
    ):
        watching.handle(_record(line))

    assert watching.wrong == [
        'healthy {"lag":1}',
        'health {"lags":1}',
        "alarm gap_last {}",
        "something else",
    ]


def _record(line: str) -> logging.LogRecord:
    made: Any = logging.makeLogRecord(json.loads("{}") | {"msg": line, "args": ()})
    return cast("logging.LogRecord", made)
