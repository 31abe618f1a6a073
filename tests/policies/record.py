"""Records what the executed policies emit, for the demo: `python -m tests.policies.record`.

local/traffic.py fills ids, times, names and numbers into these templates and adds no key of its
own. With --check nothing is written and a difference fails: read it, and record it where meant.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.policies.calls import (
    EMBEDDINGS,
    RESPONSE,
    RESPONSES,
    SSE,
    asked,
    body_on_file,
    make_response,
    send,
)
from tests.policies.gateway import ROOT, Gateway, our_program

RECORDED: Final = ROOT / "local" / "own_events.json"
REQUEST_ID: Final = "0f8b6a2e-52f3-4a3b-9d0e-6f2f4c1d9a10"
_CALLER: Final[dict[str, Any]] = {
    "policy": "openai-api+options",
    "request_id": REQUEST_ID,
    "token": {"azp": "app-1", "tid": "tenant-1", "oid": "user-1"},
    "headers": {"x-usage-tag-team": "benefits"},
}
_REFUSAL: Final = make_response({"error": {"code": "429"}}, status=429)
CALLS: Final[dict[str, dict[str, Any]]] = {
    "chat": {},
    "responses": {
        "url": RESPONSES,
        "body": {"model": "gpt-5"},
        "operation": {"id": "Responses_Create", "name": "Creates a model response"},
        "response": make_response(RESPONSE),
    },
    "embeddings": {
        "url": EMBEDDINGS,
        "operation": {"id": "Embeddings_Create", "name": "Gets a vector of an input"},
        "response": make_response(body_on_file("embeddings")),
    },
    "failed": {"response": _REFUSAL},
    "streamed": {
        "body": asked(stream=True),
        "response": make_response("data: [DONE]\n\n", kind=SSE),
    },
}


def recorded(gateway: Gateway) -> str:
    """Return the templates: the event of each call, and the dimensions of its metric if any."""
    templates: dict[str, Any] = {}
    for kind, call in CALLS.items():
        done = send(gateway, **_CALLER, **call)
        templates[kind] = {
            "event": done.event,
            "dimensions": [each["dimensions"] for each in done.metrics],
        }
    return json.dumps(templates, indent=1) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the templates, or compare them; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.policies.record", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    check = parser.parse_args(arguments).check
    with tempfile.TemporaryDirectory() as folder, Gateway(our_program().build(Path(folder))) as run:
        text = recorded(run)
    if check:
        return int(text != RECORDED.read_text(encoding="utf-8"))
    RECORDED.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
