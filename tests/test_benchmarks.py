"""The benchmarks measure what they say; how fast it is, no test asks."""

from pathlib import Path

import pytest

import function_app
from benchmarks import client, operations, plain
from benchmarks.__main__ import PARTS
from benchmarks.events import Traffic, decoded
from usage_ingest.events.to_record import Rules


async def test_a_batch_is_sent_as_the_plain_path_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in client.environment("").items():
        monkeypatch.setenv(name, value)  # put back afterwards
    traffic = Traffic(subscriptions=3, deployments=2)

    async with client.running() as bench:
        received = decoded(traffic.payload(traffic.events(30)))
        await function_app.ingest_usage_events(received)
        sent = await bench.sent()
        ingest = bench.app.ingest
        rules = Rules(await ingest.identity.load(), ingest.privacy, ingest.ledger_ttl_days)
        plain.compare(plain.delivered(received, bench.app), sent, bench.app, rules)

        with pytest.raises(AssertionError, match="documents differ"):
            plain.compare(plain.delivered(received[1:], bench.app), sent, bench.app, rules)

    assert sum(len(batch["operations"]) for batch in sent) == 30 + 6


def test_the_page_names_every_part_and_the_assumptions_of_the_model() -> None:
    page = (Path(__file__).resolve().parent.parent / "docs/performance.md").read_text()

    assert all(name in page for name in PARTS)
    assert f"costs {operations.CREATE_RU_PER_KB} RU for each KB" in page
    assert f"adds {operations.RU_PER_INDEXED_PATH} RU" in page
    assert f"a ledger document and a rollup have {operations.INDEXED_PATHS} of them" in page
    assert operations.REPLACE_FACTOR == 2
    assert all(f"| {mix.name} |" in page for mix in operations.MIXES)
