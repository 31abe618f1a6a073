"""`events`: what the app would make of events, without Azure and without settings."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Final

import click
import orjson

from usage_ingest.document import time_text
from usage_ingest.events.parse import Parsed, parse_event
from usage_ingest.events.privacy import Privacy
from usage_ingest.events.to_record import Rules, Sighting
from usage_ingest.identity import Identity
from usage_ingest.record import UsageRecord
from usage_ingest.record_id import Coordinates

_RULES: Final = Rules(Identity(), Privacy(), ledger_ttl_days=400)


@click.group()
def events() -> None:
    """Usage events, as gateways send them."""


@events.command()
@click.argument("files", nargs=-1, required=True, type=click.File("rb"), metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--hub",
    default="usage",
    show_default=True,
    help="The event hub they would stand in; it stands for a gateway that is not named.",
)
@click.option(
    "--enqueued",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"]),
    metavar="TIME",
    help="When the hub would have taken them: 2026-11-20T15:04:05Z, or a day.  [default: now]",
)
def check(
    files: Sequence[IO[bytes]], hub: str, enqueued: datetime | None, *, as_json: bool
) -> None:
    """Show what becomes of events: a record, or a dead letter with its reason.

    Each line of a FILE is one event's body: an object, an array, or {"records": [...]}.
    "-" is standard input. Nothing is sent or stored, and no settings are needed; what depends
    on them is shown as without: callers' keys and end users have no hash.

    Ends with 0 when all of it can be read, 1 when some cannot, 2 when the command is wrong.

    \b
    Examples:
      python -m usage_ingest events check events.jsonl
      jq -c . event.json | python -m usage_ingest events check -
      python -m usage_ingest events check --json *.jsonl | jq .dead_letter.reason
    """  # noqa: D301 - click wants the character
    moment = enqueued.replace(tzinfo=UTC) if enqueued else datetime.now(UTC)
    seen = Counter[str]()
    for found in _checked(files, hub, moment):
        seen[_outcome(found.parsed)] += 1
        click.echo(orjson.dumps(_object(found)) if as_json else _line(found, len(files) > 1))
    click.echo(_summary(seen), err=True)
    sys.exit(0 if seen.keys() <= {"record"} else 1)


@dataclass(frozen=True, slots=True)
class _Checked:
    """What became of one element of a line."""

    file: str
    line: int
    element: int
    parsed: Parsed


def _checked(files: Sequence[IO[bytes]], hub: str, moment: datetime) -> Iterator[_Checked]:
    for file in files:
        name = getattr(file, "name", "-")
        for number, line in enumerate(file, 1):
            if body := line.strip():
                parsed = parse_event(_sighting(body, number, hub, moment), _RULES)
                for element, each in enumerate(parsed):
                    yield _Checked(name, number, element, each)
                if number == 1 and [_outcome(each) for each in parsed] == ["truncated_json"]:
                    _hint(name)


def _sighting(body: bytes, number: int, hub: str, moment: datetime) -> Sighting:
    place = Coordinates(
        namespace="-", hub=hub, partition_id="0", sequence_number=number, enqueued_time=moment
    )
    return Sighting(place, 0, body, moment)


def _hint(name: str) -> None:
    """Say what to do with an event that is written over several lines."""
    click.echo(
        f"{name}: the first line is no whole event. One that is written over several lines "
        f"can be put on one with `jq -c . {name}`.",
        err=True,
    )


def _outcome(parsed: Parsed) -> str:
    return "record" if isinstance(parsed, UsageRecord) else parsed.reason


def _object(found: _Checked) -> dict[str, Any]:
    where = {"file": found.file, "line": found.line, "element": found.element}
    parsed = found.parsed
    if isinstance(parsed, UsageRecord):
        return where | {"record": _record(parsed)}
    told = {"reason": parsed.reason, "path": parsed.path, "text": parsed.text}
    return where | {"dead_letter": told}


def _record(record: UsageRecord) -> dict[str, Any]:
    return {
        "shape": record.shape,
        "record_id": record.record_id,
        "event_time": time_text(record.event_time),
        "subscription_id": record.subscription_id,
        "model": record.model,
        "usage_state": record.usage_state,
        "usage": record.usage.reported(),
        "flags": list(record.flags),
    }


def _line(found: _Checked, named: bool) -> str:
    where = f"{found.file}:" * named + f"{found.line}" + f".{found.element}" * bool(found.element)
    parsed = found.parsed
    if not isinstance(parsed, UsageRecord):
        place = f" at {parsed.path}" if parsed.path else ""
        return f"{where}  dead letter  {parsed.reason}{place}: {parsed.text}"
    told = _record(parsed)
    usage = " ".join(f"{name}={count}" for name, count in told.pop("usage").items())
    flags = ",".join(told.pop("flags"))
    words = [where, "record", *(value or "-" for value in told.values()), usage, flags]
    return "  ".join(word for word in words if word)


def _summary(seen: Counter[str]) -> str:
    reasons = {name: count for name, count in sorted(seen.items()) if name != "record"}
    listed = ", ".join(f"{name} {count:,}" for name, count in reasons.items())
    refused = f"{sum(reasons.values()):,} refused" + (f": {listed}" if listed else "")
    records = seen["record"]
    return f"{records:,} record{'s' * (records != 1)}, {refused}"
