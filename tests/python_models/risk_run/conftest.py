"""The rolled database of the risk run; what a test changes it takes back."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest

from ingest.books.portfolios import load_folder
from nightly.context import Request
from nightly.night import run_night
from nightly.output.progress import Progress
from python_models.run import compute_risk
from tests.python_models.risk_book import (
    CRASH,
    END,
    write_books,
    write_market,
)
from tests.python_models.risk_run.rolled import DAYS, Rolled, content
from warehouse.database import Database, create_if_missing, libpq_url
from warehouse.migrate import migrate
from warehouse.settings import load_settings


@pytest.fixture(scope="package")
def rolled(
    server: dict[str, str], market_folder: Path, tmp_path_factory: pytest.TempPathFactory, short_folder: Path
) -> Rolled:
    """The books rolled to the crash and computed, then rolled to the end of 2023."""
    folder = tmp_path_factory.mktemp("risk")
    write_market(market_folder, folder / "market")
    write_books(folder / "market", folder / "books")
    create_if_missing(server, "risk")
    database = Database(libpq_url({**server, "dbname": "risk"}), embedded=True)
    settings = load_settings().model_copy(
        update={"home": short_folder / "risk", "providers": f"files:{folder / 'market'}"}
    )

    def roll(day: date) -> None:
        request = Request("backfill", end=day, phases=("1", "2", "2.5", "2.75"))
        # half past six in New York
        record = run_night(database, settings, request, datetime.combine(day, time(23, 30), UTC), Progress())
        assert not record.errors, record.errors

    with database.connect() as conn:
        migrate(conn)
        load_folder(conn, folder / "books")
        roll(CRASH)
        compute_risk(conn, CRASH, CRASH)
        rows = content(conn, CRASH)
        roll(END)
        for day in (*DAYS[:1], *DAYS[2:]):
            compute_risk(conn, day, day)
    closes, returns = market_returns(folder / "market")
    return Rolled(database, returns, closes, rows)


@pytest.fixture
def conn(rolled: Rolled) -> Iterator[psycopg.Connection[Any]]:
    with rolled.database.connect() as connection:
        yield connection


def market_returns(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Closes, and total returns s·(P + D) / P₋₁ − 1 of neighbouring sessions, straight from the files."""
    prices = pd.read_csv(folder / "prices.csv.gz", usecols=["symbol", "date", "close"], parse_dates=["date"])
    actions = pd.read_csv(folder / "actions.csv.gz", parse_dates=["ex_date"])
    close = prices.pivot(index="date", columns="symbol", values="close").sort_index()

    def by_session(kind: str, default: float) -> pd.DataFrame:
        values = actions[actions["action_type"] == kind].pivot(index="ex_date", columns="symbol", values="value")
        return values.reindex(index=close.index, columns=close.columns).fillna(default)

    returns = by_session("SPLIT", 1.0) * (close + by_session("DIVIDEND", 0.0)) / close.shift(1) - 1.0
    return close.rename(columns={"BRK-B": "BRK.B"}), returns.rename(columns={"BRK-B": "BRK.B"})
