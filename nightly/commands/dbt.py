"""The command `dbt -- …`: plain dbt on the configured database."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import click

from nightly.commands.options import choose_settings, demo_option, open_chosen
from nightly.context import new_york_date
from nightly.dbt.descriptions import write_descriptions
from nightly.dbt.runner import SEEDING_COMMANDS, TESTING_COMMANDS, WRITING_COMMANDS, Dbt
from nightly.prepare import check_seeds, prepare_database
from warehouse.distribution import is_spread
from warehouse.locks import check_lock, let_writers_in, run_lock
from warehouse.preparations import read_preparations


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@demo_option
def dbt(arguments: tuple[str, ...], demo: bool) -> int:
    """Any dbt command on the configured database, with dbt's own output and exit status.

    \b
    python run_nightly.py dbt -- test
    python run_nightly.py dbt -- run --vars '{start_date: 2022-03-01, end_date: 2022-03-31}'
    python run_nightly.py dbt -- show --inline 'select * from analytics.portfolio_snapshots' --limit 5
    python run_nightly.py dbt -- docs generate

    The database is started and brought up to date first. Commands that write (run, build, seed) do not wait: they are
    refused while another run is going. Commands that load seeds check their contents first. The files of dbt (the
    catalogue, compiled SQL, its log) go to .afterclose/dbt/<database>/target. On the demo: dbt --demo -- test.
    """
    settings = choose_settings(demo)
    now = datetime.now(UTC)
    with open_chosen(settings, demo) as database, database.connect() as conn, ExitStack() as held:
        project, holder = Dbt(database, settings.home / "dbt"), f"dbt {' '.join(arguments)}"
        if SEEDING_COMMANDS.intersection(arguments):
            check_seeds(project)
        if WRITING_COMMANDS.intersection(arguments):
            held.enter_context(run_lock(conn, holder))
        if TESTING_COMMANDS.intersection(arguments):
            held.enter_context(check_lock(conn))
        for warning in prepare_database(conn, new_york_date(now)):
            click.echo(f"warning: {warning.message}", err=True)
        if WRITING_COMMANDS.intersection(arguments):
            project = Dbt(replace(database, run_token=let_writers_in(conn, holder)), settings.home / "dbt")
        project.tell_spread(is_spread=is_spread(read_preparations(conn)))
        status = project.command(arguments)
        if WRITING_COMMANDS.intersection(arguments):
            write_descriptions(conn, project.descriptions())
        return status
