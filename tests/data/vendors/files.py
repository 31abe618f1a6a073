"""Every payload that is made with the vendors' classes, by its path in tests/data.

The others are written by hand: what no API sends (negative and implausible counts, parts above
their wholes, a total alone), what gateways send of no answer (errors, pages, exports, refused
events), and pieces of JSON.
"""

import json
from collections.abc import Mapping
from functools import cache

from tests.data.vendors.bodies import bodies
from tests.data.vendors.events import events
from tests.data.vendors.own_events import own_events
from tests.data.vendors.usages import usages
from tests.data.vendors.wire import Json


@cache
def files() -> Mapping[str, bytes]:
    """Return the files' bytes; raise where a payload is unlike its vendor's class."""
    made: dict[str, Json | list[Json] | str] = {
        **{f"usage/{name}.json": payload for name, payload in usages().items()},
        **{f"bodies/{name}": payload for name, payload in bodies().items()},
        **events(),
        **own_events(),
    }
    return {path: _written(path, payload).encode() for path, payload in made.items()}


def _written(path: str, payload: Json | list[Json] | str) -> str:
    if isinstance(payload, str):
        return payload
    if path.endswith(".jsonl"):
        return "".join(f"{json.dumps(each)}\n" for each in payload)
    return json.dumps(payload, indent=2) + "\n"
