"""`identity show` and `identity set` over the stand-ins."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.cosmos import Fault
from tests.cli.commands import Commands
from tests.conftest import Stack
from usage_ingest.identity import Identity
from usage_ingest.metric_profile import Definition, definition_of
from usage_ingest.metrics.shipped import SHIPPED
from usage_ingest.state_document import identity_document, identity_of

TODAY = datetime.now(UTC).date()
NEAR = (TODAY + timedelta(days=2)).isoformat()
FAR = (TODAY + timedelta(days=4)).isoformat()  # whatever the hour is now
FARTHER = (TODAY + timedelta(days=9)).isoformat()
SECRET = "planted-secret-9c3d"  # noqa: S105
KEYS = {"PRIVACY_HMAC_KEYS": f"k1={SECRET},k2={SECRET}"}


async def stored(stack: Stack) -> list[dict[str, Any]]:
    found = await stack.documents("state", type="identity")
    return [{k: v for k, v in each.items() if not k.startswith("_")} for each in found]


async def test_without_values_the_defaults_are_told(run: Commands) -> None:
    assert "one shard each" in (await run("identity", "show")).stdout
    assert await run.json("identity", "show") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("shards/hr-copilot", "4"), ("bin_size", "15m"), ("hmac_key", "k2")],
)
async def test_a_value_is_written_from_a_day_on(
    run: Commands, stack: Stack, name: str, value: str
) -> None:
    dry = await run("identity", "set", name, value, "--from", FAR, "--dry-run", **KEYS)
    nothing = await stored(stack)
    done = await run("identity", "set", name, value, "--from", FAR, **KEYS)

    assert (dry.exit_code, nothing) == (0, [])
    assert "Dry run: nothing was written." in dry.stdout
    assert (done.exit_code, "Written." in done.stdout) == (0, True)
    (document,) = await stored(stack)
    (values,) = identity_of([document]).values.values()
    assert document == identity_document(name, values)
    assert (values[0].from_day, values[0].value) == (FAR, value)
    assert SECRET not in dry.output + done.output


async def test_what_holds_today_is_shown(run: Commands, stack: Stack) -> None:
    await stack.app.identity.record("bin_size", "30m")
    await run("identity", "set", "bin_size", "15m", "--from", FAR)

    (found,) = await run.json("identity", "show")
    shown = await run("identity", "show")

    assert found == {
        "name": "bin_size",
        "values": [
            {"from_day": "0001-01-01", "value": "30m", "holds_today": True},
            {"from_day": FAR, "value": "15m", "holds_today": False},
        ],
    }
    assert "bin_size  0001-01-01  today  30m" in shown.stdout


async def test_showing_records_nothing(run: Commands, stack: Stack) -> None:
    """The app records its first HMAC key; a look at the values must not."""
    await run("identity", "show", **KEYS)
    await run("identity", "set", "bin_size", "15m", "--from", FAR, "--dry-run", **KEYS)

    assert await stored(stack) == []


async def test_a_second_value_is_appended(run: Commands, stack: Stack) -> None:
    await run("identity", "set", "shards/a", "2", "--from", FAR)
    done = await run.json("identity", "set", "shards/a", "8", "--from", FARTHER)

    assert done["before"] == "2"
    identity = identity_of(await stored(stack))
    assert [identity.shards("a", day) for day in ("2026-01-01", FAR, FARTHER)] == [1, 2, 8]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("bin_size", "15m", "--from", NEAR), 1, "is too near"),
        (("bin_size", "15m", "--from", "2020-01-01"), 1, "is too near"),
        (("bin_size", "15m", "--from", "soon"), 2, "is no day"),
        (("bin_size", "15m"), 2, "Missing option '--from'"),
        (("bin_size", "7m", "--from", FAR), 1, "does not divide a day"),
        (("bin_size", "--from", FAR), 1, "give either a value or --covered"),
        (("shards/a", "0", "--from", FAR), 1, "is no number of shards"),
        (("shards/a", "many", "--from", FAR), 1, "is no number of shards"),
        (("shards/", "2", "--from", FAR), 1, "is none of shards/<subscription>"),
        (("shards", "2", "--from", FAR), 1, "is none of shards/<subscription>"),
        (("colour", "red", "--from", FAR), 1, "is none of shards/<subscription>"),
        (("hmac_key", "k3", "--from", FAR), 1, "PRIVACY_HMAC_KEYS has no key of this id"),
        (("metric_profile/own", "{}", "--from", FAR), 1, "metrics: Field required"),
        (("metric_profile/own", "on", "--from", FAR), 1, "metric profile 'own'"),
        (("metric_profile/own", "@missing.json", "--from", FAR), 1, "No such file"),
        (("metric_profile/own", "--covered", "a=b", "--from", FAR), 1, "covers streaming only"),
        (("metric_profile/x", "--covered", "a=b", "--from", FAR), 1, "is none of own, ai-hub"),
        (("metric_profile/citadel", "--covered", "colour=b", "--from", FAR), 1, "covered"),
        (("metric_profile/citadel", "--covered", "product_id=", "--from", FAR), 1, "covered"),
        (("bin_size", "--covered", "product_id=a", "--from", FAR), 1, "metric_profile/<name> only"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_written(
    run: Commands, stack: Stack, arguments: tuple[str, ...], code: int, text: str
) -> None:
    refused = await run("identity", "set", *arguments, **KEYS)

    assert refused.exit_code == code
    assert text in refused.stderr
    assert SECRET not in refused.output
    assert await stored(stack) == []


async def test_a_day_before_one_that_is_set_is_refused(run: Commands) -> None:
    await run("identity", "set", "bin_size", "15m", "--from", FARTHER)

    refused = await run("identity", "set", "bin_size", "30m", "--from", FAR)

    assert refused.exit_code == 1
    assert "is set already" in refused.stderr


async def test_a_shipped_profile_is_completed_by_what_it_covers(
    run: Commands, stack: Stack
) -> None:
    done = await run(
        *("identity", "set", "metric_profile/citadel"),
        *("--covered", "product_id=AI-Retail, AI-HR", "--from", FAR),
    )

    assert done.exit_code == 0
    assert "nobody collects it: add citadel to METRICS_PROFILES" in done.stdout
    definition = definition_of("citadel", identity_of(await stored(stack)), FAR)
    covered = {"product_id": ["AI-Retail", "AI-HR"]}
    assert definition == Definition.model_validate({**SHIPPED["citadel"], "covered": covered})


async def test_a_profile_comes_from_a_file_and_ends_with_off(
    run: Commands, stack: Stack, tmp_path: Path
) -> None:
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(SHIPPED["own"], indent=2))

    first = await run("identity", "set", "metric_profile/ours", f"@{file}", "--from", FAR)
    last = await run("identity", "set", "metric_profile/ours", "off", "--from", FARTHER)

    assert (first.exit_code, last.exit_code) == (0, 0)
    (document,) = await stored(stack)
    assert document["values"][0]["value"] == json.loads(file.read_text())
    identity: Identity = identity_of([document])
    assert definition_of("ours", identity, FAR) is not None
    assert definition_of("ours", identity, FARTHER) is None
    shown = await run("identity", "show")
    whole = await run("identity", "show", "metric_profile/ours")
    assert " ..." in shown.stdout
    assert "usage.subscription" in whole.stdout


async def test_a_file_that_is_no_json_is_refused(run: Commands, tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text("{")

    refused = await run("identity", "set", "metric_profile/ours", f"@{file}", "--from", FAR)

    assert (refused.exit_code, "is not JSON" in refused.stderr) == (1, True)


async def test_somebody_who_was_first_is_not_overwritten(run: Commands, stack: Stack) -> None:
    await run("identity", "set", "bin_size", "15m", "--from", FAR)
    stack.cosmos.faults.add(Fault(operation="replace", container="state", status=412))

    refused = await run("identity", "set", "bin_size", "30m", "--from", FARTHER)

    assert refused.exit_code == 1
    assert "somebody else changed bin_size" in refused.stderr
    assert len((await stored(stack))[0]["values"]) == 1


async def test_two_at_once_leave_one_value(run: Commands, stack: Stack) -> None:
    """Both read before either writes: the store lets one of them in."""
    editors = [stack.start().identity_editor for _ in range(2)]
    (one, other) = await asyncio.gather(*(each.read("bin_size") for each in editors))

    assert (one, other) == (other, one)
    done = await run("identity", "set", "bin_size", "15m", "--from", FAR)
    with pytest.raises(Exception, match="identity"):
        await editors[0].write(one)

    assert done.exit_code == 0
    assert len((await stored(stack))[0]["values"]) == 1


async def test_a_name_without_values_is_said_to_have_its_default(run: Commands) -> None:
    refused = await run("identity", "show", "bin_size")

    assert (refused.exit_code, "its default holds" in refused.stderr) == (1, True)
