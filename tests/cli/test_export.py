"""`python -m usage_ingest export`, end to end against the stand-ins."""

import csv
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from local.cosmos import Fault
from tests.builders import make_event
from tests.cli.commands import Commands
from tests.conftest import Stack
from tests.totals.ledgers import DAY, ingest, make_events

LONG = {"LEDGER_TTL_DAYS": "3650"}  # the commands have the machine's clock
RANGE = ("--from", "2026-11-19", "--to", DAY)
PLANTED = "Xq7-planted-secret"


async def test_each_format_is_written_and_told(stack: Stack, run: Commands, tmp_path: Path) -> None:
    await ingest(stack.app, make_events())
    out = ("--out", str(tmp_path / "out"))

    told = await run("export", "rollups", *RANGE, *out, **LONG)
    await run.json("export", "ledger", *RANGE, *out, "--format", "csv", **LONG)
    delta = ("--out", str(tmp_path / "delta"), "--format", "delta")
    content = await run.json("export", "ledger", *RANGE, *delta, **LONG)

    place = tmp_path / "out" / "rollups" / f"day={DAY}" / "rollups.parquet"
    assert told.exit_code == 0, told.output
    assert told.stdout.splitlines()[1] == f"{DAY}             4 rows  {place}"
    assert told.stdout.splitlines()[2] == "2 days, 4 rows"
    assert sum(pq.read_table(place)["requests"].to_pylist()) == 12
    with (tmp_path / f"out/ledger/day={DAY}/ledger.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 12
    assert DeltaTable(str(tmp_path / "delta/ledger")).to_pyarrow_table().num_rows == 12
    assert (content["rows"], [each["rows"] for each in content["days"]]) == (12, [0, 12])


async def test_a_dry_run_counts_and_writes_nothing(
    stack: Stack, run: Commands, tmp_path: Path
) -> None:
    await ingest(stack.app, make_events())

    told = await run(
        "export", "ledger", *RANGE, "--out", str(tmp_path / "out"), "--dry-run", **LONG
    )

    assert told.exit_code == 0, told.output
    assert told.stdout.splitlines()[-1] == "2 days, 12 rows; nothing was written"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("form", "package"), [("parquet", "pyarrow"), ("delta", "deltalake")])
async def test_what_is_not_installed_is_named_with_the_command_to_install_it(
    run: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for module in ("parquet_days", "delta_days"):
        monkeypatch.delitem(sys.modules, f"usage_ingest.adapters.{module}", raising=False)

    wanted = await run("export", "ledger", *RANGE, "--out", str(tmp_path), "--format", form, **LONG)
    without = await run(
        "export", "ledger", *RANGE, "--out", str(tmp_path), "--format", "csv", **LONG
    )

    assert wanted.exit_code == 1
    assert f"needs {package}" in wanted.stderr
    assert "pip install -r requirements-export.txt" in wanted.stderr
    assert without.exit_code == 0


async def test_days_that_the_ledger_does_not_hold_are_refused(
    run: Commands, tmp_path: Path
) -> None:
    old = ("--from", "2020-01-01", "--to", "2020-01-02", "--out", str(tmp_path / "out"))

    result = await run("export", "ledger", *old)

    assert result.exit_code == 1
    assert "does not hold 2020-01-01 to 2020-01-02 whole" in result.stderr
    assert not (tmp_path / "out").exists()


async def test_a_wrong_range_is_refused(run: Commands, tmp_path: Path) -> None:
    result = await run(
        "export", "ledger", "--from", DAY, "--to", "2026-11-19", "--out", str(tmp_path)
    )

    assert result.exit_code == 2
    assert "--from is later than --to" in result.stderr


async def test_a_store_that_refuses_leaves_what_was_there(
    stack: Stack, run: Commands, tmp_path: Path
) -> None:
    await ingest(stack.app, make_events())
    command = ("export", "ledger", *RANGE, "--out", str(tmp_path / "out"))
    assert (await run(*command, **LONG)).exit_code == 0
    stack.cosmos.faults.add(Fault(operation="query", count=None, status=403))

    result = await run(*command, **LONG)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "Data Contributor" in result.stderr
    assert pq.read_table(tmp_path / "out" / "ledger").num_rows == 12


async def test_no_secret_is_in_a_file(stack: Stack, run: Commands, tmp_path: Path) -> None:
    hostile = make_event(
        messages=PLANTED, prompt=PLANTED, end_user_id=PLANTED, api_key=PLANTED, completion=PLANTED
    )
    await ingest(stack.app, [hostile])

    for form in ("csv", "parquet", "delta"):
        folder = tmp_path / "out" / form
        result = await run(
            "export", "ledger", *RANGE, "--out", str(folder), "--format", form, **LONG
        )
        assert PLANTED not in result.output

    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) >= 5
    rows = str(pq.read_table(tmp_path / "out/parquet/ledger").to_pylist())
    rows += str(DeltaTable(str(tmp_path / "out/delta/ledger")).to_pyarrow_table().to_pylist())
    rows += "".join(path.read_text() for path in files if path.suffix == ".csv")
    assert PLANTED not in rows
    assert json.dumps(DAY)[1:-1] in rows
