"""Stores one event, as the host's first delivery in a new process does."""

import asyncio

import function_app
from benchmarks.events import Traffic, decoded
from usage_ingest import wiring


def store() -> None:
    """Store it over the endpoint that the environment names."""
    asyncio.run(_store())


async def _store() -> None:
    traffic = Traffic()
    await function_app.ingest_usage_events(decoded(traffic.payload(traffic.events(1))))
    await wiring.stop()
