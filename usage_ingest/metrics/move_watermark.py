"""What becomes of a mark that a person sets: back to collect again, or on to skip. Pure.

A skip is kept in the mark: days that it concerns never count as collected, until the mark is
set back before it and collecting has passed it again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from usage_ingest.errors import InvalidQueryError
from usage_ingest.metrics.watermark import Pace, Source, Watermark, Window

Kind = Literal["none", "back", "skip", "begin"]


@dataclass(frozen=True, slots=True)
class Move:
    """A mark before and after it is set; `arrivals` are read again, or never."""

    kind: Kind
    before: Watermark | None
    after: Watermark
    arrivals: Window


def moved(
    source: Source,
    mark: Watermark | None,
    asked: "Asked",
    now: datetime,
    pace: Pace,
) -> Move:
    """Return what setting the mark changes; `now` is the service's time.

    Raises:
        InvalidQueryError: The time is in the future, or would skip what nobody asked to skip.
    """
    to = asked.to
    if to > now:
        raise InvalidQueryError("--to", f"{to.isoformat()} is in the future; it is {_text(now)}")
    if mark is None:
        begun = Watermark(source=source, collected_from=to, collected_through=to, checked_at=now)
        return Move("begin", None, begun, Window(to - pace.overlap, now - pace.settling_delay))
    through = mark.collected_through
    if to > through:
        return _skip(mark, asked)
    if asked.skip:
        raise InvalidQueryError(
            "--skip",
            f"everything up to {_text(through)} is collected: nothing is left to skip before "
            f"{_text(to)}",
        )
    kept = replace(
        mark,
        collected_from=min(mark.collected_from, to),
        collected_through=to,
        skipped=tuple(_until(mark.skipped, to)),
    )
    kind: Kind = "none" if to == through else "back"
    return Move(kind, mark, kept, Window(to - pace.overlap, through))


@dataclass(frozen=True, slots=True)
class Asked:
    """Where to set a mark, and whether what lies between may be left out."""

    to: datetime
    skip: bool = False


def _skip(mark: Watermark, asked: Asked) -> Move:
    left_out = Window(mark.collected_through, asked.to)
    if not asked.skip:
        raise InvalidQueryError(
            "--to",
            f"what arrived from {_text(left_out.start)} to {_text(left_out.end)} would never be "
            "collected, and its days would stay incomplete; --skip does it nevertheless",
        )
    skipped = tuple(_joined([*mark.skipped, left_out]))
    return Move("skip", mark, replace(mark, collected_through=asked.to, skipped=skipped), left_out)


def _joined(windows: Iterable[Window]) -> list[Window]:
    """Return windows in order, those that touch as one."""
    joined: list[Window] = []
    for each in sorted(windows, key=lambda window: window.start):
        if joined and each.start <= joined[-1].end:
            joined[-1] = Window(joined[-1].start, max(joined[-1].end, each.end))
        else:
            joined.append(each)
    return joined


def _until(windows: Iterable[Window], moment: datetime) -> list[Window]:
    """Return what of the windows lies before a moment: what is after it is collected again."""
    return [Window(each.start, min(each.end, moment)) for each in windows if each.start < moment]


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
