"""The command `status`: the state of runs, portfolios and tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click

from nightly import ledger
from nightly.commands.options import choose_settings, demo_option, open_chosen
from nightly.context import new_york_date
from nightly.output import summary
from nightly.output.terminal import echo, print_table
from nightly.status import read_status
from warehouse.errors import UserError
from warehouse.migrate import migrate
from warehouse.phrases import count
from warehouse.sessions import refresh_sessions


@click.command()
@click.argument("run_id", metavar="[RUN]", type=int, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@demo_option
def status(run_id: int | None, as_json: bool, demo: bool) -> int:
    """Show recent runs, how far each portfolio and table is, gaps against the calendar, and rows that were refused or
    restated on the way in; or one RUN in full, with its dbt nodes.

    Times are UTC. The exit status says nothing about the runs; it is 2 when there is no such run.
    """
    now = datetime.now(UTC)
    settings = choose_settings(demo)
    with open_chosen(settings, demo) as database, database.connect() as conn:
        migrate(conn)
        refresh_sessions(conn, new_york_date(now))
        if run_id is None:
            state = read_status(conn, settings, now)
            click.echo(json.dumps(state, indent=2)) if as_json else _print_status(state, demo)
            return 0
        run = ledger.read_run(conn, run_id)
        nodes = ledger.read_nodes(conn, run_id)
    if run is None:
        raise UserError(f"there is no run {run_id}: `python run_nightly.py status` lists the recent ones")
    if as_json:
        click.echo(json.dumps({**summary.as_json(run), "dbt_nodes": nodes}, indent=2))
        return 0
    echo(summary.render(run))
    if nodes:
        print_table("dbt nodes", nodes)
    return 0


def _print_status(state: dict[str, Any], demo: bool) -> None:
    option = " --demo" if demo else ""
    if not state["runs"]:
        first = "python run_nightly.py demo" if demo else "python run_nightly.py load DIR`, then `python run_nightly.py"
        echo(f"no run yet: `{first}`")
    due = f", and {count(state['due'], 'session')} due since" if state["due"] else ""
    if state["sources_ended"]:
        due = f", where the prices of {state['sources_ended']} end"
    lately = f"Tables (rolled to {state['rolled_to']}{due}; the latest closed session is {state['trade_date']})"
    tables = {
        "Recent runs": state["runs"],
        "Portfolios": state["portfolios"],
        **({lately: state["tables"]} if state["rolled_to"] else {}),
        f"Quarantine (each row: python run_nightly.py quarantine{option})": state["quarantine"],
        "Restated prices (ops.price_restatements)": state["restatements"],
    }
    for title, records in tables.items():
        if records:
            print_table(title, records)
    if not state["rolled_to"]:
        click.echo(f"nothing is rolled yet; the latest closed session is {state['trade_date']}")
