"""The portfolios for readers: their names, how far each is, and a connection with a reader's rights."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from warehouse.errors import UserError
from warehouse.migrate import READER
from warehouse.queries import fetch_one


@dataclass(frozen=True)
class Portfolio:
    """A row of `analytics.portfolios`."""

    portfolio_id: UUID
    name: str
    inception_date: date
    benchmark: str
    currency: str
    first_session: date | None
    rolled_to: date | None
    risk_to: date | None
    published_to: date | None
    rolled_at: datetime | None
    risk_at: datetime | None
    version: str

    @property
    def latest(self) -> date | None:
        """The session shown by default; the last one rolled where no risk has been computed yet."""
        return self.published_to or self.rolled_to


# Whether this user may switch to a role that may read schema `analytics`.
MAY_BE_READER = """
select exists (
    select 1 from pg_roles
    where rolname = %s and pg_has_role(oid, 'set') and has_schema_privilege(oid, 'analytics', 'usage')
)
"""


@contextmanager
def reading(conn: psycopg.Connection[Any]) -> Generator[None]:
    """A block whose statements all see the tables as of one moment, in the role afterclose_reader where allowed."""
    with conn.transaction():
        conn.execute("set transaction isolation level repeatable read, read only")
        (is_member,) = fetch_one(conn.execute(MAY_BE_READER, [READER]))
        if is_member:
            conn.execute(sql.SQL("set local role {}").format(sql.Identifier(READER)))
        yield


class NothingRolled(UserError):  # noqa: N818
    """No night has run on this database yet: the views for readers do not exist."""


def read_portfolios(conn: psycopg.Connection[Any]) -> list[Portfolio]:
    """Return the portfolios by name.

    Raises:
        NothingRolled: no night has run yet.
        UserError: the views were made by an earlier version of the project.
    """
    (is_built, there_is_some) = fetch_one(
        conn.execute(
            "select to_regclass('analytics.portfolios') is not null,"
            " to_regclass('analytics.portfolio_snapshots') is not null"
        )
    )
    if not is_built:
        if there_is_some:
            raise UserError(
                "the views of this version are not built yet: `python run_nightly.py dbt -- run --select tag:views`,"
                " or the next night, makes them"
            )
        raise NothingRolled("nothing has been rolled yet: `python run_nightly.py backfill` rolls what is loaded")
    columns = sql.SQL(", ").join(sql.Identifier(field.name) for field in fields(Portfolio))
    query = sql.SQL("select {} from analytics.portfolios order by name").format(columns)
    return conn.cursor(row_factory=class_row(Portfolio)).execute(query).fetchall()


def nearest_sessions(conn: psycopg.Connection[Any], portfolio_id: UUID, day: date) -> tuple[date | None, date | None]:
    """The last session of a portfolio at or before a day, and the first one after it."""
    return fetch_one(
        conn.execute(
            """
            select
                max(snapshot_date) filter (where snapshot_date <= %(day)s::date),
                min(snapshot_date) filter (where snapshot_date > %(day)s::date)
            from analytics.portfolio_snapshots
            where portfolio_id = %(portfolio_id)s
            """,
            {"day": day, "portfolio_id": portfolio_id},
        )
    )


def read_stale_because(conn: psycopg.Connection[Any], portfolio_id: UUID, day: date) -> str | None:
    """The inputs that have changed since the risk results of a session were computed; None where they are current."""
    row = conn.execute(
        "select stale_because from analytics.risk_status where portfolio_id = %s and calculation_date = %s",
        [portfolio_id, day],
    ).fetchone()
    return row[0] if row else None
