"""What has to hold before a night: a line for each part of the setup, that says what is and what to do about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import psycopg

from nightly.record import one_line
from warehouse.errors import UserError
from warehouse.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from warehouse.settings import Settings

CALENDAR_REACH = timedelta(days=60)
FREE_BYTES = 2 * 1024**3
ESSENTIAL_MARTS = ("analytics.position_values", "analytics.portfolio_snapshots", "analytics.positions")


@dataclass(frozen=True)
class Check:
    """How one thing was found; `finding` ends with what to do where it is not `well`."""

    name: str
    well: bool
    finding: str


def check_setup(conn: psycopg.Connection, settings: Settings, today: date) -> list[Check]:
    """Look at the server, the migrations, the calendar, the providers, the disk, and what has been computed so far."""
    checks: tuple[Callable[..., Check], ...] = (
        _server,
        _migrations,
        _calendar,
        _providers,
        _disk,
        _portfolios,
        _marts,
        _risk,
    )
    return [check(conn, settings, today) for check in checks]


def _server(conn: psycopg.Connection, settings: Settings, today: date) -> Check:
    # Whether it can be reached and is new enough was decided when the database was opened.
    where = "embedded" if settings.database_url is None else "of DATABASE_URL"
    return Check("database", True, f"PostgreSQL {conn.info.parameter_status('server_version')}, {where}")


def _migrations(conn: psycopg.Connection, settings: Settings, today: date) -> Check:
    (count, latest) = conn.execute("select count(*), max(name) from ops.schema_migrations").fetchone()
    return Check("migrations", True, f"{count} applied, the latest is {latest}")


def _calendar(conn: psycopg.Connection, settings: Settings, today: date) -> Check:
    (reach,) = conn.execute("select max(session_date) from raw.trading_sessions").fetchone()
    well = reach is not None and reach - today >= CALENDAR_REACH
    finding = f"sessions to {reach}"
    return Check("calendar", well, finding if well else f"{finding}: upgrade the package exchange_calendars")


def _providers(conn: psycopg.Connection, settings: Settings, today: date) -> Check:
    from ingest.provider_chain import left_out, provider_chain
    from ingest.providers.limits import Deadline

    try:
        chain = provider_chain(settings, today=today, deadline=Deadline.after(0), relative_to=PROJECT_ROOT)
    except UserError as error:
        return Check("providers", False, one_line(error))
    return Check("providers", True, "; ".join([", then ".join(each.label for each in chain), *left_out(settings)]))


def _disk(conn: psycopg.Connection, settings: Settings, today: date) -> Check:
    free = shutil.disk_usage(settings.home if settings.home.exists() else settings.home.parent).free
    well = free >= FREE_BYTES
    finding = f"{free / 1024**3:.1f} GiB free for {settings.home}"
    return Check("disk", well, finding if well else f"{finding}: make room, {FREE_BYTES // 1024**3} GiB are wanted")


def _portfolios(conn: psycopg.Connection, settings: Settings, today: date) -> Check:
    (count,) = conn.execute("select count(*) from raw.portfolios where deleted_at is null").fetchone()
    missing = "none: load some with `python run_nightly.py load DIR`"
    return Check("portfolios", count > 0, f"{count} loaded" if count else missing)


def _marts(conn: psycopg.Connection, settings: Settings, today: date) -> Check:
    rows = conn.execute(
        "select name from unnest(%s::text[]) as name where to_regclass(name) is null", (list(ESSENTIAL_MARTS),)
    )
    missing = [name for (name,) in rows]
    finding = f"{', '.join(missing)} not built: run a night with `python run_nightly.py`" if missing else "built"
    return Check("dbt models", not missing, finding)


def _risk(conn: psycopg.Connection, settings: Settings, today: date) -> Check:
    (latest,) = conn.execute("select max(calculation_date) from analytics.portfolio_risk_metrics").fetchone()
    # Nothing depends on it, so that it can't be what is broken.
    missing = "none yet: compute some with `python run_nightly.py analytics`"
    return Check("risk results", True, f"to {latest}" if latest else missing)
