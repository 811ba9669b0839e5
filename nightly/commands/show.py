"""The command `show`: one portfolio's risk on one page."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click
import psycopg

from nightly.commands.options import choose_settings, demo_option, open_chosen
from nightly.output.terminal import width_of_output
from reports.notes import notes
from reports.portfolios import NothingRolled
from reports.reading import read_view
from reports.view import RiskView
from warehouse.errors import UserError
from warehouse.migrate import migrate
from warehouse.portfolio_names import find_portfolios

_WIDTH_WITHOUT_TERMINAL = 100


@click.command()
@click.argument("portfolio")
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="D",
    help="The session; by default the latest with both P&L and risk.",
)
@click.option(
    "--html", "file", metavar="FILE", type=click.Path(path_type=Path), help="Write the page to FILE, with real plots."
)
@click.option("--json", "as_json", is_flag=True, help="Print the page's data as JSON.")
@demo_option
def show(portfolio: str, day: datetime | None, file: Path | None, as_json: bool, demo: bool) -> int:
    """One portfolio's risk on one page: equity, P&L, factors, contributions, stress, sectors, correlation.

    PORTFOLIO is a name or an id. The page goes to the terminal. With --html it becomes one self-contained file for a
    browser, in light and dark and for print. Missing numbers are listed with the reason and the next step.

    Exit status: 0, or 2 when there is no such portfolio or session, or FILE cannot be written.
    """
    view = _read(portfolio, day.date() if day else None, demo)
    if file:
        from reports import html as html_page

        html_page.write(file, html_page.render(view, notes(view)))
    if as_json:
        click.echo(json.dumps(view.as_json(notes(view)), indent=2))
    elif file:
        click.echo(f"{file}: {view.name}, {view.day}")
    else:
        _print(view, notes(view))
    return 0


def _read(portfolio: str, day: date | None, demo: bool) -> RiskView:
    with open_chosen(choose_settings(demo), demo) as database, database.connect("afterclose show") as conn:
        migrate(conn)
        try:
            return read_view(conn, portfolio, day, demo=demo)
        except NothingRolled:
            raise UserError(_why_nothing_is_rolled(conn, portfolio, demo)) from None


def _why_nothing_is_rolled(conn: psycopg.Connection[Any], portfolio: str, demo: bool) -> str:
    """The next step while there is nothing to show yet; the inputs tell which portfolios are loaded.

    Raises UserError where there is no such portfolio.
    """
    if demo:
        return "the demo has not been run: `python run_nightly.py demo`"
    loaded = conn.execute("select portfolio_id, name from raw.portfolios where deleted_at is null").fetchall()
    if not loaded:
        return "no portfolio is loaded: load some first with `python run_nightly.py load DIR`"
    (name,) = find_portfolios([portfolio], {(portfolio_id, name): name for portfolio_id, name in loaded})
    return f"{name} has no snapshot yet: `python run_nightly.py backfill` rolls it forward"


def _print(view: RiskView, notes: list[str]) -> None:
    from rich.console import Console

    from reports.terminal import ASCII, UNICODE, render

    # A name may hold letters that the terminal's encoding lacks.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console(width=width_of_output(_WIDTH_WITHOUT_TERMINAL), highlight=False)
    glyphs = UNICODE if console.encoding.lower().startswith("utf") else ASCII
    console.print(render(view, notes, console.width, glyphs), soft_wrap=True)
