"""Changes of tables that others may be reading: short attempts, so that other readers never queue behind us."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from warehouse.errors import UserError
from warehouse.queries import fetch_one

# How long to try to lock a table that somebody reads.
PATIENCE_SECONDS = 120.0
_LOCK_TIMEOUT = "100ms"

Made = TypeVar("Made")


def change_patiently(
    conn: psycopg.Connection[Any], what: str, change: Callable[[], Made], patience_seconds: float = PATIENCE_SECONDS
) -> Made:
    """Make a change in a transaction of its own, again and again until nobody is in the way; returns what it returns.

    Raises UserError, which begins with `what`, where transactions that others leave open are in the way for longer.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            with conn.transaction():
                conn.execute("select set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
                return change()
        except psycopg.errors.LockNotAvailable:
            if time.monotonic() > deadline:
                raise UserError(
                    f"{what} can't change what others have in use: {_who_is_in_the_way(conn)}: end that session, then"
                    " run again"
                ) from None
        time.sleep(0.3)


def _who_is_in_the_way(conn: psycopg.Connection[Any]) -> str:
    """The sessions whose transactions hold tables or views of ours."""
    (holders,) = fetch_one(
        conn.execute(
            """
            select string_agg(
                distinct format(
                    '%s of %s (process %s, %s for %s s)',
                    coalesce(nullif(activity.application_name, ''), 'a session'),
                    activity.usename,
                    activity.pid,
                    activity.state,
                    round(extract(epoch from clock_timestamp() - activity.state_change))
                ),
                '; '
            )
            from pg_locks as held
            inner join pg_stat_activity as activity on held.pid = activity.pid
            inner join pg_class as relation on held.relation = relation.oid
            where
                relation.relnamespace = any(
                    array[
                        to_regnamespace('raw'), to_regnamespace('ops'), to_regnamespace('analytics'),
                        to_regnamespace('staging'), to_regnamespace('intermediate')
                    ]
                )
                and held.granted
                and held.pid <> pg_backend_pid()
                and held.database = (select oid from pg_database where datname = current_database())
            """
        )
    )
    return holders or "somebody who has just gone"
