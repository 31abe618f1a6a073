"""Rollups become subjects with sums."""

from typing import Any

import pytest

from tests.chargeback.builders import make_rule
from tests.chargeback.rollups import Row, make_rollup
from usage_ingest.chargeback.fold import Apart, Asked, Counted, Fold
from usage_ingest.chargeback.kinds import RATED_COUNTERS
from usage_ingest.chargeback.line import Subject


def folded(*rows: Row, asked: Asked | None = None, dated: str | None = None) -> list[Counted]:
    """Fold rollups; the days of the deployment `dated` are kept, or all where days are asked."""
    asked, shown = asked or Asked(), Apart(["2026-11-19", "2026-11-20"], shown=True)
    fold = Fold(asked, lambda of: shown if asked.days or of.deployment == dated else Apart())
    for row in rows:
        fold.add(row)
    return list(fold.counted())


def test_counters_of_one_subject_are_added_up() -> None:
    (counted,) = folded(
        make_rollup(day="2026-11-19", input_tokens=5, output_tokens=2, total_tokens=7, slot=0),
        make_rollup(day="2026-11-20", input_tokens=3, searches=1, slot=1),
    )

    assert counted.sums == {"input_tokens": 8, "output_tokens": 2, "searches": 1}
    assert counted.subject == Subject(
        day=None,
        subscription_id="hr-copilot",
        product_id="ai-standard",
        app_id=None,
        tenant_id=None,
        tags=(),
        gateway="apim-contoso",
        backend=None,
        provider="openai",
        model="gpt-4o-2024-11-20",
        deployment="gpt-4o-prod",
        served_deployment=None,
        region="Sweden Central",
        service_tier="default",
        spillover=False,
        context_band="128k",
        usage_estimated=False,
        source="event_hub",
    )


@pytest.mark.parametrize(
    "named",
    [
        {"subscription_id": "sales"},
        {"subscription_id": None},
        {"product_id": "ai-premium"},
        {"gateway": "apim-2"},
        {"backend": "aoai-1"},
        {"provider": "anthropic"},
        {"model": "gpt-4.1"},
        {"deployment": "gpt-4o-2"},
        {"served_deployment": "gpt-4o-2"},
        {"region": "West Europe"},
        {"service_tier": "priority"},
        {"spillover": True},
        {"context_band": "above_272k"},
        {"context_band": None},
        {"usage_estimated": True},
        {"source": "metrics"},
    ],
)
def test_what_prices_and_owners_may_depend_on_is_kept_apart(named: dict[str, Any]) -> None:
    usual, other = folded(
        make_rollup(input_tokens=1),
        make_rollup(input_tokens=2, **named),
        make_rollup(output_tokens=3),
    )

    assert usual.sums == {"input_tokens": 1, "output_tokens": 3}
    assert other.sums == {"input_tokens": 2}
    ((name, value),) = named.items()
    assert getattr(other.subject, name) == value


@pytest.mark.parametrize(
    "named",
    [
        {"day": "2026-11-19"},
        {"app_id": "app-2"},
        {"tenant_id": "tenant-2"},
        {"tags": {"team": "payroll"}},
        {"api_kind": "responses"},
        {"streaming": True},
    ],
)
def test_what_nobody_asks_for_is_added_up(named: dict[str, Any]) -> None:
    (counted,) = folded(make_rollup(input_tokens=1), make_rollup(input_tokens=2, **named))

    assert counted.sums == {"input_tokens": 3}


def test_what_is_asked_for_is_kept_apart() -> None:
    asked = Asked(days=True, apps=True, tenants=True, tags=("team", "cost"))

    found = folded(
        make_rollup(input_tokens=1),
        make_rollup(input_tokens=1, day="2026-11-19"),
        make_rollup(input_tokens=1, app_id="app-2"),
        make_rollup(input_tokens=1, tenant_id="tenant-2"),
        make_rollup(input_tokens=1, tags={"team": "payroll", "other": "x"}),
        make_rollup(input_tokens=1, tags=None),
        asked=asked,
    )

    first = found[0].subject
    assert (first.day, first.app_id, first.tenant_id) == ("2026-11-20", "app-1", None)
    assert first.tags == (("team", "benefits"),)
    by_day = [each.subject.day for each in found]
    assert by_day == ["2026-11-20", "2026-11-19", *["2026-11-20"] * 4]
    assert [each.subject.app_id for each in found].count("app-2") == 1
    assert [each.subject.tenant_id for each in found].count("tenant-2") == 1
    assert found[4].subject.tags == (("team", "payroll"),)
    assert found[5].subject.tags == ()


def test_the_days_of_some_subjects_are_kept_though_nobody_asked() -> None:
    rows = [
        make_rollup(input_tokens=n, day=day, deployment=name)
        for n, (day, name) in enumerate(
            [
                ("2026-11-19", "ptu"),
                ("2026-11-20", "ptu"),
                ("2026-11-19", "x"),
                ("2026-11-20", "x"),
            ],
            1,
        )
    ]

    found = folded(*rows, dated="ptu")

    assert [(each.subject.day, each.sums["input_tokens"]) for each in found] == [
        ("2026-11-19", 1),
        ("2026-11-20", 2),
        (None, 7),
    ]


def test_days_may_be_kept_apart_by_what_begins_on_them_without_being_shown() -> None:
    fold = Fold(Asked(), lambda _: Apart(["2026-11-01", "2026-11-10"]))
    for day, count in [("01", 1), ("09", 2), ("10", 4), ("30", 8)]:
        fold.add(make_rollup(day=f"2026-11-{day}", input_tokens=count))

    before, after = fold.counted()

    assert before.subject == after.subject
    assert before.subject.day is None
    assert (before.since, before.sums) == ("2026-11-01", {"input_tokens": 3})
    assert (after.since, after.sums) == ("2026-11-10", {"input_tokens": 12})


def test_only_what_is_needed_is_read() -> None:
    plain = Asked().columns()

    assert set(plain) == set(Subject._fields) - {"app_id", "tenant_id", "tags"} | set(
        RATED_COUNTERS
    )
    asked = Asked(apps=True, tenants=True, tags=("team",)).columns()
    assert set(asked) - set(plain) == {"app_id", "tenant_id", "tags.team"}
    assert "total_tokens" not in plain
    assert "requests" not in plain


def test_what_owners_are_told_by_is_kept_too() -> None:
    asked = Asked(tags=("cost",))
    rules = [
        make_rule(key={"app": "app-1"}),
        make_rule(key={"tags": (("team", "benefits"), ("cost", "1"))}),
    ]

    assert asked.with_owners(rules) == Asked(apps=True, tags=("cost", "team"))
    assert asked.with_owners([make_rule(key={"tenant": "t"})]) == Asked(
        tenants=True, tags=("cost",)
    )
    assert asked.with_owners([make_rule()]) == asked
