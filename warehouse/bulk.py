"""Bulk writes: any number of rows in a constant number of statements, writing only what changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from warehouse.errors import UserError


@dataclass(frozen=True)
class MergeCounts:
    """What became of the rows: `fetched` = `inserted` + `updated` + `unchanged`; `deleted` ones were not among them."""

    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0

    def __add__(self, other: "MergeCounts") -> "MergeCounts":
        return MergeCounts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def merge_rows(
    conn: psycopg.Connection[Any],
    table: str,
    key: Sequence[str],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    compare: Sequence[str] | None = None,
    within: LiteralString | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> MergeCounts:
    """Make `table` hold `rows`, in one transaction (or inside the one that is open); rows that agree are left alone.

    Args:
        conn: where the table is.
        table: its name with the schema, such as `raw.positions`.
        key: the columns that tell rows apart; the table has a unique index on them.
        columns: what each of `rows` holds, in this order; the key is among them.
        rows: as many as there are; they are streamed.
        compare: the columns whose difference makes a row changed; by default all but the key, `source` and `loaded_at`.
        within: an SQL condition on the table's columns: rows in that scope that are not in `rows` are deleted.
        parameters: the values of the placeholders in `within`.

    Raises:
        UserError: a key occurs twice in `rows`, or a value is refused by the table (NaN, null, a check).
    """
    compare = [name for name in columns if name not in {*key, "source", "loaded_at"}] if compare is None else compare
    target = sql.Identifier(*table.split("."))
    names = _list(columns)
    same_key = sql.SQL(" and ").join(sql.SQL("target.{0} = incoming.{0}").format(sql.Identifier(name)) for name in key)
    try:
        with conn.transaction():
            conn.execute(
                sql.SQL("create temp table incoming_rows as select {} from {} with no data").format(names, target)
            )
            cursor = conn.cursor()
            with cursor.copy(sql.SQL("copy pg_temp.incoming_rows ({}) from stdin").format(names)) as copy:
                for row in rows:
                    copy.write_row(row)
            fetched = cursor.rowcount
            # Refuses a key that occurs twice, and finds the rows below.
            conn.execute(sql.SQL("create unique index on pg_temp.incoming_rows ({})").format(_list(key)))
            conn.execute("analyze pg_temp.incoming_rows")
            deleted = updated = 0
            # A row that somebody has inserted since the update looked.
            on_conflict = sql.SQL("nothing")
            if within is not None:
                deleted = conn.execute(
                    sql.SQL(
                        "delete from {} as target where ({})"
                        " and not exists (select 1 from pg_temp.incoming_rows as incoming where {})"
                    ).format(target, sql.SQL(within), same_key),
                    parameters,
                ).rowcount
            if compare:
                assignments = _assignments(conn, table, key, columns)
                on_conflict = sql.SQL("update set {}").format(assignments("excluded"))
                updated = conn.execute(
                    sql.SQL(
                        "update {} as target set {} from pg_temp.incoming_rows as incoming"
                        " where {} and ({}) is distinct from ({})"
                    ).format(
                        target,
                        assignments("incoming"),
                        same_key,
                        _list(compare, "target"),
                        _list(compare, "incoming"),
                    )
                ).rowcount
            inserted = conn.execute(
                sql.SQL(
                    "insert into {} as target ({}) select {} from pg_temp.incoming_rows as incoming"
                    " where not exists (select 1 from {} as target where {})"
                    " on conflict ({}) do {}"
                ).format(target, names, names, target, same_key, _list(key), on_conflict)
            ).rowcount
            conn.execute("drop table pg_temp.incoming_rows")
            if changed := deleted + updated + inserted:
                _analyze_if_much(conn, target, changed)
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        detail = error.diag.message_detail or (error.diag.context or "").partition("\n")[0]
        raise UserError(f"{table} refuses the rows: {error.diag.message_primary} ({detail})") from error
    return MergeCounts(fetched, inserted, updated, fetched - inserted - updated, deleted)


def _analyze_if_much(conn: psycopg.Connection[Any], target: sql.Identifier, changed: int) -> None:
    """Renew the planner's statistics after a change of a tenth, as autovacuum would.

    Autovacuum comes a minute later, and never if the server is stopped before. The next statements would take a full
    table for an empty one, and loop over it.
    """
    conn.execute(
        sql.SQL(
            "do $$ begin"
            " if {changed} > (select greatest(reltuples, 500) / 10 from pg_class where oid = {name}::regclass)"
            " then analyze {target}; end if; end $$"
        ).format(changed=changed, name=sql.Literal(target.as_string(conn)), target=target)
    )


def _list(columns: Sequence[str], relation: str | None = None) -> sql.Composed:
    qualifier = () if relation is None else (relation,)
    return sql.SQL(", ").join(sql.Identifier(*qualifier, name) for name in columns)


def _assignments(
    conn: psycopg.Connection[Any], table: str, key: Sequence[str], columns: Sequence[str]
) -> Callable[[str], sql.Composed]:
    """The assignments that change a row, with values from the relation named."""
    now = 0
    if "loaded_at" not in columns:
        knows_when = "select 1 from pg_attribute where attrelid = %s::regclass and attname = 'loaded_at'"
        now = conn.execute(knows_when, [table]).rowcount

    def from_relation(relation: str) -> sql.Composed:
        assigned = [
            sql.SQL("{0} = {1}.{0}").format(sql.Identifier(name), sql.Identifier(relation))
            for name in columns
            if name not in key
        ]
        return sql.SQL(", ").join([*assigned, *[sql.SQL("loaded_at = now()")] * now])

    return from_relation
