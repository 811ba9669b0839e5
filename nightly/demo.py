"""The demo: the bundled sample through the ordinary entry points, and what a person would look at then."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from nightly.context import Request, new_york_date
from nightly.demo_database import DATABASE_NAME as DATABASE_NAME
from nightly.demo_database import SAMPLE
from nightly.demo_database import demo_settings as demo_settings
from nightly.invocation import as_typed, path_as_typed
from nightly.night import run_night
from nightly.prepare import prepare_database
from reports.reading import read_view
from warehouse.locks import run_lock
from warehouse.sessions import session_before

if TYPE_CHECKING:
    from nightly.output.progress import Progress
    from nightly.record import RunRecord
    from reports.view import RiskView
    from warehouse.database import Database
    from warehouse.settings import Settings

LAST_SESSION = date(2016, 7, 1)
SESSIONS = 20


def load_sample(database: Database, now: datetime) -> list[str]:
    """Load the sample portfolios; returns what that did, in words."""
    from ingest.books.portfolios import load_folder

    with database.connect() as conn, run_lock(conn, "demo"):
        prepare_database(conn, new_york_date(now))
        return load_folder(conn, SAMPLE / "portfolios").lines()


def run_sample(database: Database, settings: Settings, now: datetime, progress: Progress) -> RunRecord:
    """Backfill the sample's last sessions: the night's own code, on the sample's dates."""
    with database.connect() as conn:
        start = session_before(conn, LAST_SESSION, SESSIONS - 1)
    return run_night(database, settings, Request("backfill", start=start, end=LAST_SESSION, demo=True), now, progress)


def read_overview(conn: psycopg.Connection[Any]) -> list[RiskView]:
    """Every sample portfolio at the last session, as its own page shows it, by name."""
    names = conn.execute("select name from analytics.portfolios order by name").fetchall()
    return [read_view(conn, name, LAST_SESSION, demo=True) for (name,) in names]


def next_commands() -> Sequence[tuple[str, str]]:
    """What to type after the demo, and what each command is for."""
    run = as_typed()
    sample = shlex.quote(path_as_typed(SAMPLE))
    table = "select snapshot_date, equity_balance, daily_pnl from analytics.portfolio_snapshots order by 1 desc limit 5"
    return (
        ("see one portfolio's risk on one page", f'{run} show "Core Growth" --demo'),
        ("or the same in a browser", f'{run} show "Core Growth" --demo --html core_growth.html'),
        ("look at all of them in a browser, or ask the API", f"{run} serve --demo"),
        ("see what ran, and how far each portfolio is rolled", f"{run} status --demo"),
        ("look into a table, as into any other of schema analytics", f'{run} db psql --demo -c "{table}"'),
        ("load the same portfolios into a database of your own", f"{run} load {sample}/portfolios"),
        ("roll them there, as far as these prices reach", f"AFTERCLOSE_PROVIDERS=files:{sample} {run} backfill"),
    )
