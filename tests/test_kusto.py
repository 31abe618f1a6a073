"""Microsoft's KQL parser, as the tests of our queries use it: it must be able to say no."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.kusto import parser
from tests.kusto.parser import Diagnosis, diagnose

TOUCHED_MINUTES: Final = """\
let window_start = datetime(2026-11-20T10:00:00.000000Z);
let window_end = datetime(2026-11-20T11:00:00.000000Z);
let generated_from = datetime(2026-11-17T10:00:00.000000Z);
let generated_to = datetime(2026-11-21T11:00:00.000000Z);
let names = dynamic(["Prompt Tokens", "Completion Tokens", "Total Tokens"]);
let is_ours = (bag: dynamic) { isnotnull(bag["usage.subscription"]) and isnull(bag["productName"]) };
AppMetrics
| where TimeGenerated >= generated_from and TimeGenerated < generated_to
| where ingestion_time() >= window_start and ingestion_time() < window_end
| where Name in (names) and is_ours(Properties)
| summarize by Minute = bin(TimeGenerated, 1m)
"""  # noqa: E501 - one line in the query
WHOLE_BINS: Final = """\
let bin_size = 1m;
let bins = datatable(Bin: datetime)[datetime(2026-11-20T10:00:00Z)];
AppMetrics
| extend Bin = bin(TimeGenerated, bin_size)
| where Bin in (bins)
| summarize Sum = sum(Sum)
    by Bin, Name, AppRoleName, _ResourceId, Properties = tostring(Properties)
| extend AsOf = now()
"""
GOOD: Final = {
    "touched minutes": (TOUCHED_MINUTES, {"Minute": "datetime"}),
    "whole bins": (
        WHOLE_BINS,
        {
            "Bin": "datetime",
            "Name": "string",
            "AppRoleName": "string",
            "_ResourceId": "string",
            "Properties": "string",
            "Sum": "real",
            "AsOf": "datetime",
        },
    ),
    "clock": ("print Now = now()", {"Now": "datetime"}),
    "times": (
        "print A = datetime(null), B = datetime(2026-11-20), C = time(1.00:00:00)",
        {"A": "datetime", "B": "datetime", "C": "timespan"},
    ),
    "not only ASCII": ("AppMetrics | where Name == 'é😀' | project Name", {"Name": "string"}),
}
BAD: Final = {
    "an unknown table": ("Nope | take 1", "Error KS204, line 1, at 'Nope'"),
    "an unknown column": (
        "AppMetrics\n| where Name == 'é😀'\n    and Nope == 1",
        "Error KS142, line 3, at 'Nope'",
    ),
    "a column of the classic table": (
        "AppMetrics | project customDimensions",
        "Error KS142, line 1, at 'customDimensions'",
    ),
    "an unknown function": ("AppMetrics | extend X = nope(Sum)", "Error KS211, line 1, at 'nope'"),
    "too many arguments": ("print toupper('a', 'b')", "Error KS119, line 1, at 'toupper'"),
    "an operator on a wrong type": (
        'AppMetrics | where Sum has "x"',
        "Error KS106, line 1, at 'has'",
    ),
    "a sum of texts": ("AppMetrics | summarize sum(Name)", "Error KS138, line 1, at 'Name'"),
    "an open parenthesis": ("AppMetrics | where (Sum > 1", "Error KS005, line 1, at ''"),
    "a misspelt operator": ("AppMetrics | wher Sum > 1", "Error KS176, line 1, at 'wher'"),
    "a column in the way of a let": (
        "let Sum = 1.0; AppMetrics | where Max > Sum",
        "Warning KS510, line 1, at 'Sum'",
    ),
    "a function out of use": ("print parsejson('1')", "Warning KS507, line 1, at 'parsejson'"),
    "a text of a bag's size": (
        "AppMetrics | where strlen(Properties) > 3",
        "Suggestion KS516, line 1, at 'strlen(Properties)'",
    ),
    "no such day": (
        "print datetime(2026-13-45)",
        "Error UNREAD, line 1, at 'datetime(2026-13-45)'",
    ),
    "a gap left open": (
        "AppMetrics | where TimeGenerated >= datetime({start})",
        "Error UNREAD, line 1, at 'datetime({start})'",
    ),
    "a gap outside of a literal": (
        "AppMetrics | where Name in ({names})",
        "Error KS213, line 1, at '{names}'",
    ),
    "an empty text": ("", "Error NO-TABLE, line 1, at ''"),
    "a number": ("1 + 1", "Error NO-TABLE, line 1, at '1 + 1'"),
    "a command": (".show tables", "Error NO-TABLE, line 1, at '.show tables'"),
}


@pytest.fixture(scope="session")
def diagnoses() -> Mapping[str, Diagnosis]:
    """Every query of this file, checked at once."""
    return diagnose({name: kql for name, (kql, _) in (GOOD | BAD).items()})


@pytest.mark.parametrize("name", GOOD)
def test_a_good_query_passes_with_the_columns_of_its_result(
    diagnoses: Mapping[str, Diagnosis], name: str
) -> None:
    assert diagnoses[name] == Diagnosis((), GOOD[name][1])


@pytest.mark.parametrize("name", BAD)
def test_a_bad_query_is_told_where_it_is_bad(diagnoses: Mapping[str, Diagnosis], name: str) -> None:
    assert diagnoses[name].problems
    assert diagnoses[name].problems[0].startswith(BAD[name][1])


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_out_of_reach_of_npm_a_test_is_skipped_and_in_ci_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(parser.HERE / name, tmp_path)
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))

    with pytest.raises(outcome, match="npm cannot get the KQL parser: ECONNREFUSED"):
        parser.require(tmp_path)


def test_what_npm_installs_is_pinned_and_no_registry_is_named() -> None:
    """Whoever installs it does so from the registry that is configured there."""
    asked = (parser.HERE / "package.json").read_text(encoding="utf-8")
    locked = (parser.HERE / "package-lock.json").read_text(encoding="utf-8")
    wanted = json.loads(asked)["dependencies"].values()
    packages = [each for path, each in json.loads(locked)["packages"].items() if path]

    assert wanted
    assert all(re.fullmatch(r"\d+(\.\d+)+", version) for version in wanted)
    assert all(each["integrity"] for each in packages)
    assert not re.findall(r"\w+://|resolved", asked + locked)
