"""The reader and the harness themselves: they must be able to say no."""

from pathlib import Path

import pytest

from tests.policies import mono
from tests.policies.calls import asked, body_on_file, make_call, make_response
from tests.policies.gateway import APIS, FRAGMENTS, POLICIES, Gateway, Program
from tests.policies.mono import CompileError
from tests.policies.reader import (
    Expression,
    Node,
    UnreadablePolicyError,
    end_of_expression,
    read_policy,
)
from tests.sightings import record_of

SAMPLES = Path(__file__).resolve().parent / "samples"
ENDS = {
    "brackets": '@(a(b[c], "d"))',
    "a block": "@{ if (a) { return 1; } return 2; }",
    "a bracket in a string": '@(a == ")" )',
    "an escaped quote": '@(a == "\\")")',
    "a verbatim string": '@(@"c:\\" + @""")" + b)',
    "an interpolated string": '@($"{a["x"]} {{ )" + b)',
    "a character": "@(a == ')' || b == '\\'')",
    "a comment": "@{ // it isn't )\n return 1; }",
    "a long comment": '@{ /* ) " } */ return 1; }',
    "quotes as entities": "@(a == &quot;)&quot;)",
}


@pytest.mark.parametrize("text", ENDS.values(), ids=list(ENDS))
def test_an_expression_ends_where_the_code_ends(text: str) -> None:
    assert end_of_expression(text + '" other="@(1)" />', 0) == len(text)


@pytest.mark.parametrize("text", ["@(a", '@(a == ")', "@{ if (a) { return 1; }", '@($"{a)")'])
def test_an_expression_that_does_not_end_is_refused(text: str) -> None:
    with pytest.raises(UnreadablePolicyError, match="does not end"):
        end_of_expression(text, 0)


def test_every_policy_of_ours_is_well_formed_and_named_in_the_harness() -> None:
    names = {each.stem for each in POLICIES.glob("*.xml")}

    assert names == {*FRAGMENTS, *APIS}
    roots = {name: read_policy(POLICIES / f"{name}.xml").name for name in names}
    assert {name for name, root in roots.items() if root == "fragment"} == set(FRAGMENTS)
    assert {name for name, root in roots.items() if root == "policies"} == set(APIS)


def test_raw_policies_are_refused_as_xml_and_read_by_the_tolerant_reader() -> None:
    raw = SAMPLES / "hub-style.xml"

    with pytest.raises(UnreadablePolicyError, match=r"hub-style.xml: not well-formed"):
        read_policy(raw)
    assert len(list(read_policy(raw, strict=False).expressions())) == 4


@pytest.mark.parametrize("name", [*FRAGMENTS, *APIS])
def test_both_readers_find_the_same_in_well_formed_policies(name: str) -> None:
    path = POLICIES / f"{name}.xml"

    assert read_policy(path, strict=False) == read_policy(path)


def policy(**parts: Node) -> Node:
    """A policy of these sections' single elements."""
    sections = [Node(name.replace("_", "-"), 1, children=[node]) for name, node in parts.items()]
    return Node("policies", 1, children=sections)


def variable(code: str, *, is_block: bool = False) -> Node:
    expression = Expression(code, is_block, "policies/bad.xml", 41, in_attribute=True)
    return Node("set-variable", 1, {"name": "x", "value": expression})


WRONG = {
    "a member that is not documented": ("context.Request.Body.Length", "Length"),
    "an implementation": ("((Scene)context).Given", "Scene"),
    "a token of its own": ("new Jwt(null)", "Jwt"),
    "another type": ("new HttpClient()", "HttpClient"),
    "C# that is none": ("1 2", "Unexpected symbol"),
}


@pytest.mark.parametrize(("code", "said"), WRONG.values(), ids=list(WRONG))
def test_what_does_not_compile_is_told_with_file_and_line(
    tmp_path: Path, code: str, said: str
) -> None:
    mono.require()
    program = Program()
    program.add("policies", "bad", policy(inbound=variable(f"\n\n{code}")))

    with pytest.raises(CompileError, match=said) as refused:
        program.build(tmp_path)
    assert "policies/bad.xml(43," in str(refused.value)


def test_misuse_of_a_body_is_told(tmp_path: Path) -> None:
    mono.require()
    forward = Node("forward-request", 1)
    consuming = policy(
        inbound=variable("context.Request.Body.As<string>()"), backend=Node("base", 1)
    )
    reading = policy(
        inbound=Node("base", 1),
        backend=forward,
        outbound=variable("context.Response.Body.As<string>(preserveContent: true)"),
    )
    hurried = policy(
        inbound=Node("base", 1),
        backend=Node("forward-request", 1, {"buffer-response": "false"}),
        outbound=variable("context.Response.Body.As<string>(preserveContent: true)"),
    )
    throwing = policy(
        inbound=variable("context.Request.Body.As<JObject>(preserveContent: true)"),
        backend=forward,
    )
    odd = policy(inbound=variable("new object[0]"), backend=forward)
    program = Program()
    wrong = {"c": consuming, "r": reading, "u": hurried, "t": throwing, "o": odd}
    for name, each in wrong.items():
        program.add("policies", name, each)
    streamed = make_response("data: [DONE]\n\n", kind="text/event-stream")

    with Gateway(program.build(tmp_path)) as running:
        consumed = running.ask(make_call(policy="c"))
        read = running.ask(make_call(policy="r", response=streamed))
        unbuffered = running.ask(make_call(policy="u"))
        thrown = running.ask(make_call(policy="t", body="no JSON"))
        unusual = running.ask(make_call(policy="o"))

    assert consumed["misuses"] == ["the request body was consumed"]
    assert read["misuses"] == ["the streamed response body was read"]
    assert unbuffered["misuses"] == ["the unbuffered response body was read"]
    assert thrown["status"] == 500
    assert unusual["warnings"] == ["variable x is of no basic type"]


def test_a_raw_policy_of_another_gateway_runs_and_its_event_is_read(tmp_path: Path) -> None:
    mono.require()
    program = Program()
    program.add("policies", "hub", read_policy(SAMPLES / "hub-style.xml", strict=False))

    with Gateway(program.build(tmp_path)) as running:
        whole = running.ask(
            make_call(policy="hub", body=asked(), response=make_response(body_on_file("chat")))
        )
        streamed = running.ask(make_call(policy="hub", body=asked(stream=True)))

    assert streamed["events"] == []
    (logged,) = whole["events"]
    record = record_of(logged["body"].encode())
    assert (record.shape, record.subscription_id) == ("ai_hub", "hr-copilot")
    assert (record.usage.input_tokens, record.usage.output_tokens) == (19, 2)
