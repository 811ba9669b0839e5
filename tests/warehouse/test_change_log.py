"""The change log: what the triggers on the inputs write down for the roll-forward."""

import psycopg
import pytest

PORTFOLIO = "00000000-0000-0000-0000-000000000001"
LOT = "00000000-0000-0000-0000-00000000000a"
OTHER_LOT = "00000000-0000-0000-0000-00000000000b"


@pytest.fixture
def conn(conn):
    """A portfolio with two lots, and a change log that has forgotten how they came."""
    conn.execute(
        "insert into raw.portfolios (portfolio_id, name, inception_date, starting_equity, source)"
        " values (%s, 'Book', '2024-01-02', 1000, 'test')",
        [PORTFOLIO],
    )
    for lot, symbol, day in ((LOT, "A", "2024-01-03"), (OTHER_LOT, "B", "2024-01-04")):
        conn.execute(
            "insert into raw.positions (position_id, portfolio_id, symbol, position_type, quantity, entry_price,"
            " entry_date, investment_class, source) values (%s, %s, %s, 'LONG', 10, 5, %s, 'PUBLIC', 'test')",
            [lot, PORTFOLIO, symbol, day],
        )
    conn.execute("delete from ops.input_changes")
    return conn


def logged(conn, *columns) -> list[tuple]:
    """The changes since the last look: input, what, from, through and the columns asked for."""
    found = conn.execute(
        f"select {', '.join(['input', 'what', 'from_date::text', 'through_date::text', *columns])}"
        " from ops.input_changes order by change_id"
    ).fetchall()
    conn.execute("delete from ops.input_changes")
    return found


def insert_prices(conn, *rows):
    conn.execute(
        "insert into raw.market_data_cache (symbol, price_date, close, source)"
        " select symbol, price_date::date, 10, 'test' from unnest(%s::text[], %s::text[]) as new (symbol, price_date)",
        [[symbol for symbol, _ in rows], [day for _, day in rows]],
    )


class TestPrices:
    def test_consecutive_sessions_of_a_symbol_are_one_change(self, conn):
        insert_prices(
            conn, *(("A", f"2024-03-{day}") for day in ("27", "28")), ("A", "2024-04-01"), ("B", "2024-03-28")
        )
        assert logged(conn, "symbol") == [
            ("price", "new", "2024-03-27", "2024-04-01", "A"),  # over Good Friday and the weekend
            ("price", "new", "2024-03-28", "2024-03-28", "B"),
        ]

    def test_a_session_left_out_parts_them(self, conn):
        insert_prices(conn, ("A", "2024-03-25"), ("A", "2024-03-26"), ("A", "2024-03-28"))
        assert logged(conn) == [
            ("price", "new", "2024-03-25", "2024-03-26"),
            ("price", "new", "2024-03-28", "2024-03-28"),
        ]

    def test_a_date_that_is_no_session_stands_alone(self, conn):
        insert_prices(conn, ("A", "2024-03-27"), ("A", "2024-03-28"), ("A", "2024-03-29"), ("A", "2024-03-30"))
        assert logged(conn) == [
            ("price", "new", "2024-03-27", "2024-03-28"),
            ("price", "new", "2024-03-29", "2024-03-29"),
            ("price", "new", "2024-03-30", "2024-03-30"),
        ]

    def test_a_restated_close(self, conn):
        insert_prices(conn, ("A", "2024-03-27"), ("A", "2024-03-28"))
        logged(conn)
        conn.execute("update raw.market_data_cache set close = 11 where price_date = '2024-03-28'")
        assert logged(conn, "symbol") == [("price", "restated", "2024-03-28", "2024-03-28", "A")]

    def test_an_update_of_what_does_not_matter_is_no_change(self, conn):
        insert_prices(conn, ("A", "2024-03-27"))
        logged(conn)
        conn.execute("update raw.market_data_cache set close = 10, volume = 5, source = 'elsewhere', loaded_at = now()")
        conn.execute("update raw.market_data_cache set close = 11 where symbol = 'none such'")
        assert logged(conn) == []

    def test_a_withdrawn_price(self, conn):
        insert_prices(conn, ("A", "2024-03-27"), ("A", "2024-03-28"))
        logged(conn)
        conn.execute("delete from raw.market_data_cache where price_date = '2024-03-27'")
        assert logged(conn, "symbol") == [("price", "withdrawn", "2024-03-27", "2024-03-27", "A")]

    def test_an_upsert_logs_the_new_and_the_restated(self, conn):
        insert_prices(conn, ("A", "2024-03-27"))
        logged(conn)
        conn.execute(
            "insert into raw.market_data_cache (symbol, price_date, close, source)"
            " values ('A', '2024-03-27', 12, 'test'), ('A', '2024-03-28', 12, 'test')"
            " on conflict (symbol, price_date) do update set close = excluded.close"
        )
        assert sorted(logged(conn)) == [
            ("price", "new", "2024-03-28", "2024-03-28"),
            ("price", "restated", "2024-03-27", "2024-03-27"),
        ]

    def test_what_is_rolled_back_was_no_change(self, conn):
        with pytest.raises(ZeroDivisionError), conn.transaction():
            insert_prices(conn, ("A", "2024-03-27"))
            raise ZeroDivisionError
        assert logged(conn) == []


def test_corporate_actions_are_splits_and_dividends(conn):
    conn.execute(
        "insert into raw.corporate_actions (symbol, ex_date, action_type, value, source) values"
        " ('A', '2024-03-27', 'DIVIDEND', 1, 'test'), ('A', '2024-03-27', 'SPLIT', 2, 'test'),"
        " ('A', '2024-03-28', 'DIVIDEND', 1, 'test')"
    )
    assert sorted(logged(conn, "symbol")) == [
        ("dividend", "new", "2024-03-27", "2024-03-28", "A"),
        ("split", "new", "2024-03-27", "2024-03-27", "A"),
    ]
    conn.execute("update raw.corporate_actions set value = 3 where action_type = 'SPLIT'")
    assert logged(conn) == [("split", "restated", "2024-03-27", "2024-03-27")]


class TestPositions:
    def test_a_lot_lasts_from_its_entry(self, conn):
        conn.execute("update raw.positions set quantity = 20")
        assert logged(conn, "symbol", "portfolio_id::text", "position_id::text") == [
            ("position", "restated", "2024-01-03", "infinity", "A", PORTFOLIO, LOT),
            ("position", "restated", "2024-01-04", "infinity", "B", PORTFOLIO, OTHER_LOT),
        ]

    def test_a_moved_entry_counts_from_the_earlier_date(self, conn):
        conn.execute("update raw.positions set entry_date = '2024-01-10' where position_id = %s", [LOT])
        assert logged(conn) == [("position", "restated", "2024-01-03", "infinity")]

    def test_another_symbol_concerns_both(self, conn):
        conn.execute("update raw.positions set symbol = 'C' where position_id = %s", [LOT])
        assert sorted(logged(conn, "symbol")) == [
            ("position", "restated", "2024-01-03", "infinity", "A"),
            ("position", "restated", "2024-01-03", "infinity", "C"),
        ]

    def test_a_corrected_exit_counts_from_the_exit(self, conn):
        conn.execute("update raw.positions set exit_date = '2024-03-28', exit_price = 7 where position_id = %s", [LOT])
        assert logged(conn, "position_id::text") == [("close", "restated", "2024-03-28", "infinity", LOT)]
        conn.execute("update raw.positions set exit_price = 8 where position_id = %s", [LOT])
        assert logged(conn) == [("close", "restated", "2024-03-28", "infinity")]
        conn.execute("update raw.positions set exit_date = '2024-02-28' where position_id = %s", [LOT])
        assert logged(conn) == [("close", "restated", "2024-02-28", "infinity")]
        conn.execute("update raw.positions set exit_date = null, exit_price = null where position_id = %s", [LOT])
        assert logged(conn) == [("close", "restated", "2024-02-28", "infinity")]

    def test_a_deleted_lot_takes_its_closes_along(self, conn):
        close(conn)
        logged(conn)
        conn.execute("delete from raw.positions where position_id = %s", [LOT])
        assert sorted(logged(conn, "position_id::text")) == [
            ("close", "withdrawn", "2024-02-01", "infinity", LOT),
            ("position", "withdrawn", "2024-01-03", "infinity", LOT),
        ]

    def test_a_subtype_does_not_matter(self, conn):
        conn.execute("update raw.positions set investment_subtype = 'ETF', position_type = 'LONG', loaded_at = now()")
        assert logged(conn) == []


def close(conn):
    conn.execute(
        "insert into raw.position_realized_events"
        " (event_id, position_id, trade_date, sequence, quantity_closed, close_price, source)"
        " values ('00000000-0000-0000-0000-0000000000c1', %s, '2024-02-01', 1, 1, 6, 'test')",
        [LOT],
    )


def test_closes(conn):
    close(conn)
    conn.execute("update raw.position_realized_events set fees = 1")
    assert logged(conn, "position_id::text") == [
        ("close", "new", "2024-02-01", "infinity", LOT),
        ("close", "restated", "2024-02-01", "infinity", LOT),
    ]


def test_flows(conn):
    conn.execute(
        "insert into raw.equity_changes (change_id, portfolio_id, change_date, change_type, amount, source) values"
        " ('00000000-0000-0000-0000-0000000000f1', %(book)s, '2024-02-01', 'CONTRIBUTION', 5, 'test'),"
        " ('00000000-0000-0000-0000-0000000000f2', %(book)s, '2024-03-01', 'WITHDRAWAL', 5, 'test')",
        {"book": PORTFOLIO},
    )
    conn.execute("delete from raw.equity_changes where change_type = 'WITHDRAWAL'")
    assert logged(conn, "portfolio_id::text") == [
        ("flow", "new", "2024-02-01", "infinity", PORTFOLIO),
        ("flow", "withdrawn", "2024-03-01", "infinity", PORTFOLIO),
    ]


def test_cash_items(conn):
    conn.execute(
        "insert into raw.cash_items (item_id, portfolio_id, item_date, item_type, amount, source) values"
        " ('00000000-0000-0000-0000-0000000000f1', %(book)s, '2024-02-01', 'INTEREST', 5, 'test')",
        {"book": PORTFOLIO},
    )
    conn.execute("update raw.cash_items set amount = -5, item_type = 'FEE'")
    conn.execute("update raw.cash_items set source = 'again'")
    conn.execute("delete from raw.cash_items")
    assert logged(conn, "portfolio_id::text") == [
        ("cash item", "new", "2024-02-01", "infinity", PORTFOLIO),
        ("cash item", "restated", "2024-02-01", "infinity", PORTFOLIO),
        ("cash item", "withdrawn", "2024-02-01", "infinity", PORTFOLIO),
    ]


def test_a_benchmark_is_a_fact_of_its_portfolio(conn):
    conn.execute("update raw.portfolios set benchmark = 'QQQ'")
    assert [row[:2] for row in logged(conn, "portfolio_id::text")] == [("portfolio", "restated")]


def test_marks(conn):
    conn.execute(
        "insert into raw.manual_prices (position_id, price_date, price, source)"
        " select %s, day, 5, 'test' from unnest('{2024-03-27,2024-03-28,2024-04-02}'::date[]) as day",
        [LOT],
    )
    assert logged(conn, "position_id::text") == [
        ("mark", "new", "2024-03-27", "2024-03-28", LOT),
        ("mark", "new", "2024-04-02", "2024-04-02", LOT),
    ]


def test_portfolios(conn):
    conn.execute("update raw.portfolios set starting_equity = 2000")
    conn.execute("update raw.portfolios set name = 'Renamed'")
    conn.execute("update raw.portfolios set deleted_at = now()")
    assert logged(conn, "portfolio_id::text") == [("portfolio", "restated", "2024-01-02", "infinity", PORTFOLIO)] * 2


def test_sectors_hold_for_a_whole_life(conn):
    conn.execute("insert into raw.company_profiles (symbol, sector, source) values ('A', 'Energy', 'test')")
    conn.execute("update raw.company_profiles set beta = 1, market_cap = 5")
    conn.execute("update raw.company_profiles set sector = 'Utilities'")
    conn.execute(
        "insert into raw.manual_sector_tags (position_id, sector, source) values (%s, 'Energy', 'test')", [LOT]
    )
    assert logged(conn, "symbol", "position_id::text") == [
        ("sector", "new", "-infinity", "infinity", "A", None),
        ("sector", "restated", "-infinity", "infinity", "A", None),
        ("sector", "new", "-infinity", "infinity", None, LOT),
    ]


def test_a_withdrawn_session(conn):
    conn.execute("delete from raw.trading_sessions where session_date = '2024-03-28'")
    assert logged(conn, "symbol") == [("session", "withdrawn", "2024-03-28", "infinity", None)]


@pytest.mark.parametrize(
    "table",
    [
        "portfolios", "positions", "position_realized_events", "equity_changes", "manual_prices", "market_data_cache",
        "corporate_actions", "company_profiles", "manual_sector_tags", "trading_sessions",
        "fund_sector_weights",
    ],
)  # fmt: skip
def test_truncate_is_refused(conn, table):
    with pytest.raises(
        psycopg.errors.RaiseException, match=f"truncate on raw.{table} would escape the change log: use delete"
    ):
        conn.execute(f"truncate raw.{table} cascade")
