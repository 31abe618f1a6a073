"""What the container `state` holds <-> documents: the place that spells their fields. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any, Final

import orjson

from usage_ingest.document import time_of, time_text
from usage_ingest.errors import ConfigError
from usage_ingest.events.backfill_position import Position, Range
from usage_ingest.events.progress import Gap, Progress, Tail
from usage_ingest.identity import DatedValue, Identity
from usage_ingest.identity_change import DatedValues
from usage_ingest.metrics.watermark import LONGEST_SECONDS, NOTES, Source, Watermark, Window
from usage_ingest.record_id import digest

PROGRESS_TYPE: Final = "progress"
WATERMARK_TYPE: Final = "watermark"
IDENTITY_TYPE: Final = "identity"
BACKFILL_TYPE: Final = "backfill"
_BACKFILL_SECONDS: Final = 90 * 86_400
"""As long as any hub keeps events."""


def progress_id(namespace: str, hub: str, partition_id: str, generation: int | None = None) -> str:
    """Return the id of a partition's progress; archived generations have one each."""
    return digest("progress", namespace, hub, partition_id, generation)


def progress_document(progress: Progress) -> dict[str, Any]:
    """Return the document of a partition's progress."""
    generation = progress.generation if progress.archived else None
    fields = {name: value for name, value in asdict(progress).items() if name != "etag"}
    return {
        "id": progress_id(progress.namespace, progress.hub, progress.partition_id, generation),
        "type": PROGRESS_TYPE,
        **{name: _stored(value) for name, value in fields.items() if value is not None},
    }


def _stored(value: Any) -> Any:  # noqa: ANN401 - JSON is of any type
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, dict):
        return {name: _stored(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_stored(inner) for inner in value]
    return value


def progress_of(document: Mapping[str, Any]) -> Progress:
    """Read what `progress_document` wrote, with the store's ETag."""
    tail = document.get("tail")
    return Progress(
        namespace=document["namespace"],
        hub=document["hub"],
        partition_id=document["partition_id"],
        generation=document["generation"],
        archived=document["archived"],
        stored_through=document["stored_through"],
        mark_time=_time(document, "mark_time"),
        open_gaps=_gaps(document["open_gaps"]),
        lost_gaps=_gaps(document["lost_gaps"]),
        last_enqueued=document.get("last_enqueued"),
        last_enqueued_time=_time(document, "last_enqueued_time"),
        tail=tail
        and Tail(tail["mark"], tail["last"], time_of(tail["time"]), time_of(tail["seen_at"])),
        checked_at=_time(document, "checked_at"),
        archived_at=_time(document, "archived_at"),
        hub_partitions=document.get("hub_partitions"),
        etag=document.get("_etag"),
    )


def _gaps(stored: Iterable[Mapping[str, Any]]) -> tuple[Gap, ...]:
    return tuple(
        Gap(
            each["first"],
            each["last"],
            time_of(each["noticed_at"]),
            _time(each, "after"),
            _time(each, "before"),
            each.get("missing"),
        )
        for each in stored
    )


def _time(stored: Mapping[str, Any], name: str) -> datetime | None:
    return time_of(stored[name]) if name in stored else None


def identity_document(name: str, values: Iterable[DatedValue]) -> dict[str, Any]:
    """Return the document of one dated setting."""
    return {
        "id": digest("identity", name),
        "type": IDENTITY_TYPE,
        "name": name,
        "values": [{"from_day": each.from_day, "value": _readable(each.value)} for each in values],
    }


def _readable(value: str) -> Any:  # noqa: ANN401 - definitions are JSON
    """Store a definition as an object, so that it can be read and written as one."""
    return orjson.loads(value) if value.startswith("{") else value


def identity_of(documents: Iterable[Mapping[str, Any]]) -> Identity:
    """Read all the dated settings."""
    found = (dated_values_of(document) for document in documents)
    return Identity({each.name: each.values for each in found})


def dated_values_of(document: Mapping[str, Any]) -> DatedValues:
    """Read what `identity_document` wrote, with the store's ETag.

    Raises:
        ConfigError: A day was changed by hand to what is none.
    """
    name = document["name"]
    values = tuple(
        DatedValue(_day(name, each["from_day"]), _text(each["value"]))
        for each in document["values"]
    )
    return DatedValues(name, values, document.get("_etag"))


def _day(name: str, text: str) -> str:
    """Read a day; days are compared as texts, so they must be written alike."""
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except (TypeError, ValueError):
        pass
    raise ConfigError(f"identity {name!r}: from_day is {text!r}; takes a UTC day as 2026-11-20")


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return str(value)


def watermark_id(source: Source) -> str:
    """Return the id of a source's watermark; resource ids are the same in any case."""
    return digest("watermark", source.target.lower(), source.profile)


def watermark_document(mark: Watermark) -> dict[str, Any]:
    """Return the document of a source's watermark."""
    skipped = [{"start": time_text(w.start), "end": time_text(w.end)} for w in mark.skipped]
    return {
        "id": watermark_id(mark.source),
        "type": WATERMARK_TYPE,
        "target": mark.source.target,
        "profile": mark.source.profile,
        "collected_from": time_text(mark.collected_from),
        "collected_through": time_text(mark.collected_through),
        "checked_at": time_text(mark.checked_at),
        "window_seconds": mark.window_seconds,
        **{note: list(bins) for note, bins in mark.notes.items()},
        **({"skipped": skipped} if skipped else {}),
    }


def watermark_of(document: Mapping[str, Any]) -> Watermark:
    """Read what `watermark_document` wrote, with the store's ETag.

    Raises:
        ConfigError: A time was changed by hand to what is none.
    """
    source = Source(document["target"], document["profile"])
    times = ("collected_from", "collected_through", "checked_at")
    collected_from, collected_through, checked_at = (
        _mark_time(source, name, document[name]) for name in times
    )
    return Watermark(
        source=source,
        collected_from=collected_from,
        collected_through=collected_through,
        checked_at=checked_at,
        window_seconds=document.get("window_seconds", LONGEST_SECONDS),
        notes={note: tuple(document[note]) for note in NOTES if note in document},
        skipped=tuple(
            Window(
                _mark_time(source, "start", each["start"]), _mark_time(source, "end", each["end"])
            )
            for each in document.get("skipped", ())
        ),
        etag=document.get("_etag"),
    )


def _mark_time(source: Source, name: str, text: str) -> datetime:
    try:
        moment = time_of(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigError(
            f"the watermark of {source.target} and {source.profile} in the container state: "
            f"{name} is {text!r}; takes a UTC time as 2026-11-20T00:00:00Z"
        )
    return moment.astimezone(UTC)


def backfill_id(asked: Range, partition_id: str) -> str:
    """Return the id of how far a range of a partition was read again."""
    times = (time_text(asked.start), time_text(asked.end))
    return digest("backfill", asked.namespace, asked.hub, partition_id, *times)


def backfill_document(position: Position) -> dict[str, Any]:
    """Return the document of how far a range of a partition was read again."""
    asked = position.range
    fields = {
        name: value for name, value in asdict(position).items() if name not in ("range", "etag")
    }
    return {
        "id": backfill_id(asked, position.partition_id),
        "type": BACKFILL_TYPE,
        "namespace": asked.namespace,
        "hub": asked.hub,
        "start": time_text(asked.start),
        "end": time_text(asked.end),
        **{name: _stored(value) for name, value in fields.items() if value is not None},
        "ttl": _BACKFILL_SECONDS,
    }


def backfill_of(document: Mapping[str, Any]) -> Position:
    """Read what `backfill_document` wrote, with the store's ETag."""
    times = {name: time_of(document[name]) for name in ("start", "end")}
    sums = ("events", "stored", "repeated", "completed", "dead_letters")
    return Position(
        range=Range(namespace=document["namespace"], hub=document["hub"], **times),
        partition_id=document["partition_id"],
        through=document.get("through"),
        through_time=_time(document, "through_time"),
        **{name: document[name] for name in sums},
        finished_at=_time(document, "finished_at"),
        etag=document.get("_etag"),
    )
