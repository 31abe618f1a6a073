"""Runs `python -m local` as a person does, and asks the app over HTTP."""

import asyncio
import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


async def start(
    *arguments: str, module: str = "local", **environment: str
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=ROOT,
        env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def run(*arguments: str, module: str = "local", **environment: str) -> tuple[int, str]:
    process = await start(*arguments, module=module, **environment)
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def read_until(process: asyncio.subprocess.Process, text: str) -> str:
    read = ""
    while text not in read:
        assert process.stdout is not None
        line = await process.stdout.readline()
        assert line, f"ended before it said {text!r}:\n{read}"
        read += line.decode()
    return read


def get(http_port: int, path: str) -> dict[str, Any]:
    url = f"http://127.0.0.1:{http_port}/api/v1/{path}"
    with urllib.request.urlopen(url) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
