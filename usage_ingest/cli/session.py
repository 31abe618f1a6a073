"""What all commands share: where settings come from, the app's life, errors in a line."""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import click
import orjson

from usage_ingest import wiring
from usage_ingest.errors import ConflictError, UsageIngestError
from usage_ingest.settings import load_settings
from usage_ingest.settings_file import merged, values_of
from usage_ingest.wiring import App

PATIENCE_SECONDS: Final = 15.0
"""A person waits for the answer: a busy store is given up sooner than by the app."""
LONG_PATIENCE_SECONDS: Final = 60.0
"""Of work that takes long anyway."""
FAILED: Final = 1
INTERRUPTED: Final = 130
_OWN_FILE: Final = Path("local.settings.json")

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """What a command is given: its settings, and how to answer."""

    settings_file: Path | None
    as_json: bool

    def environment(self) -> dict[str, str]:
        """Return the settings of the file with those of the environment above them.

        Raises:
            ConfigError: The file cannot be read as one of settings.
        """
        file = self.settings_file or (_OWN_FILE if _OWN_FILE.is_file() else None)
        values = values_of(file.read_bytes(), str(file)) if file else {}
        return merged(values, wiring.environment())

    def run(
        self, work: Callable[[App], Awaitable[T]], patience_seconds: float = PATIENCE_SECONDS
    ) -> T:
        """Open the app, do the work and close it; what goes wrong ends the command."""

        async def opened() -> T:
            settings = load_settings(self.environment())
            app = wiring.build(settings, patience_seconds=patience_seconds)
            try:
                return await work(app)
            finally:
                await app.close()

        return run(opened())

    def say(self, text: str) -> None:
        """Print what a person reads at once; beside JSON it goes to stderr."""
        click.echo(text, err=self.as_json)

    def show(self, content: Any, text: str) -> None:  # noqa: ANN401 - any JSON
        """Print the answer: for machines, or for a person."""
        click.echo(as_text(content) if self.as_json else text)


def run(work: Awaitable[T]) -> T:
    """Do the work of a command; an error that is expected becomes a line and exit code 1."""
    # The SDKs log what is told below, at length; none of it may stand beside an answer.
    logging.getLogger("azure").setLevel(logging.CRITICAL + 1)

    async def awaited() -> T:
        return await work

    try:
        return asyncio.run(awaited())
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        raise SystemExit(INTERRUPTED) from None
    except ConflictError as error:
        text = f"somebody else changed {error} at the same moment: look at it again"
        raise click.ClickException(text) from error
    except UsageIngestError as error:
        raise click.ClickException(str(error)) from error
    except _sdk_errors() as error:
        raise click.ClickException(_brief(error)) from error


def _sdk_errors() -> tuple[type[Exception], ...]:
    """Return what services answer that no adapter expects; imported only when it happened."""
    from azure.core.exceptions import AzureError  # noqa: PLC0415

    return (AzureError, OSError)


def _brief(error: Exception) -> str:
    from usage_ingest.adapters.patience import brief  # noqa: PLC0415

    return brief(error)


def connected(command: Callable[Concatenate[Session, P], T]) -> Callable[..., T]:
    """Give a command its Session, and the options that all commands have."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
    @click.option(
        "--settings",
        "settings_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar="USAGE_INGEST_SETTINGS",
        metavar="FILE",
        help="Where settings stand that the environment does not hold: a local.settings.json, "
        "or what `az functionapp config appsettings list` printed.  [default: "
        "local.settings.json of this folder, where there is one; or USAGE_INGEST_SETTINGS]",
    )
    @functools.wraps(command)
    def called(
        *args: Any,  # noqa: ANN401 - whatever click passes on
        settings_file: Path | None,
        as_json: bool,
        **options: Any,  # noqa: ANN401
    ) -> T:
        return command(Session(settings_file, as_json), *args, **options)

    return called


dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what would be done; write nothing."
)


def as_text(content: Any) -> str:  # noqa: ANN401 - any JSON
    """Return JSON that people can read as well."""
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()


def tell(text: str) -> None:
    """Say on stderr how far long work is."""
    click.echo(text, err=True)
