"""Dead letters as a release with a defect left them, and what became of them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.conftest import DATABASE, Stack
from usage_ingest.errors import InvalidEventError
from usage_ingest.events.dead_letter import DeadLetter
from usage_ingest.events.kept_letter import KeptLetter, Selection
from usage_ingest.events.parse import parse_event
from usage_ingest.events.replay import Replayed, replay
from usage_ingest.events.to_record import Rules, Sighting
from usage_ingest.ports import ReceivedEvent
from usage_ingest.record import UsageRecord
from usage_ingest.wiring import App

ALL = Selection()


def _defect(_element: object, _seen: Sighting, _rules: Rules) -> UsageRecord:
    raise InvalidEventError("unknown_shape", "", "a shape that this release did not know")


async def set_aside(
    app: App, events: Sequence[ReceivedEvent], partition_id: str | None = "0"
) -> int:
    """Store events as one received batch of a release that could read none of them."""
    letters: list[DeadLetter] = []
    rules = await app.ingest.rules()
    for event in events:
        hub = app.ingest.coordinates(partition_id, event)
        seen = Sighting(hub, 0, event.body, app.clock.now())
        parsed = parse_event(seen, rules, _defect)
        letters += [each for each in parsed if isinstance(each, DeadLetter)]
    return await app.ingest.dead_letters.store(letters)


async def pages_of(app: App, chosen: Selection = ALL) -> list[Sequence[KeptLetter]]:
    return [page async for page in app.letters.open(chosen)]


async def opened(app: App, chosen: Selection = ALL) -> list[KeptLetter]:
    return [each for page in await pages_of(app, chosen) for each in page]


async def replay_all(app: App, chosen: Selection = ALL) -> Replayed:
    """Replay as the command does, page by page."""
    told = Replayed()
    async for page in app.letters.open(chosen):
        found = await replay(app.ingest, app.letters, page)
        told.closed += found.closed
        told.stored += found.stored
        told.repeated += found.repeated
        told.new_letters += found.new_letters
        told.failures += found.failures
    return told


async def counts_of(stack: Stack, database: str = DATABASE) -> Counter[str]:
    """All counters of dead letters that are not zero."""
    totals: Counter[str] = Counter()
    for document in await stack.documents("dead-letters", database, type="counts"):
        states = ("open_", "closed_", "dropped_")
        totals.update({name: n for name, n in document.items() if name.startswith(states)})
    assert all(number >= 0 for number in totals.values())
    return +totals


def without_text(event: dict[str, Any]) -> dict[str, Any]:
    """An event of our own of which a skeleton withholds nothing."""
    return {name: value for name, value in event.items() if name != "tags"}
