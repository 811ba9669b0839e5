"""Reading one row."""

from typing import TypeVar

import psycopg

Row = TypeVar("Row")


def fetch_one(cursor: psycopg.Cursor[Row]) -> Row:
    """Return the row of a statement that always has one, such as an aggregate or `returning` of one insert.

    Raises:
        LookupError: it had none.
    """
    row = cursor.fetchone()
    if row is None:
        raise LookupError("a statement that always has a row had none")
    return row
