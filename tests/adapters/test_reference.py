"""The price book over a store that fails; the port itself: contract/."""

import pytest

from local.cosmos import Fault
from tests.chargeback.builders import make_price, make_rule
from tests.conftest import DATABASE, Stack
from usage_ingest.adapters.cosmos import Cosmos
from usage_ingest.chargeback.ports import Import
from usage_ingest.chargeback.reference_document import Noun, content_id, to_document
from usage_ingest.errors import ConfigError, TransientError
from usage_ingest.wiring import App

NOUNS: list[Noun] = [*(make_price(f"model-{number}") for number in range(205)), make_rule()]
DOCUMENTS = [to_document(each) for each in NOUNS]


async def append(app: App) -> Import:
    return await app.reference.append("prices.yaml", content_id(DOCUMENTS), DOCUMENTS)


@pytest.mark.parametrize("kind", ["before", "after"])
async def test_an_import_interrupted_at_any_call_is_whole_or_not_there(
    stack: Stack, kind: str
) -> None:
    """The process dies before a request, or after the store carried it out; then it is run anew."""
    call, interrupted = 0, True
    while interrupted:
        database = stack.new_database()
        if kind == "after":
            stack.cosmos.faults.add(Fault(skip=call, count=1, lost_answer=True))
        stack.cosmos.faults.add(Fault(skip=call, count=1, status=403))

        try:
            await append(stack.start(patience_seconds=0.01, COSMOS_DATABASE=database))
            interrupted = False
        except (ConfigError, TransientError):
            interrupted = True

        stack.cosmos.faults.clear()
        app = stack.start(COSMOS_DATABASE=database)
        seen = len((await app.reference.load()).prices)
        assert seen in (0, 205)
        assert (await append(app)).number == 1
        found = await app.reference.load()
        assert (len(found.prices), len(found.owners)) == (205, 1)
        assert len(await stack.documents("reference", database)) == len(NOUNS) + 1
        call += 1
    assert call > 6


async def test_an_answer_lost_at_any_call_leaves_one_import(stack: Stack) -> None:
    """The SDK's own repeats of a request meet what the first one wrote."""
    for call in range(7):
        database = stack.new_database()
        stack.cosmos.faults.add(Fault(skip=call, count=1, lost_answer=True))

        done = await append(stack.start(COSMOS_DATABASE=database))

        stack.cosmos.faults.clear()
        app = stack.start(COSMOS_DATABASE=database)
        assert await app.reference.imports() == [done]
        assert len(await stack.documents("reference", database)) == len(NOUNS) + 1


async def test_documents_that_cannot_be_seen_yet_are_waited_for(stack: Stack) -> None:
    """A report with half of a price book would be wrong, and would look right."""
    await append(stack.app)
    (lost, *_) = await stack.documents("reference", type="price")
    cosmos = Cosmos(stack.cosmos.endpoint, stack.cosmos.key, DATABASE)
    await cosmos.container("reference").delete_item(lost["id"], partition_key="price")
    await cosmos.close()

    with pytest.raises(TransientError, match="import 1"):
        await stack.start().reference.load()


async def test_loading_again_reads_the_headers_only(stack: Stack) -> None:
    await append(stack.app)
    reader = stack.start()
    first = await reader.reference.load()

    stack.cosmos.faults.add(Fault(operation="query", skip=1, count=None, status=403))

    assert await reader.reference.load() is first
