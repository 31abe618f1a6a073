"""The documentation against the code: links, names, examples and the values of host.json."""

import json
import re
import shlex
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

import click
import orjson
import pytest

from usage_ingest import telemetry
from usage_ingest.adapters.log_analytics import MAX_ROWS
from usage_ingest.chargeback.chunk_document import chunk_document
from usage_ingest.chargeback.line import GROUPS, Charge
from usage_ingest.chargeback.report_fold import MAX_GROUPS
from usage_ingest.chargeback.report_query import FORMATS, PARAMETERS
from usage_ingest.chargeback.statement_document import (
    attempt_document,
    statement_document,
    statement_of,
)
from usage_ingest.chargeback.sums import Doubt
from usage_ingest.cli.main import main
from usage_ingest.completeness import CHECK_PATIENCE
from usage_ingest.containers import CONTAINERS
from usage_ingest.dead_letter_document import (
    block_document,
    block_of,
    counts_document,
    letter_document,
    places_of,
)
from usage_ingest.document import from_document, time_of, to_document
from usage_ingest.events.dead_letter import REASONS, DeadLetter
from usage_ingest.events.kept_letter import Closing, Failure
from usage_ingest.events.parse import parse_event
from usage_ingest.events.privacy import Privacy
from usage_ingest.events.progress import TAIL_PATIENCE
from usage_ingest.events.to_record import Rules, Sighting
from usage_ingest.identity import METRIC_PROFILE, Identity, cosmos_partition_key
from usage_ingest.identity_change import DatedValues, completed, with_value
from usage_ingest.kept_letter_document import (
    closed_block,
    closed_letter,
    moved_fields,
    noted_letter,
)
from usage_ingest.metric_profile import Definition, definition_of
from usage_ingest.metrics.shipped import SHIPPED
from usage_ingest.metrics.watermark import LONGEST_WINDOW
from usage_ingest.record import UsageRecord
from usage_ingest.record_id import Coordinates, metric_record_id
from usage_ingest.rollup import increments, rollup_document, rollup_id, rollup_key
from usage_ingest.state_document import (
    backfill_document,
    backfill_of,
    identity_document,
    identity_of,
    progress_document,
    progress_of,
    watermark_document,
    watermark_of,
)
from usage_ingest.streaming import STALE_AFTER
from usage_ingest.summary_query import STORED_FIELDS

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENTS: Final = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "policies/README.md",
]
_LINK: Final = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_CODE: Final = re.compile(r"`([^`\n]+)`")
_PATH: Final = re.compile(
    r"(?:usage_ingest|local|tests|docs|benchmarks|policies|infra)/[\w./-]*|[\w.-]+\.(?:py|toml|md|sample)"
)
_EXAMPLE: Final = re.compile(r"<!-- example: (\w+) -->\n```json\n(.*?)\n```", re.DOTALL)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def without_blocks(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def words_in_code(text: str) -> set[str]:
    return set(_CODE.findall(without_blocks(text)))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def example(name: str) -> dict[str, Any]:
    written = dict(_EXAMPLE.findall(text_of("docs/architecture.md")))[name]
    found: dict[str, Any] = json.loads(written)
    return found


def test_the_documents_that_the_readme_promises_are_there() -> None:
    assert {named(each) for each in DOCUMENTS} >= {
        "CHANGELOG.md",
        "README.md",
        "docs/architecture.md",
        "docs/delivery-guarantees.md",
        "docs/deploy.md",
        "docs/glossary.md",
        "docs/runbook.md",
        "policies/README.md",
        *(named(each) for each in (ROOT / "docs/adr").glob("000[1-8]-*.md")),
    }
    assert len(list((ROOT / "docs/adr").glob("*.md"))) >= 8


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for link in _LINK.findall(without_blocks(text)):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), link
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_module_and_test_that_is_named_exists(document: Path) -> None:
    words = words_in_code(document.read_text(encoding="utf-8"))

    paths = [word for word in words if _PATH.fullmatch(word)]
    assert [word for word in paths if not (ROOT / word).exists()] == []
    tests = [word for word in words if word.startswith("test_") and not word.endswith(".py")]
    assert [word for word in tests if word not in names_of_tests()] == []


@cache
def names_of_tests() -> frozenset[str]:
    sources = (each.read_text(encoding="utf-8") for each in (ROOT / "tests").rglob("test_*.py"))
    return frozenset(name for source in sources for name in re.findall(r"def (test_\w+)", source))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_a_line_holds_one_sentence(document: Path) -> None:
    """So that a change of a sentence is a change of a line."""
    for line in without_blocks(document.read_text(encoding="utf-8")).splitlines():
        if not line.lstrip().startswith("|"):
            plain = re.sub(r"^(#|\s*)\s*\d+\. ", "", _CODE.sub("", line))
            assert not re.search(r"[.?!] [A-Z]", plain.replace("**", "")), line


def test_the_runbook_knows_every_alarm_and_every_reason() -> None:
    words = words_in_code(text_of("docs/runbook.md"))

    assert set(get_args(telemetry.AlarmName)) <= words
    assert set(REASONS) <= words


def test_the_readme_knows_what_summaries_are_asked_for_and_why_they_are_incomplete() -> None:
    words = words_in_code(text_of("README.md"))

    source = text_of("usage_ingest/completeness.py")
    (listed,) = re.findall(r"reasons = \{\n(.*?)\n    \}", source, re.DOTALL)
    codes = re.findall(r'^        "(\w+)":', listed, re.MULTILINE)
    assert len(codes) >= 7
    assert set(codes) <= words
    assert set(STORED_FIELDS) <= words
    assert {"start_date", "end_date", "group_by"} <= words


def test_the_readme_knows_what_reports_of_money_are_asked_for_and_what_they_tell() -> None:
    words = words_in_code(text_of("README.md"))

    assert {*GROUPS, *PARAMETERS, *FORMATS} <= words
    assert {*Doubt, *Charge} <= words
    assert f"at most {MAX_GROUPS:,} groups" in text_of("README.md")


def test_deploying_by_hand_lists_the_containers_with_what_they_index() -> None:
    text = text_of("docs/deploy.md")
    for each in CONTAINERS:
        indexed = [path["path"] for path in each["indexingPolicy"]["includedPaths"]]
        row = [f"`{each['id']}`", f"`{each['partitionKey']['paths'][0]}`"]
        row.append(", ".join(f"`{path}`" for path in indexed))
        assert f"| {' | '.join(row)} |" in text


def test_every_value_of_host_json_is_explained() -> None:
    text = text_of("docs/architecture.md")

    for path, value in leaves(json.loads(text_of("host.json"))):
        assert f"| `{path}` | `{value}` | " in text


def leaves(content: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def parsed(name: str, document: dict[str, Any]) -> UsageRecord | DeadLetter:
    """Parse an event of the documentation where the stored document says that it stood."""
    hub = Coordinates(
        namespace=document["namespace"],
        hub=document["hub"],
        partition_id=document["partition_id"],
        sequence_number=document["sequence_number"],
        enqueued_time=time_of(document["enqueued_time"]),
    )
    now = time_of(document.get("ingested_at") or document["stored_at"])
    event = example("event")
    if name == "letter":
        kept = ("schema", "gateway_request_id", "event_time", "subscription_id")
        event = {key: event[key] for key in kept}
        event |= {"end_user_id": "jo@contoso.com", "usage": {"prompt_tokens": -5}}
    rules = Rules(Identity(), Privacy(), ledger_ttl_days=400)
    (found,) = parse_event(Sighting(hub, 0, orjson.dumps(event), now), rules)
    return found


def test_the_event_of_the_architecture_becomes_the_documents_beside_it() -> None:
    usage, rollup = example("usage"), example("rollup")
    record = parsed("usage", usage)
    assert isinstance(record, UsageRecord)

    key = rollup_key(record, ("team",))
    place = cosmos_partition_key(record.subscription_id, record.day, record.record_id, Identity())
    slot = int(usage["partition_id"]) % 4
    counted_in = rollup_id(key.key_hash(), slot)
    assert to_document(record, place, counted_in, 400) == usage
    assert from_document(usage) == record
    assert rollup_document(key, slot, place, increments(record)) == rollup


def test_the_dead_letter_of_the_architecture_is_what_is_stored() -> None:
    stored = example("letter")
    letter = parsed("letter", stored)
    assert isinstance(letter, DeadLetter)

    now = time_of(stored["stored_at"])
    wanted = letter_document(letter, block_of(letter, now), now, 90)
    assert {**wanted, "size": stored["size"]} == stored
    assert counts_document(stored["partitionKey"], {stored["reason"]: 1}) == example("counts")


def test_the_block_of_the_architecture_is_what_is_stored() -> None:
    stored = example("block")
    now = time_of(stored["stored_at"])
    letter = parsed("letter", example("letter"))
    assert isinstance(letter, DeadLetter)

    assert block_document(block_of(letter, now), places_of(stored), now, 90) == stored


def test_the_dropped_dead_letter_of_the_architecture_is_what_closing_leaves() -> None:
    closed, block = example("dropped"), example("dropped_block")
    now = time_of(closed["changed_at"])
    closing = Closing("dropped", closed["closed_by"], closed["closed_because"])

    noted = noted_letter(example("letter"), Failure(**closed["last_failure"]), now)
    assert closed_letter(noted, closing, now) == closed
    moved = {"bad_count": [(1501, 0)]}
    assert closed_block(example("block"), moved, closing, now, 90) == block
    counts = example("counts")
    for name, change in moved_fields({"bad_count": 1}, closing).items():
        counts[name] = counts.get(name, 0) + change
    assert counts == example("dropped_counts")


def test_the_backfill_of_the_architecture_is_what_is_stored() -> None:
    assert backfill_document(backfill_of(example("backfill"))) == example("backfill")


def test_the_state_of_the_architecture_is_what_is_stored() -> None:
    progress = progress_of(example("progress"))
    assert progress_document(progress) == example("progress")
    assert progress.lag == 0
    assert progress.open_gaps[0].events == 20

    (name, values), *rest = identity_of([example("identity")]).values.items()
    assert not rest
    assert identity_document(name, values) == example("identity")


def test_the_statement_of_the_architecture_is_what_is_stored() -> None:
    head, chunk, attempt = example("statement"), example("statement_chunk"), example("attempt")

    statement = statement_of(head)
    assert statement_document(statement) == head
    assert chunk_document(statement, 0, statement.chunks[0], chunk["body"]) == chunk
    assert attempt_document(statement, statement.closed_at, 1) == attempt


def test_the_metric_record_of_the_architecture_is_what_is_stored() -> None:
    stored = example("metric")
    record = from_document(stored)
    key = rollup_key(record, ("team",))
    place = cosmos_partition_key(record.subscription_id, record.day, record.record_id, Identity())
    assert to_document(record, place, rollup_id(key.key_hash(), 0), 400) == stored

    metric, bag = record.metric, {"usage.subscription": "hr-copilot", "usage.app": "-"}
    bag |= {"usage.product": "ai-standard", "usage.deployment": "gpt-4o-prod"}
    assert metric is not None
    assert record.record_id == metric_record_id(
        metric.component,
        record.event_time,
        metric.bin_seconds,
        metric.role_name,
        bag | {"usage.model": "gpt-4o"},
    )


def test_the_watermark_of_the_architecture_is_what_is_stored() -> None:
    assert watermark_document(watermark_of(example("watermark"))) == example("watermark")


def test_the_profile_of_the_runbook_is_the_shipped_one_with_what_it_covers() -> None:
    (written,) = (text for name, text in _EXAMPLE.findall(text_of("docs/runbook.md")))
    document = json.loads(written)

    identity = identity_of([document])
    definition = definition_of("citadel", identity, "2026-12-01")
    assert definition is not None
    covered = {"product_id": ["AI-Retail", "AI-HR"]}
    assert definition == Definition.model_validate({**SHIPPED["citadel"], "covered": covered})
    assert definition_of("citadel", identity, "2026-11-30") is None
    assert document["id"] == identity_document(document["name"], [])["id"]


def test_the_command_of_the_runbook_writes_the_document_beside_it() -> None:
    runbook = text_of("docs/runbook.md")
    (command,) = re.findall(r"identity set (\S+) --covered product_id=(\S+) --from (\S+)", runbook)
    name, covered, day = command

    value = completed(name.removeprefix(METRIC_PROFILE), {"product_id": covered.split(",")})
    written = with_value(
        DatedValues(name), value, date.fromisoformat(day), date.fromisoformat("2026-11-20"), ()
    )

    (example_text,) = (text for _, text in _EXAMPLE.findall(runbook))
    assert identity_document(name, written.values) == json.loads(example_text)


def test_every_command_that_the_documents_show_is_one() -> None:
    """As far as the arguments can be read without running it."""
    shown = {
        line.strip()
        for document in DOCUMENTS
        for line in re.findall(
            r"python -m usage_ingest ([^`\n#|]+)", document.read_text(encoding="utf-8")
        )
    }
    assert len(shown) >= 8
    for each in sorted(shown):
        leaf: click.Command = main
        words = shlex.split(each)
        while isinstance(leaf, click.Group) and words:
            leaf = leaf.commands[words.pop(0)]
        known = {option for parameter in leaf.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, each


def test_the_profiles_of_the_architecture_are_those_that_ship() -> None:
    text = text_of("docs/architecture.md")

    assert all(f"| `{profile}` | " in text for profile in SHIPPED)


def test_the_durations_of_the_metrics_are_as_written() -> None:
    assert timedelta(hours=1) == STALE_AFTER
    assert timedelta(days=1) == LONGEST_WINDOW
    assert MAX_ROWS == 500_000


def test_nothing_in_the_documents_is_of_another_place() -> None:
    """They stand by themselves: no path outside the repository, no tool of a workplace."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        assert "../shared" not in text
        assert not re.search(r"(?<![\w.])/(?:work|home|tmp|root)/", text), named(document)


def test_how_long_a_look_at_the_hub_holds_is_as_the_readme_says() -> None:
    assert timedelta(minutes=30) == CHECK_PATIENCE
    assert "was not looked at for 30 minutes" in text_of("README.md")
    assert timedelta(minutes=10) == TAIL_PATIENCE
    assert "a tail that stands still for 10 minutes" in text_of("docs/delivery-guarantees.md")
