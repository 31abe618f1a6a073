"""Reads a function app as the host does: functions, triggers, retry policies, and host.json.

The real host refuses the whole app for one bad function; so does this one, naming every problem.
"""

from __future__ import annotations

import inspect
import json
import re
import typing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from azure.eventhub import parse_connection_string
from azure.functions.eventhub import EventHubTriggerConverter
from azure.functions.http import HttpRequestConverter
from azure.functions.timer import TimerRequestConverter

from local.host.bindings import (
    EventHubBinding,
    HttpBinding,
    IndexedFunction,
    RetryPolicy,
    TimerBinding,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import azure.functions as func

_CONVERTERS: dict[str, Any] = {
    "eventHubTrigger": EventHubTriggerConverter,
    "timerTrigger": TimerRequestConverter,
    "httpTrigger": HttpRequestConverter,
}
_CRON_FIELDS = (5, 6)


class HostError(Exception):
    """The host cannot start, or was asked for what it does not have; the text says what to do."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What host.json decides here."""

    max_event_batch_size: int
    prefetch_count: int
    batch_checkpoint_frequency: int
    route_prefix: str
    timeout_seconds: float | None


def read_host_json(path: Path) -> HostOptions:
    """Read the options with the defaults of the real host."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        extensions = document.get("extensions", {})
        event_hubs = extensions.get("eventHubs", {})
        timeout = str(document.get("functionTimeout", "00:30:00"))
        return HostOptions(
            max_event_batch_size=int(event_hubs.get("maxEventBatchSize", 100)),
            prefetch_count=int(event_hubs.get("prefetchCount", 300)),
            batch_checkpoint_frequency=int(event_hubs.get("batchCheckpointFrequency", 1)),
            route_prefix=extensions.get("http", {}).get("routePrefix", "api").strip("/"),
            timeout_seconds=None if timeout == "-1" else _seconds(timeout),
        )
    except (OSError, ValueError, AttributeError) as error:
        raise HostError(f"{path} cannot be read: {error}") from error


def index(app: func.FunctionApp, settings: Mapping[str, str]) -> list[IndexedFunction]:
    """All functions of the app, or a HostError that lists everything wrong with them."""
    # The library keeps the names it has seen and calls them duplicates when it is asked again.
    app.functions_bindings = {}
    functions = app.get_functions()
    app.functions_bindings = {}
    found: list[IndexedFunction] = []
    problems: list[str] = []
    for function in functions:
        name = str(function.get_function_name())
        try:
            found.append(_index_one(name, function, settings))
        except (HostError, ValueError, TypeError, NameError) as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise HostError("The function app cannot be indexed:\n  " + "\n  ".join(problems))
    return found


def _index_one(name: str, function: Any, settings: Mapping[str, str]) -> IndexedFunction:
    bindings = json.loads(function.get_function_json())["bindings"]
    call = function.get_user_function()
    trigger = next((one for one in bindings if one["type"] in _CONVERTERS), None)
    others = [one["type"] for one in bindings if one is not trigger and one["type"] != "http"]
    if trigger is None or others:
        raise HostError(f"bindings of type {', '.join(others)} are not supported here")
    _check_signature(call, trigger)
    return IndexedFunction(
        name=name,
        call=call,
        argument=trigger["name"],
        takes_context="context" in inspect.signature(call).parameters,
        retry=_retry_policy(function.get_settings_dict("retry_policy")),
        trigger=_BINDINGS[trigger["type"]](_resolve(trigger, settings), settings),
    )


def _check_signature(call: Callable[..., Any], trigger: Mapping[str, Any]) -> None:
    """Microsoft's worker asks the same: one refused parameter takes the whole app down."""
    argument = trigger["name"]
    unknown = set(inspect.signature(call).parameters) - {argument, "context"}
    if unknown:
        raise HostError(f"parameters without a binding: {', '.join(sorted(unknown))}")
    if argument not in inspect.signature(call).parameters:
        raise HostError(f"the trigger's parameter {argument!r} is missing")
    annotation = typing.get_type_hints(call).get(argument)
    converter = _CONVERTERS[trigger["type"]]
    if annotation is not None and not converter.check_input_type_annotation(annotation):
        raise HostError(f"the worker refuses the annotation {annotation} of {argument!r}")


def _resolve(trigger: Mapping[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    """Put the values of settings where the binding says %NAME%."""

    def value_of(match: re.Match[str]) -> str:
        setting = match.group(1)
        if setting not in settings:
            raise HostError(f"setting {setting} is missing (the trigger asks for %{setting}%)")
        return settings[setting]

    return {
        key: re.sub(r"%([^%]+)%", value_of, value) if isinstance(value, str) else value
        for key, value in trigger.items()
    }


def _event_hub(trigger: Mapping[str, Any], settings: Mapping[str, str]) -> EventHubBinding:
    if trigger.get("cardinality", "MANY") != "MANY":
        raise HostError("only cardinality many is supported here")
    connection = trigger["connection"]
    text = settings.get(connection)
    namespace = settings.get(f"{connection}__fullyQualifiedNamespace")
    if not text and not namespace:
        raise HostError(
            f"setting {connection} is missing (or {connection}__fullyQualifiedNamespace,"
            " to connect with your own identity)"
        )
    return EventHubBinding(
        namespace=parse_connection_string(text).fully_qualified_namespace
        if text
        else str(namespace),
        hub=trigger["eventHubName"],
        consumer_group=trigger.get("consumerGroup", "$Default"),
        connection_string=text or None,
        binary=trigger.get("dataType") == "BINARY",
    )


def _timer(trigger: Mapping[str, Any], _settings: Mapping[str, str]) -> TimerBinding:
    schedule = trigger["schedule"]
    if len(schedule.split()) not in _CRON_FIELDS:
        raise HostError(f"schedule {schedule!r} is not an NCRONTAB expression of six fields")
    binding = TimerBinding(schedule, bool(trigger.get("runOnStartup")), monitor=True)
    first = binding.next_run(datetime.now(UTC))
    every_minute_or_less_often = (binding.next_run(first) - first).total_seconds() >= 60
    return TimerBinding(
        schedule,
        binding.run_on_startup,
        monitor=every_minute_or_less_often and trigger.get("useMonitor", True),
    )


def _http(trigger: Mapping[str, Any], _settings: Mapping[str, str]) -> HttpBinding:
    return HttpBinding(trigger["route"].strip("/"), tuple(trigger.get("methods", ())))


_BINDINGS: dict[str, Callable[..., EventHubBinding | TimerBinding | HttpBinding]] = {
    "eventHubTrigger": _event_hub,
    "timerTrigger": _timer,
    "httpTrigger": _http,
}


def _retry_policy(setting: Mapping[str, Any] | None) -> RetryPolicy | None:
    if not setting:
        return None
    count = int(setting["max_retry_count"])
    if setting["strategy"] == "fixed_delay":
        bounds = (setting.get("delay_interval"),) * 2
    elif setting["strategy"] == "exponential_backoff":
        bounds = (setting.get("minimum_interval"), setting.get("maximum_interval"))
    else:
        raise HostError(f"retry strategy {setting['strategy']!r} is not known")
    if None in bounds:
        raise HostError(f"the retry policy {setting['strategy']} lacks an interval")
    return RetryPolicy(count, *(_seconds(str(bound)) for bound in bounds))


def _seconds(interval: str) -> float:
    clock = datetime.strptime(interval, "%H:%M:%S").replace(tzinfo=UTC)
    return clock.hour * 3600.0 + clock.minute * 60.0 + clock.second
