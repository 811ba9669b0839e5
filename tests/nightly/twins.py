"""Whether two databases hold the same rows, whatever happened to one of them on the way."""

import time
from typing import Any

from nightly.record import RunRecord
from tests.nightly.small_nights import Night
from warehouse.errors import Busy

# When a row came is no part of what it says.
_WHEN = ("loaded_at", "rolled_at", "calculated_at", "first_seen_at", "last_seen_at", "since")


def state(night: Night) -> dict[str, list[Any]]:
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


def difference(night: Night, expected: dict[str, list[Any]]) -> list[str]:
    """The tables that are not as expected."""
    found = state(night)
    return sorted(table for table in found.keys() | expected.keys() if found.get(table) != expected.get(table))


def tonight(night: Night) -> RunRecord:
    """An ordinary run, as soon as the server has noticed, within seconds, that a client which died is gone."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return night.run()
        except Busy:
            assert time.monotonic() < deadline
            time.sleep(0.3)
