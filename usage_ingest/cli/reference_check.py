"""`reference check`: holes and contradictions of what was imported, and use without a price."""

from dataclasses import asdict, replace
from datetime import date, timedelta
from typing import Any, Final

import click

from usage_ingest.chargeback.check import check
from usage_ingest.chargeback.check_use import Use
from usage_ingest.chargeback.rated import Asked, rated
from usage_ingest.cli.session import FAILED, LONG_PATIENCE_SECONDS, Session, connected
from usage_ingest.cli.table import table
from usage_ingest.cli.times import UtcDay
from usage_ingest.errors import InvalidQueryError
from usage_ingest.wiring import App

_DAYS: Final = timedelta(days=30)
_MOST_DAYS: Final = timedelta(days=400)


@click.command(name="check")
@connected
@click.option(
    "--from", "first", type=UtcDay(), metavar="DAY", help="The first day.  [default: 30 days ago]"
)
@click.option("--to", "last", type=UtcDay(), metavar="DAY", help="The last.  [default: today]")
@click.pass_context
def check_(context: click.Context, session: Session, first: date | None, last: date | None) -> None:
    """Find holes and contradictions, and models or deployments in use that nothing covers.

    Looks at the documents that hold on some days, and at the usage of these days. Estimates of
    public lists do not count as prices here.

    \b
    gap                    nothing holds between two documents of one key
    overlap                a document goes on beyond the next one's first day
    ambiguous_owners       two rules of one rank can match one call
    ambiguous_deployments  two documents of one deployment can match one call
    no_amount              a provisioned deployment of which no amount is known
    unknown_model          a deployment's model has no price
    unknown_deployment     a price for a deployment that nobody knows
    unknown_tag            a rule by a tag that is not kept
    unpriced               usage without a price
    undocumented           a deployment in use whose model and SKU nothing tells

    Ends with 0 when nothing is found, else with 1.

    \b
    Examples:
      python -m usage_ingest reference check
      python -m usage_ingest reference check --from 2026-11-01 --to 2026-11-30 --json
    """  # noqa: D301 - click wants the character

    async def work(app: App) -> dict[str, Any]:
        end = last or app.clock.now().date()
        start = first or end - _DAYS
        if start > end:
            raise InvalidQueryError("--from", "is later than --to")
        if end - start >= _MOST_DAYS:
            raise InvalidQueryError("--from", f"is more than {_MOST_DAYS.days} days before --to")
        reference, use = replace(await app.reference.load(), estimate=None), Use()
        asked = Asked(days=True)
        async for line in rated(app.reports.reader, reference, start, end, asked):
            use.add(line)
        tags = app.settings.rollup_tags
        found = [asdict(each) for each in check(reference, use, start, end, tags)]
        return {"from": start.isoformat(), "to": end.isoformat(), "remarks": found}

    found = session.run(work, LONG_PATIENCE_SECONDS)
    session.show(found, _said(found))
    context.exit(FAILED if found["remarks"] else 0)


def _said(found: dict[str, Any]) -> str:
    days = f"{found['from']} to {found['to']}"
    remarks = found["remarks"]
    if not remarks:
        return f"{days}: nothing is wrong."
    rows = [(each["code"], each["of"], each["text"]) for each in remarks]
    count = f"{len(rows)} remark{'s' * (len(rows) != 1)}"
    return f"{table(('remark', 'of', 'what is wrong'), rows)}\n\n{days}: {count}."
