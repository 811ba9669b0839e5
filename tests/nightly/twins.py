"""Whether two databases hold the same rows, whatever happened to one of them on the way."""

import math
import time
from collections.abc import Mapping
from typing import Any

from nightly.record import RunRecord
from tests.nightly.small_nights import Night
from warehouse.errors import Busy

State = Mapping[str, list[tuple[Any, ...]]]

# The time at which a row was written is no part of its content.
_WHEN = ("loaded_at", "rolled_at", "calculated_at", "first_seen_at", "last_seen_at", "since")


def state(night: Night) -> State:
    """Every row of the inputs and the results, and how far the roll-forward is."""
    tables = night.rows(
        """
        select format('%%I.%%I', table_schema, table_name),
            string_agg(quote_ident(column_name::text), ', ' order by ordinal_position)
        from information_schema.columns
        inner join information_schema.tables using (table_schema, table_name)
        where
            (table_schema in ('raw', 'analytics') or table_name = 'roll_forward_state')
            and table_type = 'BASE TABLE' and not column_name = any(%s)
        group by 1
        """,
        list(_WHEN),
    )
    return {table: sorted(night.rows(f"select {columns} from {table}"), key=str) for table, columns in tables}


def difference(night: Night, expected: State) -> list[str]:
    """The tables that are not as expected."""
    return unlike(state(night), expected)


def unlike(one: State, other: State) -> list[str]:
    """The tables whose rows differ, but for the last digits of a statistic.

    Those of a portfolio depend on how many others are computed with it: a matrix product adds up in another order.
    """
    return sorted(table for table in one.keys() | other.keys() if not _are_alike(one.get(table), other.get(table)))


def _are_alike(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_are_alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_are_alike(one[key], other[key]) for key in one)
    return one == other


def tonight(night: Night) -> RunRecord:
    """An ordinary run, as soon as the server has noticed, within seconds, that a client which died is gone."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return night.run()
        except Busy:
            assert time.monotonic() < deadline
            time.sleep(0.3)
