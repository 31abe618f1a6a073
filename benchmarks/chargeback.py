"""A month's lines from many rollups: CPU, and the memory that they take at most."""

import gc
import time
import tracemalloc
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from benchmarks.client import Bench
from benchmarks.table import at_most, least, show
from usage_ingest.chargeback.estimate import estimator
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Line, total
from usage_ingest.chargeback.owner import OwnerKey, OwnerRule, Payer
from usage_ingest.chargeback.price import Price, PriceKey
from usage_ingest.chargeback.rated import Asked, rated
from usage_ingest.chargeback.reference import Reference
from usage_ingest.rollup import RollupKey, rollup_document

SUBSCRIPTIONS: Final = 200
MODELS: Final = 20
DAYS: Final = 31
TARGET_SECONDS: Final = 2.0

_FIRST: Final = date(2026, 10, 1)
_LAST: Final = _FIRST + timedelta(days=DAYS - 1)
_DAY_SIZE: Final = SUBSCRIPTIONS * MODELS
_MONTH: Final = _DAY_SIZE * DAYS
_ESTIMATED: Final = frozenset({"gpt-5", "o3-mini"})
"""Models that the price book lacks: their prices are the public list's."""
_ROUNDS: Final = 3
_EACH: Final = {
    "input_tokens": 3_000_000,
    "cached_input_tokens": 1_000_000,
    "output_tokens": 400_000,
    "reasoning_output_tokens": 150_000,
    "total_tokens": 3_400_000,
}


async def measure(bench: Bench) -> None:
    """Print CPU and peak memory by the number of rollups; the subjects are the same."""
    rows = []
    for size in (_MONTH // 2, _MONTH):
        await bench.feed([_rollup(at) for at in range(size)])
        lines = await _lines(bench)
        _check(lines, size)
        seconds = least([await _cpu(bench) for _ in range(_ROUNDS)])
        peak = await _peak(bench)
        verdict = at_most(seconds, TARGET_SECONDS) if size == _MONTH else ""
        found = (f"{size:,}", f"{len(lines):,}", f"{seconds:.2f}", verdict, f"{peak / 1e6:.1f}")
        rows.append(found)
    columns = ("rollups", "lines", "CPU s", f"at most {TARGET_SECONDS}", "peak MB")
    show("A month's chargeback by owner and model", columns, rows)


async def _cpu(bench: Bench) -> float:
    start = time.process_time()
    await _total(bench)
    return time.process_time() - start


async def _peak(bench: Bench) -> int:
    gc.collect()
    tracemalloc.start()
    await _total(bench)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


async def _total(bench: Bench) -> Decimal:
    """Add the amounts up as the lines come, as a report does."""
    found = Decimal(0)
    async for line in rated(bench.app.reports.reader, _REFERENCE, _FIRST, _LAST, Asked()):
        found = total((found, line.amount))
    return found


async def _lines(bench: Bench) -> list[Line]:
    reader = bench.app.reports.reader
    return [line async for line in rated(reader, _REFERENCE, _FIRST, _LAST, Asked())]


def _check(lines: list[Line], size: int) -> None:
    """Compare what was rated with what was fed.

    Raises:
        AssertionError: Tokens are missing, counted twice or without a price.
    """
    tokens = sum(int(line.quantity) for line in lines)
    if tokens != size * _EACH["total_tokens"] or any(line.amount is None for line in lines):
        raise AssertionError(f"{tokens} tokens were rated, of {size} rollups")


def _model(at: int) -> str:
    return sorted(_ESTIMATED)[at] if at < len(_ESTIMATED) else f"contoso-{at}"


_MODELS: Final = tuple(_model(at) for at in range(MODELS))
_ORDINARY: Final[dict[str, Any]] = {"from_day": "2026-01-01", "source": "contract", "revision": 1}
_REFERENCE: Final = Reference(
    prices=[
        Price(
            id=model,
            key=PriceKey(model),
            currency="USD",
            unit_prices={
                Kind.INPUT: Decimal("2.31"),
                Kind.CACHED_INPUT: Decimal("1.155"),
                Kind.OUTPUT: Decimal("9.24"),
            },
            **_ORDINARY,
        )
        for model in _MODELS
        if model not in _ESTIMATED
    ],
    owners=[
        OwnerRule(
            id=f"team-{at}",
            key=OwnerKey(subscription=f"team-{at}"),
            payer=Payer(f"department-{at % 20}", markup_percent=Decimal("2.5")),
            **_ORDINARY,
        )
        for at in range(SUBSCRIPTIONS)
    ],
    estimate=estimator(enabled=True),
)


def _rollup(at: int) -> dict[str, Any]:
    subscription, model = f"team-{at % SUBSCRIPTIONS}", _MODELS[at // SUBSCRIPTIONS % MODELS]
    day = (_FIRST + timedelta(days=at // _DAY_SIZE)).isoformat()
    key = RollupKey(
        day=day,
        subscription_id=subscription,
        product_id="ai-standard",
        app_id=f"app-{at}",
        tenant_id=None,
        tags=(("team", subscription),),
        gateway="apim-contoso",
        backend="aoai-swc-1",
        provider="openai",
        api_kind="chat",
        model=model,
        deployment=f"{model}-prod",
        served_deployment=None,
        region="Sweden Central",
        service_tier="default",
        spillover=False,
        context_band="128k",
        streaming=False,
        usage_estimated=False,
        source="event_hub",
    )
    return rollup_document(key, at % 4, f"{subscription}|{day}|0", {"requests": 900, **_EACH})
