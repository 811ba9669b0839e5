"""Markets and books for benchmarks: the same from the same seed, and accepted by the ordinary loader and provider."""

import csv
import gzip
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from benchmarks.books import write_books
from benchmarks.market import FACTOR_ETFS, Market, TooSmall, cut_market, invent_market, write_market
from ingest.books.portfolios import load_folder
from ingest.providers.base import Want
from ingest.providers.files import FilesProvider

INCEPTION = 20


@pytest.fixture(scope="module")
def market() -> Market:
    return invent_market(30, 60, seed=7)


def test_the_same_seed_makes_the_same_market_and_books(market: Market, tmp_path: Path) -> None:
    for folder, made in ((tmp_path / "one", market), (tmp_path / "two", invent_market(30, 60, seed=7))):
        write_market(made, folder)
        write_books(made, 3, 8, INCEPTION, 7, folder)
    for file in (tmp_path / "one").iterdir():
        assert file.read_text() == (tmp_path / "two" / file.name).read_text(), file.name
    assert not np.array_equal(invent_market(30, 60, seed=8).closes, market.closes)


def test_the_market_has_the_factors_and_what_makes_books_hard(market: Market) -> None:
    assert set(FACTOR_ETFS) <= set(market.symbols)
    kinds = [kind for _, _, kind, _ in market.actions]
    assert kinds.count("SPLIT") == 3
    assert kinds.count("DIVIDEND") > 10
    for symbol, day, kind, ratio in market.actions:
        if kind == "SPLIT":
            row, column = market.sessions.index(day), market.symbols.index(symbol)
            assert market.closes[row, column] / market.closes[row - 1, column] == pytest.approx(1 / ratio, rel=0.2)


def test_the_provider_reads_every_price(market: Market, tmp_path: Path) -> None:
    write_market(market, tmp_path)
    wants = [Want(symbol, market.sessions[0], market.sessions[-1]) for symbol in market.symbols]
    reply = FilesProvider(tmp_path).fetch_prices(wants)
    assert (len(reply.bars), len(reply.actions)) == (30 * 60, len(market.actions))
    assert not reply.rejected


def test_the_loader_takes_the_books(market: Market, conn: psycopg.Connection[Any], tmp_path: Path) -> None:
    write_books(market, 4, 10, INCEPTION, 7, tmp_path)
    load_folder(conn, tmp_path)
    lots = conn.execute(
        "select count(*), count(*) filter (where quantity < 0), count(distinct portfolio_id), max(entry_date)"
        " from raw.positions"
    ).fetchone()
    assert lots[:3] == (40, 4, 4)
    assert lots[3] < market.sessions[INCEPTION]
    # two lots of each portfolio, and a flow after 1 and after 22 sessions
    assert conn.execute("select count(*) from raw.position_realized_events").fetchone() == (8,)
    assert conn.execute("select count(*) from raw.equity_changes").fetchone() == (8,)


def test_a_real_market_is_cut_to_size(tmp_path: Path) -> None:
    sessions = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)]
    symbols = [*FACTOR_ETFS, "AAA", "LATE"]
    with gzip.open(tmp_path / "prices.csv.gz", "wt", newline="") as file:
        rows = [(symbol, day, 10) for symbol in symbols for day in sessions if (symbol, day) != ("LATE", sessions[1])]
        csv.writer(file).writerows([("symbol", "date", "close"), *rows])
    (tmp_path / "actions.csv").write_text(
        "symbol,ex_date,action_type,value\nAAA,2024-01-04,SPLIT,2\nAAA,2023-01-04,SPLIT,3\nZZZ,2024-01-04,SPLIT,2\n"
    )
    (tmp_path / "profiles.csv").write_text("symbol,sector\nAAA,Energy\n")
    market = cut_market(tmp_path, len(FACTOR_ETFS) + 1, 2)
    assert list(market.symbols) == [*FACTOR_ETFS, "AAA"]
    assert list(market.sessions) == sessions[1:]
    assert list(market.actions) == [("AAA", sessions[2], "SPLIT", 2.0)]
    assert market.sectors[-1] == "Energy"
    with pytest.raises(TooSmall, match=rf"{len(FACTOR_ETFS) + 1} symbols with prices on 3 sessions"):
        cut_market(tmp_path, len(FACTOR_ETFS) + 2, 3)


def test_books_larger_than_the_market_are_refused(market: Market, tmp_path: Path) -> None:
    with pytest.raises(TooSmall, match="31 positions of 30 symbols"):
        write_books(market, 1, 31, INCEPTION, 7, tmp_path)
