"""The commands over the stand-ins."""

import pytest

from tests.builders import WORKSPACE
from tests.cli.commands import Commands
from tests.conftest import Logs, Stack


@pytest.fixture
def run(stack: Stack) -> Commands:
    """Commands over Event Hubs and Cosmos DB; metrics are not collected."""
    return Commands(stack.environment)


@pytest.fixture
def run_with_metrics(stack: Stack, logs: Logs) -> Commands:
    """Commands over all three stand-ins."""
    targets = {"METRICS_TARGETS": WORKSPACE, "METRICS_ENDPOINT": logs.server.endpoint}
    return Commands({**stack.environment, **targets})
