"""Every error that crosses a module border, by what happens next."""

from collections.abc import Sequence
from dataclasses import dataclass


class UsageIngestError(Exception):
    """Base of all errors raised on purpose."""


class InvalidEventError(UsageIngestError):
    """The event can never be parsed: it becomes a dead letter and the batch goes on.

    Args:
        reason: One of `REASONS` in usage_ingest.events.dead_letter.
        path: Where in the event, as dotted keys; empty for the whole of it.
        text: What is wrong, in words that hold nothing of the event's own text.
    """

    def __init__(self, reason: str, path: str = "", text: str = "") -> None:
        super().__init__(f"{reason} at {path or 'the event'}: {text}" if text else reason)
        self.reason = reason
        self.path = path
        self.text = text


class TransientError(UsageIngestError):
    """It may work later: raised, so that the host retries; HTTP answers 503 with Retry-After."""


class ThrottledError(TransientError):
    """A service says that it has too much to do: HTTP answers 429 with Retry-After."""


class OutOfTimeError(TransientError):
    """Too much for one run: the next takes less at once."""


class ConflictError(UsageIngestError):
    """Somebody else wrote first: re-read and try again a few times, then TransientError."""


class PartialResultError(UsageIngestError):
    """The answer is not whole, or came too late: ask for less; where that ends: TransientError."""


class ConfigError(UsageIngestError):
    """The deployment is wrong: raised at first use, naming every wrong setting at once."""


class TooLargeError(UsageIngestError):
    """What a caller sent is larger than can be taken: HTTP 413."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an element of a caller's body cannot be read; index None is the body as a whole."""

    index: int | None
    reason: str
    path: str
    text: str


class RefusedEventsError(UsageIngestError):
    """What a caller sent cannot be read: HTTP 400, naming each element; nothing was taken."""

    def __init__(self, refusals: Sequence[Refusal], of: int) -> None:
        what = f"{len(refusals)} of {of} events" if of else "The body"
        super().__init__(f"{what} cannot be read. Nothing was taken: mend it and send all of it.")
        self.refusals = tuple(refusals)


class InvalidReferenceError(UsageIngestError):
    """Files of prices, deployments, owners or names are wrong: nothing of them is imported."""

    def __init__(self, problems: Sequence[str]) -> None:
        count = f"{len(problems)} problem{'s' * (len(problems) != 1)}"
        super().__init__("\n".join([*problems, f"{count}: nothing was imported."]))
        self.problems = tuple(problems)


class InvalidQueryError(UsageIngestError):
    """The caller's mistake: HTTP 400, naming the parameter and what it takes."""

    def __init__(self, parameter: str, text: str) -> None:
        super().__init__(f"{parameter}: {text}")
        self.parameter = parameter
        self.text = text
