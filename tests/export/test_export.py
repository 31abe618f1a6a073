"""Exports over the real SDK, read back with pyarrow and deltalake."""

import csv
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from local.cosmos import Fault
from tests.builders import make_event, make_usage
from tests.conftest import Stack
from tests.totals.ledgers import DAY, ByHand, ingest, make_events, started
from usage_ingest.adapters.csv_days import CsvDays
from usage_ingest.adapters.delta_days import DeltaDays
from usage_ingest.adapters.parquet_days import ParquetDays
from usage_ingest.errors import ConfigError, TransientError
from usage_ingest.export.columns import COLUMNS, Column, Subject
from usage_ingest.export.export import Export, ExportedDay
from usage_ingest.export.ports import Target
from usage_ingest.rollup import COUNTERS
from usage_ingest.wiring import App

NEXT = "2026-11-21"
Rows = list[dict[str, Any]]


def target_of(form: str, folder: Path, subject: Subject) -> Target:
    columns: Sequence[Column] = COLUMNS[subject]
    if form == "delta":
        return DeltaDays(folder / subject, columns)
    kind = CsvDays if form == "csv" else ParquetDays
    return kind(folder / subject, subject, columns)


async def export(
    app: App, form: str, folder: Path, *days: str, subject: Subject = "ledger"
) -> list[ExportedDay]:
    verb = Export(app.totals, app.clock, app.settings.ledger_ttl_days)
    target = target_of(form, folder, subject)
    return await verb(subject, days or (DAY,), target, lambda _day, _rows: None)


def read(form: str, folder: Path, subject: Subject = "ledger") -> Rows:
    """Read a table back as its users do: the day is a column, sorted by identity."""
    place = folder / subject
    if form == "delta":
        rows: Rows = DeltaTable(str(place)).to_pyarrow_table().to_pylist()
        rows = [row | {"day": row["day"].isoformat()} for row in rows]
    elif form == "parquet":
        rows = pq.read_table(place).to_pylist()
    else:
        rows = []
        for path in sorted(place.rglob("*.csv")):
            with path.open(encoding="utf-8", newline="") as file:
                rows += csv.DictReader(file)
    return sorted(rows, key=lambda row: str(row.get("record_id") or row["rollup_id"]))


def sums(rows: Rows) -> Counter[str]:
    totals = Counter[str]()
    for row in rows:
        for name in COUNTERS:
            totals[name] += int(row.get(name) or 0)
    return totals


async def fill(app: App) -> None:
    tomorrow = {"event_time": f"{NEXT}T00:00:01Z"}
    await ingest(app, [*make_events(), make_event(usage=None), make_event(**tomorrow)])


def left_behind(folder: Path) -> list[Path]:
    """Files that were written aside and not taken away."""
    return [path for path in folder.rglob(".*") if path.is_file()]


forms = pytest.mark.parametrize("form", ["csv", "parquet", "delta"])


@forms
@pytest.mark.parametrize("subject", ["ledger", "rollups"])
async def test_what_is_exported_adds_up_to_the_rollups(
    stack: Stack, tmp_path: Path, form: str, subject: Subject
) -> None:
    await fill(stack.app)

    days = await export(stack.app, form, tmp_path, DAY, NEXT, subject=subject)

    rollups = await stack.documents("usage", type="rollup")
    found = read(form, tmp_path, subject)
    expected = sums(rollups)
    if subject == "ledger":
        assert [(each.day, each.rows) for each in days] == [(DAY, 13), (NEXT, 1)]
        wanted = {k: v for k, v in expected.items() if not k.startswith(("requests", "latency_"))}
        assert {k: v for k, v in sums(found).items() if k in wanted} == wanted
        assert len(found) == expected["requests"]
    else:
        assert sums(found) == expected
    assert {str(row["day"]) for row in found} == {DAY, NEXT}


@pytest.mark.parametrize("form", ["parquet", "delta"])
async def test_types_are_as_documented(stack: Stack, tmp_path: Path, form: str) -> None:
    event = make_event(usage=make_usage(prompt_tokens_details=None))
    await ingest(stack.app, [event])
    (document,) = await stack.documents("usage", type="usage")

    await export(stack.app, form, tmp_path)

    (row,) = read(form, tmp_path)
    assert row["event_time"] == datetime(2026, 11, 20, 11, 59, 58, 123456, tzinfo=UTC)
    assert row["record_id"] == document["id"]
    assert (row["input_tokens"], row["cached_input_tokens"]) == (100, None)
    assert (row["reasoning_output_tokens"], row["streaming"]) == (0, False)
    assert row["tags"] == '{"team":"benefits"}'
    assert row.keys() == {"day", *(column.name for column in COLUMNS["ledger"])}
    if form == "parquet":
        file = pq.read_schema(tmp_path / f"ledger/day={DAY}/ledger.parquet")
        assert file.field("input_tokens").type == pa.int64()
        assert file.field("event_time").type == pa.timestamp("us", tz="UTC")
        assert file.field("latency_ms").metadata[b"unit"] == b"milliseconds"
    else:
        schema = DeltaTable(str(tmp_path / "ledger")).to_pyarrow_dataset().schema
        assert schema.field("day").type == pa.date32()
        assert schema.field("event_time").type == pa.timestamp("us", tz="UTC")


async def test_csv_has_texts_that_no_spreadsheet_computes(stack: Stack, tmp_path: Path) -> None:
    event = make_event(app_id="=HYPERLINK(1)", tags={"team": 'a,b "c"'}, latency_ms=None)
    await ingest(stack.app, [event])

    await export(stack.app, "csv", tmp_path)

    (row,) = read("csv", tmp_path)
    assert row["app_id"] == "'=HYPERLINK(1)"
    assert row["tags"] == '{"team":"a,b \\"c\\""}'
    assert (row["latency_ms"], row["streaming"], row["day"]) == ("", "false", DAY)
    assert row["event_time"] == "2026-11-20T11:59:58.123456Z"


@forms
async def test_a_day_that_is_exported_again_replaces_the_former(
    stack: Stack, tmp_path: Path, form: str
) -> None:
    await fill(stack.app)
    await export(stack.app, form, tmp_path, DAY, NEXT)
    once = read(form, tmp_path)
    await export(stack.app, form, tmp_path, DAY)
    twice = read(form, tmp_path)
    await ingest(stack.app, [make_event()], first=50)
    await export(stack.app, form, tmp_path, DAY)

    assert twice == once
    assert len(read(form, tmp_path)) == len(once) + 1
    if form != "delta":
        assert len([path for path in (tmp_path / "ledger").rglob("*") if path.is_file()]) == 2


@forms
async def test_a_day_that_has_become_empty_is_empty(
    stack: Stack, by_hand: ByHand, tmp_path: Path, form: str
) -> None:
    await fill(stack.app)
    await export(stack.app, form, tmp_path, DAY, NEXT)
    for document in await by_hand.documents("usage"):
        if document["day"] == DAY:
            await by_hand.delete(document)

    (day,) = await export(stack.app, form, tmp_path, DAY)

    assert day.rows == 0
    assert [str(row["day"]) for row in read(form, tmp_path)] == [NEXT]


@forms
async def test_an_interruption_at_every_call_leaves_days_whole(
    stack: Stack, tmp_path: Path, form: str
) -> None:
    """What a reader finds is the former day or the new one, and nothing beside it."""
    await ingest(stack.app, [make_event() for _ in range(2_100)])  # three pages
    await export(stack.app, form, tmp_path, DAY)
    old = len(read(form, tmp_path))
    await ingest(stack.app, [make_event()], first=5_000)
    call, failed = 0, True
    while failed:
        stack.cosmos.faults.add(Fault(operation="query", skip=call, count=1, status=403))
        try:
            await export(started(stack, patience_seconds=0.01), form, tmp_path, DAY)
            failed = False
        except (ConfigError, TransientError):
            assert len(read(form, tmp_path)) == old
        stack.cosmos.faults.clear()
        call += 1

    assert call == 4
    assert len(read(form, tmp_path)) == old + 1
    assert left_behind(tmp_path) == []


@forms
async def test_a_busy_store_is_waited_for(stack: Stack, tmp_path: Path, form: str) -> None:
    await ingest(stack.app, [make_event() for _ in range(2_100)])
    faults: list[dict[str, Any]] = [{"status": 429}, {"reset": True}, {"status": 503}]
    for skip, fault in enumerate(faults):
        stack.cosmos.faults.add(Fault(operation="query", skip=2 * skip, count=1, **fault))

    await export(stack.app, form, tmp_path, DAY)

    assert len({row["record_id"] for row in read(form, tmp_path)}) == 2_100


async def test_days_that_the_ledger_does_not_hold_whole_are_refused(
    stack: Stack, tmp_path: Path
) -> None:
    """What was exported of them when it did is not replaced by a part; rollups have no end."""
    with pytest.raises(ConfigError, match="does not hold 2020-01-01 whole"):
        await export(stack.app, "csv", tmp_path, "2020-01-01")

    await export(stack.app, "csv", tmp_path, "2020-01-01", subject="rollups")
    assert read("csv", tmp_path, "rollups") == []


async def test_a_document_that_was_changed_by_hand_is_named(
    stack: Stack, by_hand: ByHand, tmp_path: Path
) -> None:
    await ingest(stack.app, [make_event()])
    (document,) = await by_hand.documents("usage")
    wrong: list[dict[str, Any]] = [{"input_tokens": 1.5}, {"event_time": "soon"}, {"streaming": 1}]
    for fields in wrong:
        await by_hand.change(document, **fields)
        with pytest.raises(
            ConfigError, match=f"document {document['id']}: its {next(iter(fields))}"
        ):
            await export(stack.app, "csv", tmp_path)


async def test_a_folder_that_is_another_table_or_cannot_be_written_is_refused(
    stack: Stack, tmp_path: Path
) -> None:
    await ingest(stack.app, [make_event()])
    await export(stack.app, "delta", tmp_path, subject="rollups")
    (tmp_path / "rollups").rename(tmp_path / "ledger")
    with pytest.raises(ConfigError, match="no table of these columns"):
        await export(stack.app, "delta", tmp_path)

    (tmp_path / "file").write_text("")
    for form in ("csv", "parquet", "delta"):
        with pytest.raises(ConfigError, match="cannot be written"):
            await export(stack.app, form, tmp_path / "file")


async def test_hidden_files_are_not_read_as_rows(stack: Stack, tmp_path: Path) -> None:
    """What a killed export leaves behind stands beside the day under a name with a dot."""
    await ingest(stack.app, [make_event()])
    await export(stack.app, "parquet", tmp_path)
    (tmp_path / "ledger" / f"day={DAY}" / ".ledger.parquet.0123abcd").write_bytes(b"half")

    assert ds.dataset(tmp_path / "ledger", partitioning="hive").count_rows() == 1
