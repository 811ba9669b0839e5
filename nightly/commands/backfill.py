"""The command `backfill`: compute past sessions."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import click

from nightly.commands.options import DAY, Output, choose_settings, open_chosen, phase_options, scope_options
from nightly.commands.perform import PhasedCommand, perform
from nightly.context import Request
from nightly.output.progress import show_progress
from nightly.plan import make_plan, render


@click.command(cls=PhasedCommand)
@click.option("--start", type=DAY, metavar="D", help="Compute again from here. Default: only what is due.")
@click.option("--end", type=DAY, metavar="D", help="The last session. Default: the latest that the sources reach.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and stop there.")
@phase_options
@scope_options
def backfill(start: date | None, end: date | None, dry_run: bool, output: Output, **scope: Any) -> int:
    """Fill a span of sessions, or every session that is due.

    With --start, the sessions from there on are computed again, whether due or not, and carried on to the last session
    that a portfolio was rolled to. Risk is computed for each session of the span.

    --dry-run lists the sessions that would be rolled, by portfolio and with the reason: the sessions that were asked
    for, earlier ones where an input has changed, and later ones up to the end of a chain. It also lists the sessions
    whose risk would be computed. No result is touched, and no source is asked.
    """
    request = Request("backfill", start=start, end=end, **scope)
    return _show_plan(request, output) if dry_run else perform(request, output)


def _show_plan(request: Request, output: Output) -> int:
    """Print the effect of a request without carrying it out; returns the exit status."""
    settings = choose_settings(request.demo)
    with open_chosen(settings, request.demo) as database:
        with show_progress(settings, verbose=output.verbose, quiet=output.quiet) as progress:
            plan = make_plan(database, settings, request, datetime.now(UTC), progress)
        click.echo(json.dumps(plan, indent=2) if output.as_json else render(plan))
    return 0
