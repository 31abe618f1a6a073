"""Puts the groups together. A further one is a module of this package and one line here."""

import click

from usage_ingest.cli.events import events


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Look after the usage events of AI gateways."""


main.add_command(events)
