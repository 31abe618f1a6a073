"""The contract of our own event and metric, made from the tables of the code that reads them."""

from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    create_model,
)

from usage_ingest.events.fields import MAX_TAGS, TAG_LIMIT, TEXT_LIMIT, flag
from usage_ingest.events.shapes import own
from usage_ingest.metrics.shipped import SHIPPED

SIZE_LIMIT: Final = 200_000
"""Bytes of an event: log-to-eventhub cuts at 200 KB, silently."""
_CLEAN: Final = r"^[^\x00-\x1f\x7f-\x9f]+$"
Text = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=TEXT_LIMIT, pattern=_CLEAN)
]
TagName = Annotated[str, StringConstraints(max_length=TAG_LIMIT, pattern=r"^[a-z0-9_.-]+$")]
Tag = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=TAG_LIMIT, pattern=_CLEAN)
]
Time = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$")]
Guid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]

_FIELDS: Final[dict[str, Any]] = {
    **dict.fromkeys((*own.TEXTS, "gateway"), (Text, None)),
    **{name: (StrictBool if read is flag else StrictInt, None) for name, read in own.VALUES},
    "schema": (Annotated[str, StringConstraints(pattern=f"^{own.SCHEMA}$")], ...),
    "gateway_request_id": (Guid, ...),
    "event_time": (Time, ...),
    "tags": (Annotated[dict[TagName, Tag], Field(min_length=1, max_length=MAX_TAGS)], None),
    "usage": (dict[str, Any] | None, ...),
}


class _Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


_DEFINITIONS: Final[dict[str, Any]] = {
    f"{name}_": (kind, Field(default, alias=name)) for name, (kind, default) in _FIELDS.items()
}
Event: Final[type[BaseModel]] = create_model("Event", __base__=_Exact, **_DEFINITIONS)
"""Our event: exactly the keys that own.py reads, each absent or of its type; usage may be null."""

DIMENSIONS: Final = tuple(SHIPPED["own"]["fields"].values())
"""The dimensions of our metric, as the profile `own` reads them."""
