"""The command `demo`: a night on sample data."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from nightly import demo as steps
from nightly.commands.options import choose_settings, open_chosen
from nightly.output import summary
from nightly.output.progress import show_progress
from nightly.output.terminal import echo, print_side_by_side
from reports import terminal_summary


@click.command()
def demo() -> int:
    """A night on real sample data: no key and no network needed, and your own database is left alone.

    It loads three sample portfolios into a database of its own on the embedded server, runs every phase over the last
    20 sessions of the sample, and shows the results as one would read them in the morning.
    """
    settings = choose_settings(demo=True)
    now = datetime.now(UTC)
    with open_chosen(settings, demo=True) as database:
        click.echo("\n".join(["sample portfolios", *(f"  {line}" for line in steps.load_sample(database, now)), ""]))
        with show_progress(settings) as progress:
            run = steps.run_sample(database, settings, now, progress)
        echo(summary.render(run) + "\n")
        if run.errors:
            return summary.exit_status(run)
        with database.connect() as conn:
            click.echo(f"In the morning: {steps.LAST_SESSION}\n")
            for view in steps.read_overview(conn):
                click.echo("\n".join([click.style(view.name, bold=True), *terminal_summary.headline(view)]) + "\n")
                short = [terminal_summary.top_positions(view), terminal_summary.worst_scenarios(view)]
                print_side_by_side(short, terminal_summary.sector_weights(view))
    click.echo(
        "The sample's closes are adjusted for later splits and dividends, and there are no corporate actions in it:\n"
        "read its P&L as total return, and no dividend is booked (ingest/sample/README.md).\n\nWhat to try next"
    )
    for purpose, command in steps.next_commands():
        click.echo(f"  {purpose}:\n    {command}")
    return 0
