"""`doctor`: what is wrong with a deployment, and what to do about it."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import click

from usage_ingest.cli.session import Session, connected, dry_run_option, run
from usage_ingest.document import time_text
from usage_ingest.errors import ConfigError
from usage_ingest.event_settings import CONNECTION, NAMESPACE
from usage_ingest.findings import Finding, all_well, failed, not_used, ok
from usage_ingest.settings import HOST_SETTINGS, Settings, load_settings
from usage_ingest.wiring import SystemClock

_FILLED_IN: Final[Mapping[str, str]] = {
    NAMESPACE: "not-given.invalid",
    "EVENT_HUB_NAME": "not-given",
    "EVENT_HUB_CONSUMER_GROUP": "not-given-1",
    "EVENT_HUB_REREAD_CONSUMER_GROUP": "not-given-2",
    "COSMOS_ENDPOINT": "https://not-given.invalid",
}
"""Stand for what another dependency needs, so that each can be looked at by itself."""
_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "Cosmos DB": ("COSMOS_", "PRIVACY_HMAC_KEYS"),
    "Event Hubs": ("EVENT_HUB_NAME", "EVENT_HUB_CONSUMER", "EVENT_HUB_REREAD", CONNECTION),
    "Log Analytics": ("METRICS_TARGETS", "METRICS_ENDPOINT"),
}


@click.command()
@connected
@dry_run_option
def doctor(session: Session, *, dry_run: bool) -> None:
    """Look at settings, identity, every dependency and the clock; say what to do.

    It asks with the identity that runs it: yours, or in Azure the app's. Nothing is changed but
    for a probe in the container state, which is deleted at once; --dry-run leaves it out.
    Consumer groups are opened, and nothing is read from them; no event is sent.

    Ends with 0 when all is well, else with 1.

    \b
    Examples:
      python -m usage_ingest doctor
      python -m usage_ingest doctor --json | jq '.findings[] | select(.state == "failed")'
      python -m usage_ingest doctor --settings .local/settings.json   # beside `make run`
    """  # noqa: D301 - click wants the character
    findings = run(_findings(session, writes=not dry_run))
    session.show(_object(findings), _text(findings))
    sys.exit(0 if all_well(findings) else 1)


async def _findings(session: Session, *, writes: bool) -> list[Finding]:
    from usage_ingest.cli.diagnose import Diagnosis  # noqa: PLC0415 - the SDKs are slow to import

    environment = session.environment()
    found = [*_settings(environment), _host_settings(environment)]
    parts = {name: _part(name, environment) for name in _OF}
    diagnosis = Diagnosis(parts, SystemClock(), writes=writes)
    try:
        found += [each async for each in diagnosis.findings()]
    finally:
        await diagnosis.close()
    return found


def _settings(environment: Mapping[str, str]) -> Iterator[Finding]:
    try:
        load_settings(environment)
    except ConfigError as error:
        for problem in str(error).splitlines()[1:]:
            name, _, text = problem.removeprefix("- ").partition(": ")
            remedy = f"Set {name} in the app's settings, or in what --settings names."
            yield failed(f"setting {name}", text, remedy)
    else:
        yield ok("settings", "all that the app reads is there and makes sense")


def _host_settings(environment: Mapping[str, str]) -> Finding:
    """Look at what only the Functions host reads: it need not be known here."""
    check = "settings of the host"
    needed = [each.name for each in HOST_SETTINGS if each.name.endswith("_SCHEDULE")]
    given = [name for name in needed if environment.get(name, "").strip()]
    if any(name.startswith("AzureWebJobsStorage") and v for name, v in environment.items()):
        given.append("AzureWebJobsStorage")
    missing = [name for name in (*needed, "AzureWebJobsStorage") if name not in given]
    if not missing:
        return ok(check, "schedules and storage are there")
    if not given:
        return not_used(check, f"not known here; the app needs {', '.join(missing)}")
    remedy = "Set them in the app's settings: without them the host does not start a function."
    return failed(check, f"missing: {', '.join(missing)}", remedy)


def _part(name: str, environment: Mapping[str, str]) -> Settings | None:
    """Return the settings of one dependency, whatever is wrong with the others'."""
    own = {key: v for key, v in environment.items() if key.startswith(_OF[name]) and v.strip()}
    filled = dict(_FILLED_IN)
    if name == "Event Hubs":
        filled = {"COSMOS_ENDPOINT": filled["COSMOS_ENDPOINT"]}
    elif name == "Cosmos DB":
        del filled["COSMOS_ENDPOINT"]
    try:
        return load_settings(filled | own)
    except ConfigError:
        return None


def _object(findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "status": "ok" if all_well(findings) else "failed",
        "at": time_text(SystemClock().now()),
        "findings": [asdict(each) for each in findings],
    }


def _text(findings: Sequence[Finding]) -> str:
    width = max(len(each.check) for each in findings)
    lines = []
    for each in findings:
        lines.append(f"{each.state:8}  {each.check:{width}}  {each.text}")
        if each.remedy:
            lines.append(f"{'':8}  {'':{width}}  -> {each.remedy}")
    counts = [
        f"{sum(each.state == state for each in findings)} {state}"
        for state in ("ok", "failed", "not used")
    ]
    return "\n".join([*lines, ", ".join(counts)])
