"""The one error of the stand-in: an HTTP answer the service would give instead of a result."""

from http import HTTPStatus

CROSS_PARTITION_NOT_SERVABLE = 1004
PARTITION_KEY_MISMATCH = 1001
OWNER_NOT_FOUND = 1003
WRONG_CONTAINER_RID = 1024


class CosmosError(Exception):
    """An answer with an error status; `substatus` is what the SDK branches on."""

    def __init__(
        self, status: int, message: str, *, substatus: int = 0, retry_after_ms: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.substatus = substatus
        self.retry_after_ms = retry_after_ms


def bad_request(message: str, *, substatus: int = 0) -> CosmosError:
    """A 400: malformed, or valid for the service but not supported here."""
    return CosmosError(HTTPStatus.BAD_REQUEST, message, substatus=substatus)
