"""What every shape is read into: a call as an event tells of it, before anything is decided.

Pure. Times and usage are still raw; names and ids are clean, with stand-ins ("NA") gone.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from usage_ingest.value import value


@value(kw_only=True)
class Call:
    """One call through a gateway.

    `fields` holds the UsageRecord fields that are taken over as they are. The ids are as they
    were sent: they enter the record's identity. `created` is the response's own creation time
    in epoch seconds. `usage` is the raw usage object of the API, None where there is none.
    `item` tells the usages of one gateway request apart, where it carries several. `caller_key`
    is a secret: its keyed hash stands for a subscription that the event does not name. `images`
    is how many the body holds. `usage_apart` says that it holds usage of a second model too.
    `pasted` says that the gateway pasted a caller's text into the event's JSON.
    """

    shape: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    gateway: str | None = None
    gateway_request_id: str | None = None
    response_id: str | None = None
    event_time: str | float | None = None
    created: float | None = None
    usage: Mapping[str, Any] | None = None
    streaming: bool | None = None
    background: bool | None = None
    method: str | None = None
    status: int | None = None
    odd: bool = False
    item: str | None = None
    caller_key: str | None = field(default=None, repr=False)
    images: int | None = None
    usage_apart: bool = False
    pasted: bool = False
