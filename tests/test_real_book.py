"""The book of 60 real holdings is what it says, and loads; the nights are held against its replay elsewhere."""

import pytest

from ingest.books.portfolios import load_folder
from tests import real_book
from tests.accounting_replay import replay


@pytest.fixture(scope="module")
def book(market_folder):
    return real_book.build(market_folder)


def test_the_book_holds_what_makes_books_go_wrong(book):
    lots, closes = book.portfolio.lots, book.portfolio.closes
    assert len({lot.symbol for lot in lots}) == 60 < len(lots)
    assert {lot.quantity > 0 for lot in lots if lot.entry_date < real_book.INCEPTION} == {True, False}
    assert {lot.quantity > 0 for lot in lots if lot.entry_date > real_book.INCEPTION} == {True, False}
    assert any(lot.entry_date.weekday() == 6 for lot in lots)
    assert any(lot.exit_date for lot in lots)
    assert any(close.fees for close in closes)
    splits = [action for action in book.actions if action.action_type == "SPLIT"]
    held_through = {
        action.symbol
        for action in splits
        for lot in lots
        if lot.symbol == action.symbol and lot.entry_date < action.ex_date < (lot.exit_date or real_book.END)
    }
    assert len(held_through) >= 15
    assert any(
        close.symbol == action.symbol and close.entry_date < action.ex_date < close.trade_date
        for action in splits
        for close in closes
    )


def test_the_replay_of_the_book(book):
    days = replay(book.portfolio, book.prices, book.actions, book.sessions)
    assert (days[0].session, days[-1].session, len(days)) == (real_book.INCEPTION, real_book.END, 753)
    # Its worst day is −2.2 % (2022-11-10). Without the splits five days are worse than −2.5 %.
    assert max(abs(day.daily_pnl) / day.equity for day in days) < 0.025
    ignored, *flows = book.portfolio.flows
    assert sum(day.flow for day in days) == sum(flow.amount for flow in flows)
    assert ignored.date < real_book.INCEPTION


def test_the_book_loads(book, conn, tmp_path):
    real_book.write(book, tmp_path)
    report = load_folder(conn, tmp_path)
    portfolio = book.portfolio
    assert {kind: counts.inserted for kind, counts in report.counts.items()} == {
        "portfolios": 1,
        "positions": len(portfolio.lots),
        "closes": len(portfolio.closes),
        "flows": len(portfolio.flows),
    }
    # the loader knows no splits yet, and warns of closes of more shares than there were
    asked = [note for note in report.notes if note.startswith("warning: closes.csv:")]
    assert all(": quantity_closed: " in note and "the rest is left out" in note for note in asked)
    assert [note for note in report.notes if note not in asked] == [
        f"{real_book.NAME!r}: 1 flow before the inception on 2021-01-04 will be ignored"
    ]
    quantity, closed, capital = conn.execute(
        """
        select
            (select sum(quantity * entry_price) from raw.positions),
            (select sum(quantity_closed * close_price - fees) from raw.position_realized_events),
            (select sum(case change_type when 'CONTRIBUTION' then amount else -amount end) from raw.equity_changes)
        """
    ).fetchone()
    assert quantity == sum(lot.quantity * lot.entry_price for lot in portfolio.lots)
    assert closed == sum(close.quantity * close.price - close.fees for close in portfolio.closes)
    assert capital == sum(flow.amount for flow in portfolio.flows)
