"""Lines of every sort, ordinary ones and such as hypothesis makes up."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.chargeback.lines import make_line, make_rate, make_subject, make_unpriced
from usage_ingest.chargeback.charged import with_markup
from usage_ingest.chargeback.focus import Bill, Biller
from usage_ingest.chargeback.kinds import Kind, unit
from usage_ingest.chargeback.line import EXACT, Charge, Line, Subject
from usage_ingest.chargeback.owner import NOBODY, Payer

PERIOD = "2026-11"
BILLER = Biller(account_id="contoso", account_name="Contoso Ltd.", issuer="AI platform team")
BILL = Bill(biller=BILLER, period=PERIOD)
HR = Payer("hr", "4711", "People", Decimal("7.5"))
RATE = make_rate(unit_price=Decimal("2.25"), list_unit_price=Decimal("2.50"), revision=3)
PTU_ID = "/subscriptions/5a/deployments/gpt-4o-ptu"


def subject(**overrides: Any) -> Subject:
    called: dict[str, Any] = {"backend": "aoai-sweden", "tenant_id": "tenant-1"}
    return make_subject(**called | overrides)


def line(**overrides: Any) -> Line:
    """A line whose money is what its quantity and rate make, unless an override says otherwise."""
    mine: dict[str, Any] = {"subject": subject(), "payer": HR, "quantity": 1_234_567, "rate": RATE}
    made = make_line(**mine | {"currency": "USD"} | overrides)
    if made.rate is None or "cost" in overrides:
        return made
    quantity = EXACT.scaleb(Decimal(made.quantity), -unit(made.kind).power)
    cost = EXACT.multiply(made.rate.unit_price, quantity)
    list_cost = EXACT.multiply(made.rate.list_unit_price, quantity)
    amount = with_markup(cost, made.payer.markup_percent)
    return replace(made, cost=cost, list_cost=list_cost, amount=amount)


def unpriced_line(**overrides: Any) -> Line:
    secret: dict[str, Any] = {"subject": subject(), "payer": HR, "model": "secret-model"}
    return make_unpriced(**secret | {"quantity": 1_234_567} | overrides)


def provisioned_line(**overrides: Any) -> Line:
    rate = make_rate(
        price_id="ptu-1",
        unit_price=Decimal("0.000123456789012345678901"),
        list_unit_price=Decimal("0.000123456789012345678901"),
    )
    shared: dict[str, Any] = {
        "kind": Kind.PROVISIONED,
        "charge": Charge.PROVISIONED,
        "resource_id": PTU_ID,
    }
    ours: dict[str, Any] = {"subject": subject(deployment="gpt-4o-ptu"), "rate": rate}
    return line(**shared | ours | {"sku": "GlobalProvisionedManaged"} | overrides)


def idle_line(**overrides: Any) -> Line:
    """What is left of a day: its money is a remainder, not a product."""
    nobody = dict.fromkeys(("subscription_id", "product_id", "app_id", "tenant_id", "provider"))
    whole = subject(**nobody, deployment="gpt-4o-ptu", tags=(), context_band=None)
    left = dict.fromkeys(("cost", "list_cost", "amount"), Decimal("17.000000000000000000000001"))
    unused: dict[str, Any] = {
        "payer": NOBODY,
        "subject": whole,
        "charge": Charge.IDLE,
        "quantity": 6_000_000,
    }
    return provisioned_line(**unused | left | overrides)


def correction_line(**overrides: Any) -> Line:
    """One token less at a price that has fallen."""
    fell: dict[str, Any] = {
        "cost": Decimal("-0.3"),
        "list_cost": Decimal("-0.3"),
        "amount": Decimal("-0.3225"),
    }
    of: dict[str, Any] = {
        "corrects": "2026-10",
        "subject": subject(day="2026-10-31"),
        "quantity": -1,
    }
    return line(**fell | of | {"charge": Charge.CORRECTION, "rate": None} | overrides)


def idle_correction_line(**overrides: Any) -> Line:
    """Somebody was found to have used what had been idle."""
    fell = dict.fromkeys(("cost", "list_cost", "amount"), Decimal("-1.5"))
    of: dict[str, Any] = {"corrects": "2026-10", "corrected": Charge.IDLE, "quantity": -600_000}
    idle = idle_line(**{"charge": Charge.CORRECTION, **fell, **of, **overrides})
    return replace(idle, subject=idle.subject._replace(day="2026-10-31"))


ALL_SORTS = (
    line(),
    line(kind=Kind.CACHED_INPUT, quantity=64, subject=subject(day="2026-11-01")),
    line(kind=Kind.OUTPUT, quantity=7, subject=subject(day="2026-11-30")),
    line(kind=Kind.DURATION, quantity=61_001, model="whisper", version=None, sku=None),
    line(kind=Kind.IMAGES, quantity=3, model="dall-e-3", payer=NOBODY),
    line(kind=Kind.SEARCHES, quantity=2, currency="EUR"),
    line(
        model="claude-opus-4-1",
        region=None,
        subject=subject(deployment=None, product_id=None, source="metrics", tags=()),
        payer=NOBODY,
        rate=make_rate(price_id="genai-prices@0.2.3:claude-opus-4-1", revision=0),
    ),
    provisioned_line(),
    idle_line(),
    correction_line(),
    correction_line(rate=RATE, corrected=Charge.USAGE),
    idle_correction_line(),
    unpriced_line(),
)


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda text: bool(text.strip())
)
_MAYBE = st.none() | _TEXTS
_PRICES = st.decimals(0, 10_000, allow_nan=False, allow_infinity=False, places=9)
_DAYS = st.dates(date(2026, 11, 1), date(2026, 11, 30)).map(date.isoformat)
_PAYERS = st.builds(
    Payer,
    _TEXTS,
    _MAYBE,
    _MAYBE,
    st.decimals(0, 100, allow_nan=False, allow_infinity=False, places=2),
)
_SUBJECTS = st.builds(
    subject,
    day=_DAYS,
    subscription_id=_MAYBE,
    product_id=_MAYBE,
    app_id=_MAYBE,
    tags=st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), _TEXTS).map(
        lambda tags: tuple(tags.items())
    ),
    gateway=_TEXTS,
    backend=_MAYBE,
    provider=_MAYBE,
    deployment=_MAYBE,
    served_deployment=_MAYBE,
    context_band=_MAYBE,
    usage_estimated=st.booleans(),
)
_PAID_BY_USE = st.sampled_from([kind for kind in Kind if kind is not Kind.PROVISIONED])


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """A line of any charge; whose model is, as in life, the one that its price is of."""
    used, payer, model = draw(_SUBJECTS), draw(_PAYERS), draw(_TEXTS)
    kind, quantity = draw(_PAID_BY_USE), draw(st.integers(1, 10**15))
    revision = draw(st.integers(0, 9))
    rate = make_rate(
        price_id=f"price of {model}",
        revision=revision,
        unit_price=draw(_PRICES),
        list_unit_price=draw(_PRICES),
        list_estimate=not revision,
    )
    told: dict[str, Any] = {"payer": payer, "region": draw(_MAYBE), "resource_id": draw(_MAYBE)}
    told |= {"subject": used, "model": model, "publisher": draw(_MAYBE)}
    on = used._replace(deployment=used.deployment or "ptu", served_deployment=None)
    ptu = replace(rate, price_id=f"ptu of {on.deployment}", list_unit_price=rate.unit_price)
    return draw(
        st.sampled_from(
            [
                line(**told, kind=kind, quantity=quantity, rate=rate),
                unpriced_line(**told | {"kind": kind, "quantity": quantity}),
                provisioned_line(**told | {"subject": on, "rate": ptu, "quantity": quantity}),
                idle_line(**told | {"subject": on, "rate": ptu, "payer": NOBODY}),
                idle_correction_line(**told | {"subject": on, "rate": ptu, "payer": NOBODY}),
                correction_line(
                    **told
                    | {"subject": used._replace(day="2026-10-02"), "kind": kind}
                    | {"quantity": -quantity}
                ),
            ]
        )
    )
