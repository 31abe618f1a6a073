"""The examples of docs/adding-a-gateway.md do what the page says, and its tables are complete."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from usage_ingest.events.shapes import SHAPES
from usage_ingest.events.usage import READERS
from usage_ingest.events.usage.hint import Hint

PAGE: Final = (Path(__file__).resolve().parent.parent / "docs/adding-a-gateway.md").read_text()
_EXAMPLE: Final = re.compile(r"<!-- example: (\w+) -->\n```python\n(.*?)\n```", re.DOTALL)


def example(name: str) -> Any:
    """Return an example of the page as a module."""
    module = ModuleType(name)
    exec(dict(_EXAMPLE.findall(PAGE))[name], module.__dict__)  # noqa: S102 - our own page
    return module


def short_names(modules: tuple[Any, ...]) -> set[str]:
    return {str(each.__name__).rpartition(".")[2] for each in modules}


def test_the_shape_of_the_example_reads_an_event() -> None:
    event = {
        "contosoGateway": "gw-1",
        "callId": "c-1",
        "team": "NA",
        "at": "2026-11-20T15:04:05Z",
        "llm": {"usage": {"prompt_tokens": 3}},
    }
    shape = example("shape")

    call = shape.read(event)

    assert shape.matches(event)
    assert not any(each.matches(event) for each in SHAPES)
    assert (call.gateway, call.gateway_request_id, call.usage) == (
        "gw-1",
        "c-1",
        {"prompt_tokens": 3},
    )
    assert call.fields == {"subscription_id": None}


def test_the_api_of_the_example_reads_a_usage_object() -> None:
    usage = {"promptUnits": 3, "cache": {"readUnits": 9}, "answerUnits": 0}
    reader = example("usage")

    assert reader.matches(usage, Hint())
    assert not any(each.matches(usage, Hint()) for each in READERS)
    assert reader.read(usage, Hint()) == {
        "input_tokens": 12,
        "cached_input_tokens": 9,
        "output_tokens": 0,
    }


def test_every_shape_and_every_api_is_in_the_tables() -> None:
    words = set(re.findall(r"`([\w./]+)`", PAGE))

    assert short_names(SHAPES) <= words
    assert {f"usage_ingest/events/usage/{name}.py" for name in short_names(READERS)} <= words
