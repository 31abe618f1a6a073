from datetime import timedelta

from tests.builders import NOON
from tests.chargeback.statements import make_statement
from usage_ingest.chargeback.statement import Chunk
from usage_ingest.chargeback.statement_document import (
    statement_document,
    statement_id,
    statement_of,
)

CHUNKS = (
    Chunk(lines=20_000, first_day="2026-11-01", last_day="2026-11-09", corrections=False),
    Chunk(lines=1, first_day="2026-10-03", last_day="2026-10-03", corrections=True),
)


def test_what_was_written_is_read_back() -> None:
    statement = make_statement(
        chunks=CHUNKS,
        lines=20_001,
        totals={"EUR": "2.75"},
        read_from=NOON - timedelta(microseconds=1),
        accepted="agreed",
    )

    assert statement_of(statement_document(statement)) == statement


def test_what_was_not_accepted_is_not_there() -> None:
    document = statement_document(make_statement())

    assert "accepted" not in document
    assert statement_of(document).accepted is None


def test_a_head_has_no_time_to_live_and_its_id_is_frozen() -> None:
    """Another id would let a number be taken twice."""
    document = statement_document(make_statement(number=3, id="whoever"))

    assert "ttl" not in document
    assert document["id"] == statement_id(3) == "5cdf993897e8e40c4ab5a3b827be3769"
