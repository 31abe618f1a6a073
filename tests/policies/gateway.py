"""A gateway on this machine: policies compiled as they stand, and calls through them.

One Mono process answers all calls of a test run.
"""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.policies.mono import compile_sources
from tests.policies.reader import Expression, Node, Value, read_policy

ROOT: Final = Path(__file__).resolve().parent.parent.parent
POLICIES: Final = ROOT / "policies"
SOURCES: Final = Path(__file__).resolve().parent / "stub"
FRAGMENTS: Final = (
    "usage-inbound",
    "usage-streaming",
    "usage-outbound",
    "usage-on-error",
    "token-limit",
    "entra-jwt",
)
APIS: Final = ("openai-api", "foundry-api")
NAMED: Final = {
    "usage-include-usage": "false",
    "usage-openai-backend": "aoai-swc-1",
    "usage-foundry-backend": "foundry-swc-1",
    "usage-tokens-per-minute": "10000",
    "usage-entra-tenant": "11111111-2222-3333-4444-555555555555",
    "usage-entra-audience": "api://usage",
}
"""The named values of a deployment, as policies/README.md lists them."""
NAMED_VALUE: Final = re.compile(r"\{\{([A-Za-z0-9._-]+)\}\}")
_HEAD: Final = """\
using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
"""


class Program:
    """Policies and fragments as plan and C#: expressions are numbered as they are added."""

    def __init__(self) -> None:
        self.expressions: list[str] = []
        self.plan: dict[str, dict[str, Any]] = {"policies": {}, "fragments": {}}

    def add(self, kind: str, name: str, node: Node, named: Mapping[str, str] = NAMED) -> None:
        """Add a policy or a fragment, its named values replaced."""
        self.plan[kind][name] = self._planned(node, named)

    def _planned(self, node: Node, named: Mapping[str, str]) -> dict[str, Any]:
        return {
            "name": node.name,
            "attributes": {
                name: self._value(each, named) for name, each in node.attributes.items()
            },
            "text": None if node.text is None else self._value(node.text, named),
            "children": [self._planned(each, named) for each in node.children],
        }

    def _value(self, value: Value, named: Mapping[str, str]) -> str | dict[str, int]:
        if isinstance(value, str):
            return _with_named(value, named)
        self.expressions.append(_method(len(self.expressions), value, named))
        return {"expression": len(self.expressions) - 1}

    def build(self, folder: Path) -> Path:
        """Compile everything; return the program."""
        count = len(self.expressions)
        methods = "\n".join(self.expressions)
        _write(
            folder / "Expressions.cs", f"{_HEAD}public static class Expressions\n{{\n{methods}}}"
        )
        listed = ", ".join(f"Expressions.E{each}" for each in range(count))
        _write(
            folder / "Table.cs",
            "using System;\npublic static class Table\n{\n"
            f"public static readonly Func<IContext, object>[] All = {{ {listed} }};\n}}\n",
        )
        _write(folder / "plan.json", json.dumps(self.plan))
        context, expressions = folder / "Context.dll", folder / "Expressions.dll"
        compile_sources([SOURCES / "Context.cs"], context)
        compile_sources([folder / "Expressions.cs"], expressions, [context])
        compile_sources(
            [SOURCES / "Gateway.cs", SOURCES / "Scene.cs", folder / "Table.cs"],
            folder / "Gateway.exe",
            [context, expressions],
        )
        return folder / "Gateway.exe"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _with_named(text: str, named: Mapping[str, str]) -> str:
    return NAMED_VALUE.sub(lambda found: named[found[1]], text)


def _method(number: int, expression: Expression, named: Mapping[str, str]) -> str:
    code = _with_named(expression.code, named)
    line = f'#line {expression.line} "{expression.file}"'
    if expression.is_block:
        body = f"{line}\n{code}\n#line hidden"
    else:
        body = f"return (object)(\n{line}\n{code}\n#line hidden\n);"
    return f"public static object E{number}(IContext context)\n{{\n{body}\n}}\n"


def our_program() -> Program:
    """Return our policies; with `+usage` usage is asked for, with `+options` all options are on."""
    program = Program()
    for name in FRAGMENTS:
        program.add("fragments", name, read_policy(POLICIES / f"{name}.xml"))
    asking = {**NAMED, "usage-include-usage": "true"}
    fragment = read_policy(POLICIES / "usage-inbound.xml")
    program.add("fragments", "usage-inbound+usage", fragment, asking)
    for name in APIS:
        program.add("policies", name, read_policy(POLICIES / f"{name}.xml"))
        varied = read_policy(POLICIES / f"{name}.xml")
        for each in varied.walk():
            if each.attributes.get("fragment-id") == "usage-inbound":
                each.attributes["fragment-id"] = "usage-inbound+usage"
        program.add("policies", f"{name}+usage", varied)
    program.add("policies", "bare", bare_policy())
    program.add("policies", "openai-api+options", with_options(POLICIES / "openai-api.xml"))
    return program


def bare_policy() -> Node:
    """Return another team's policy, which includes the fragments and sets no variable."""

    def including(*names: str) -> list[Node]:
        return [Node("include-fragment", 0, {"fragment-id": each}) for each in names]

    address = {"base-url": "https://model.contoso.com:8443/secret-path?key=planted"}
    sections = {
        "inbound": [
            Node("set-backend-service", 0, dict(address)),
            *including("usage-inbound", "usage-streaming"),
        ],
        "backend": [Node("forward-request", 0)],
        "outbound": including("usage-outbound"),
        "on-error": including("usage-on-error"),
    }
    children = [Node(name, 0, children=nodes) for name, nodes in sections.items()]
    return Node("policies", 0, children=children)


def with_options(path: Path) -> Node:
    """Return an API's policy with the optional fragments where its comments say."""
    policy = read_policy(path)
    inbound = policy.children[0]
    for before, optional in (("usage-inbound", "entra-jwt"), ("usage-streaming", "token-limit")):
        place = next(
            index
            for index, each in enumerate(inbound.children)
            if each.attributes.get("fragment-id") == before
        )
        node = Node("include-fragment", 0, {"fragment-id": optional})
        inbound.children.insert(place, node)
    return policy


class Gateway:
    """The running gateway; `call` sends one call through a policy."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            ["mono", str(program), str(program.with_name("plan.json"))],  # noqa: S607
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Send a line and return the answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "broken" not in answer, answer["broken"]
        return answer

    def references(self) -> tuple[Sequence[str], Sequence[str]]:
        """Return the types and the members that the expressions refer to."""
        told = self.ask({"types": True})
        return told["types"], told["members"]
