"""Puts the groups together. A further one is a module of this package and one line here."""

import click

from usage_ingest.cli.backfill import backfill
from usage_ingest.cli.chargeback import chargeback
from usage_ingest.cli.dead_letters import dead_letters
from usage_ingest.cli.doctor import doctor
from usage_ingest.cli.events import events
from usage_ingest.cli.export import export
from usage_ingest.cli.identity import identity
from usage_ingest.cli.period import period
from usage_ingest.cli.reference import reference
from usage_ingest.cli.rollups import rollups
from usage_ingest.cli.session import INTERRUPTED
from usage_ingest.cli.status import status
from usage_ingest.cli.watermark import watermark


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> object:
        """Run a command; Ctrl-C ends it as it ends other programs."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(INTERRUPTED)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def main() -> None:
    """Look after the usage events of AI gateways."""


main.add_command(doctor)
main.add_command(events)
main.add_command(export)
main.add_command(rollups)
main.add_command(chargeback)
main.add_command(dead_letters)
main.add_command(backfill)
main.add_command(identity)
main.add_command(reference)
main.add_command(period)
main.add_command(status)
main.add_command(watermark)
