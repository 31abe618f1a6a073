"""In CI a test is skipped only for what an endpoint is declared to lack: anything else fails there.

A machine that lacks what a test needs would otherwise look green. The hooks are pytest's; conftest
imports them.
"""

import os
from collections.abc import Generator

import pytest

from tests.endpoints import is_declared_lack


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true")


def undeclared(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Return the reason of a skip that nothing declares; expected failures are no skips."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return None
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    return None if is_declared_lack(reason) else reason


def fail_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = undeclared(report)
    if reason is not None and in_ci():
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be missing: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    fail_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    fail_in_ci(report)
    return report
