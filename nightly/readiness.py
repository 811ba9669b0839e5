"""What has to hold before a night: a line for each part of the setup, that says what is and what to do about it.

The environment is looked at before every night, which does not begin on a broken one. `check` looks at what has been
loaded and computed as well.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psycopg

from nightly.context import new_york_date
from nightly.record import RunProblem, one_line
from warehouse.distribution import is_spread, require_workers, silent_workers
from warehouse.errors import UserError
from warehouse.preparations import read_preparations
from warehouse.queries import fetch_one
from warehouse.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from nightly.phases import Phase
    from warehouse.settings import Settings

GIB = 1024**3
CALENDAR_REACH = timedelta(days=60)
# While a table is replaced, its old and its new rows both take room.
DISK_WANTED_BYTES, DISK_NEEDED_BYTES = 2 * GIB, GIB // 4
CLOCK_DIFFERENCE = timedelta(minutes=2)
ESSENTIAL_MARTS = ("analytics.position_values", "analytics.portfolio_snapshots", "analytics.positions")

Verdict = Literal["ok", "warning", "broken"]


@dataclass(frozen=True)
class Check:
    """What was found of one thing. Where it is not ok, `finding` ends with what to do."""

    name: str
    verdict: Verdict
    finding: str


_Look = Callable[[psycopg.Connection, "Settings", datetime], Check]


def check_environment(conn: psycopg.Connection, settings: Settings, now: datetime) -> list[Check]:
    """Look at the server, the migrations, the calendar, the sources, the disk, the clock and Python's bytecode."""
    return _look(conn, settings, now, (_server, _migrations, _calendar, _providers, _disk, _clock, _bytecode))


def check_contents(conn: psycopg.Connection, settings: Settings, now: datetime) -> list[Check]:
    """Look at what has been loaded and computed so far; on a spread database, only where all workers answer."""
    workers = [_workers(conn)] if is_spread(read_preparations(conn)) else []
    if any(each.verdict == "broken" for each in workers):
        return workers
    return workers + _look(conn, settings, now, (_portfolios, _marts, _risk, _api))


def refuse_broken_setup(
    conn: psycopg.Connection, settings: Settings, now: datetime, phases: Sequence[Phase]
) -> list[RunProblem]:
    """Look at the environment before a night of these phases; returns warnings.

    Raises:
        UserError: something is broken; names all of it. The sources count only where a phase asks them.
    """
    checks = check_environment(conn, settings, now)
    if not any(phase.asks_sources for phase in phases):
        checks = [check for check in checks if check.name != "providers"]
    broken = [f"{check.name}: {check.finding}" for check in checks if check.verdict == "broken"]
    if broken:
        raise UserError("; ".join(broken))
    return [RunProblem(check.name, check.finding, "warning") for check in checks if check.verdict == "warning"]


def _look(conn: psycopg.Connection, settings: Settings, now: datetime, looks: Sequence[_Look]) -> list[Check]:
    return [look(conn, settings, now) for look in looks]


def _server(conn: psycopg.Connection, settings: Settings, now: datetime) -> Check:
    # Whether the server can be reached and is new enough was decided when the database was opened.
    where = "embedded" if settings.database_url is None else "of DATABASE_URL"
    return Check("database", "ok", f"PostgreSQL {conn.info.parameter_status('server_version')}, {where}")


def _migrations(conn: psycopg.Connection, settings: Settings, now: datetime) -> Check:
    # Migrations have been applied by now. If that was impossible, the command has failed.
    (count, latest) = fetch_one(conn.execute("select count(*), max(name) from ops.schema_migrations"))
    return Check("migrations", "ok", f"{count} applied, the latest is {latest}")


def _calendar(conn: psycopg.Connection, settings: Settings, now: datetime) -> Check:
    (reach,) = fetch_one(conn.execute("select max(session_date) from raw.trading_sessions"))
    well = reach is not None and reach - new_york_date(now) >= CALENDAR_REACH
    finding = f"sessions to {reach}"
    if well:
        return Check("calendar", "ok", finding)
    return Check("calendar", "broken", f"{finding}: upgrade the package exchange_calendars, or look at the clock")


def _providers(conn: psycopg.Connection, settings: Settings, now: datetime) -> Check:
    from ingest.providers.base import Outcome
    from ingest.providers.files import FilesProvider
    from ingest.providers.limits import Deadline
    from ingest.sources.chain import left_out, provider_chain

    try:
        chain = provider_chain(settings, today=new_york_date(now), deadline=Deadline.after(0), relative_to=PROJECT_ROOT)
    except UserError as error:
        return Check("providers", "broken", one_line(error))
    files = [provider for provider in chain if isinstance(provider, FilesProvider)]
    if len(files) == len(chain):
        prices = {provider.label: provider.probe_prices() for provider in files}
        if not any(answer.outcome == Outcome.OK for answer in prices.values()):
            without = "; ".join(f"{label}: {answer.detail}" for label, answer in prices.items())
            return Check("providers", "broken", f"{without}, and nobody else is asked for prices")
    probed = {provider.label: provider.probe() for provider in files}
    unsound = [f"{label}: {answer.detail}" for label, answer in probed.items() if answer.outcome != Outcome.OK]
    if unsound:
        return Check("providers", "warning", "; ".join(unsound))
    return Check("providers", "ok", "; ".join([", then ".join(each.label for each in chain), *left_out(settings)]))


def _disk(conn: psycopg.Connection, settings: Settings, now: datetime) -> Check:
    free = shutil.disk_usage(settings.home if settings.home.exists() else settings.home.parent).free
    finding = f"{free / GIB:.1f} GiB free for {settings.home}"
    if free >= DISK_WANTED_BYTES:
        return Check("disk", "ok", finding)
    verdict: Verdict = "warning" if free >= DISK_NEEDED_BYTES else "broken"
    return Check("disk", verdict, f"{finding}: make room, {DISK_WANTED_BYTES // GIB} GiB are wanted")


def _clock(conn: psycopg.Connection, settings: Settings, now: datetime) -> Check:
    """The clock decides which session is the latest: it has to agree with the server's, and not be in the past."""
    (server_now, latest_run) = fetch_one(
        conn.execute("select clock_timestamp(), (select max(started_at) from ops.batch_runs)")
    )
    difference = abs(datetime.now(tz=server_now.tzinfo) - server_now)
    if difference > CLOCK_DIFFERENCE:
        seconds = f"{difference.total_seconds():,.0f} s"
        return Check("clock", "broken", f"{seconds} off the database server's: set the clocks (NTP) of both machines")
    if latest_run is not None and server_now < latest_run:
        return Check("clock", "broken", f"it says {server_now:%Y-%m-%d %H:%M} UTC, before the last run: set it (NTP)")
    return Check("clock", "ok", f"it is {now:%Y-%m-%d %H:%M} UTC, {new_york_date(now)} in New York")


def _bytecode(conn: psycopg.Connection, settings: Settings, now: datetime) -> Check:
    """Without bytecode on disk, Python compiles dbt again in every run, which takes some seconds of a small night."""
    package = find_spec("dbt")
    folder = next(iter(package.submodule_search_locations or [])) if package else ""
    if Path(cache_from_source(str(Path(folder, "cli", "main.py")))).exists():
        return Check("bytecode", "ok", "dbt is compiled")
    if not sys.dont_write_bytecode and os.access(folder, os.W_OK):
        return Check("bytecode", "ok", "dbt is compiled by the first run")
    return Check(
        "bytecode",
        "warning",
        "dbt is compiled again by every run, which costs seconds of it: compile it once with "
        f"`{sys.executable} -m compileall -q {Path(folder).parent}` (PYTHONDONTWRITEBYTECODE is set, or the folder is "
        "read-only)",
    )


def _workers(conn: psycopg.Connection) -> Check:
    if silent := silent_workers(conn):
        return Check("workers", "broken", f"{', '.join(silent)}: start what does not answer, then repeat")
    return Check("workers", "ok", f"all {require_workers(conn)} answer")


def _portfolios(conn: psycopg.Connection, settings: Settings, now: datetime) -> Check:
    (count,) = fetch_one(conn.execute("select count(*) from raw.portfolios where deleted_at is null"))
    if count:
        return Check("portfolios", "ok", f"{count} loaded")
    return Check("portfolios", "broken", "none: load some with `python run_nightly.py load DIR`")


def _api(conn: psycopg.Connection, settings: Settings, now: datetime) -> Check:
    """What the API's session may do: it matters as soon as somebody else can reach it, which takes a token."""
    from contextlib import nullcontext

    from warehouse.database import check_url
    from warehouse.reader_rights import may_do_more_than_read

    (has_tokens,) = fetch_one(conn.execute("select has_tokens from analytics.api_tokens_version()"))
    url = settings.api_database_url
    if url is None and not has_tokens:
        return Check("API", "ok", "on this machine alone: there is no token")
    try:
        reads = check_url(url.get_secret_value(), "AFTERCLOSE_API_DATABASE_URL").connect() if url else nullcontext(conn)
        with reads as reading:
            more = may_do_more_than_read(reading)
    except UserError as error:
        return Check("API", "warning", one_line(error))
    return Check("API", "warning", more) if more else Check("API", "ok", "reads schema analytics and can do no more")


def _marts(conn: psycopg.Connection, settings: Settings, now: datetime) -> Check:
    rows = conn.execute(
        "select name from unnest(%s::text[]) as name where to_regclass(name) is null", (list(ESSENTIAL_MARTS),)
    )
    missing = [name for (name,) in rows]
    if not missing:
        return Check("dbt models", "ok", "built")
    return Check("dbt models", "broken", f"{', '.join(missing)} not built: run a night with `python run_nightly.py`")


def _risk(conn: psycopg.Connection, settings: Settings, now: datetime) -> Check:
    (latest,) = fetch_one(conn.execute("select max(calculation_date) from analytics.portfolio_risk_metrics"))
    # Nothing depends on it, so it cannot be what is broken.
    missing = "none yet: compute some with `python run_nightly.py analytics`"
    return Check("risk results", "ok", f"to {latest}" if latest else missing)
