"""The columns of an export against what is stored."""

from dataclasses import fields, replace

from tests.builders import make_event
from tests.sightings import record_of
from usage_ingest.document import to_document
from usage_ingest.export.columns import COLUMNS, DAY, LEDGER, ROLLUPS
from usage_ingest.export.rows import columns_of
from usage_ingest.record import UsageRecord
from usage_ingest.rollup import COUNTERS, KEY_FIELDS, increments, rollup_document, rollup_key

STORES_OWN = {"partitionKey", "type", "ttl", "payload_hash"}
INSIDE = {"usage", "coordinates", "metric", "record_id"}


def test_every_field_of_a_record_is_a_column() -> None:
    """A field that is added to the record asks for a column, and for its meaning."""
    names = {column.field for column in LEDGER}

    assert {each.name for each in fields(UsageRecord)} - INSIDE <= names
    document = to_document(record_of(make_event()), "p", "r", 400)
    assert document.keys() - names == STORES_OWN | {DAY}


def test_every_key_and_counter_of_a_rollup_is_a_column() -> None:
    names = {column.field for column in ROLLUPS}

    assert {*KEY_FIELDS, *COUNTERS} - {DAY} <= names
    record = record_of(make_event())
    document = rollup_document(rollup_key(record, ()), 0, "p", increments(record))
    assert document.keys() - names == {"partitionKey", "type", "key", DAY}


def test_columns_have_names_of_their_own_and_meanings() -> None:
    for columns in COLUMNS.values():
        assert len({column.name for column in columns}) == len(columns)
        assert all(column.meaning.endswith(".") for column in columns)
        assert all(column.unit for column in columns if column.name.endswith(("_ms", "_tokens")))


def test_what_is_unknown_is_null_and_zero_is_zero() -> None:
    record = replace(record_of(make_event()), flags=(), tags={})
    page = columns_of([to_document(record, "p", "r", 400)], LEDGER)

    assert page["reasoning_output_tokens"] == [0]
    assert page["audio_input_tokens"] == [None]
    assert (page["flags"], page["tags"]) == ([None], [None])
    assert page["event_time"] == [record.event_time]
