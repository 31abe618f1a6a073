"""Reads a function app as the host does: functions, triggers, retry policies, and host.json.

The real host refuses the whole app for one bad function; so does this one, naming every problem.
"""

import inspect
import json
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.eventhub import parse_connection_string
from azure.functions.eventhub import EventHubTriggerConverter
from azure.functions.http import HttpRequestConverter
from azure.functions.timer import TimerRequestConverter
from croniter import croniter

_CONVERTERS: dict[str, Any] = {
    "eventHubTrigger": EventHubTriggerConverter,
    "timerTrigger": TimerRequestConverter,
    "httpTrigger": HttpRequestConverter,
}
_OF_NAMESPACE = "__fullyQualifiedNamespace"  # the setting to connect with one's own identity


class HostError(Exception):
    """The host cannot start, or was asked for what it does not have; the text says what to do."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What host.json decides here."""

    max_event_batch_size: int
    prefetch_count: int
    route_prefix: str
    timeout_seconds: float | None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`@app.retry`; a fixed delay has equal bounds."""

    max_retry_count: int  # -1: for ever
    minimum_seconds: float
    maximum_seconds: float

    def delay_seconds(self, retry_count: int) -> float | None:
        """How long to wait after so many retries, doubling between the bounds; None: no more."""
        if 0 <= self.max_retry_count <= retry_count:
            return None
        doublings = min(retry_count, 30)
        return min(self.minimum_seconds * 2.0**doublings, self.maximum_seconds)


@dataclass(frozen=True, slots=True)
class EventHubBinding:
    """Where events come from. Without a connection string the identity of the developer is used."""

    namespace: str
    hub: str
    consumer_group: str
    connection_string: str | None


@dataclass(frozen=True, slots=True)
class TimerBinding:
    """A schedule in UTC, with seconds first."""

    schedule: str
    run_on_startup: bool

    def next_run(self, after: datetime) -> datetime:
        """Return the first tick after this time."""
        # NCRONTAB wants both the day of the month and the day of the week to match: day_or=False.
        ticks = croniter(self.schedule, after, second_at_beginning=True, day_or=False)
        following: datetime = ticks.get_next(datetime)
        return following


@dataclass(frozen=True, slots=True)
class HttpBinding:
    """A route below the prefix; no methods means all of them."""

    route: str
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndexedFunction:
    """One function with its trigger; `argument` is the parameter that the trigger fills."""

    name: str
    call: Callable[..., Any]
    argument: str
    retry: RetryPolicy | None
    trigger: EventHubBinding | TimerBinding | HttpBinding


def read_host_json(path: Path) -> HostOptions:
    """Read the options with the defaults of the real host."""
    document = json.loads(path.read_text(encoding="utf-8"))
    extensions = document.get("extensions", {})
    event_hubs = extensions.get("eventHubs", {})
    timeout = document.get("functionTimeout", "00:30:00")
    return HostOptions(
        max_event_batch_size=event_hubs.get("maxEventBatchSize", 100),
        prefetch_count=event_hubs.get("prefetchCount", 300),
        route_prefix=extensions.get("http", {}).get("routePrefix", "api"),
        timeout_seconds=None if timeout == "-1" else _seconds(timeout),
    )


def index(app: func.FunctionApp, settings: Mapping[str, str]) -> list[IndexedFunction]:
    """All functions of the app, or a HostError that lists everything wrong with them."""
    # The library keeps the names it has seen and calls them duplicates when it is asked again.
    app.functions_bindings = {}
    found: list[IndexedFunction] = []
    problems: list[str] = []
    for function in app.get_functions():
        name = str(function.get_function_name())
        try:
            found.append(_index_one(name, function, settings))
        except (HostError, ValueError, TypeError, LookupError, NameError) as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise HostError("The function app cannot be indexed:\n  " + "\n  ".join(problems))
    return found


def _index_one(name: str, function: Any, settings: Mapping[str, str]) -> IndexedFunction:
    bindings = json.loads(function.get_function_json())["bindings"]
    trigger = next((each for each in bindings if each["type"] in _CONVERTERS), None)
    if trigger is None:
        raise HostError(f"{bindings[0]['type']} is not supported here")
    call = function.get_user_function()
    _check_parameters(call, trigger)
    return IndexedFunction(
        name=name,
        call=call,
        argument=trigger["name"],
        retry=_retry_policy(function.get_settings_dict("retry_policy")),
        trigger=_binding(_resolve(trigger, settings), settings),
    )


def _check_parameters(call: Callable[..., Any], trigger: Mapping[str, Any]) -> None:
    """Microsoft's worker asks the same: one refused parameter takes the whole app down."""
    argument = trigger["name"]
    if list(inspect.signature(call).parameters) != [argument]:
        raise HostError(f"only the trigger's parameter {argument!r} is supported here")
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


def _binding(
    trigger: Mapping[str, Any], settings: Mapping[str, str]
) -> EventHubBinding | TimerBinding | HttpBinding:
    if trigger["type"] == "eventHubTrigger":
        return _event_hub(trigger, settings)
    if trigger["type"] == "timerTrigger":
        timer = TimerBinding(trigger["schedule"], bool(trigger.get("runOnStartup")))
        timer.next_run(datetime.now(UTC))  # raises where it is not a schedule
        return timer
    return HttpBinding(trigger["route"].strip("/"), tuple(trigger.get("methods", ())))


def _event_hub(trigger: Mapping[str, Any], settings: Mapping[str, str]) -> EventHubBinding:
    if (trigger.get("cardinality"), trigger.get("dataType")) != ("MANY", "BINARY"):
        raise HostError("only cardinality many with data type binary is supported here")
    connection = trigger["connection"]
    text = settings.get(connection) or None
    namespace = settings.get(connection + _OF_NAMESPACE)
    if text:
        namespace = parse_connection_string(text).fully_qualified_namespace
    if not namespace:
        raise HostError(f"setting {connection} is missing (or {connection}{_OF_NAMESPACE})")
    group = trigger.get("consumerGroup", "$Default")
    return EventHubBinding(namespace, trigger["eventHubName"], group, text)


def _retry_policy(setting: Mapping[str, Any] | None) -> RetryPolicy | None:
    if not setting:
        return None
    bounds = ("minimum_interval", "maximum_interval")
    if setting["strategy"] == "fixed_delay":
        bounds = ("delay_interval", "delay_interval")
    shortest, longest = (_seconds(setting[bound]) for bound in bounds)
    return RetryPolicy(int(setting["max_retry_count"]), shortest, longest)


def _seconds(interval: str) -> float:
    hours, minutes, seconds = map(int, interval.split(":"))
    return (hours * 60 + minutes) * 60.0 + seconds
