"""What `period` prints: JSON for machines, tables for people."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from usage_ingest.chargeback.close import Outcome
from usage_ingest.chargeback.closing import UNPRICED, Sums
from usage_ingest.chargeback.period import following
from usage_ingest.chargeback.ports import Statement
from usage_ingest.chargeback.shares import Charged, Shares
from usage_ingest.chargeback.statement import Tally
from usage_ingest.cli.table import moment, printable, table
from usage_ingest.document import time_text

_OWN = "own usage"


def outcome_object(outcome: Outcome, *, dry_run: bool) -> dict[str, Any]:
    """Return what became of closing, ready for JSON."""
    told = outcome.completeness
    return {
        "period": outcome.period,
        "dry_run": dry_run,
        "closed": outcome.statement is not None,
        "against": [*outcome.bars, *(told["incomplete_because"] if told else ())],
        "own": _tally(outcome.sums.own),
        "corrections": {name: _tally(each) for name, each in _corrections(outcome.sums)},
        "completeness": told,
        "statement": outcome.statement and listed_object(outcome.statement),
    }


def outcome_text(outcome: Outcome, accept: str | None, *, dry_run: bool) -> str:
    """Return what became of closing, for a person."""
    parts = [_headline(outcome, accept, dry_run=dry_run), *_against(outcome)]
    if not outcome.statement and not dry_run and outcome.completeness and not outcome.bars:
        parts.append('Mend it, or close the period with --accept "reason".')
    if outcome.completeness is not None:
        rows = [*_rows(_OWN, outcome.sums.own)]
        for name, tally in _corrections(outcome.sums):
            rows += _rows(f"corrections of {name}", tally)
        parts += ["", table(("of", "lines", "currency", "amount"), _aligned(rows))]
    return "\n".join(parts)


def listed_object(statement: Statement) -> dict[str, Any]:
    """Return the head of a closed period, ready for JSON."""
    told = statement.completeness
    return {
        "period": statement.period,
        "number": statement.number,
        "statement": statement.id,
        "closed_at": time_text(statement.closed_at),
        "read_from": time_text(statement.read_from),
        "accepted": statement.accepted,
        "incomplete_because": told.get("incomplete_because", []),
        "lines": statement.lines,
        "totals": dict(statement.totals),
        "imports": statement.imports,
        "tags": list(statement.tags),
    }


def listed_text(closed: Sequence[Statement]) -> str:
    """Return a table of closed periods, and which is the next."""
    if not closed:
        return "No period is closed; the first may be any month that has ended."
    rows = [
        (
            each.period,
            moment(time_text(each.closed_at)),
            each.lines,
            _totals(each.totals),
            each.accepted or "",
        )
        for each in closed
    ]
    listed = table(("period", "closed at", "lines", "amount", "accepted"), rows)
    return f"{listed}\nThe next to close is {following(closed[-1].period)}."


def shown_object(statement: Statement, shares: Shares) -> dict[str, Any]:
    """Return a closed period with what each owner was charged, ready for JSON."""
    owners = [{**charged._asdict(), **_tally(tally)} for charged, tally in shares.ordered()]
    told = dict(statement.completeness)
    return {**listed_object(statement), "owners": owners, "completeness": told}


def shown_text(statement: Statement, shares: Shares) -> str:
    """Return a closed period with what each owner was charged, for a person."""
    because = statement.completeness.get("incomplete_because", [])
    incomplete = f"Incomplete: {', '.join(because)}." if because else "Complete."
    accepted = f" Accepted: {printable(statement.accepted)}" if statement.accepted else ""
    head = (
        f"{statement.period}, closed at {moment(time_text(statement.closed_at))}: "
        f"{_totals(statement.totals) or 'nothing to pay'}. {incomplete}{accepted}"
    )
    rows = [row for charged, tally in shares.ordered() for row in _owner(charged, tally)]
    headers = ("owner", "cost center", "department", "of", "lines", "currency", "amount")
    return "\n".join([head, "", table(headers, _aligned(rows))])


def _headline(outcome: Outcome, accept: str | None, *, dry_run: bool) -> str:
    if outcome.statement is not None:
        return f"{outcome.period} is closed."
    if not dry_run:
        return f"{outcome.period} was not closed:"
    if outcome.may_be_closed(accept):
        return f"{outcome.period} can be closed; nothing was written."
    return f"{outcome.period} cannot be closed; nothing was written:"


def _against(outcome: Outcome) -> list[str]:
    """Return what stands against closing, or was accepted."""
    told = outcome.completeness
    lines = [f"  {bar}" for bar in outcome.bars]
    for code in told["incomplete_because"] if told else ():
        lines.append(f"  {code}")
        if told and code == UNPRICED:
            lines += [
                f"    {printable(each['model'] or '-')} {each['kind']} {_money(each['quantity'])}"
                for each in told[UNPRICED]["listed"]
            ]
    return lines


def _corrections(sums: Sums) -> list[tuple[str, Tally]]:
    return sorted(sums.corrections.items())


def _tally(tally: Tally) -> dict[str, Any]:
    return {"lines": tally.lines, "totals": tally.totals()}


def _rows(of: str, tally: Tally) -> list[list[Any]]:
    totals = tally.totals()
    if not totals:
        return [[of, tally.lines, None, "-"]]
    return [[of, tally.lines, each, _money(totals[each])] for each in totals]


def _owner(charged: Charged, tally: Tally) -> list[list[Any]]:
    of = _OWN if charged.corrects is None else f"correction of {charged.corrects}"
    names = (charged.owner, charged.cost_center, charged.department)
    return [[*names, *row] for row in _rows(of, tally)]


def _totals(totals: Mapping[str, str]) -> str:
    return ", ".join(f"{currency} {_money(amount)}" for currency, amount in totals.items())


def _money(amount: str) -> str:
    return f"{Decimal(amount):,f}"


def _aligned(rows: Sequence[list[Any]]) -> list[list[Any]]:
    """Put the last column, amounts as texts, to the right."""
    width = max((len(row[-1]) for row in rows), default=0)
    return [[*row[:-1], row[-1].rjust(width)] for row in rows]
