"""The queries that find kept dead letters, with their parameters. Pure."""

from collections.abc import Sequence
from typing import Any

from usage_ingest.dead_letter_document import BLOCK_TYPE, LETTER_TYPE
from usage_ingest.events.kept_letter import Selection

Parameters = list[dict[str, Any]]


def letter_query(chosen: Selection, state: str | None = "open") -> tuple[str, Parameters]:
    """Return the query of single dead letters; a state of None means any."""
    parameters = [{"name": "@type", "value": LETTER_TYPE}]
    conditions = ["c.type = @type"]
    if state is not None:
        parameters.append({"name": "@state", "value": state})
        conditions.append("c.state = @state")
    conditions += _days(chosen, parameters)
    conditions += _any_of("reason", chosen.reasons, parameters)
    conditions += _any_of("id", chosen.letter_ids, parameters)
    return _select("*", conditions), parameters


def places_query(chosen: Selection) -> tuple[str, Parameters]:
    """Return the query of the blocks of the chosen days."""
    parameters = [{"name": "@type", "value": BLOCK_TYPE}]
    return _select("*", ["c.type = @type", *_days(chosen, parameters)]), parameters


def letters_of_block(block_id: str) -> tuple[str, Parameters]:
    """Return the query of the places that have a dead letter of their own, within one block."""
    parameters = [
        {"name": "@type", "value": LETTER_TYPE},
        {"name": "@state", "value": "open"},
        {"name": "@block", "value": block_id},
    ]
    conditions = ["c.type = @type", "c.state = @state", "c.block_id = @block"]
    return _select("c.sequence_number, c.element", conditions), parameters


def _days(chosen: Selection, parameters: Parameters) -> list[str]:
    conditions = []
    for name, operator, day in (("start", ">=", chosen.start), ("end", "<=", chosen.end)):
        if day is not None:
            parameters.append({"name": f"@{name}", "value": day})
            conditions.append(f"c.day {operator} @{name}")
    return conditions


def _any_of(field: str, values: Sequence[str], parameters: Parameters) -> list[str]:
    if not values:
        return []
    options: list[str] = []
    for value in values:
        name = f"@{field}{len(options)}"
        parameters.append({"name": name, "value": value})
        options.append(f"c.{field} = {name}")
    return [f"({' OR '.join(options)})"]


def _select(selected: str, conditions: Sequence[str]) -> str:
    return " ".join(["SELECT", selected, "FROM c WHERE", " AND ".join(conditions)])
