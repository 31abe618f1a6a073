"""Writing a statement, interrupted at every call: it is there whole, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from local.cosmos import CosmosServer, Fault
from tests.builders import NOON
from tests.chargeback.lines import make_line
from tests.chargeback.statements import each_of, make_statement
from tests.conftest import DATABASE
from usage_ingest.adapters.cosmos import Cosmos, cosmos_patience
from usage_ingest.adapters.cosmos_statements import CosmosStatementStore
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line
from usage_ingest.containers import CONTAINERS
from usage_ingest.errors import TransientError

LINES = [
    make_line(),
    make_line(kind=Kind.OUTPUT),
    make_line(charge=Charge.CORRECTION, corrects="2026-10"),
]
HOW: list[dict[str, Any]] = [{"status": 500, "count": None}, {"lost_answer": True}]
"""From then on nothing is done, or one answer is lost."""
CALLS = 7
"""Look for orphans, begin, announce and write two chunks, put the head in place."""


@pytest.fixture
async def server(tmp_path: Any) -> AsyncIterator[CosmosServer]:
    async with CosmosServer(tmp_path / "cosmos.db") as server:
        server.provision(DATABASE, list(CONTAINERS))
        yield server


@pytest.fixture
async def cosmos(server: CosmosServer) -> AsyncIterator[Cosmos]:
    """A store that is waited for."""
    opened = Cosmos(server.endpoint, server.key, DATABASE, cosmos_patience(5.0))
    yield opened
    await opened.close()


@pytest.fixture
async def hasty(server: CosmosServer) -> AsyncIterator[Cosmos]:
    """A store that is not waited for: whatever goes wrong ends the attempt."""
    opened = Cosmos(server.endpoint, server.key, DATABASE, cosmos_patience(0.0))
    yield opened
    await opened.close()


async def documents(cosmos: Cosmos) -> list[str]:
    state = cosmos.container("state")
    return [row["id"] async for row in state.query_items("SELECT c.id FROM c")]


@pytest.mark.parametrize("call", range(CALLS))
@pytest.mark.parametrize("how", HOW, ids=["before", "after"])
async def test_an_attempt_that_stops_anywhere_is_whole_or_not_to_be_seen(
    server: CosmosServer, cosmos: Cosmos, hasty: Cosmos, call: int, how: dict[str, Any]
) -> None:
    store = CosmosStatementStore(cosmos)
    server.faults.add(Fault(skip=call, **how))
    first = CosmosStatementStore(hasty).write(make_statement(id="first"), each_of(LINES))
    answer = (await asyncio.gather(first, return_exceptions=True))[0]
    server.faults.clear()

    closed = await store.all()
    if isinstance(answer, BaseException):
        assert isinstance(answer, TransientError)
        assert len(closed) == (call == CALLS - 1 and "lost_answer" in how)
    else:  # the SDK asked again by itself
        assert "lost_answer" in how
        assert closed == [answer]
    if not closed:
        closed = [await store.write(make_statement(id="second"), each_of(LINES))]
    assert [each async for each in store.lines(closed[0])] == LINES

    later = make_statement(number=2, id="third", closed_at=NOON + timedelta(days=2))
    await store.write(later, each_of([]))
    assert len(await documents(cosmos)) == 2 + len(closed[0].chunks)


@pytest.mark.parametrize("call", range(CALLS))
@pytest.mark.parametrize("how", [{"status": 500}, {"lost_answer": True}], ids=["before", "after"])
async def test_what_only_takes_patience_is_written_once(
    server: CosmosServer, cosmos: Cosmos, call: int, how: dict[str, Any]
) -> None:
    """An answer that got lost is not taken for somebody else's write."""
    store = CosmosStatementStore(cosmos)
    server.faults.add(Fault(skip=call, **how))

    written = await store.write(make_statement(), each_of(LINES))

    assert await store.all() == [written]
    assert [each async for each in store.lines(written)] == LINES
    assert len(await documents(cosmos)) == 1 + len(written.chunks)


@pytest.mark.parametrize("call", range(6))
async def test_cleaning_up_that_stops_anywhere_goes_on_the_next_time(
    server: CosmosServer, cosmos: Cosmos, hasty: Cosmos, call: int
) -> None:
    """Look for orphans, give one up, delete its chunks and then the attempt itself."""
    later = make_statement(id="second", closed_at=NOON + timedelta(days=2))
    for head, skipped in ((make_statement(id="first"), CALLS - 1), (later, call)):
        server.faults.add(Fault(skip=skipped, status=500, count=None))
        with pytest.raises(TransientError):
            await CosmosStatementStore(hasty).write(head, each_of(LINES))
        server.faults.clear()

    last = make_statement(id="third", closed_at=NOON + timedelta(days=4))
    written = await CosmosStatementStore(cosmos).write(last, each_of(LINES))

    assert len(await documents(cosmos)) == 1 + len(written.chunks)


async def test_an_attempt_that_is_being_given_up_is_not_finished(cosmos: Cosmos) -> None:
    """Whoever gives it up writes that first, and deletes its chunks after."""
    store, state = CosmosStatementStore(cosmos), cosmos.container("state")

    async def given_up() -> AsyncIterator[Line]:
        begun = await state.read_item("slow", partition_key="statement")
        await state.replace_item("slow", {**begun, "given_up": True})
        async for line in each_of([]):
            yield line

    with pytest.raises(TransientError, match="took longer than a day"):
        await store.write(make_statement(id="slow"), given_up())

    assert await store.all() == []


async def test_a_month_of_many_lines_is_cut_into_chunks(cosmos: Cosmos) -> None:
    store = CosmosStatementStore(cosmos)
    lines = [make_line(quantity=number) for number in range(20_001)]

    written = await store.write(make_statement(), each_of(lines))

    assert [each.lines for each in written.chunks] == [20_000, 1]
    assert [each.quantity async for each in store.lines(written)] == list(range(20_001))
