"""Bulk writes: what is counted, what is written, what is refused."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from psycopg.types.json import Jsonb

from warehouse.bulk import MergeCounts, merge_rows
from warehouse.errors import UserError

PRICES = "raw.market_data_cache"
KEY = ["symbol", "price_date"]
COLUMNS = ["symbol", "price_date", "close", "volume", "source"]


def bar(symbol, day, close, volume=100, source="here"):
    return symbol, date(2024, 3, day), close, volume, source


def merge(conn, rows, **options) -> MergeCounts:
    return merge_rows(conn, PRICES, KEY, COLUMNS, rows, **options)


def stored(conn) -> list[tuple]:
    return conn.execute(
        f"select symbol, extract(day from price_date)::int, close from {PRICES} order by 1, 2"
    ).fetchall()


def versions(conn) -> list[tuple]:
    return conn.execute(f"select ctid, xmin, xmax, loaded_at from {PRICES} order by symbol, price_date").fetchall()


def test_counts_what_is_new_changed_and_unchanged(conn):
    first = merge(conn, [bar("A", 4, 10), bar("A", 5, Decimal("11.5")), bar("B", 4, 20)])
    assert first == MergeCounts(fetched=3, inserted=3)
    second = merge(conn, [bar("A", 4, 10), bar("A", 5, 12), bar("C", 4, 30), bar("B", 4, 20, volume=None)])
    assert second == MergeCounts(fetched=4, inserted=1, updated=2, unchanged=1)
    assert stored(conn) == [("A", 4, 10), ("A", 5, 12), ("B", 4, 20), ("C", 4, 30)]


def test_unchanged_rows_are_not_touched(conn):
    rows = [bar("A", 4, 10), bar("A", 5, 11, volume=None)]
    merge(conn, rows)
    before = versions(conn)
    assert merge(conn, rows) == MergeCounts(fetched=2, unchanged=2)
    assert merge(conn, [(*row[:4], "there") for row in rows]) == MergeCounts(fetched=2, unchanged=2)
    assert versions(conn) == before


def test_a_changed_row_says_when_and_from_where(conn):
    merge(conn, [bar("A", 4, 10), bar("A", 5, 10)])
    conn.execute(f"update {PRICES} set loaded_at = '2000-01-01'")
    merge(conn, [bar("A", 4, 11, source="there"), bar("A", 5, 10, source="there")])
    found = conn.execute(f"select source, loaded_at > now() - interval '1 minute' from {PRICES} order by price_date")
    assert found.fetchall() == [("there", True), ("here", False)]


def test_compare_names_what_counts_as_a_change(conn):
    merge(conn, [bar("A", 4, 10, volume=1)])
    assert merge(conn, [bar("A", 4, 10, volume=2)], compare=["close"]).unchanged == 1
    assert merge(conn, [bar("A", 4, 10, volume=1, source="there")], compare=["close", "source"]).updated == 1


def test_values_are_compared_at_the_scale_they_are_stored_in(conn):
    merge(conn, [bar("A", 4, Decimal("0.33333333333333333"))])
    assert merge(conn, [bar("A", 4, Decimal("0.33333333333333334"))]).unchanged == 1


def test_within_deletes_what_is_gone_from_that_scope_alone(conn):
    merge(conn, [bar("A", 4, 10), bar("A", 5, 11), bar("B", 4, 20), bar("A", 8, 12)])
    counts = merge(
        conn,
        [bar("A", 4, 10)],
        within="symbol = any(%(symbols)s) and price_date <= %(end)s",
        parameters={"symbols": ["A"], "end": date(2024, 3, 5)},
    )
    assert counts == MergeCounts(fetched=1, unchanged=1, deleted=1)
    assert stored(conn) == [("A", 4, 10), ("A", 8, 12), ("B", 4, 20)]
    assert merge(conn, [], within="symbol = 'A'") == MergeCounts(deleted=2)


def test_no_rows_at_all(conn):
    assert merge(conn, []) == MergeCounts()


def test_the_planner_knows_of_a_large_change_at_once_and_is_not_told_of_a_small_one(conn):
    def known() -> int:
        return conn.execute(
            f"select greatest(reltuples, 0)::int from pg_class where oid = '{PRICES}'::regclass"
        ).fetchone()[0]

    merge(conn, [bar(f"S{number}", 4, 10) for number in range(40)])
    assert known() == 0
    merge(conn, [bar(f"S{number}", 5, 10) for number in range(1000)])
    assert known() == 1040
    merge(conn, [bar(f"S{number}", 6, 10) for number in range(100)])
    assert known() == 1040


def test_a_table_that_is_all_key(conn):
    conn.execute("create table ops.pairs (a int, b int, primary key (a, b))")
    assert merge_rows(conn, "ops.pairs", ["a", "b"], ["a", "b"], [(1, 2), (1, 3)]).inserted == 2
    assert merge_rows(conn, "ops.pairs", ["a", "b"], ["a", "b"], [(1, 3)], within="true") == MergeCounts(1, 0, 0, 1, 1)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [bar("A", 4, 10), bar("A", 5, float("nan"))],
            "raw.market_data_cache refuses the rows: .*line 2, column close",
        ),
        ([bar("A", 4, Decimal("NaN"))], "line 1, column close"),
        ([bar("A", 4, 10), bar("A", 4, 11)], r"\(symbol, price_date\)=\(A, 2024-03-04\) is duplicated"),
        ([bar("A", 4, 10), bar("A", 4, 10)], r"\(symbol, price_date\)=\(A, 2024-03-04\) is duplicated"),
        ([bar("A", 4, None)], 'null value in column "close"'),
        ([bar("A", 4, -1)], "violates check constraint"),
        ([bar("A", 4, 10**20)], "numeric field overflow"),
    ],
)
def test_what_the_table_does_not_take_is_refused_as_a_whole(conn, rows, said):
    merge(conn, [bar("Z", 4, 1)])
    with pytest.raises(UserError, match=said):
        merge(conn, rows, within="true")
    assert stored(conn) == [("Z", 4, 1)]


def test_rows_that_fail_on_their_way_leave_everything(conn):
    def rows():
        yield bar("A", 4, 10)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        merge(conn, rows())
    assert stored(conn) == []


def test_inside_a_transaction_it_goes_with_it(conn):
    with pytest.raises(ZeroDivisionError), conn.transaction():
        assert merge(conn, [bar("A", 4, 10)]).inserted == 1
        assert merge(conn, [bar("A", 4, 10), bar("B", 4, 10)]) == MergeCounts(2, 1, 0, 1, 0)
        with pytest.raises(UserError):
            merge(conn, [bar("C", 4, -1)])
        assert merge(conn, [bar("C", 4, 1)]).inserted == 1
        raise ZeroDivisionError
    assert stored(conn) == []


def test_the_number_of_statements_does_not_depend_on_the_rows(conn, tmp_path):
    def statements(rows) -> int:
        with (tmp_path / "trace").open("w") as trace:
            conn.pgconn.trace(trace.fileno())
            merge(conn, rows, within="symbol = 'A'")
            conn.pgconn.untrace()
        sent = [line.split("\t")[3] for line in (tmp_path / "trace").read_text().splitlines()]
        return sent.count("Query") + sent.count("Execute")

    one = statements([bar("A", 4, 10)])
    assert 5 < one < 15
    assert statements([bar(f"A{number}", 4, number) for number in range(1, 2000)]) == one


def test_many_merges_on_one_connection(conn):
    for number in range(1, 12):
        assert merge(conn, [bar("A", 4, number)]).fetched == 1
        counts = merge_rows(
            conn, "raw.manual_sector_tags", ["position_id"], ["position_id", "sector", "source"], [], within="true"
        )
        assert counts == MergeCounts()
    assert stored(conn) == [("A", 4, 11)]


def test_other_types(conn):
    row = ("A", "income", "annual", date(2023, 12, 31), datetime(2024, 2, 1, tzinfo=UTC), "USD")
    columns = ["symbol", "statement", "frequency", "period_end", "first_seen_at", "currency", "line_items", "source"]
    items = Jsonb({"Total Revenue": 1.5, "b": None})
    counts = [
        merge_rows(conn, "raw.financial_statements", columns[:5], columns, [(*row, items, "here")]) for _ in range(2)
    ]
    assert counts == [MergeCounts(1, 1), MergeCounts(1, 0, 0, 1)]


def test_counts_add_up():
    assert MergeCounts(3, 1, 1, 1, 0) + MergeCounts(1, 1, 0, 0, 5) == MergeCounts(4, 2, 1, 1, 5)


def test_a_row_that_somebody_else_brings_in_the_same_moment_is_brought_up_to_date(conn, database):
    """An insert waits for another of the same key to be committed; then the row is there, and ours is what it holds."""
    with database.connect() as other, ThreadPoolExecutor(1) as pool:
        with other.transaction():
            other.execute(
                f"insert into {PRICES} (symbol, price_date, close, source) values ('A', '2024-03-04', 9, 'them')"
            )
            merging = pool.submit(merge, conn, [bar("A", 4, 10), bar("A", 5, 11)])
            waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and pid = %s"
            while not other.execute(waiting, [conn.info.backend_pid]).rowcount:
                assert not merging.done()
                time.sleep(0.01)
        assert merging.result() == MergeCounts(fetched=2, inserted=2)
    assert stored(conn) == [("A", 4, 10), ("A", 5, 11)]
