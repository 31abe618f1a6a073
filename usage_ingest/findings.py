"""What a look at the deployment finds, and what to do about it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

CLOCK_TOLERANCE: Final = timedelta(minutes=1)

_ANOTHER: Final = (
    "A partition key cannot be changed: delete the container and create it again, or name another "
    "COSMOS_DATABASE."
)

State = Literal["ok", "failed", "not used"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; `remedy` is what to do, where it failed."""

    check: str
    state: State
    text: str
    remedy: str = ""


def ok(check: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding(check, "ok", text)


def not_used(check: str, text: str) -> Finding:
    """Return that there is nothing to check."""
    return Finding(check, "not used", text)


def failed(check: str, text: str, remedy: str) -> Finding:
    """Return that something is wrong, and what to do."""
    return Finding(check, "failed", text, remedy)


def container_finding(check: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Finding:
    """Compare a container with what the code relies on."""
    problems = list(_container_problems(wanted, found))
    if not problems:
        (path,) = wanted["partitionKey"]["paths"]
        return ok(check, f"partition key {path}, ttl and indexes are as they must be")
    texts, remedies = zip(*problems, strict=True)
    return failed(check, "; ".join(texts), " ".join(dict.fromkeys(remedies)))


def _container_problems(
    wanted: Mapping[str, Any], found: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    key, found_key = wanted["partitionKey"]["paths"], found.get("partitionKey", {}).get("paths", [])
    if key != found_key:
        yield f"the partition key is {', '.join(found_key) or 'none'}, not {key[0]}", _ANOTHER
    ttl = found.get("defaultTtl")
    if ttl is None:
        yield (
            "the time to live is off: documents are never deleted",
            "Set the container's time to live to 'on, no default' (-1).",
        )
    elif ttl != wanted["defaultTtl"]:
        yield (
            f"the default time to live is {ttl} seconds: totals are deleted by it",
            "Set the container's time to live to 'on, no default' (-1), at once.",
        )
    yield from _index_problems(wanted["indexingPolicy"], found.get("indexingPolicy") or {})


def _index_problems(
    wanted: Mapping[str, Any], found: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    remedy = "Set the indexing policy that README.md lists; it may be changed at any time."
    if found.get("indexingMode", "").lower() != wanted["indexingMode"]:
        yield f"the indexing mode is {found.get('indexingMode') or 'unknown'}", remedy
        return
    needed, there = _paths(wanted, "includedPaths"), _paths(found, "includedPaths")
    if missing := sorted(needed - there):
        yield f"not indexed: {', '.join(missing)} (queries read all of the container)", remedy
    excess = sorted(there - needed)
    if excess or not _paths(wanted, "excludedPaths") <= _paths(found, "excludedPaths"):
        listed = ", ".join(excess) or "what is not excluded by /*"
        yield f"indexed without need: {listed} (each write costs more)", remedy


def _paths(policy: Mapping[str, Any], name: str) -> set[str]:
    return {each["path"] for each in policy.get(name) or ()}


def clock_finding(check: str, service: str, here: datetime, there: datetime) -> Finding:
    """Compare this machine's clock with that of a service."""
    apart = abs(here - there)
    told = f"{apart.total_seconds():.0f} s {'ahead of' if here >= there else 'behind'} {service}"
    if apart <= CLOCK_TOLERANCE:
        return ok(check, f"this machine is within {CLOCK_TOLERANCE.seconds} s of {service}")
    return failed(
        check,
        f"this machine is {told}",
        "Set this machine's clock by NTP: identity values are dated by it, and keys and tokens "
        "are refused when it is far off.",
    )


def all_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing failed."""
    return all(each.state != "failed" for each in findings)
