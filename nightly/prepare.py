"""What has to be in place before a night: migrations, the reader's role, the calendar, dbt's seeds and views.

The seeds and views are made again when the files they come from have changed, or when they are not there. Which version
of the files a database was prepared from stands in `ops.preparations`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from nightly.dbt.runner import Dbt, DbtError
from nightly.record import RunProblem
from warehouse.distribution import is_spread, settle
from warehouse.errors import UserError
from warehouse.migrate import grant_reader, migrate
from warehouse.preparations import digest_files, read_preparations, record_preparations
from warehouse.queries import fetch_one
from warehouse.reader_limits import limit_readers
from warehouse.sessions import refresh_sessions

if TYPE_CHECKING:
    from nightly.dbt.runner import NodeResult
    from nightly.output.progress import Progress
    from warehouse.settings import Settings

# Kinds of tables that nights write into and do not build again.
_KEPT = frozenset({"refilled_table", "incremental"})


def prepare_database(conn: psycopg.Connection, today: date) -> list[RunProblem]:
    """Apply new migrations, see to the reader's role and bring the calendar to a year ahead; returns warnings."""
    migrate(conn)
    refresh_sessions(conn, today)
    warning = grant_reader(conn)
    return [RunProblem("setup", warning, "warning")] if warning else []


def bound_readers(conn: psycopg.Connection, settings: Settings) -> list[RunProblem]:
    """See that no reader can hold up a night for ever; returns warnings."""
    warning = limit_readers(conn, settings)
    return [RunProblem("setup", warning, "warning")] if warning else []


def take_known(conn: psycopg.Connection, settings: Settings, now: datetime) -> list[RunProblem]:
    """Claim the well-known corporate events that somebody held through; returns a warning for each that is new."""
    # Imported here: they read files and name sources, which other commands do not need.
    from ingest.market.known_events import take_known_events
    from ingest.sources.chain import source_order

    told = take_known_events(conn, source_order(settings), now, wanted=settings.known_events)
    return [RunProblem(scope, message, "warning") for scope, message in told]


def check_seeds(dbt: Dbt) -> None:
    """Look at what people have written in the seeds, before they are loaded; raises BadInput with every problem."""
    # Imported here: it needs numpy, which most nights do not need at this point.
    from nightly.seed_rules import check_seeds

    check_seeds(dbt.project / "seeds", dbt.project.parent)


def prepare_seeds(conn: psycopg.Connection, dbt: Dbt, progress: Progress) -> None:
    """Tell dbt what it has to do with, and load its seeds when their files have changed or a table is missing.

    Raises BadInput for what is wrong in them, before any is loaded, and UserError when one can't be loaded.
    """
    remembered = read_preparations(conn)
    if spread := is_spread(remembered):
        settle(conn)
    dbt.tell_spread(is_spread=spread)
    files = {file.stem: file for file in sorted((dbt.project / "seeds").glob("*.csv"))}
    fingerprint = digest_files((dbt.project / "seeds").rglob("*"), dbt.project)
    columns = {name: _columns(conn, "analytics", name) for name in files}
    if remembered.get("seeds") == fingerprint and all(columns.values()):
        return
    check_seeds(dbt)
    progress.announce(f"loading dbt's seeds: {', '.join(files)}")
    # dbt empties a seed's table and fills it again; only dropping the table gives it other columns.
    recreated = [name for name, file in files.items() if columns[name] and columns[name] != _header(file)]
    kept = [name for name in files if name not in recreated]
    results: list[NodeResult] = []
    try:
        if kept:
            results += dbt.seed(kept).results
        if recreated:
            results += dbt.seed(recreated, full_refresh=True).results
    except DbtError as error:
        raise UserError(str(error)) from error
    failed = [f"{result.name}: {result.message}" for result in results if not result.well]
    if failed:
        raise UserError(f"dbt seed failed, correct the file in dbt_project/seeds: {'; '.join(failed)}")
    record_preparations(conn, {"seeds": fingerprint})


def views_to_build(conn: psycopg.Connection, dbt: Dbt) -> list[str]:
    """The dbt views and the calendar's tables (tag `views`) to build: all when they have changed, else those missing.

    They change with the project's files and the sessions of the calendar.
    """
    views = dbt.nodes("model", "views")
    current, remembered = _versions(conn, dbt)
    if remembered.get("views") != current:
        return [view.name for view in views]
    there = conn.execute(
        "select relation from unnest(%s::text[]) as relation where to_regclass(relation) is not null",
        ([f'"{view.schema}"."{view.relation}"' for view in views],),
    )
    existing = {relation for (relation,) in there}
    return [view.name for view in views if f'"{view.schema}"."{view.relation}"' not in existing]


def tables_fit(conn: psycopg.Connection, dbt: Dbt) -> bool:
    """Whether all tables that are written into have the columns that the project's files give them."""
    current, remembered = _versions(conn, dbt)
    return remembered.get("tables") == current


def project_version(conn: psycopg.Connection, dbt: Dbt) -> str:
    """The version of all that tables are made with: the project's files, the migrations and the calendar."""
    return _versions(conn, dbt)[0]


def remember_built(conn: psycopg.Connection, dbt: Dbt, results: Sequence[NodeResult], version: str) -> None:
    """Note which version of the project the views, and the tables that are written into, have been built from.

    It is the version from before dbt ran: a file that has changed since is not what they were built from.
    """
    remembered = read_preparations(conn)
    kept = {node.unique_id for node in dbt.nodes("model") if node.materialized in _KEPT}
    all_well = {
        "views": all(result.well for result in results if "views" in result.tags),
        "tables": kept <= {result.unique_id for result in results if result.well},
    }
    renewed = [name for name, well in all_well.items() if well and remembered.get(name) != version]
    if renewed:
        record_preparations(conn, dict.fromkeys(renewed, version))


def _versions(conn: psycopg.Connection, dbt: Dbt) -> tuple[str, dict[str, str]]:
    """The version of the project's files, the migrations and the calendar, and the remembered versions, by name."""
    folders = (dbt.project / "models", dbt.project / "macros")
    files = [dbt.project / "dbt_project.yml", *(file for folder in folders for file in folder.rglob("*"))]
    # Migrations bring the functions that lots are made with.
    in_database, remembered = fetch_one(
        conn.execute(
            "select md5(string_agg(concat_ws(' ', session_date, closes_at), ',' order by session_date)"
            " || (select string_agg(name, ',' order by name) from ops.schema_migrations)),"
            " (select coalesce(jsonb_object_agg(name, fingerprint), '{}') from ops.preparations)"
            " from raw.trading_sessions"
        )
    )
    return f"{digest_files(files, dbt.project)} {in_database}", remembered


def _header(file: Path) -> list[str]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return next(csv.reader(lines), [])


def _columns(conn: psycopg.Connection, schema: str, table: str) -> list[str]:
    rows = conn.execute(
        "select column_name::text from information_schema.columns where table_schema = %s and table_name = %s"
        " order by ordinal_position",
        (schema, table),
    )
    return [name for (name,) in rows]
