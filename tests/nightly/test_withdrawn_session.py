"""A day that the calendar held for a session and withdrew when it had been rolled: no row stays, nothing counts twice.

Played by Saturday 2025-02-08. The arithmetic: 10 shares at 100 fall to 98 on Monday, when the dividend of 1.50 and the
contribution of Saturday come in: P&L 10 × (98 − 100) + 10 × 1.50 = −5, equity 10,000 − 5 + 1,000 = 10,995.
"""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ingest.books.portfolios import load_folder
from tests.nightly.small_nights import Night

PHANTOM, MONDAY = date(2025, 2, 8), date(2025, 2, 10)
DATES = ("value_date", "snapshot_date", "calculation_date", "as_of_date")


@pytest.mark.slow
def test_nothing_of_a_withdrawn_session_stays(unrolled: Night, tmp_path):
    book, market = tmp_path / "book", tmp_path / "market"
    book.mkdir()
    market.mkdir()
    (book / "portfolios.csv").write_text("name,starting_equity,inception_date\nc37,10000,2025-02-06\n")
    (book / "positions.csv").write_text(
        "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\nc37,NHD,10,100,2025-02-06\n"
    )
    (book / "capital_flows.csv").write_text("portfolio,date,type,amount\nc37,2025-02-08,CONTRIBUTION,1000\n")
    (market / "actions.csv").write_text("symbol,ex_date,action_type,value\nNHD,2025-02-08,DIVIDEND,1.50\n")
    (market / "prices.csv").write_text("symbol,date,close\nNHD,2025-02-06,100\nNHD,2025-02-07,100\nNHD,2025-02-10,98\n")
    night = Night(unrolled.database, unrolled.settings.model_copy(update={"providers": f"files:{market}"}))
    with night.database.connect() as conn:
        conn.execute(
            "insert into raw.trading_sessions (session_date, opens_at, closes_at, source)"
            " values (%s, '2025-02-08 14:30Z', '2025-02-08 21:00Z', 'an older calendar')",
            [PHANTOM],
        )
        load_folder(conn, book)
    assert night.run(trade_date=PHANTOM, now=datetime(2025, 2, 8, 23, 30, tzinfo=UTC)).trade_date == PHANTOM
    assert of_the_day(night, PHANTOM) >= {"position_values", "portfolio_snapshots", "portfolio_risk_metrics"}

    # Another version of the library has corrected this.
    night.execute("update ops.preparations set fingerprint = 'older' where name = 'trading_sessions'")
    night.run(trade_date=MONDAY, now=datetime(2025, 2, 10, 23, 30, tzinfo=UTC))
    assert night.rows("select count(*) from raw.trading_sessions where session_date = %s", PHANTOM) == [(0,)]
    assert of_the_day(night, PHANTOM) == set()
    assert night.rows(
        "select snapshot_date, daily_capital_flow, daily_dividend_income, daily_pnl, equity_balance"
        " from analytics.portfolio_snapshots order by snapshot_date"
    ) == [
        (date(2025, 2, 6), 0, 0, 0, 10_000),
        (date(2025, 2, 7), 0, 0, 0, 10_000),
        (MONDAY, 1_000, 15, -5, 10_995),
    ]
    ((earned,),) = night.rows("select daily_return from analytics.portfolio_snapshots where snapshot_date = %s", MONDAY)
    assert abs(earned - Decimal(-5) / 11_000) < Decimal("1e-17")


def of_the_day(night: Night, day: date) -> set[str]:
    """The tables of results that have a row of that day."""
    dated = night.rows(
        "select table_name::text, column_name::text from information_schema.columns"
        " inner join information_schema.tables using (table_schema, table_name)"
        " where table_schema = 'analytics' and table_type = 'BASE TABLE' and column_name = any(%s)",
        list(DATES),
    )
    return {
        table
        for table, column in dated
        if night.rows(f"select from analytics.{table} where {column} = %s limit 1", day)
    }
