"""Puts the workbook together from its queries: python -m tests.infra.workbook_parts.

The portal reads one JSON file; people read the queries, one file each.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from tests.infra.alert_rules import INFRA

PARTS: Final = INFRA / "workbook"
WORKBOOK: Final = PARTS / "usage-ingest.workbook.json"
CHOICE: Final = "apps"
SECTIONS: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "Usage": (
        ("tokens-by-model", "Tokens by model", "barchart"),
        ("usage-by-subscription", "Usage by subscription", "table"),
    ),
    "Errors and latency": (
        ("errors", "Requests and errors", "timechart"),
        ("latency", "Latency", "timechart"),
    ),
    "Ingestion": (
        ("ingestion", "What was received", "timechart"),
        ("lag", "Lag by partition", "timechart"),
        ("gaps", "Events in gaps", "timechart"),
        ("partitions", "Partitions", "table"),
        ("dead-letters", "Open dead letters", "table"),
    ),
    "Streamed requests": (
        ("watermarks", "Age of the watermarks", "timechart"),
        ("streaming", "What streamed requests lack", "table"),
    ),
    "Alarms": (("alarms", "Alarms", "table"),),
}
"""The queries by section: file, title, how it is shown."""
INTRODUCTION: Final = (
    "What the app tells in its log lines. Usage is what was counted in the chosen time, by the "
    "time of counting; exact totals are those of the usage summary."
)
_WORKSPACES: Final = "microsoft.operationalinsights/workspaces"
_DAY: Final = 86_400_000
_ASKED: Final = {"queryType": 0, "resourceType": _WORKSPACES}


def kql(name: str) -> str:
    """Return a part's query."""
    return (PARTS / f"{name}.kql").read_text(encoding="utf-8")


def workbook() -> dict[str, Any]:
    """Return the workbook as the portal reads it."""
    items = [_text("introduction", INTRODUCTION), _choices()]
    for section, parts in SECTIONS.items():
        items.append(_text(f"section: {section}", f"## {section}"))
        items += [_query(*part) for part in parts]
    return {
        "version": "Notebook/1.0",
        "items": items,
        "fallbackResourceIds": [],
        "$schema": "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json",
    }


def _text(name: str, text: str) -> dict[str, Any]:
    return {"type": 1, "content": {"json": text}, "name": name}


def _choices() -> dict[str, Any]:
    times = [_DAY // 24, _DAY // 4, _DAY, 3 * _DAY, 7 * _DAY, 30 * _DAY]
    time = {
        **_parameter("TimeRange", "Time", 4, "5f0c1f52-9c6e-4a3d-8f57-0d2f7c0f6a01"),
        "isRequired": True,
        "value": {"durationMs": _DAY},
        "typeSettings": {
            "selectableValues": [{"durationMs": each} for each in times],
            "allowCustom": True,
        },
    }
    app = {
        **_parameter("App", "App (all of them if none is chosen)", 2, _APP_ID),
        "query": kql(CHOICE),
        "typeSettings": {"additionalResourceOptions": [], "showDefault": False},
        "timeContextFromParameter": "TimeRange",
        **_ASKED,
    }
    content = {"version": "KqlParameterItem/1.0", "parameters": [time, app], "style": "pills"}
    return {"type": 9, "content": {**content, **_ASKED}, "name": "choices"}


_APP_ID: Final = "5f0c1f52-9c6e-4a3d-8f57-0d2f7c0f6a02"


def _parameter(name: str, label: str, kind: int, identity: str) -> dict[str, Any]:
    described = {"id": identity, "version": "KqlParameterItem/1.0", "name": name}
    return {**described, "label": label, "type": kind}


def _query(name: str, title: str, shown: str) -> dict[str, Any]:
    content = {
        "version": "KqlItem/1.0",
        "query": kql(name),
        "size": 0,
        "title": title,
        "timeContextFromParameter": "TimeRange",
        **_ASKED,
        "visualization": shown,
    }
    return {"type": 3, "content": content, "name": name}


def text() -> str:
    """Return the file's text."""
    return json.dumps(workbook(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    WORKBOOK.write_text(text(), encoding="utf-8")
