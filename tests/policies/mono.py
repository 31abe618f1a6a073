"""Mono's C# compiler and runtime, for the tests that execute policies: Debian packages."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import pytest

PACKAGES: Final = (
    "mono-mcs",
    "mono-runtime",
    "libnewtonsoft-json-cil-dev",
    "libmono-system-core4.0-cil",
    "libmono-system-xml-linq4.0-cil",
    "libmono-system-numerics4.0-cil",
    "pkg-config",
)
_REFERENCES: Final = ("System.Core", "System.Xml", "System.Xml.Linq", "System.Numerics")


class CompileError(Exception):
    """What the compiler says, with the files and lines of the policies."""


def require() -> None:
    """Have Mono installed, or skip the test; under CI=true fail it."""
    if reason := install():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@cache
def install() -> str:
    """Install Mono unless it is there; return why it cannot be had."""
    with (Path(tempfile.gettempdir()) / f"usage-ingest-mono-{os.getuid()}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two test runs of one machine wait for each other
        if is_there():
            return ""
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            return f"policies are executed with Mono: apt-get install {' '.join(PACKAGES)}"
        return _apt_get("update") or _apt_get("install", "-y", "--no-install-recommends", *PACKAGES)


def is_there() -> bool:
    """Whether compiler, runtime and Newtonsoft.Json can be used."""
    return all(shutil.which(each) for each in ("mcs", "mono", "pkg-config")) and not _run(
        ["pkg-config", "--exists", "newtonsoft-json"]
    )


def _apt_get(*arguments: str) -> str:
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=60", *arguments]
    try:
        return _run(command, timeout=300, DEBIAN_FRONTEND="noninteractive")
    except subprocess.TimeoutExpired:
        return f"apt-get {arguments[0]} took more than 300 seconds"


def _run(command: Sequence[str], timeout: float = 60, **environment: str) -> str:
    """Run a command; return what it says where it fails, else nothing."""
    done = subprocess.run(  # noqa: S603 - our own command
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    said = (done.stderr + done.stdout).strip()
    return f"{command[0]} {' '.join(command[-2:])}: {said or 'failed'}" if done.returncode else ""


def compile_sources(sources: Sequence[Path], out: Path, references: Sequence[Path] = ()) -> None:
    """Compile C# 7 into a library, or into a program where the name ends with .exe.

    Raises:
        CompileError: It does not compile.
    """
    kind = "exe" if out.suffix == ".exe" else "library"
    named = [f"-r:{each}" for each in (*_REFERENCES, *map(str, references))]
    command = ["mcs", "-langversion:7", "-nologo", "-pkg:newtonsoft-json", f"-target:{kind}"]
    if said := _run([*command, *named, f"-out:{out}", *map(str, sources)]):
        raise CompileError(said)
