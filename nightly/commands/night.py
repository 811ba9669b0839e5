"""`run`, `backfill` and `analytics`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from warehouse.errors import UserError

if TYPE_CHECKING:
    from nightly.context import Request
    from nightly.record import RunRecord
    from warehouse.settings import Settings


class _Day(click.ParamType):
    name = "date"

    def convert(self, value: str | date, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date: write it like 2023-12-29", param, ctx)


DAY = _Day()


class _PhasedCommand(click.Command):
    """A command whose help lists the phases there are."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from nightly.phases import PHASES

        with formatter.section("Phases"):
            formatter.write_dl([(phase.number, phase.name) for phase in PHASES])


@dataclass(frozen=True)
class Output:
    """How a command tells what it does and did."""

    as_json: bool
    verbose: bool
    quiet: bool


def _scope_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that all three share; those on how it is told come as one `Output`."""

    @functools.wraps(command)
    def call(as_json: bool, verbose: bool, quiet: bool, **given: Any) -> Any:
        return command(output=Output(as_json, verbose, quiet), **given)

    options = (
        click.option("--portfolio", "portfolios", multiple=True, metavar="NAME|ID", help="Only this one; repeatable."),
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
        click.option("--verbose", "-v", is_flag=True, help="Log lines with details, on a terminal as well."),
        click.option("--quiet", "-q", is_flag=True, help="No log; and no summary where all went well."),
    )
    for option in reversed(options):
        call = option(call)
    return call


def _phase_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that `run` and `backfill` share."""
    phase = click.option("--phase", "phases", multiple=True, metavar="N", help="Only this phase; repeatable.")
    return phase(click.option("--from-phase", metavar="N", help="Only this phase and those after it.")(command))


@click.command(cls=_PhasedCommand)
@click.option("--date", "trade_date", type=DAY, metavar="D", help="The session to roll to. Default: the latest.")
@_phase_options
@_scope_options
def run(trade_date: date | None, output: Output, **scope: Any) -> int:
    """Tonight's run: prices in, P&L rolled forward, risk computed, summary out.

    The trade date is the latest NYSE session that closed half an hour ago or earlier. Sessions that were missed before
    it are caught up, and risk results whose inputs have changed are computed again. A phase that fails does not stop
    the next one; the summary says what failed and the command that repeats just that.
    """
    from nightly.context import Request

    return perform(Request("run", trade_date=trade_date, **scope), output)


@click.command(cls=_PhasedCommand)
@click.option("--start", type=DAY, metavar="D", help="Compute again from here. Default: only what is due.")
@click.option("--end", type=DAY, metavar="D", help="The last session. Default: the latest closed one.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and stop there.")
@_phase_options
@_scope_options
def backfill(start: date | None, end: date | None, dry_run: bool, output: Output, **scope: Any) -> int:
    """Fill a span of sessions, or every session that is due.

    With --start, the sessions from there on are computed again, whether due or not, and carried on to the last session
    that a portfolio was rolled to. Risk is computed for each session of the span.

    With --dry-run, it says which sessions of which portfolios would be rolled and why: those asked for, those before
    them where an input has changed, and those after them up to the end of a chain. No result is touched, and no source
    is asked.
    """
    from nightly.context import Request

    request = Request("backfill", start=start, end=end, **scope)
    return show_plan(request, output) if dry_run else perform(request, output)


@click.command()
@click.option("--date", "trade_date", type=DAY, metavar="D", help="The session. Default: the last one rolled.")
@click.option("--start", type=DAY, metavar="D", help="The first session of a span, instead of --date.")
@click.option("--end", type=DAY, metavar="D", help="Its last session. Default: the last one rolled.")
@click.option("--force", is_flag=True, help="Compute again what is current, too.")
@_scope_options
def analytics(
    trade_date: date | None, start: date | None, end: date | None, force: bool, output: Output, **scope: Any
) -> int:
    """The risk models alone (phase 3), for one session or for each of a span.

    Prices and positions are taken as they are. Results that rest on the same inputs already are left alone. The
    statistics of symbols are those of all holdings; --portfolio narrows what is computed of portfolios.
    """
    from nightly.context import Request

    if trade_date and (start or end):
        raise UserError("give --date, or --start and --end, not both")
    if end and not start:
        raise UserError("--end needs --start; for one session give --date")
    return perform(Request("analytics", trade_date=trade_date, start=start, end=end, force=force, **scope), output)


def show_plan(request: Request, output: Output) -> int:
    """Print what a request would do on the configured database; returns the exit status."""
    import json

    from nightly.output.progress import show_progress
    from nightly.plan import make_plan, render
    from warehouse.database import open_database
    from warehouse.settings import load_settings

    settings = load_settings()
    with open_database(settings) as database:
        with show_progress(settings, verbose=output.verbose, quiet=output.quiet) as progress:
            plan = make_plan(database, settings, request, datetime.now(UTC), progress)
        click.echo(json.dumps(plan, indent=2) if output.as_json else render(plan))
    return 0


def perform(request: Request, output: Output) -> int:
    """Do what was asked for on the configured database, print the summary and tell the webhook; returns the status.

    A request that is refused is told to the webhook as well: whoever waits for the night should know.
    """
    import json

    from nightly.output import summary
    from nightly.output.webhook import notify
    from warehouse.secrets import mask
    from warehouse.settings import load_settings

    settings = load_settings()
    try:
        record = _run(request, settings, output)
    except UserError as error:
        refused = {"command": request.command, "arguments": request.arguments, "status": "refused", "error": str(error)}
        _say(notify(settings, mask(refused, settings.secrets)))
        raise
    told = summary.as_json(record)
    unheard = notify(settings, told)
    status = summary.exit_status(record)
    if output.as_json:
        click.echo(json.dumps(told, indent=2))
    elif status or record.problems or not output.quiet:
        click.echo(summary.render(record))
    _say(unheard)
    return status


def _run(request: Request, settings: Settings, output: Output) -> RunRecord:
    from nightly.night import run_night
    from nightly.output.progress import show_progress
    from warehouse.database import open_database

    with (
        open_database(settings) as database,
        show_progress(settings, verbose=output.verbose, quiet=output.quiet) as progress,
    ):
        return run_night(database, settings, request, datetime.now(UTC), progress)


def _say(problem: str | None) -> None:
    if problem:
        click.echo(f"warning: {problem}", err=True)
