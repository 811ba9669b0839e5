"""The common part of `run`, `backfill` and `analytics`: perform a request and report it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from nightly.commands.options import Output, choose_settings, open_chosen
from nightly.context import Request
from nightly.night import run_night
from nightly.output import summary
from nightly.output.progress import show_progress
from nightly.output.terminal import echo
from nightly.output.webhook import notify
from nightly.phases import PHASES
from nightly.record import RunRecord
from warehouse.errors import UserError
from warehouse.secrets import mask
from warehouse.settings import Settings


class PhasedCommand(click.Command):
    """A command whose help lists the phases."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the phases below the options."""
        with formatter.section("Phases"):
            formatter.write_dl([(phase.number, phase.name) for phase in PHASES])


def perform(request: Request, output: Output) -> int:
    """Perform the request, print the summary and notify the webhook; returns the exit status.

    The webhook learns of a refused request too, because somebody waits for the night.
    """
    settings = choose_settings(request.demo)
    try:
        record = _run(request, settings, output)
    except UserError as error:
        refused = {"command": request.command, "arguments": request.arguments, "status": "refused", "error": str(error)}
        _warn(notify(settings, mask(refused, settings.secrets)))
        raise
    told = summary.as_json(record)
    unheard = notify(settings, told)
    status = summary.exit_status(record)
    if output.as_json:
        click.echo(json.dumps(told, indent=2))
    elif status or record.problems or not output.quiet:
        echo(summary.render(record))
    _warn(unheard)
    return status


def _run(request: Request, settings: Settings, output: Output) -> RunRecord:
    with (
        open_chosen(settings, request.demo) as database,
        show_progress(settings, verbose=output.verbose, quiet=output.quiet) as progress,
    ):
        return run_night(database, settings, request, datetime.now(UTC), progress)


def _warn(problem: str | None) -> None:
    if problem:
        click.echo(f"warning: {problem}", err=True)
