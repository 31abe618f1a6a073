"""One event's bytes -> records and dead letters. Pure; raises nothing but ConfigError.

An element that cannot be read is a dead letter and the others go on; so is one that our own
code fails on, as `internal_error`.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from usage_ingest.errors import ConfigError, InvalidEventError
from usage_ingest.events.alike import record_alike
from usage_ingest.events.dead_letter import SINGLE_LIMIT, DeadLetter, Reason, letter_id
from usage_ingest.events.envelope import elements, repeating
from usage_ingest.events.shapes import read_element
from usage_ingest.events.skeleton import skeleton
from usage_ingest.events.to_record import Rules, Sighting, to_record
from usage_ingest.record import UsageRecord

Parsed = UsageRecord | DeadLetter


def parse_event(
    seen: Sighting,
    rules: Rules,
    read: Callable[[object, Sighting, Rules], UsageRecord] | None = None,
) -> list[Parsed]:
    """Parse an event: n elements in, n records or dead letters out.

    Args:
        seen: The event's body and where it stands; its `element` is not looked at.
        rules: What the deployment decides.
        read: Reads one element; another one in tests only.

    Raises:
        ConfigError: The deployment is wrong: that is no fault of the event's.
    """
    try:
        if read is None and (record := record_alike(seen, rules)) is not None:
            return [record]
        found = elements(seen.body)
    except ConfigError:
        raise
    except InvalidEventError as error:
        return [dead_letter(error, seen, None, rules)]
    except Exception as error:  # noqa: BLE001 - our own defect must not stop the batch
        return [dead_letter(_defect(error), seen, None, rules)]
    return parse_elements(found, seen, rules, read)


def parse_elements(
    found: Sequence[object],
    seen: Sighting,
    rules: Rules,
    read: Callable[[object, Sighting, Rules], UsageRecord] | None = None,
) -> list[Parsed]:
    """Parse the elements of an event's body: one record or dead letter for each, in order.

    Raises:
        ConfigError: The deployment is wrong: that is no fault of the event's.
    """
    one, wrong = read or _read, 0
    parsed: list[Parsed] = []
    for index, element in enumerate(found):
        at = Sighting(seen.hub, index, seen.body, seen.now) if index != seen.element else seen
        read_as = _parse_element(element, at, rules, one)
        if isinstance(read_as, InvalidEventError):
            wrong += 1
            parsed.append(dead_letter(read_as, at, element, rules, wrong))
        else:
            parsed.append(read_as)
    return parsed


def parse_skeleton(kept: object, seen: Sighting, rules: Rules) -> Parsed:
    """Parse one element again from a skeleton that is whole; `seen` says which element it was.

    A shape that pastes texts together is refused as `repeated_key`: a skeleton has each key once,
    so only the event itself tells.

    Raises:
        ConfigError: The deployment is wrong: that is no fault of the event's.
    """
    read_as = _parse_element(kept, seen, rules, _read_skeleton)
    if isinstance(read_as, InvalidEventError):
        return dead_letter(read_as, seen, kept, rules)
    return read_as


def _read_skeleton(kept: object, seen: Sighting, rules: Rules) -> UsageRecord:
    call = read_element(kept)
    if call.pasted:
        raise InvalidEventError("repeated_key", "", "a skeleton does not tell")
    return to_record(call, seen, rules)


def _read(element: object, seen: Sighting, rules: Rules) -> UsageRecord:
    call = read_element(element)
    if call.pasted and repeating(seen.body)[seen.element]:
        raise InvalidEventError("repeated_key", "", "a key stands in it twice")
    return to_record(call, seen, rules)


def _parse_element(
    element: object,
    seen: Sighting,
    rules: Rules,
    read: Callable[[object, Sighting, Rules], UsageRecord],
) -> UsageRecord | InvalidEventError:
    try:
        return read(element, seen, rules)
    except ConfigError:
        raise
    except InvalidEventError as error:
        return error
    except Exception as error:  # noqa: BLE001 - our own defect must not stop the batch
        return _defect(error)


def _defect(error: Exception) -> InvalidEventError:
    """Return our own defect; a foreign exception's text may quote the event: its type is kept."""
    return InvalidEventError("internal_error", "", type(error).__name__)


def dead_letter(
    error: InvalidEventError, seen: Sighting, element: object, rules: Rules, nth: int = 1
) -> DeadLetter:
    """Return the dead letter of an element; None stands for a body that has no elements.

    Of an event's bad elements the first keeps the raw body where that is asked for, and the
    first hundred keep their skeletons.
    """

    def hashed(value: str) -> str | None:
        return rules.privacy.hashed(value, seen.now.date().isoformat(), rules.identity)

    kept: tuple[Any, bool] = (None, False)
    if element is not None and nth <= SINGLE_LIMIT:
        kept = skeleton(element, hashed)
    return DeadLetter(
        letter_id=letter_id(seen.hub, seen.element, seen.body),
        reason=cast("Reason", error.reason),
        coordinates=seen.hub,
        element=seen.element,
        path=error.path,
        text=error.text,
        size=len(seen.body),
        skeleton=kept[0],
        whole=kept[1] and error.reason != "repeated_key",  # the skeleton has each key once
        raw=seen.body.decode("utf-8", "replace") if rules.keep_raw and nth == 1 else None,
    )
