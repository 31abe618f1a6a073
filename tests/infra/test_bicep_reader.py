"""Our reader of Bicep: what it makes of a file, and what it refuses as Bicep would."""

from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep.deploy import deploy
from tests.infra.bicep.tokens import BicepError
from tests.infra.bicep.values import Made

THING = "resource thing 'Contoso.Things/things@2026-01-01'"
MODULE = (
    "param size int\n"
    f"{THING} = {{\n  name: 'inner-${{size}}'\n}}\n"
    "output id string = thing.id\noutput place string = thing.properties.place\n"
)


def written(folder: Path, source: str) -> Path:
    path = folder / "main.bicep"
    path.write_text(source)
    (folder / "module.bicep").write_text(MODULE)
    (folder / "policy.xml").write_text("<policies />")
    (folder / "list.json").write_text('[{"id": "a"}, {"id": "b"}]')
    return path


def value_of(folder: Path, expression: str, before: str = "") -> Any:
    source = f"{before}\noutput found object = {expression}\n"
    return deploy(written(folder, source))[1]["found"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("!false && false", False),
        ("1 + 2 * 3 == 7", True),
        ("true ? 'a' : false ? 'b' : 'c'", "a"),
        ("'a-${'b-${1 + 1}'}-{c}'", "a-b-2-{c}"),
        ("'it\\'s'", "it's"),
        ("'''\ntwo\nlines'''", "two\nlines"),
        ("[\n  1\n  2\n][1]", 2),
        ("[for each in [1, 2]: each * 2]", [2, 4]),
        ("[for (each, at) in ['a', 'b']: '${each}${at}']", ["a0", "b1"]),
        ("{\n  'a-b': 1 // why\n  c: { d: null }\n}.c.d ?? 'e'", "e"),
        ("union({ a: { b: 1 } }, { a: { c: 2 } }).a", {"b": 1, "c": 2}),
        ("items({ b: 1, a: 2 })[0].key", "a"),
        ("split('https://kv.vault/x', '/')[2]", "kv.vault"),
        ("loadTextContent('policy.xml')", "<policies />"),
        ("[for each in loadJsonContent('list.json'): each.id]", ["a", "b"]),
        ("{ a: 1 }.?b ?? 3", 3),
    ],
)
def test_an_expression_is_worth_what_bicep_says(
    tmp_path: Path, expression: str, value: object
) -> None:
    assert value_of(tmp_path, expression) == value


def test_a_module_is_made_with_its_own_parameters_and_gives_its_outputs(tmp_path: Path) -> None:
    source = (
        "targetScope = 'subscription'\n"
        "module inner 'module.bicep' = {\n"
        "  name: 'inner'\n  scope: resourceGroup('rg')\n  params: {\n    size: 3\n  }\n}\n"
        "output id string = inner.outputs.id\noutput place string = inner.outputs.place\n"
    )

    made, outputs = deploy(written(tmp_path, source))
    (thing,) = made
    assert thing.id.endswith("/resourceGroups/rg/providers/Contoso.Things/things/inner-3")
    assert outputs["id"] == thing.id
    assert str(outputs["place"]) == "<Contoso.Things/things inner-3.properties.place>"


def test_only_what_is_wanted_is_made(tmp_path: Path) -> None:
    source = (
        f"{THING} existing = {{\n  name: 'there'\n}}\n"
        "resource no 'Contoso.Things/things/parts@2026-01-01' = if (false) {\n"
        "  parent: thing\n  name: 'no'\n}\n"
        "resource yes 'Contoso.Things/things/parts@2026-01-01' = [for each in ['x']: if (true) {\n"
        "  parent: thing\n  name: each\n}]\n"
    )

    made, _ = deploy(written(tmp_path, source))
    assert [each.name for each in made] == ["there/x"]
    assert isinstance(made[0], Made)


@pytest.mark.parametrize(
    ("source", "refusal"),
    [
        ("param a string\n", "the parameter a is missing"),
        ("param a int = 'x'\n", "no int"),
        ("param a bool = 1\n", "no bool"),
        ("@allowed([\n  'x'\n])\nparam a string = 'y'\n", "allowed is"),
        ("@maxValue(4)\nparam a int = 5\n", "maxValue is 4"),
        ("@minLength(1)\nparam a string = ''\n", "minLength is 1"),
        ("var a = b\n", "there is no b"),
        ("var a = b\nvar b = a\n", "needs itself"),
        ("var a = 1\nvar a = 2\n", "there twice"),
        ("var a = {\n  b: 1\n  b: 2\n}\n", "there twice"),
        ("var a = nothing('x')\n", "no function nothing"),
        ("var a = split('x')\n", "split"),
        ("var a = { b: 1 }.c\n", "there is no c"),
        ("var a = 'x' ? 1 : 2\n", "a condition is true or false"),
        ("var a = loadTextContent('gone.xml')\n", "cannot load gone.xml"),
        ("var a = 'x\n", "has no end"),
        ("var a = 1 2\n", "stands behind"),
        ("vat a = 1\n", "no statement begins with 'vat'"),
        (f"{THING} = {{\n  name 'x'\n}}\n", "':' is missing"),
        ("resource a 'Contoso.Things/things' = {\n  name: 'x'\n}\n", "has no version"),
        ("module a 'module.bicep' = {\n  name: 'a'\n}\n", "size is missing"),
        (
            "module a 'module.bicep' = {\n  name: 'a'\n  params: {\n    sise: 1\n  }\n}\n",
            "no such parameter: sise",
        ),
        (
            "module a 'module.bicep' = if (false) {\n  name: 'a'\n}\nvar b = a.outputs.id\n",
            "there is no outputs",
        ),
        (
            (
                "module a 'module.bicep' = if (false) {\n  name: 'a'\n}\n"
                "module b 'module.bicep' = if (false) {\n  name: 'b'\n  params: {\n"
                "    size: a.outputs.id\n  }\n}\n"
            ),
            "there is no outputs",
        ),
        (
            "module a 'module.bicep' = { name: 'a', params: { size: 1 } }\nvar b = a.outputs.ids\n",
            "there is no ids",
        ),
        (f"{THING} = if (thing.properties.x == 1) {{\n  name: 'a'\n}}\n", "needs itself"),
    ],
)
def test_a_mistake_is_refused_with_what_it_is(tmp_path: Path, source: str, refusal: str) -> None:
    with pytest.raises(BicepError, match=refusal):
        deploy(written(tmp_path, source))
