"""A deployment on paper: which resources a file and its modules make, with which bodies.

What only Azure knows stays a `Runtime`. Nothing is checked that a type would say; see types.py.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tests.infra.bicep.evaluate import Scope, truth
from tests.infra.bicep.files import read
from tests.infra.bicep.parameters import bound
from tests.infra.bicep.tokens import BicepError
from tests.infra.bicep.tree import (
    Expression,
    Loop,
    Module,
    Object,
    Param,
    Resource,
    Statement,
    Variable,
    When,
)
from tests.infra.bicep.values import SUBSCRIPTION, Group, Made

_UNSEEN: Final = object()


class Deployment:
    """One file with its parameters; statements are evaluated when they are asked for."""

    def __init__(
        self, path: Path, parameters: Mapping[str, Any], group: str, made: list[Made]
    ) -> None:
        """Check the parameters; `made` collects what is made."""
        self.path = path
        self.file = read(path)
        self._group = group
        self._made = made
        self._scope = Scope(self.named, path.parent, group)
        given = [each for each in self.file.statements.values() if isinstance(each, Param)]
        self._values: dict[str, Any] = bound(path.name, given, parameters, self._scope)

    def all(self) -> dict[str, Any]:
        """Evaluate everything; return the outputs."""
        for name in self.file.statements:
            self.named(name)
        return {name: self._scope.value(each.value) for name, each in self.file.outputs.items()}

    def named(self, name: str) -> Any:
        """Return what a name stands for.

        Raises:
            BicepError: It stands for nothing, or for itself.
        """
        if name not in self._values:
            if name not in self.file.statements:
                raise BicepError(f"{self.path.name}: there is no {name}")
            self._values[name] = _UNSEEN
            self._values[name] = self._evaluated(self.file.statements[name])
        if self._values[name] is _UNSEEN:
            raise BicepError(f"{self.path.name}: {name} needs itself")
        return self._values[name]

    def _evaluated(self, of: Statement) -> Any:
        if isinstance(of, Variable):
            return self._scope.value(of.value)
        if isinstance(of, Resource | Module):
            found = [self._one(of, *turn) for turn in self._turns(of.body)]
            return found if isinstance(of.body, Loop) else found[0]
        raise BicepError(f"{self.path.name}: {of.name} has no value")

    def _turns(self, body: Expression) -> Iterator[tuple[Scope, Object, bool]]:
        """Yield each body with its scope, and whether it is made."""
        scopes = self._scope.entered(body) if isinstance(body, Loop) else [self._scope]
        inner = body.body if isinstance(body, Loop) else body
        for scope in scopes:
            wanted = truth(scope.value(inner.condition)) if isinstance(inner, When) else True
            found = inner.body if isinstance(inner, When) else inner
            if not isinstance(found, Object):
                raise BicepError(f"{self.path.name}: a resource or module is an object")
            yield scope, found, wanted

    def _one(self, of: Resource | Module, scope: Scope, body: Object, wanted: bool) -> Any:
        if isinstance(of, Module):
            return self._module(of, scope, body, wanted)
        return self._resource(of, scope, body, wanted)

    def _resource(self, of: Resource, scope: Scope, body: Object, wanted: bool) -> Made:
        value = scope.value(body)
        for each in value.pop("dependsOn", []):
            if not isinstance(each, Made | dict | list):
                raise BicepError(f"{self.path.name}: {of.name} depends on {each!r}")
        about, parent = value.pop("scope", None), value.pop("parent", None)
        name, where = value["name"], self._place(about, parent)
        if isinstance(parent, Made):
            name = f"{parent.name}/{name}"
        found = Made(self.path.name, of.name, of.type, of.version, name, where, value)
        if wanted and not of.existing:
            self._made.append(found)
        return found

    def _place(self, about: Any, parent: Any) -> str:
        if isinstance(parent, Made):
            return parent.scope
        if isinstance(about, Made | Group):
            return about.id
        whole = self.file.scope == "subscription"
        return f"/subscriptions/{SUBSCRIPTION}" if whole else Group(self._group).id

    def _module(self, of: Module, scope: Scope, body: Object, wanted: bool) -> Any:
        parts = {scope.value(key): value for key, value in body.entries}
        where = scope.value(parts["scope"]) if "scope" in parts else Group(self._group)
        if not isinstance(where, Group | Made):
            raise BicepError(f"{self.path.name}: {of.name} is deployed to {where!r}")
        given = scope.value(parts["params"]) if "params" in parts else {}
        if "dependsOn" in parts:
            scope.value(parts["dependsOn"])
        if not wanted:  # Azure has evaluated all of it the same
            return {}  # asking for its outputs is a mistake
        inner = Deployment(self.path.parent / of.path, given, where.name, self._made)
        return {"name": scope.value(parts["name"]), "outputs": inner.all()}


def deploy(path: Path, **parameters: Any) -> tuple[list[Made], dict[str, Any]]:
    """Return what a file makes with these parameters, and its outputs.

    Raises:
        BicepError: Bicep would refuse it, as far as it is known here.
    """
    made: list[Made] = []
    outputs = Deployment(path, parameters, "existing-group", made).all()
    return made, outputs
