"""Every line that the app logs in a test must be declared, with its fields."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.told import LINE
from usage_ingest import telemetry


class Declared(logging.Handler):
    """Keeps the lines that telemetry.py does not declare."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.wrong: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one line."""
        line = record.getMessage()
        matched = LINE.fullmatch(line)
        known: Any = telemetry.ALARMS if matched and matched[1] else telemetry.EVENTS
        fields = known.get(matched[2]) if matched else None
        if matched is None or fields is None or {*json.loads(matched[3])} - {*fields}:
            self.wrong.append(line)


@pytest.fixture(autouse=True)
def _declared_lines() -> Iterator[None]:
    """Fail a test in which the app logs what alert rules cannot know."""
    watching, logger = Declared(), logging.getLogger("usage_ingest")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(watching)
    yield
    logger.removeHandler(watching)
    logger.setLevel(level)
    assert watching.wrong == []
