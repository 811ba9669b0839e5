"""The command line. Nothing but click is imported before a command needs it, so that `--help` answers at once."""

from __future__ import annotations

import errno
import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence

import click

from nightly.command_group import CommandGroup
from nightly.invocation import as_typed, on_demo
from nightly.output.terminal import echo
from warehouse.errors import UserError
from warehouse.project import project_version

# Each command's module and its line in `--help`.
COMMANDS = {
    "run": ("nightly.commands.run", "Tonight's run: prices in, P&L rolled forward, risk computed (the default)"),
    "backfill": ("nightly.commands.backfill", "Fill a span of sessions, or every session that is due"),
    "analytics": ("nightly.commands.analytics", "The risk models alone, for one session or a span"),
    "check": ("nightly.commands.check", "Check the setup, then the data (dbt test)"),
    "status": ("nightly.commands.status", "Show recent runs, or one in full"),
    "show": ("nightly.commands.show", "One portfolio's risk on one page, on the terminal or as HTML"),
    "serve": ("nightly.commands.serve", "The read API and the pages, over HTTP"),
    "quarantine": ("nightly.commands.quarantine", "Show market data that was refused, and accept what is right"),
    "actions": ("nightly.commands.actions", "Splits, dividends and events: who reported them; add, dismiss, restore"),
    "load": ("nightly.commands.load", "Load portfolios, positions, closes and flows from CSV files"),
    "db": ("nightly.commands.db", "Start, stop and find the database"),
    "dbt": ("nightly.commands.dbt", "Any dbt command on the database: dbt -- run, dbt -- test, …"),
    "demo": ("nightly.commands.demo", "A night on real sample data: no key and no network needed"),
}


class _LazyGroup(CommandGroup):
    """Commands by name, each imported when it is called; without a command, `run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own_options = {name for option in self.get_params(ctx) for name in option.opts}
        if not args or (args[0].startswith("-") and args[0] not in own_options):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        command.help = as_typed(command.help or "")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"afterclose {project_version()}")
        ctx.exit()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
def cli() -> None:
    """The nightly batch of a portfolio platform: prices in, P&L rolled forward, risk computed, all in PostgreSQL.

    \b
    A night:       python run_nightly.py
    After a gap:   python run_nightly.py backfill
    What happened: python run_nightly.py status
    One portfolio: python run_nightly.py show PORTFOLIO
    First steps:   python run_nightly.py demo

    Each command explains itself: python run_nightly.py COMMAND --help.

    Exit status: 0 all went well; 1 something failed, and the summary says what and how to repeat it; 2 the request or
    the setup was wrong, and nothing was done; 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status. SIGTERM ends a run as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A log whose reader has gone is no reason for a traceback with each line of it.
    logging.raiseExceptions = False
    cli.help = as_typed(cli.help or "")
    try:
        return cli.main(arguments, prog_name=as_typed(), standalone_mode=False) or 0
    except UserError as error:
        said = f"error: {_masked(error)}"
        echo(on_demo(said) if "--demo" in (sys.argv[1:] if arguments is None else arguments) else said, err=True)
        return 2
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("interrupted: what was finished stays, and the same command takes up the rest", err=True)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = error.filename or "the output"
        echo(f"error: {where}: the disk is full: make room, and give the command again", err=True)
        _forget_output()
        return 1
    except Exception as error:
        import psycopg

        from warehouse.database_errors import explain

        if not isinstance(error, psycopg.Error) or (said := explain(error)) is None:
            raise
        echo(f"error: {_masked(said)}", err=True)
        return 1


def _forget_output() -> None:
    """Let what is still to be written to standard output go nowhere, so that Python's last attempt does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _masked(error: object) -> str:
    """The message of an error without a secret in it."""
    from warehouse.secrets import mask
    from warehouse.settings import load_settings

    try:
        secrets = load_settings().secrets
    except UserError:  # the message names what is wrong in the settings, but no value
        secrets = []
    return mask(str(error).strip(), secrets)
