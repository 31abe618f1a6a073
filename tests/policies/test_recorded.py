"""The demo traffic of our own shape is what the executed policies emitted."""

import json
import random

from local.traffic import Traffic
from tests.builders import NOON
from tests.policies.contract import DIMENSIONS, Event
from tests.policies.gateway import Gateway
from tests.policies.record import RECORDED, recorded
from tests.sightings import record_of
from usage_ingest.record import UsageState


def test_the_templates_are_what_the_policies_emit(gateway: Gateway) -> None:
    """After a change that is meant: `python -m tests.policies.record`."""
    assert RECORDED.read_text(encoding="utf-8") == recorded(gateway)


def test_demo_events_keep_the_contract_and_have_the_keys_of_a_template() -> None:
    """Needs no Mono."""
    templates = json.loads(RECORDED.read_text(encoding="utf-8"))
    shapes = {frozenset(each["event"]) for each in templates.values()}
    traffic = Traffic(random.Random(7), NOON)
    sent = [json.loads(each.body) for each in map(traffic.own, [*templates] * 40)]

    assert {frozenset(each) for each in sent} == shapes
    for event in sent:
        assert Event.model_validate(event)
    states = {record_of(each).usage_state for each in sent}
    assert states == set(UsageState)


def test_demo_metrics_have_the_dimensions_of_the_template() -> None:
    traffic = Traffic(random.Random(7), NOON)
    for _ in range(20):
        traffic.own("streamed")

    assert traffic.metrics
    for row in traffic.metrics:
        assert row["Properties"].keys() - {"_MS.AggregationIntervalMs"} == set(DIMENSIONS)
