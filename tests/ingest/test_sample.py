"""The bundled sample: what the demo shows must be true of the sample's own prices."""

import csv
import gzip
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

import ingest
from ingest.books.portfolios import load_folder
from ingest.market.collection import collect_market_data
from ingest.providers.base import Outcome, Want
from ingest.providers.files import FilesProvider
from ingest.universe import Role
from tests.ingest.market_book import day, define_factors
from warehouse.sessions import sessions_between

SAMPLE = Path(ingest.__file__).parent / "sample"
FIRST, LAST = day("2014-01-02"), day("2016-07-01")


def rows(name):
    with (SAMPLE / "portfolios" / f"{name}.csv").open() as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def symbols():
    with (SAMPLE / "profiles.csv").open() as lines:
        return [row["symbol"] for row in csv.DictReader(lines)]


@pytest.fixture(scope="module")
def closes():
    reply = FilesProvider(SAMPLE).fetch_prices([Want(symbol, FIRST, LAST) for symbol in symbols()])
    return {(bar.symbol, bar.price_date): bar.close for bar in reply.bars}


def test_the_market_is_whole(conn, closes):
    reply = FilesProvider(SAMPLE).fetch_prices([Want(symbol, FIRST, LAST) for symbol in symbols()])
    assert (reply.rejected, reply.problems, reply.actions) == ([], [], [])
    assert {answer.outcome for answer in reply.answers.values()} == {Outcome.OK}
    sessions = sessions_between(conn, FIRST, LAST)
    assert len(symbols()) == 38
    assert closes.keys() == {(symbol, session) for symbol in symbols() for session in sessions}


def test_every_trade_is_of_a_session_at_about_its_close(closes):
    trades = [
        (row["Symbol"], row["Entry Date"], row["Entry Price Per Share"])
        for row in rows("positions")
        if row["Investment Class"] == "PUBLIC"
    ]
    trades += [
        (row["Symbol"], row["Exit Date"], row["Exit Price Per Share"]) for row in rows("positions") if row["Exit Date"]
    ]
    trades += [(row["symbol"], row["trade_date"], row["close_price"]) for row in rows("closes")]
    assert len(trades) > 40
    for symbol, trade_date, price in trades:
        close = closes[symbol, day(trade_date)]
        assert abs(Decimal(price) / close - 1) < Decimal("0.01"), (symbol, trade_date, price, close)


def test_closes_marks_and_tags_name_a_lot_and_leave_it_standing():
    lots = {(row["portfolio"], row["Symbol"], row["Entry Date"]): row for row in rows("positions")}
    assert len(lots) == len(rows("positions"))
    closed = Counter()
    for row in rows("closes"):
        key = (row["portfolio"], row["symbol"], row["entry_date"])
        assert row["trade_date"] > row["entry_date"]
        closed[key] += int(row["quantity_closed"])
        assert closed[key] <= abs(int(lots[key]["Quantity"]))
    for row in rows("sector_tags"):
        assert (row["portfolio"], row["symbol"], row["entry_date"]) in lots
    private = {(row["portfolio"], row["Symbol"]) for row in lots.values() if row["Investment Class"] == "PRIVATE"}
    assert private == {(row["portfolio"], row["symbol"]) for row in rows("manual_prices")}


def test_each_portfolio_shows_what_it_is_there_for(closes):
    by_portfolio = {row["name"]: row for row in rows("portfolios")}
    assert {name: row["starting_equity"] for name, row in by_portfolio.items()} == {
        "Core Growth": "1000000",
        "Long Short Equity": "2000000",
        "Family Balanced": "500000",
    }

    def quantities(name):
        return [int(row["Quantity"]) for row in rows("positions") if row["portfolio"] == name]

    assert min(quantities("Core Growth")) > 0
    assert min(quantities("Long Short Equity")) < 0 < max(quantities("Long Short Equity"))
    assert {row["type"] for row in rows("capital_flows") if row["portfolio"] == "Family Balanced"} == {
        "CONTRIBUTION",
        "WITHDRAWAL",
    }
    # nobody spends more than there is: the holdings of the first day fit into the starting equity
    for name, portfolio in by_portfolio.items():
        cost = sum(
            int(row["Quantity"])
            * closes.get((row["Symbol"], day(portfolio["inception_date"])), Decimal(row["Entry Price Per Share"]))
            for row in rows("positions")
            if row["portfolio"] == name and row["Entry Date"] <= portfolio["inception_date"]
        )
        assert 0 <= cost < int(portfolio["starting_equity"])


def test_yields_are_there_for_the_whole_window():
    with (SAMPLE / "treasury_yields.csv").open() as lines:
        yields = list(csv.DictReader(lines))
    assert (yields[0]["date"], yields[-1]["date"]) == (str(FIRST), str(LAST))
    assert all(0 <= float(row["y10"]) < 0.1 for row in yields if row["y10"])


def test_the_prices_are_compressed_as_the_provider_reads_them():
    with gzip.open(SAMPLE / "prices.csv.gz", "rt") as lines:
        assert next(lines).strip() == "symbol,date,close"


def test_the_portfolios_load_and_the_sample_has_a_price_of_every_session_of_their_lives(conn):
    define_factors(conn, "MTUM", "VTV", "VLUE")
    loaded = load_folder(conn, SAMPLE / "portfolios")
    assert conn.execute("select count(*) from raw.portfolios").fetchone() == (3,), loaded.lines()

    def collect():
        return collect_market_data(
            conn, [FilesProvider(SAMPLE)], day("2016-06-03"), LAST, history_sessions=400, today=LAST
        )

    report = collect()
    assert [(missed.symbol, missed.role) for missed in report.missed] == [("VTV", Role.FACTOR)]
    assert (report.coverage(), report.holes.total(), report.warnings()) == (1, 0, [])
    assert conn.execute("select count(*) from raw.market_data_cache where price_date > %s", [LAST]).fetchone() == (0,)
    changes = "select count(*), max(change_id) from ops.input_changes"
    before = conn.execute(changes).fetchone()
    load_folder(conn, SAMPLE / "portfolios")
    again = collect()
    assert again.prices.fetched == again.prices.unchanged > 0
    assert again.profiles.fetched == again.profiles.unchanged == report.profiles.inserted
    assert conn.execute(changes).fetchone() == before
