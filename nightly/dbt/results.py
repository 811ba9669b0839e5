"""What the data checks (`dbt test`) found, for an operator: what is wrong, how many rows, one of them, where to look.

The checks of the book keep their failing rows in schema `failed_checks`. For each check
that passes dbt leaves an empty table there, and it never drops the table of a removed check. Both are dropped here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from nightly.record import one_line

if TYPE_CHECKING:
    from nightly.dbt.runner import DataTest, NodeResult

FAILED_CHECKS = "failed_checks"

_EXAMPLE_COLUMNS = 7
_EXAMPLE_WIDTH = 160

# dbt's own generic tests stand beside a column and have no description.
_GENERIC = {
    "accepted_values": "{subject} holds a word that is not among those allowed",
    "is_session": "{subject} is no session of the exchange that has closed",
    "no_nan": "{subject} holds NaN, where a number or null belongs",
    "not_null": "{subject} is empty",
    "relationships": "{subject} names something that is not there",
    "unique": "{subject} has a value more than once",
    "unique_together": "{subject} has two rows of one key, or a key that is empty in part",
}


@dataclass(frozen=True)
class Finding:
    """A data check that found something, or could not look.

    `what` says what is wrong and what to do; `rows` is None where it could not look; `example` is one failing row,
    short, empty where none could be read; `where` is how to see all of them.
    """

    name: str
    failed: bool
    what: str
    rows: int | None
    example: str
    where: str


def explain(conn: psycopg.Connection[Any], results: Sequence[NodeResult]) -> list[Finding]:
    """Return a finding for each result that did not pass, those that failed last."""
    findings = [_explain(conn, result) for result in results if result.status != "pass"]
    return sorted(findings, key=lambda finding: finding.failed)


def drop_settled(conn: psycopg.Connection[Any], results: Sequence[NodeResult]) -> None:
    """Drop the stored rows of every check that has none to look into now."""
    kept = [result.name for result in results if result.failures and result.status != "pass"]
    tables = conn.execute(
        "select tablename::text from pg_tables where schemaname = %s and tablename <> all(%s)", [FAILED_CHECKS, kept]
    )
    for (table,) in tables.fetchall():
        conn.execute(sql.SQL("drop table if exists {}").format(sql.Identifier(FAILED_CHECKS, table)))


def _explain(conn: psycopg.Connection[Any], result: NodeResult) -> Finding:
    test = result.test
    if test is None or not result.failures:
        return Finding(result.name, not result.well, result.message or result.status, None, "", "")
    where = f"python run_nightly.py dbt -- show --limit 100 --select {result.name}"
    if test.stored_as:
        where = f"table {FAILED_CHECKS}.{result.name}, or {where}"
    return Finding(
        result.name, not result.well, _what(test, result.description), result.failures, _example(conn, test), where
    )


def _what(test: DataTest, description: str) -> str:
    """What is wrong, as the test's description says it, or else the kind of test."""
    if not test.kind:
        return description
    subject = f"{test.table}.{test.column}" if test.column else test.table
    words = description or _GENERIC.get(test.kind, "{subject} breaks the rule " + test.kind).format(subject=subject)
    return f"{words}; what {test.table} promises stands in dbt_project/{test.file}"


def _example(conn: psycopg.Connection[Any], test: DataTest) -> str:
    """Read one failing row; empty where it is gone, or the query fails by itself."""
    rows = test.stored_as or f"({test.query}) as failing_rows"
    with suppress(psycopg.Error), conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(f"select * from {rows} limit 1").fetchone()  # type: ignore[arg-type]
        return _short(row) if row else ""
    return ""


def _short(row: Mapping[str, Any]) -> str:
    cells = [f"{name} {_plain(value)}" for name, value in row.items() if value is not None][:_EXAMPLE_COLUMNS]
    text = one_line(", ".join(cells))
    return text if len(text) <= _EXAMPLE_WIDTH else f"{text[: _EXAMPLE_WIDTH - 1]}…"


def _plain(value: Any) -> str:
    """A value in words; a numeric without the zeros that its scale fills it up with."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
