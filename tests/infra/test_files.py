"""Each file of infra/: it can be read, explains itself, and holds nothing unused and no secret."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from pycep import BicepParser

from tests.infra import rules
from tests.infra.bicep.files import parse, read
from tests.infra.bicep.tree import Array, Literal, Module, Object, Param, Unary
from tests.infra.deployments import FILES, INFRA

MAIN: Final = read(INFRA / "main.bicep")
WRITTEN: Final = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
BY_AZD: Final = {
    "environmentName": "${AZURE_ENV_NAME}",
    "location": "${AZURE_LOCATION}",
    "principalId": "${AZURE_PRINCIPAL_ID}",
    "principalType": "${AZURE_PRINCIPAL_TYPE=User}",
}
SECRETS: Final = re.compile(
    r"listKeys|listAccountSas|SharedAccessKey|AccountKey=|primaryKey|\.keys\[|password\s*:",
    re.IGNORECASE,
)


def named(path: Path) -> str:
    return path.name


def params_of(path: Path) -> list[Param]:
    return [each for each in read(path).statements.values() if isinstance(each, Param)]


@pytest.mark.parametrize("path", FILES, ids=named)
def test_another_parser_reads_each_file_as_well(path: Path) -> None:
    """Ours is not the only judge of what Bicep is."""
    parsed = BicepParser().parse(text=path.read_text(encoding="utf-8"))

    mine = read(path)
    params = [name for name, each in mine.statements.items() if isinstance(each, Param)]
    assert list(parsed.get("parameters", {})) == params
    assert list(parsed.get("outputs", {})) == list(mine.outputs)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_each_parameter_says_what_it_is(path: Path) -> None:
    for each in params_of(path):
        (text,) = each.decorators["description"]
        assert isinstance(text, Literal)
        assert re.fullmatch(r"\S.{9,}\.", str(text.value)), each.name


@pytest.mark.parametrize("path", FILES, ids=named)
def test_nothing_in_a_file_is_unused(path: Path) -> None:
    assert rules.unused(read(path)) == []


@pytest.mark.parametrize("path", FILES, ids=named)
def test_names_and_numbers_are_known_before_anything_is_made(path: Path) -> None:
    assert rules.too_late(read(path)) == []


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_file_asks_for_a_key_or_holds_one(path: Path) -> None:
    assert SECRETS.findall(path.read_text(encoding="utf-8")) == []
    assert not [each for each in params_of(path) if "secure" in each.decorators]


def test_the_rules_can_say_no() -> None:
    file = parse(
        "param a string\nvar b = 'x'\n"
        "resource c 'T/c@1' = {\n  name: 'c'\n}\n"
        "var late = c.properties.endpoint\n"
        "resource d 'T/d@1' = {\n  name: 'd-${late}'\n}\n"
        "resource e 'T/e@1' = [for each in c.properties.list: {\n  name: each\n}]\n"
        "resource f 'T/f@1' = if (empty(m.outputs.x)) {\n  name: 'f'\n  value: c.properties.y\n}\n"
        "module m 'm.bicep' = {\n  name: c.name\n}\n"
    )

    assert rules.unused(file) == ["a", "b"]
    assert rules.too_late(file) == ["d", "e", "f"]
    assert SECRETS.search("value: account.listKeys().keys[0].value")


def test_main_deploys_every_file() -> None:
    paths = [each.path for each in MAIN.statements.values() if isinstance(each, Module)]

    assert sorted([*paths, "main.bicep"]) == [each.name for each in FILES]


def test_azd_fills_every_parameter_from_an_environment_value_of_its_name() -> None:
    params = params_of(INFRA / "main.bicep")
    wanted = {each.name: BY_AZD.get(each.name) or filled(each) for each in params}

    assert {name: each["value"] for name, each in WRITTEN.items()} == wanted


def test_no_parameter_is_filled_from_a_variable_that_machines_set_for_themselves() -> None:
    """Where its environment lacks a value, azd takes that of the shell."""
    texts = [each["value"] for each in WRITTEN.values() if isinstance(each["value"], str)]
    read_from = {re.sub(r"[${}]|=.*", "", each) for each in texts}

    assert not read_from & {"PYTHON_VERSION", "HOME", "LOCATION", "PATH", "REGION", "USER"}


def filled(param: Param) -> Any:
    """What main.parameters.json says: the default stands in both, and must be the same."""
    if isinstance(param.default, Object | Array):  # written by hand: azd's values are texts
        return {} if isinstance(param.default, Object) else []
    default = literal(param.default)
    told = str(default).lower() if isinstance(default, bool) else str(default)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", param.name).upper()
    return f"${{{name}={told}}}" if told else f"${{{name}}}"


def literal(default: Any) -> Any:
    if isinstance(default, Unary):
        return -literal(default.of)
    assert isinstance(default, Literal)
    return default.value
