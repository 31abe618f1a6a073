import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chargeback.lines import make_line, make_rate, make_unpriced
from tests.chargeback.statements import make_statement
from usage_ingest.chargeback import chunk_document as module
from usage_ingest.chargeback.chunk_document import (
    MAX_BODY_BYTES,
    chunk_document,
    chunk_id,
    lines_of,
    packed,
)
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line, Rate, Subject
from usage_ingest.chargeback.owner import Payer
from usage_ingest.errors import ConfigError

OLD = Path(__file__).resolve().parent / "chunk-format-1.json"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
decimals = st.decimals(allow_nan=False, allow_infinity=False)
subjects = st.builds(
    Subject,
    day=st.just("2026-11-20"),
    tags=st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
    **dict.fromkeys(("gateway", "source"), texts),
    **dict.fromkeys(("spillover", "usage_estimated"), st.booleans()),
    **dict.fromkeys(
        (
            *("subscription_id", "product_id", "app_id", "tenant_id", "backend", "provider"),
            *("model", "deployment", "served_deployment", "region", "service_tier"),
            "context_band",
        ),
        st.none() | texts,
    ),
)
payers = st.builds(Payer, texts, st.none() | texts, st.none() | texts, decimals)
rates = st.builds(
    Rate,
    price_id=texts,
    source=texts,
    revision=st.integers(0, 99),
    unit_price=decimals,
    list_unit_price=decimals,
    list_estimate=st.booleans(),
    other_vendor=st.booleans(),
    base_band=st.booleans(),
)
lines = st.builds(
    Line,
    subject=subjects,
    payer=payers,
    kind=st.sampled_from(Kind),
    charge=st.sampled_from(Charge),
    quantity=st.integers() | decimals,
    rate=st.none() | rates,
    parts_overlap=st.booleans(),
    corrected=st.none() | st.sampled_from(Charge),
    **dict.fromkeys(
        ("model", "version", "sku", "region", "publisher", "resource_id", "currency", "corrects"),
        st.none() | texts,
    ),
    **dict.fromkeys(("cost", "list_cost", "amount"), st.none() | decimals),
)


def document_of(*given_lines: Line) -> dict[str, Any]:
    ((chunk, body),) = packed(list(given_lines))
    return chunk_document(make_statement(), 0, chunk, body)


@given(st.lists(lines, min_size=1, max_size=5))
def test_what_was_packed_is_read_back(given_lines: list[Line]) -> None:
    document = json.loads(json.dumps(document_of(*given_lines)))

    assert list(lines_of(document)) == given_lines


def test_money_keeps_every_digit_and_a_quantity_its_kind_of_number() -> None:
    (line,) = lines_of(
        document_of(make_line(amount=Decimal("0.10000000000000000001"), quantity=2**63))
    )

    assert str(line.amount) == "0.10000000000000000001"
    assert line.quantity == 2**63
    assert isinstance(line.quantity, int)


def test_what_many_lines_share_is_one_object_again() -> None:
    """A month has hundreds of thousands of lines: they are held by thousands."""
    one, two = lines_of(document_of(make_line(), make_line(kind=Kind.OUTPUT)))

    assert one.subject is two.subject
    assert one.rate is two.rate
    assert one.payer is two.payer


def test_the_head_of_a_chunk_says_what_is_in_it() -> None:
    document = document_of(
        make_line(subject={"day": "2026-11-02"}), make_unpriced(subject={"day": "2026-11-01"})
    )

    assert document.pop("body")
    assert document == {
        "id": chunk_id(make_statement().id, 0),
        "type": "statement_chunk",
        "attempt": "attempt-1",
        "period": "2026-11",
        "number": 0,
        "lines": 2,
        "first_day": "2026-11-01",
        "last_day": "2026-11-02",
        "corrections": False,
        "format": 1,
        "encoding": "gzip+base64",
    }


def test_the_same_lines_are_the_same_bytes() -> None:
    assert document_of(make_line()) == document_of(make_line())


def test_lines_that_are_too_many_for_a_document_are_halved() -> None:
    """What does not repeat is hard to pack."""
    digits = [Decimal(f"0.{number**9:060}") for number in range(1, 400)]
    many = [make_line(amount=each, cost=-each, list_cost=each + each) for each in digits]
    whole = packed(many)
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patched:
        patched.setattr(module, "MAX_BODY_BYTES", 4_000)
        halves = list(packed(many))

    assert len(list(whole)) == 1
    assert len(halves) > 2
    assert all(len(body) <= 4_000 for _, body in halves)
    documents = [chunk_document(make_statement(), 0, *each) for each in halves]
    assert [line for each in documents for line in lines_of(each)] == many


def test_a_document_stays_below_what_the_store_takes() -> None:
    assert MAX_BODY_BYTES < 1_500_000


def test_a_chunk_of_the_first_version_is_still_read() -> None:
    """Frozen: what closed months hold is read for as long as they are kept."""
    document = json.loads(OLD.read_text())

    usage, unpriced, idle, correction = lines_of(document)
    assert usage == make_line()
    assert unpriced == make_unpriced(kind=Kind.SEARCHES, quantity=3)
    assert (idle.charge, idle.quantity) == (Charge.IDLE, Decimal("0.5"))
    assert idle.subject.subscription_id is None
    assert correction == make_line(
        charge=Charge.CORRECTION,
        corrects="2026-10",
        corrected=Charge.PROVISIONED,
        quantity=-5,
        rate=make_rate(list_estimate=True),
        amount=Decimal("-0.00000000000000000001"),
    )


def test_a_chunk_of_a_later_version_is_refused_by_name() -> None:
    document = document_of(make_line()) | {"format": 2}

    with pytest.raises(ConfigError, match="of the statement of 2026-11 has format 2"):
        list(lines_of(document))
