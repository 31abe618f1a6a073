"""`identity`: the dated values that enter identity or placement, and how to change them."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click
import orjson

from usage_ingest.cli.session import Session, connected, dry_run_option
from usage_ingest.cli.table import table
from usage_ingest.cli.times import UtcDay
from usage_ingest.errors import ConflictError, InvalidQueryError
from usage_ingest.identity import METRIC_PROFILE, Identity
from usage_ingest.identity_change import DatedValues, completed, with_value
from usage_ingest.metric_profile import wrong_definitions
from usage_ingest.state_document import identity_document
from usage_ingest.wiring import App

_SHOWN = 60  # characters of a value in a table; definitions are long


@click.group()
def identity() -> None:
    """Values that hold from a day on: shards, bin size, HMAC key and metric profiles."""


@identity.command()
@connected
@click.argument("name", required=False)
def show(session: Session, name: str | None) -> None:
    """Show all dated values, and which of them hold today.

    With a NAME, its values are printed whole. What is not listed has its default: one shard,
    bins of 1h, no key.

    \b
    Examples:
      python -m usage_ingest identity show
      python -m usage_ingest identity show metric_profile/own
    """  # noqa: D301 - click wants the character

    async def read(app: App) -> list[dict[str, Any]]:
        today = app.clock.now().date().isoformat()
        stored = await app.identity_editor.all()
        if name is not None and name not in {each.name for each in stored}:
            raise InvalidQueryError("NAME", f"{name!r} has no values: its default holds")
        return [_object(each, today) for each in stored if name in (None, each.name)]

    found = session.run(read)
    session.show(found, _table(found, whole=name is not None))


@identity.command(name="set")
@connected
@click.argument("name")
@click.argument("value", required=False)
@click.option(
    "--from",
    "from_day",
    type=UtcDay(),
    required=True,
    metavar="DAY",
    help="The first UTC day that it holds for: at least 3 days ahead, and after all others.",
)
@click.option(
    "--covered",
    metavar="FIELD=A,B",
    help="For a profile that ships and covers all: the products (product_id) or subscriptions "
    "(subscription_id) whose tokens count by it; takes the place of VALUE.",
)
@dry_run_option
def set_(  # noqa: PLR0913 - arguments of a command
    session: Session,
    name: str,
    value: str | None,
    from_day: date,
    covered: str | None,
    *,
    dry_run: bool,
) -> None:
    """Let NAME have a VALUE from a day on; earlier days keep what they had.

    \b
    NAME                     VALUE
    shards/<subscription>    a number: 4
    bin_size                 a length that divides a day: 15m, 1h, 1d
    hmac_key                 the id of a key in PRIVACY_HMAC_KEYS
    metric_profile/<name>    @profile.json, or off; or --covered for citadel and toolkit

    A value is never changed or removed: a day that has begun is stored by it. Running instances
    read the values again every hour.

    \b
    Examples:
      python -m usage_ingest identity set shards/hr-copilot 4 --from 2026-12-01 --dry-run
      python -m usage_ingest identity set bin_size 15m --from 2026-12-01
      python -m usage_ingest identity set metric_profile/citadel \\
          --covered product_id=AI-Retail,AI-HR --from 2026-12-01
      python -m usage_ingest identity set metric_profile/own @profile.json --from 2026-12-01
    """  # noqa: D301 - click wants the character

    async def work(app: App) -> dict[str, Any]:
        key_ids = tuple(app.settings.privacy_hmac_keys)
        chosen = _value(name, value, covered)
        before = await app.identity_editor.read(name)
        after = with_value(before, chosen, from_day, app.clock.now().date(), key_ids)
        stored = [each for each in await app.identity_editor.all() if each.name != name]
        warnings = _warnings(app, [*stored, after], from_day)
        if not dry_run:
            await _write(app, after)
        return {
            "name": name,
            "before": _plain(Identity({name: before.values}).value(name, from_day.isoformat())),
            "value": _plain(chosen),
            "from_day": from_day.isoformat(),
            "document": identity_document(name, after.values),
            "warnings": warnings,
            "written": not dry_run,
        }

    found = session.run(work)
    session.show(found, _said(found))


async def _write(app: App, after: DatedValues) -> None:
    try:
        await app.identity_editor.write(after)
    except ConflictError as error:
        raise ConflictError(after.name) from error


def _value(name: str, value: str | None, covered: str | None) -> str:
    """Return the value that is meant: a text, a file's content, or a shipped definition."""
    if (value is None) == (covered is None):
        raise InvalidQueryError("VALUE", "give either a value or --covered")
    if covered is not None:
        if not name.startswith(METRIC_PROFILE):
            raise InvalidQueryError("--covered", "is for metric_profile/<name> only")
        field, _, listed = covered.partition("=")
        names = [each.strip() for each in listed.split(",") if each.strip()]
        return completed(name.removeprefix(METRIC_PROFILE), {field.strip(): names})
    text = str(value)
    if not text.startswith("@"):
        return text
    try:
        return orjson.dumps(orjson.loads(Path(text[1:]).read_bytes())).decode()
    except OSError as error:
        raise InvalidQueryError("VALUE", f"{text[1:]}: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise InvalidQueryError("VALUE", f"{text[1:]}: is not JSON: {error}") from error


def _warnings(app: App, stored: Sequence[DatedValues], from_day: date) -> list[str]:
    """Return what the deployment lacks for the value to be of use from its day on."""
    collected = {each.profile for each in app.reports.sources}
    values = Identity({each.name: each.values for each in stored})
    return wrong_definitions(values, collected, from_day.isoformat())


def _object(dated: DatedValues, today: str) -> dict[str, Any]:
    held = [each for each in dated.values if each.from_day <= today]
    now = max(held, key=lambda each: each.from_day) if held else None
    return {
        "name": dated.name,
        "values": [
            {
                "from_day": each.from_day,
                "value": _plain(each.value),
                "holds_today": each is now,
            }
            for each in sorted(dated.values, key=lambda each: each.from_day)
        ],
    }


def _plain(value: str | None) -> Any:  # noqa: ANN401 - definitions are JSON
    return orjson.loads(value) if value and value.startswith("{") else value


def _table(found: Sequence[dict[str, Any]], *, whole: bool) -> str:
    if not found:
        return "No values: one shard each, bins of 1h, no HMAC key."
    rows = [
        (
            each["name"],
            dated["from_day"],
            "today" if dated["holds_today"] else "",
            _short(dated["value"], whole=whole),
        )
        for each in found
        for dated in each["values"]
    ]
    return table(("name", "from", "holds", "value"), rows)


def _short(value: object, *, whole: bool) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if whole or len(text) <= _SHOWN else f"{text[: _SHOWN - 4]} ..."


def _said(found: dict[str, Any]) -> str:
    before = "its default" if found["before"] is None else _short(found["before"], whole=False)
    lines = [
        f"{found['name']}: {_short(found['value'], whole=False)} from {found['from_day']} on",
        f"Days before that keep {before}.",
        *(f"Note: {each}" for each in found["warnings"]),
        "Written." if found["written"] else "Dry run: nothing was written.",
    ]
    return "\n".join(lines)
