"""What the policies name, against the code that reads it and the platform's documented limits."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.policies.contract import DIMENSIONS, Event
from tests.policies.gateway import APIS, FRAGMENTS, NAMED, NAMED_VALUE, POLICIES, Gateway
from tests.policies.reader import Expression, Node, read_policy
from usage_ingest.events.shapes import own
from usage_ingest.metrics.shipped import SHIPPED, shipped

SHARED = re.compile(r"// (The \w+); the same text.*?// The end of the \w+\.", re.DOTALL)
VARIABLE = re.compile(
    r'(?:Variables(?:\[|\.ContainsKey\(|\.GetValueOrDefault<[\w.]+>\())"([\w-]+)"'
)
IMPLIED = {
    "System.Object": "what every type is made from",
    "System.Runtime.CompilerServices.RuntimeCompatibilityAttribute": "the compiler writes it",
    "System.Collections.IEnumerator": "what foreach becomes",
    "System.IDisposable": "what foreach becomes",
    "System.Collections.Generic.IComparer`1": "as which List.Sort takes StringComparer.Ordinal",
}
"""Types that no expression names."""


def policies() -> dict[str, Node]:
    return {name: read_policy(POLICIES / f"{name}.xml") for name in (*FRAGMENTS, *APIS)}


def nodes(*names: str) -> Iterator[Node]:
    for policy in policies().values():
        yield from (each for each in policy.walk() if each.name in names)


def texts() -> dict[str, str]:
    return {each.name: each.read_text(encoding="utf-8") for each in POLICIES.glob("*.xml")}


def test_fragments_are_included_in_the_sections_they_are_for() -> None:
    for name in APIS:
        sections = {each.name: each for each in policies()[name].children}
        included = {
            section: [
                each.literal("fragment-id")
                for each in node.walk()
                if "fragment-id" in each.attributes
            ]
            for section, node in sections.items()
        }
        assert included == {
            "inbound": ["usage-inbound", "usage-streaming"],
            "backend": [],
            "outbound": ["usage-outbound"],
            "on-error": ["usage-on-error"],
        }


def test_fragments_keep_the_rules_of_fragments() -> None:
    """They name no section and no other fragment, and none is above 32 KB."""
    for name in FRAGMENTS:
        names = {each.name for each in policies()[name].walk()}
        assert not names & {
            "inbound",
            "backend",
            "outbound",
            "on-error",
            "base",
            "include-fragment",
        }
        assert (POLICIES / f"{name}.xml").stat().st_size < 32_000


def test_apis_stream_unbuffered_and_buffer_what_is_read() -> None:
    """A backend section takes one policy; `buffer-response` takes no expression."""
    for name in APIS:
        backend = policies()[name].children[1]
        (choose,) = backend.children
        streaming, otherwise = choose.children
        condition = streaming.attributes["condition"]
        assert isinstance(condition, Expression)
        assert VARIABLE.findall(condition.code) == ["usage-streaming"]
        buffering = [each.children[0].literal("buffer-response") for each in (streaming, otherwise)]
        assert (backend.name, buffering) == ("backend", ["false", "true"])


def test_every_variable_that_is_read_is_set_somewhere() -> None:
    set_here = {each.literal("name") for each in nodes("set-variable")}
    set_here |= {
        each.literal("output-token-variable-name") for each in nodes("validate-azure-ad-token")
    }
    read = {
        name
        for policy in policies().values()
        for each in policy.expressions()
        for name in VARIABLE.findall(each.code)
    }

    assert read <= set_here
    assert set_here - read == set()
    assert all(name.startswith("usage-") for name in set_here)


def test_the_metric_has_the_dimensions_that_the_profile_reads() -> None:
    (metric,) = nodes("llm-emit-token-metric")
    names = [each.literal("name") for each in metric.children]

    profile = shipped("own")
    assert tuple(names) == DIMENSIONS
    assert len(names) <= 5
    assert set(profile.must_have) <= set(names)
    assert profile.matches("Prompt Tokens", dict.fromkeys(names, "-"))
    assert profile.unknown_values == ("-",)
    assert profile.covers == "streaming"


def test_no_other_profile_takes_our_metric() -> None:
    ours = dict.fromkeys(DIMENSIONS, "x")

    for name, definition in SHIPPED.items():
        taken = shipped(name).matches("Total Tokens", ours) if name in ("own", "ai-hub") else None
        excluded = "usage.subscription" in definition.get("must_not_have", ())
        assert taken is (name == "own") or excluded


def test_the_metric_is_emitted_in_the_inbound_section_for_streaming_requests_only() -> None:
    (choose,) = policies()["usage-streaming"].children
    (when,) = choose.children
    condition = when.attributes["condition"]

    assert isinstance(condition, Expression)
    assert "usage-streaming" in condition.code
    assert [each.name for each in when.children] == ["llm-emit-token-metric"]


def test_every_logger_is_the_one_of_the_readme() -> None:
    loggers = {each.literal("logger-id") for each in nodes("log-to-eventhub")}

    assert loggers == {"usage-events"}
    assert all("partition-id" not in each.attributes for each in nodes("log-to-eventhub"))
    assert "`usage-events`" in readme()


def readme() -> str:
    return (POLICIES / "README.md").read_text(encoding="utf-8")


def test_named_values_are_those_of_the_readme() -> None:
    used = {name for text in texts().values() for name in NAMED_VALUE.findall(text)}

    assert used == set(NAMED)
    assert all(f"| `{name}` | " in readme() for name in used)
    for text in texts().values():  # what looks like one and is none is refused at deployment
        assert "{{" not in NAMED_VALUE.sub("", text)
        assert "}}" not in NAMED_VALUE.sub("", text)


def test_every_variable_header_and_file_is_in_the_readme() -> None:
    names = {each.literal("name") for each in nodes("set-variable")} - {"usage-facts"}
    headers = set(re.findall(r'"(x-usage-[a-z-]+)"', "".join(texts().values())))

    assert [name for name in sorted(names | headers) if f"`{name}" not in readme()] == []
    assert [name for name in texts() if f"({name})" not in readme()] == []


def test_what_two_fragments_share_is_the_same_text() -> None:
    """A fragment cannot include another one."""
    found = [
        {each[1]: each[0] for each in SHARED.finditer(texts()[f"{name}.xml"])}
        for name in ("usage-outbound", "usage-on-error")
    ]

    assert found[0].keys() == {"The call", "The event"}
    assert found[0] == found[1]
    keys = {each.attributes["partition-key"] for each in nodes("log-to-eventhub")}
    assert len({each.code for each in keys if isinstance(each, Expression)}) == 1


def test_no_expression_in_an_attribute_has_a_line_comment() -> None:
    """XML turns the line breaks of an attribute into blanks: all behind it would be comment."""
    for policy in policies().values():
        for each in policy.expressions():
            if each.in_attribute:
                assert "//" not in re.sub(r'"(?:\\.|[^"\\])*"', '""', each.code)


def test_the_schema_has_exactly_the_keys_that_are_read() -> None:
    class Seen(dict[str, object]):
        asked: set[str] = set()  # noqa: RUF012 - of this one test

        def get(self, key: str, default: object = None) -> object:
            self.asked.add(key)
            return super().get(key, default)

        def __contains__(self, key: object) -> bool:
            self.asked.add(str(key))
            return super().__contains__(key)

        def __getitem__(self, key: str) -> object:
            self.asked.add(key)
            return super().__getitem__(key)

    own.read(Seen(schema=own.SCHEMA))

    assert Seen.asked == own.KEYS
    assert {each.alias for each in Event.model_fields.values()} == own.KEYS


def test_expressions_use_only_what_the_documentation_allows(gateway: Gateway) -> None:
    allowed = {}
    for line in Path(__file__).with_name("allowed_types.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, listed = line.split("|")
            allowed[name] = None if listed == "All" else set(listed.split(", "))
    types, members = gateway.references()
    context = {name for name in types if "." not in name}

    assert {"IContext", "IMessageBody", "ContextExtensions"} <= context
    assert set(types) - context - set(allowed) == set(IMPLIED)
    for each in members:
        owner, _, member = each.partition(" ")
        if some := allowed.get(owner):
            assert member.removeprefix("get_") in some, each


@pytest.mark.parametrize("word", ["As<JObject>", "DateTime.Now", "ToString()"])
def test_what_has_gone_wrong_in_the_field_stands_nowhere(word: str) -> None:
    """Bodies that throw where they are no JSON, local times, texts that depend on a culture."""
    code = "".join(each.code for policy in policies().values() for each in policy.expressions())
    harmless = ("RequestId.ToString()", "% 4).ToString()", "value.ToString()", "created.ToString()")
    for each in harmless:
        code = code.replace(each, "")

    assert word not in code
