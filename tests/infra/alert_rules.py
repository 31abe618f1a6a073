"""The alert rules as infra/watching.bicep declares them, with their default thresholds."""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from pycep import BicepParser

from tests.infra.log_tables import COMPONENT, LogTables

INFRA: Final = Path(__file__).resolve().parent.parent.parent / "infra"
WINDOWS: Final = {
    "PT15M": timedelta(minutes=15),
    "PT30M": timedelta(minutes=30),
    "PT1H": timedelta(hours=1),
}
_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThan": operator.gt,
    "LessThan": operator.lt,
}
_AGGREGATIONS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "Count": len,
    "Maximum": max,
    "Minimum": min,
    "Total": sum,
}


@dataclass(frozen=True, slots=True)
class LogAlert:
    """One log alert rule, and how Azure Monitor decides whether it fires."""

    name: str
    description: str
    severity: int
    query: str
    window: str
    aggregation: str
    measure: str | None
    operator: str
    threshold: float
    dimensions: tuple[str, ...]

    def firing(self, logs: LogTables, now: datetime) -> set[tuple[str, ...]]:
        """Return for which values of its dimensions the rule fires; `{()}` where it has none."""
        rows = logs.ask(self.query.replace("{component}", COMPONENT), now, WINDOWS[self.window])
        groups: dict[tuple[str, ...], list[float]] = {} if self.dimensions else {(): []}
        for row in rows:
            key = tuple(row[name] for name in self.dimensions)
            groups.setdefault(key, []).append(row[self.measure] if self.measure else 1)
        return {key for key, values in groups.items() if self._fires(values)}

    def _fires(self, values: Sequence[float]) -> bool:
        if not values and self.aggregation != "Count":
            return False
        found = _AGGREGATIONS[self.aggregation](values)
        return _OPERATORS[self.operator](found, self.threshold)


def watching() -> dict[str, Any]:
    """Return the parsed module."""
    text = (INFRA / "watching.bicep").read_text(encoding="utf-8")
    return cast("dict[str, Any]", BicepParser().parse(text=text))


def log_alerts() -> dict[str, LogAlert]:
    """Return the log alert rules by name."""
    module = watching()
    parameters = module["parameters"]
    return {each["name"]: _log_alert(each, parameters) for each in _declared(module, "logAlerts")}


def metric_alerts() -> dict[str, dict[str, Any]]:
    """Return the rules over platform metrics by name, as they are declared."""
    module = watching()
    found = [*_declared(module, "platformAlerts"), *_declared(module, "gatewaySilent")]
    return {each["name"]: each for each in [*found, *_unsent(module)]}


def _declared(module: Mapping[str, Any], variable: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = module["variables"][variable]["value"]
    return found


def _unsent(module: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what the loop over the gateway's own metrics makes."""
    made = module["variables"]["gatewayUnsent"]["value"]["config"]
    for each in _declared(module, "unsentEvents"):
        (criterion,) = made["criteria"]
        criteria = [{**criterion, "metric": each["metric"]}]
        yield {**made, "name": each["name"], "criteria": criteria}


def _log_alert(declared: Mapping[str, Any], parameters: Mapping[str, Any]) -> LogAlert:
    threshold = declared["threshold"]
    file = declared["query"]["function"]["parameters"]["file_path"]
    return LogAlert(
        **{name: declared[name] for name in ("name", "description", "severity", "window")},
        **{name: declared[name] for name in ("aggregation", "measure", "operator")},
        query=(INFRA / file).read_text(encoding="utf-8"),
        threshold=parameters[threshold]["default"] if isinstance(threshold, str) else threshold,
        dimensions=tuple(each["name"] for each in declared["dimensions"]),
    )
