"""`python -m local`: the app on this machine, without Azure."""

import argparse
import asyncio
import sys
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from local.environment import Ports, environment


def main() -> int:
    """Run a command; what goes wrong is said in a line."""
    arguments = _parser().parse_args()
    try:
        asyncio.run(_command(arguments))
    except KeyboardInterrupt:
        return 130
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
            return 1
        return int(stop.code or 0)
    except _known_errors() as error:
        print(f"{arguments.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _known_errors() -> tuple[type[Exception], ...]:
    """Return what a person can act on: wrong settings, taken ports, missing files, no answer."""
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - only when something went wrong
    from azure.eventhub.exceptions import EventHubError  # noqa: PLC0415

    from local.host import HostError  # noqa: PLC0415
    from usage_ingest.errors import UsageIngestError  # noqa: PLC0415

    return (OSError, ValueError, AzureError, EventHubError, HostError, UsageIngestError)


def _command(given: argparse.Namespace) -> Coroutine[Any, Any, None]:
    # Each command imports what it needs: the SDKs are slow to import.
    match given.command:
        case "up":
            from local.up import up  # noqa: PLC0415

            return up(given.data, _ports(given), demo=not given.no_demo, rate=given.rate)
        case "host":
            from local.run_host import run_host  # noqa: PLC0415

            return run_host(
                environment(),
                given.data,
                given.http_port,
                checkpoint_on_failure=given.checkpoint_on_failure,
                panel=given.panel,
            )
        case "stand-ins":
            from local.stack import run_stand_ins  # noqa: PLC0415

            return run_stand_ins(given.data, _stand_in_ports(given))
        case "demo":
            from local.demo import demo  # noqa: PLC0415

            return demo(given.events, given.seed)
        case _:
            return _small_command(given)


def _small_command(given: argparse.Namespace) -> Coroutine[Any, Any, None]:
    match given.command:
        case "provision":
            from local.provision import provision_named  # noqa: PLC0415

            return provision_named(environment(), index_policy=not given.without_index_policy)
        case "send":
            return _send(given.files)
        case _:
            from local.commands import show_containers  # noqa: PLC0415

            return show_containers(environment(), given.name, given.limit)


async def _send(files: list[str]) -> None:
    from local.commands import lines_of, publish  # noqa: PLC0415

    print(f"published {await publish(environment(), lines_of(files)):,} events")


def _ports(given: argparse.Namespace) -> Ports:
    return replace(_stand_in_ports(given), http=given.http_port)


def _stand_in_ports(given: argparse.Namespace) -> Ports:
    return Ports(
        event_hubs=given.event_hubs_port,
        cosmos=given.cosmos_port,
        log_analytics=given.log_analytics_port,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data", type=_folder, default=".local", help="folder of the files")
    http = argparse.ArgumentParser(add_help=False)
    http.add_argument("--http-port", type=int, default=7071)
    stores = argparse.ArgumentParser(add_help=False)
    stores.add_argument("--event-hubs-port", type=int, default=5672)
    stores.add_argument("--cosmos-port", type=int, default=8081)
    stores.add_argument("--log-analytics-port", type=int, default=8082)

    up = commands.add_parser(
        "up", parents=[data, http, stores], help="stand-ins, host and demo traffic"
    )
    up.add_argument("--no-demo", action="store_true", help="send no demo traffic")
    up.add_argument("--rate", type=int, default=10, help="demo events a second")
    host = commands.add_parser(
        "host", parents=[data, http], help="the app alone, against what the settings name"
    )
    host.add_argument(
        "--checkpoint-on-failure",
        action="store_true",
        help="behave as the real host on a bad day: a failed batch is given up",
    )
    host.add_argument("--panel", action="store_true", help="print a line now and then")
    commands.add_parser(
        "stand-ins", parents=[data, stores], help="Event Hubs, Cosmos DB and Log Analytics"
    )
    provision = commands.add_parser(
        "provision", help="create the database and containers that the settings name"
    )
    provision.add_argument(
        "--without-index-policy",
        action="store_true",
        help="for an emulator that refuses custom index policies",
    )
    send = commands.add_parser("send", help="publish JSON lines to the event hub")
    send.add_argument("files", nargs="+", metavar="FILE", help="- is standard input")
    containers = commands.add_parser("containers", help="what the Cosmos containers hold")
    containers.add_argument("name", nargs="?", help="print the documents of this container")
    containers.add_argument("--limit", type=int, default=20)
    demo = commands.add_parser("demo", help="a finite run with crashes, checked to the token")
    demo.add_argument("--events", type=int, default=6_000)
    demo.add_argument("--seed", type=int, default=None)
    return parser


def _folder(name: str) -> Path:
    folder = Path(name).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
