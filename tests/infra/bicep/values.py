"""Values while a deployment is evaluated."""

from dataclasses import dataclass, field
from typing import Any, Final

from tests.infra.bicep.tokens import BicepError

SUBSCRIPTION: Final = "00000000-0000-4000-8000-00000000000a"
TENANT: Final = "00000000-0000-4000-8000-00000000000b"


@dataclass(frozen=True, slots=True)
class Runtime:
    """Something that only Azure knows, such as an endpoint; `path` says what."""

    path: str

    def __str__(self) -> str:
        return f"<{self.path}>"


@dataclass(frozen=True, slots=True)
class Group:
    """A resource group as a scope."""

    name: str

    @property
    def id(self) -> str:
        return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{self.name}"


@dataclass(frozen=True, slots=True)
class Made:
    """A resource as a deployment makes it; `scope` is the id of what it is in or about."""

    file: str
    symbol: str
    type: str
    version: str
    name: str
    scope: str
    body: dict[str, Any] = field(compare=False)

    @property
    def id(self) -> str:
        provider, *kinds = self.type.split("/")
        pairs = zip(kinds, shown(self.name).split("/", len(kinds) - 1), strict=True)
        path = "/".join(f"{kind}/{name}" for kind, name in pairs)
        if self.type == "Microsoft.Resources/resourceGroups":
            return Group(self.name).id
        return f"{self.scope}/providers/{provider}/{path}"

    def member(self, name: str) -> Any:
        """Return what an expression sees of it: ids and names at once, the rest from Azure."""
        known = {"id": self.id, "name": self.name.split("/")[-1], "type": self.type}
        return known.get(name, Runtime(f"{self.type} {self.name}.{name}"))


def member(value: Any, name: str) -> Any:
    """Return a member of a value.

    Raises:
        BicepError: It has none of that name.
    """
    if isinstance(value, Runtime):
        return Runtime(f"{value.path}.{name}")
    if isinstance(value, Made):
        return value.member(name)
    if isinstance(value, Group) and name in ("id", "name", "location"):
        return getattr(value, name) if name != "location" else Runtime("resourceGroup.location")
    if isinstance(value, dict) and name in value:
        return value[name]
    raise BicepError(f"there is no {name} in {value!r}")


def shown(value: Any) -> str:
    """Return a value as a text has it inside."""
    return str(value).lower() if isinstance(value, bool) else str(value)
