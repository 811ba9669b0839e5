"""A small market, two portfolios and a database where they are rolled, made once and copied for each test.

The copies all bear one name: dbt's parse cache belongs to a database of that name, and a full parse costs seconds.
"""

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ingest.books.portfolios import load_folder
from nightly.record import RunRecord
from tests.nightly.small_nights import LAST_PRICE, NAME, ROLLED_TO, Night, copy_of, maintenance
from warehouse.database import Database, libpq_url
from warehouse.sessions import sessions_between
from warehouse.settings import Settings, load_settings


@pytest.fixture(scope="session")
def small_market(short_folder: Path, server: dict[str, str], template: str) -> Path:
    """A folder for the provider `files`: three symbols that gain 1 USD a session, from 2023-12-01 to 2024-02-16."""
    folder = short_folder / "market"
    folder.mkdir()
    with Database(libpq_url({**server, "dbname": template}), embedded=True).connect() as conn:
        sessions = sessions_between(conn, date(2023, 12, 1), LAST_PRICE)
    _write(
        folder / "prices.csv",
        ["symbol", "date", "close"],
        [
            (symbol, session, 100 + number)
            for symbol in ("AAA", "BBB", "SPY")
            for number, session in enumerate(sessions)
        ],
    )
    _write(
        folder / "profiles.csv",
        ["symbol", "name", "sector", "quote_type"],
        [("AAA", "Aaa Inc", "Energy", "EQUITY"), ("BBB", "Bbb Inc", "Utilities", "EQUITY")],
    )
    return folder


@pytest.fixture(scope="session")
def small_book(short_folder: Path) -> Path:
    """A folder of portfolio files: Growth holds AAA and BBB, Income holds BBB; both begin on 2024-01-02."""
    folder = short_folder / "book"
    folder.mkdir()
    _write(
        folder / "portfolios.csv",
        ["name", "starting_equity", "inception_date"],
        [("Growth", 100000, "2024-01-02"), ("Income", 50000, "2024-01-02")],
    )
    _write(
        folder / "positions.csv",
        ["portfolio", "Symbol", "Quantity", "Entry Price Per Share", "Entry Date"],
        [
            ("Growth", "AAA", 100, 120, "2024-01-02"),
            ("Growth", "BBB", 10, 120, "2024-01-03"),
            ("Income", "BBB", 200, 119, "2023-12-28"),
        ],
    )
    return folder


@pytest.fixture(scope="session")
def night_settings(short_folder: Path, small_market: Path) -> Settings:
    """The settings of the nights: a workspace of their own, and the small market."""
    settings = load_settings()
    return settings.model_copy(update={"home": short_folder / "nights", "providers": f"files:{small_market}"})


@pytest.fixture(scope="session")
def first_night(
    server: dict[str, str], template: str, small_book: Path, night_settings: Settings
) -> Iterator[tuple[str, RunRecord]]:
    """A database in which the two portfolios are rolled to ROLLED_TO, and the record of the night that did it."""
    with maintenance(server) as conn:
        conn.execute(f"create database {NAME} template {template} strategy file_copy")
        night = Night(Database(libpq_url({**server, "dbname": NAME}), embedded=True), night_settings)
        with night.database.connect() as loading:
            load_folder(loading, small_book)
        record = night.run(trade_date=ROLLED_TO)
        conn.execute(f"alter database {NAME} rename to rolled")
        yield "rolled", record


@pytest.fixture
def night(server: dict[str, str], first_night: tuple[str, RunRecord], night_settings: Settings) -> Iterator[Night]:
    """The rolled database, as the first night left it, for one test."""
    with copy_of(server, first_night[0], night_settings) as night:
        yield night


@pytest.fixture
def unrolled(server: dict[str, str], template: str, night_settings: Settings) -> Iterator[Night]:
    """A migrated database without portfolios."""
    with copy_of(server, template, night_settings) as night:
        yield night


def _write(file: Path, header: list[str], rows: list[tuple[Any, ...]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([header, *rows])
