"""Lines of the app's log, and what a query reads of them."""

import json
import re
from typing import Any, Final, get_args

import pytest

from usage_ingest import telemetry
from usage_ingest.gains import TOLD

NESTED: Final = {
    "usage": {"subscription", "model", "source", *TOLD},
    "dead_letters": {"reason", "open"},
}
"""The fields that entries of a listed field may have."""
LINE: Final = re.compile(r"(alarm )?(\w+) (\{.*\})", re.DOTALL)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged since the last call."""
    found = [each.getMessage() for each in caplog.records if each.name == "usage_ingest"]
    caplog.clear()
    return found


def fields_of(line: str) -> tuple[str, dict[str, Any]]:
    """Return a line's name and fields."""
    matched = LINE.fullmatch(line)
    assert matched, line
    return matched[2], json.loads(matched[3])


def events_of(kql: str) -> set[str]:
    """Return the events that a query looks for."""
    return set(re.findall(r'startswith_cs "(\w+) \{"', kql))


def alarms_of(kql: str) -> set[str]:
    """Return the alarms that a query names."""
    named = set(re.findall(r'startswith_cs "alarm (\w+) \{"', kql))
    for listed in re.findall(r"Alarm in \(([^)]*)\)", kql):
        named |= set(re.findall(r'"(\w+)"', listed))
    return named


def undeclared(kql: str) -> set[str]:
    """Return what a query names and telemetry.py does not."""
    events, alarms = events_of(kql), alarms_of(kql)
    known = {
        field for name, fields in telemetry.EVENTS.items() if name in events for field in fields
    }
    known |= {
        field for name, fields in telemetry.ALARMS.items() if name in alarms for field in fields
    }
    wrong = events - set(get_args(telemetry.EventName))
    wrong |= alarms - set(get_args(telemetry.AlarmName))
    wrong |= set(re.findall(r"\bLine\.(\w+)", kql)) - known
    listed = re.findall(r"mv-expand Each = Line\.(\w+)", kql)
    nested = {field for name in listed for field in NESTED.get(name, ())}
    return wrong | set(re.findall(r"\bEach\.(\w+)", kql)) - nested
