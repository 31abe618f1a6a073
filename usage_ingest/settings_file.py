"""Settings that stand in a file: local.settings.json, or what Azure lists of a function app. Pure.

A setting of the environment wins over the file.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from usage_ingest.errors import ConfigError
from usage_ingest.event_settings import CONNECTION, NAMESPACE

_UNRESOLVED: Final = "@Microsoft."
"""How references to Key Vault and App Configuration begin, which only Functions resolves."""
_REPLACES: Final[Mapping[str, tuple[str, ...]]] = {
    CONNECTION: (NAMESPACE,),
    NAMESPACE: (CONNECTION,),
    "COSMOS_ENDPOINT": ("COSMOS_KEY",),
}
"""What of a file must not join in when the environment names another place."""


def values_of(content: bytes, name: str) -> dict[str, str]:
    """Read the settings of a file: `{"Values": {...}}`, or `[{"name": ..., "value": ...}]`.

    Raises:
        ConfigError: It is neither, or holds what only Functions can read.
    """
    try:
        written = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{name}: is not JSON") from error
    if isinstance(written, dict) and written.get("IsEncrypted"):
        raise ConfigError(f"{name}: is encrypted; `func settings decrypt` makes it readable")
    values = _listed(written)
    if values is None:
        raise ConfigError(
            f'{name}: takes {{"Values": {{...}}}}, as local.settings.json, or the list of '
            "`az functionapp config appsettings list`"
        )
    return {key: str(value) for key, value in values.items() if value is not None}


def _listed(written: Any) -> dict[str, Any] | None:  # noqa: ANN401 - any JSON
    if isinstance(written, dict) and isinstance(written.get("Values"), dict):
        values: dict[str, Any] = written["Values"]
        return values
    if isinstance(written, list) and all(
        isinstance(each, dict) and "name" in each for each in written
    ):
        return {each["name"]: each.get("value") for each in written}
    return None


def merged(file: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of both; the environment wins, with what belongs to it.

    A key or connection of the file never goes to an endpoint that the environment names.

    Raises:
        ConfigError: A setting is a reference that only Functions resolves.
    """
    left_out = {
        other for name, others in _REPLACES.items() if environment.get(name) for other in others
    }
    both = {name: v for name, v in file.items() if name not in left_out} | dict(environment)
    if unresolved := sorted(name for name, v in both.items() if v.startswith(_UNRESOLVED)):
        raise ConfigError(
            f"{', '.join(unresolved)}: is a reference that only Functions resolves; set the "
            "value itself in the environment"
        )
    return both
