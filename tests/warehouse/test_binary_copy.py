"""What goes in by binary COPY comes out again, digit for digit."""

import math
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest

from warehouse.binary_copy import JsonText, copy_columns

COLUMNS = {"n": "integer", "x": "double precision", "t": "text", "d": "date", "u": "uuid", "j": "jsonb"}
ONE, OTHER = UUID(int=1), UUID("ffffffff-ffff-ffff-ffff-ffffffffffff")
EARLY, LATE = date(1969, 12, 31), date(2024, 2, 29)


@pytest.fixture
def table(conn: psycopg.Connection[Any]) -> str:
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    conn.execute(f"create temp table copied (place serial, {columns})")
    return "pg_temp.copied"


def rows(conn: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return conn.execute(f"select {', '.join(COLUMNS)} from copied order by place").fetchall()


def test_lists_of_every_type_with_and_without_nulls(conn, table):
    columns = (
        [-1, None, 2**31 - 1],
        [0.1, None, -1e300],
        ["", None, "ÄÖ \t\\N"],
        [EARLY, None, LATE],
        [ONE, None, OTHER],
        [JsonText('{"a": 0.1}'), None, JsonText("[]")],
    )
    assert copy_columns(conn, table, list(COLUMNS), [(columns, 3)]) == 3
    assert rows(conn) == [
        (-1, 0.1, "", EARLY, ONE, {"a": 0.1}),
        (None,) * 6,
        (2**31 - 1, -1e300, "ÄÖ \t\\N", LATE, OTHER, []),
    ]


def test_arrays_and_shared_values(conn, table):
    columns = (
        np.array([7, -7]),
        np.array([1 / 3, np.nan]),
        np.array(["länger".encode(), b""]),
        LATE,
        np.array([ONE, OTHER], dtype=object),
        None,
    )
    shared = (3, math.inf, "all", [EARLY], ONE, JsonText('{"b": [1]}'))
    assert copy_columns(conn, table, list(COLUMNS), [(columns, 2), (shared, 1)]) == 3
    assert rows(conn) == [
        (7, 1 / 3, "länger", LATE, ONE, None),
        (-7, None, "", LATE, OTHER, None),
        (3, None, "all", EARLY, ONE, {"b": [1]}),
    ]


def test_many_rows_and_none(conn, table):
    numbers = np.arange(120_001)
    names = np.char.mod(b"%d", numbers)
    assert copy_columns(conn, table, ["n", "x", "t"], [((numbers[:0], 0.0, names[:0]), 0)]) == 0
    assert copy_columns(conn, table, ["n", "x", "t"], [((numbers, numbers / 7, names), len(numbers))]) == len(numbers)
    (found,) = conn.execute(
        "select count(*), count(distinct n), count(*) filter (where n::text = t and x = n / 7::float8) from copied"
    ).fetchall()
    assert found == (len(numbers),) * 3


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([2**31], OverflowError),
        (np.array([-(2**31) - 1]), OverflowError),
        ([1, 0.5], TypeError),
        ([True], TypeError),
        ([object()], TypeError),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(conn, table, values, error):
    with pytest.raises(error):
        copy_columns(conn, table, ["n"], [(([1],), 1), ((values,), len(values))])
    assert rows(conn) == []
    with pytest.raises(psycopg.DataError):
        copy_columns(conn, table, ["n"], [(([0.5],), 1)])
