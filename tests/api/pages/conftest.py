"""The sample with more books in it, such as people have them, and the dashboard on it for a browser."""

import csv
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest

from api.app import Options, create_app
from api.server import make_server
from ingest.books.portfolios import load_folder
from nightly import demo
from nightly.output.progress import Progress
from tests.nightly.small_nights import maintenance
from warehouse.database import Database, libpq_url
from warehouse.settings import Settings

HOSTILE = "<script>alert(1)</script>"
RIGHT_TO_LEFT = "תיק השקעות ארוך טווח"
CASH, PRIVATE, LARGE, OWING, NEW = "Nothing But Cash", "Private Only", "Five Hundred", "In Debt", "First Day"
BOOKS = (HOSTILE, RIGHT_TO_LEFT, CASH, PRIVATE, LARGE, OWING, NEW)
# 500 lots need this many sessions: a lot is known by its symbol and its entry session, and there are 15 symbols.
SYMBOLS = (
    *("AAPL", "AMD", "BAC", "BBY", "CVX", "DIA", "EEM", "EFA", "GE", "HD", "IEF", "JNJ", "JPM", "KO", "LLY", "LQD"),
    *("MRK", "MSFT", "MTUM", "PEP", "PFE", "PG", "QUAL", "RRC", "SPY", "TIP", "TLT", "UNH", "USMV", "VLUE", "WMT"),
    *("XLE", "XLF", "XLK"),
)


@pytest.fixture(scope="session")
def books(server: dict[str, str], sample: Database, sample_settings: Settings, short_folder: Path) -> Database:
    """A database with the sample's portfolios and those above, rolled and analysed to the sample's last session."""
    folder = short_folder / "books"
    folder.mkdir()
    _write(
        folder / "portfolios.csv",
        ["name", "starting_equity", "inception_date"],
        [(name, 3_000_000 if name == LARGE else 10_000, _begins(name)) for name in BOOKS],
    )
    header = ["portfolio", "Symbol", "Quantity", "Entry Price Per Share", "Entry Date", "Investment Class"]
    lots = [(LARGE, SYMBOLS[place // 15], 10 + place % 7, 50, _session(place % 15), "PUBLIC") for place in range(500)]
    lots += [
        (HOSTILE, "AAPL", 100, 22, "2016-06-06", "PUBLIC"),
        (HOSTILE, HOSTILE, 10, 100, "2016-06-06", "PRIVATE"),
        (RIGHT_TO_LEFT, "MSFT", 50, 47, "2016-06-06", "PUBLIC"),
        (RIGHT_TO_LEFT, "XOM", -20, 75, "2016-06-06", "PUBLIC"),
        (PRIVATE, "Maple Street Partners LP", 5, 1_000, "2016-06-06", "PRIVATE"),
        (OWING, "SPY", -5_000, 175, "2016-06-24", "PUBLIC"),
        (NEW, "AAPL", 100, 22, "2016-07-01", "PUBLIC"),
    ]
    _write(folder / "positions.csv", header, lots)
    with maintenance(server) as conn:
        conn.execute("create database books template sample strategy file_copy")
    database = Database(libpq_url({**server, "dbname": "books"}), embedded=True)
    with database.connect() as conn:
        load_folder(conn, folder)
    run = demo.run_sample(database, sample_settings, datetime.now(UTC), Progress())
    assert not run.errors, run.problems
    return database


@pytest.fixture(scope="session")
def path_of(books: Database) -> Callable[..., str]:
    """The address of a portfolio's page, by its name."""
    with books.connect() as conn:
        ids = dict(conn.execute("select name, portfolio_id from raw.portfolios").fetchall())
    return lambda name, section="": f"/portfolios/{ids[name]}" + (f"/{section}" if section else "")


@pytest.fixture(scope="session")
def site(books: Database) -> Iterator[str]:
    """The address at which the dashboard on that database is served."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = make_server(create_app(Options(books.url)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        while not server.started and thread.is_alive():
            time.sleep(0.05)
        assert urlopen(f"{address}/healthz", timeout=30).status == 200  # noqa: S310
        yield address
        server.should_exit = True
        thread.join(30)


def _begins(name: str) -> str:
    return {NEW: "2016-07-01", OWING: "2016-06-24"}.get(name, "2016-06-06")


def _session(place: int) -> str:
    """One of the weekdays of June 2016, all of them sessions, from the 6th on."""
    return str(date(2016, 6, 6 + place % 5 + 7 * (place // 5)))


def _write(file: Path, header: list[str], rows: list[tuple]) -> None:
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([header, *rows])
