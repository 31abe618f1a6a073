"""Keeps the payloads, and what the product makes of them: `python -m tests.data.regenerate`.

Whatever an API sends is built with its vendor's own model classes (tests/data/vendors/files.py
says what is written by hand). Each payload `x.json`, `x.jsonl` (an event a line) or `x.txt` (a
body that is no JSON) has an `x.expected.json`. With --check nothing is written and any difference
fails: read it, and regenerate only where it is meant.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from usage_ingest.document import to_document
from usage_ingest.errors import InvalidEventError
from usage_ingest.events.body import read_body
from usage_ingest.events.dead_letter import DeadLetter
from usage_ingest.events.parse import parse_event
from usage_ingest.events.privacy import Privacy
from usage_ingest.events.to_record import Rules, Sighting
from usage_ingest.events.usage import read_usage
from usage_ingest.events.usage.hint import Hint
from usage_ingest.identity import DatedValue, Identity, cosmos_partition_key
from usage_ingest.record import UsageRecord
from usage_ingest.record_id import Coordinates

HERE: Final = Path(__file__).parent
EXPECTED: Final = ".expected.json"
ENQUEUED: Final = datetime(2026, 11, 20, 15, 5, 7, tzinfo=UTC)
NOW: Final = datetime(2026, 11, 20, 15, 5, 10, tzinfo=UTC)
FIRST_NUMBER: Final = 4711
IDENTITY: Final = Identity({"hmac_key": (DatedValue("0001-01-01", "k1"),)})
RULES: Final = Rules(
    IDENTITY, Privacy(client_ip="truncate", keys={"k1": b"a key for tests"}), ledger_ttl_days=400
)
_READABLE: Final = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
_STORES_OWN: Final = ("partitionKey", "rollup_id", "ttl")


def main(arguments: Sequence[str] | None = None, folder: Path = HERE) -> int:
    """Write payloads and expected files, or compare with them; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.data.regenerate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    check = parser.parse_args(arguments).check
    wrong = _settle(made_by_classes(folder), folder, check=check)
    wanted = {beside(path): expected(path) for path in payloads(folder)}
    wrong |= _settle(wanted, folder, check=check)
    stray = [path for path in folder.glob(f"*/*{EXPECTED}") if path not in wanted]
    for path in stray:
        print(f"{path.relative_to(folder)}: has no payload")  # noqa: T201
    return int(bool(stray or (check and wrong)))


def made_by_classes(folder: Path = HERE) -> dict[Path, bytes]:
    """Return the payloads that the vendors' classes make."""
    from tests.data.vendors.files import files  # noqa: PLC0415 - the SDKs take seconds

    return {folder / path: content for path, content in files().items()}


def _settle(wanted: Mapping[Path, bytes], folder: Path, *, check: bool) -> set[Path]:
    """Tell which files are not as wanted, and write them unless this is a check."""
    wrong = {
        path for path, text in wanted.items() if not path.exists() or path.read_bytes() != text
    }
    for path in sorted(wrong):
        print(f"{path.relative_to(folder)}: {'differs' if check else 'written'}")  # noqa: T201
        if not check:
            path.write_bytes(wanted[path])
    return wrong


def payloads(folder: Path = HERE) -> list[Path]:
    """Return every payload, sorted."""
    found = [*folder.glob("*/*.json"), *folder.glob("*/*.jsonl"), *folder.glob("*/*.txt")]
    return sorted(path for path in found if not path.name.endswith(EXPECTED))


def beside(payload: Path) -> Path:
    """Return where a payload's expected outcome is kept."""
    return payload.with_name(payload.stem + EXPECTED)


def expected(payload: Path) -> bytes:
    """Return what the product makes of a payload, as JSON."""
    make: Callable[[Path], Any] = _MAKERS.get(payload.parent.name, _of_events)
    return orjson.dumps(make(payload), option=_READABLE)


def _of_events(payload: Path) -> list[dict[str, Any]]:
    whole = payload.read_bytes()
    bodies = whole.splitlines() if payload.suffix == ".jsonl" else [whole]
    return [
        _told(each)
        for number, body in enumerate(bodies, FIRST_NUMBER)
        for each in parse_event(Sighting(_place(number), 0, body, NOW), RULES)
    ]


def _place(number: int) -> Coordinates:
    return Coordinates(
        namespace="contoso.servicebus.windows.net",
        hub="usage",
        partition_id="3",
        sequence_number=number,
        enqueued_time=ENQUEUED,
    )


def _told(parsed: UsageRecord | DeadLetter) -> dict[str, Any]:
    if isinstance(parsed, DeadLetter):
        letter = asdict(parsed)
        kept = ("letter_id", "reason", "element", "path", "text", "skeleton", "whole")
        return {"dead_letter": {name: letter[name] for name in kept}}
    placed = cosmos_partition_key(parsed.subscription_id, parsed.day, parsed.record_id, IDENTITY)
    document = to_document(parsed, placed, "-", RULES.ledger_ttl_days)
    record = {name: value for name, value in document.items() if name not in _STORES_OWN}
    return {"placed": placed, "record": record}


def _of_usage(payload: Path) -> dict[str, Any]:
    given = orjson.loads(payload.read_bytes())
    try:
        hint = Hint(given.get("provider"), given.get("api_kind"), given.get("model"))
        usage, consistent = read_usage(given["usage"], hint)
    except InvalidEventError as error:
        return {"reason": error.reason, "path": error.path, "text": error.text}
    return {"consistent": consistent, "usage": usage.reported()}


def _of_body(payload: Path) -> dict[str, Any]:
    return asdict(read_body(payload.read_bytes().decode()))


_MAKERS: Final[dict[str, Callable[[Path], Any]]] = {"usage": _of_usage, "bodies": _of_body}

if __name__ == "__main__":
    sys.exit(main())
