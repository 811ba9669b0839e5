"""Routine maintenance of tables: what autovacuum does, for a server that runs for some seconds a night.

The embedded server stops with the command that started it, before autovacuum has looked round: rows that were deleted
or replaced would keep their room for good, and the planner would never learn of new ones. On a server that is always up
autovacuum has done the work, and nothing is left to do here.

https://www.postgresql.org/docs/current/routine-vacuuming.html
"""

from typing import Any, NamedTuple

import psycopg

# Autovacuum's own, except for tables with few rows. A table that the planner has no statistics of is analyzed much
# sooner: the planner would expect one row, and loop over a thousand.
_DEAD_SHARE, _FEW_DEAD = 0.2, 10_000
_CHANGED_SHARE, _FEW_CHANGED = 0.1, 1_000


class Maintained(NamedTuple):
    """The tables that room was reclaimed in, and those whose statistics were renewed."""

    vacuumed: list[str]
    analyzed: list[str]


def maintain_tables(conn: psycopg.Connection[Any]) -> Maintained:
    """Vacuum the tables of which a fifth is dead rows, and analyze those of which a tenth has changed since.

    Only what our role owns, catalogs included where it does; a table that somebody else is changing is left for the
    next time. At most three statements; the connection has autocommit on.
    """
    rows = conn.execute(
        """
        select
            format('%%I.%%I', tables.schemaname, tables.relname),
            tables.n_dead_tup > %(few_dead)s + %(dead)s * greatest(classes.reltuples, 0),
            tables.n_mod_since_analyze > %(few_changed)s + %(changed)s * greatest(classes.reltuples, 0)
        from pg_stat_all_tables as tables
        inner join pg_class as classes on tables.relid = classes.oid
        where
            pg_has_role(classes.relowner, 'usage')
            and classes.relpersistence <> 't'
            and classes.relkind = 'r'
        order by 1
        """,
        {
            "few_dead": _FEW_DEAD,
            "dead": _DEAD_SHARE,
            "few_changed": _FEW_CHANGED,
            "changed": _CHANGED_SHARE,
        },
    ).fetchall()
    done = Maintained(
        vacuumed=[name for name, is_dead, _ in rows if is_dead],
        analyzed=[name for name, _, has_changed in rows if has_changed],
    )
    commands = {"vacuum": done.vacuumed, "analyze": done.analyzed}
    for command, names in commands.items():
        if names:
            # The server has quoted the names.
            conn.execute(f"{command} (skip_locked) {', '.join(names)}".encode())
    return done
