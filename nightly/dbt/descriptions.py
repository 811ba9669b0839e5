"""What the project's YAML says of published tables and their columns, kept as comments in the database.

dbt forgets comments whenever it rebuilds a view or table, and knows none for the tables that migrations make. So
after a run the comments are compared with the YAML, and those that differ are set: usually none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

# A table or view, or a column of it: schema, relation, column ("" for the whole).
Place = tuple[str, str, str]

_LOCK_TIMEOUT = "5s"


def write_descriptions(conn: psycopg.Connection[Any], described: Mapping[Place, str]) -> int:
    """Set the comments that differ from `described`, in one transaction; returns how many there were.

    What is not there, or belongs to another role, is left out.

    Raises:
        psycopg.errors.LockNotAvailable: somebody is altering one of the tables.
    """
    found = conn.execute(
        """
        select
            classes.relkind::text, namespaces.nspname::text, classes.relname::text,
            parts.name::text, coalesce(descriptions.description, '')
        from pg_class as classes
        inner join pg_namespace as namespaces on classes.relnamespace = namespaces.oid
        cross join lateral (
            select 0 as number, '' as name
            union all
            select attnum, attname from pg_attribute
            where attrelid = classes.oid and attnum > 0 and not attisdropped
        ) as parts
        left join pg_description as descriptions
            on
                descriptions.objoid = classes.oid
                and descriptions.classoid = 'pg_class'::regclass
                and descriptions.objsubid = parts.number
        where
            namespaces.nspname = any(%s)
            and classes.relkind in ('r', 'p', 'v')
            and pg_has_role(classes.relowner, 'usage')
        order by 2, 3, parts.number
        """,
        (sorted({schema for schema, _, _ in described}),),
    )
    comments = [
        _comment(kind, (schema, relation, column), described[schema, relation, column])
        for kind, schema, relation, column, text in found
        if described.get((schema, relation, column), text) != text
    ]
    if comments:
        with conn.transaction():
            conn.execute("select set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
            conn.execute(sql.SQL("; ").join(comments))
    return len(comments)


def _comment(kind: str, place: Place, text: str) -> sql.Composed:
    schema, relation, column = place
    if column:
        return sql.SQL("comment on column {} is {}").format(sql.Identifier(schema, relation, column), sql.Literal(text))
    noun = sql.SQL("view" if kind == "v" else "table")
    return sql.SQL("comment on {} {} is {}").format(noun, sql.Identifier(schema, relation), sql.Literal(text))
