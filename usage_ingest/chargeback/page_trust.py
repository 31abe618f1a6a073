"""How far the amounts of a report can be trusted, in words for a finance owner. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from usage_ingest.chargeback.page_text import (
    day_words,
    moment_words,
    money,
    percent,
    period_words,
)
from usage_ingest.chargeback.sums import Doubt

OK: Final = "OK"
CHECK: Final = "Check"
NOTE: Final = "Note"
_NAMED: Final = 12  # models that a sentence names

REASONS: Final = {
    "open_gaps": "some events were passed over and are being read again",
    "lost_gaps": "some events were passed over and are lost",
    "dead_letters": "some events could not be read and are not counted",
    "lag": "some events wait and are not counted yet",
    "progress_unknown": "nobody knows yet how far all events have been read",
    "hub_recreated": "the event hub was made anew; what it held may be lost",
    "not_checked_lately": "the end of the event hub was not looked at lately",
    "metrics_lag": "the tokens of streamed requests are collected late",
    "awaiting_metrics": "the tokens of some streamed requests are still to come",
    "streaming_uncovered": "some streamed requests have no tokens",
    "metrics_source_left": "a source of streamed tokens is collected no more",
    "metrics_skipped": "some streamed tokens were skipped by an operator",
    "streaming_by_both": "some streamed requests may count twice",
    "metric_bin_shrank": "some streamed tokens were told twice, and differently",
    "metric_value_odd": "some streamed tokens had odd values",
    "metric_bin_too_old": "some streamed tokens came too late to be counted",
    "unpriced": "some usage has no price and is in no amount",
}
"""What makes a report incomplete, in words; the codes are those of completeness."""

_DOUBTS: Final = {
    Doubt.ESTIMATED: "is for usage that the gateway estimated, where the API did not report it",
    Doubt.LIST_ESTIMATE: "is by public list prices, as there is no agreed price",
    Doubt.OTHER_VENDOR: "is by the list price of another vendor of the same model",
    Doubt.BASE_BAND: "is by the price of short requests, as the length of these is not known",
    Doubt.PARTS_OVERLAP: "is for usage whose parts overlap; its sum is right, its parts are not",
}


class Remark(NamedTuple):
    """One thing to know: OK, to be checked, or only to be noted; with its details."""

    mark: str
    text: str
    details: tuple[str, ...] = ()


def remarks(report: Mapping[str, Any]) -> list[Remark]:
    """Return what there is to know before the amounts are used."""
    return [
        *_state(report),
        _coverage(report["completeness"]),
        *_prices(report),
        *_doubts(report),
        *_corrections(report["corrections"]),
        Remark(NOTE, report["completeness"]["dropped_by_gateways"]["text"]),
    ]


def _state(report: Mapping[str, Any]) -> Iterator[Remark]:
    for each in report["periods"]:
        name = period_words(each["period"])
        if not each["whole"]:
            name = f"{name} ({day_words(each['start_date'])} to {day_words(each['end_date'])})"
        if each["state"] == "open":
            yield Remark(NOTE, f"{name} is open: its amounts may still change.")
            continue
        closed = f"{name} was closed on {moment_words(each['closed_at'])}: its amounts are final."
        if each["accepted"]:
            yield Remark(CHECK, f"{closed} It was closed incomplete, because: {each['accepted']}")
        else:
            yield Remark(OK, closed)


def _coverage(completeness: Mapping[str, Any]) -> Remark:
    because = [code for code in completeness["incomplete_because"] if code != "unpriced"]
    if not because:
        return Remark(OK, "Usage is complete: nothing is known to be missing.")
    return Remark(
        CHECK,
        "Usage is not complete:",
        tuple(REASONS.get(code, code) for code in because),
    )


def _prices(report: Mapping[str, Any]) -> Iterator[Remark]:
    found = report["unpriced"]
    if found["count"]:
        models = dict.fromkeys(each["model"] or "a model not reported" for each in found["listed"])
        yield Remark(
            CHECK,
            "Some usage has no price: it is in no amount, and listed below. "
            f"It is of {_some(list(models))}.",
        )
    elif report["totals"]["charges"]:
        yield Remark(OK, "All usage has a price.")


def _doubts(report: Mapping[str, Any]) -> Iterator[Remark]:
    found = False
    for charges in report["totals"]["charges"]:
        currency, whole = charges["currency"], Decimal(charges["amount"])
        for doubt, text in _DOUBTS.items():
            amount = Decimal(charges["doubtful"][doubt]["amount"])
            if amount:
                found = True
                share = percent(amount, whole)
                part = f"{money(amount)} {currency}{f' ({share})' if share else ''}"
                yield Remark(CHECK, f"{part} {text}.")
    if not found and report["totals"]["charges"]:
        yield Remark(OK, "No amount is estimated.")


def _corrections(found: Mapping[str, Any]) -> Iterator[Remark]:
    if found["of"]:
        of = ", ".join(period_words(period) for period in found["of"])
        posted = "; they are not posted yet" if found["not_posted_yet"] else ""
        yield Remark(NOTE, f"Corrections of {of} are among the amounts{posted}.")
    for each in found["left_out"]:
        name = period_words(each["posted_in"])
        if each["state"] == "posted":
            text = f"corrections that {name} posted: they are in the report of all of it"
        else:
            text = f"corrections of closed periods, which the report of {name} shows"
        yield Remark(NOTE, f"Not among the amounts: {text}.")


def _some(names: Sequence[str]) -> str:
    left = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {left:,} more" if left > 0 else "")
