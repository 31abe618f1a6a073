"""Runs `python -m usage_ingest` in this process, beside the stand-ins of the test."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner, Result

from tests.conftest import Stack
from usage_ingest.cli.main import main

NAMED = (
    "EventHubConnection",
    "EventHubConnection__fullyQualifiedNamespace",
    "COSMOS_ENDPOINT",
    "COSMOS_KEY",
    "USAGE_INGEST_SETTINGS",
)


@dataclass
class Commands:
    """Commands with the settings of a stack; overrides go with each call."""

    environment: Mapping[str, str]

    async def __call__(self, *arguments: str, **overrides: str | None) -> Result:
        """Run a command in a thread: it has an event loop of its own."""
        unset = dict.fromkeys(NAMED)
        environment = {**unset, **self.environment, **overrides}
        result = await asyncio.to_thread(
            CliRunner().invoke, main, arguments, env=environment, catch_exceptions=True
        )
        assert "Traceback" not in result.output
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    async def json(self, *arguments: str, **overrides: str | None) -> Any:
        """Run a command that ends well; return what it prints as JSON."""
        result = await self(*arguments, "--json", **overrides)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


async def run(stack: Stack, *arguments: str, **environment: str) -> Result:
    """Run a command with the settings of the stand-ins."""
    given = stack.environment | environment
    return await asyncio.to_thread(CliRunner().invoke, main, [*arguments], env=given)


def objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]
