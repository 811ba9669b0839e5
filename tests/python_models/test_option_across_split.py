"""A night's options on both sides of a split of their underlying: the contract is the same, and so is its risk."""

from datetime import UTC, date, datetime, time
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from numpy.testing import assert_allclose

from ingest.books.portfolios import load_folder
from nightly.context import Request
from nightly.night import run_night
from nightly.output.progress import Progress
from tests.python_models.risk_book import ETFS
from warehouse.database import Database, create_if_missing, libpq_url
from warehouse.migrate import migrate
from warehouse.settings import load_settings

# Apple split 4:1 on Monday 2020-08-31: 499.23 on the Friday before it, 129.04 after it.
FRIDAY, MONDAY = date(2020, 8, 28), date(2020, 8, 31)
CONTRACTS = {
    "Long calls": (10, "AAPL210115C00450000"),
    "Short calls": (-10, "AAPL210115C00450000"),
    "Long puts": (10, "AAPL210115P00450000"),
    "Short puts": (-10, "AAPL210115P00450000"),
}
# A contract's premium is of its old shares on both sides of the split.
CLOSES = [
    *(("AAPL210115C00450000", FRIDAY, 78), ("AAPL210115C00450000", MONDAY, 92)),
    *(("AAPL210115P00450000", FRIDAY, 29), ("AAPL210115P00450000", MONDAY, 26)),
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def conn(server: dict[str, str], market_folder: Path, short_folder: Path, tmp_path_factory):
    """Four books of ten contracts each, entered on 2020-08-03, with the results of two sessions."""
    folder = tmp_path_factory.mktemp("split")
    for file, day in (("prices.csv.gz", "date"), ("actions.csv.gz", "ex_date")):
        rows = pd.read_csv(market_folder / file, dtype=str)
        within = (rows[day] >= "2018-06-01") & (rows[day] <= MONDAY.isoformat())
        rows = rows[rows["symbol"].isin({"AAPL", *ETFS}) & within]
        if day == "date":
            rows = pd.concat([rows, pd.DataFrame(CLOSES, columns=["symbol", "date", "close"])])
        rows.to_csv(folder / file, index=False)
    (folder / "portfolios.csv").write_text(
        "name,starting_equity,inception_date\n" + "".join(f"{name},1000000,2020-08-03\n" for name in CONTRACTS)
    )
    (folder / "positions.csv").write_text(
        "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\n"
        + "".join(f"{name},{symbol},{count},40,2020-08-03\n" for name, (count, symbol) in CONTRACTS.items())
    )
    settings = load_settings().model_copy(update={"home": short_folder / "split", "providers": f"files:{folder}"})
    create_if_missing(server, "option_across_split")
    database = Database(libpq_url({**server, "dbname": "option_across_split"}), embedded=True)
    with database.connect() as conn:
        migrate(conn)
        load_folder(conn, folder)
        request = Request("backfill", start=FRIDAY, end=MONDAY, phases=("1", "2", "2.5", "2.75", "3"))
        record = run_night(database, settings, request, datetime.combine(MONDAY, time(23, 30), UTC), Progress())
        assert not record.errors, record.errors
        yield conn


def of_books(conn: psycopg.Connection, query: str) -> pd.DataFrame:
    """A figure (the last column) by book and session."""
    rows = conn.execute(query).fetchall()
    return pd.DataFrame(rows, columns=["name", "day", "figure"]).pivot(index="name", columns="day", values="figure")


def test_exposures_volatility_and_stress_go_on(conn: psycopg.Connection):
    exposures = of_books(
        conn,
        "select name, calculation_date, exposure_dollar from analytics.portfolio_factor_exposures"
        " inner join raw.portfolios using (portfolio_id) where model = 'market'",
    )
    assert list(exposures.columns) == [FRIDAY, MONDAY]
    # about 3.5 % of a rise, with a delta that rises with it: neither a quarter of it nor nothing
    assert (abs(exposures[MONDAY] / exposures[FRIDAY] - 1) < 0.25).all()
    assert 300_000 < exposures.loc["Long calls", MONDAY] < 500_000
    assert_allclose(exposures.loc["Short calls"], -exposures.loc["Long calls"])
    assert exposures.loc["Long puts", MONDAY] < -50_000
    volatility = of_books(
        conn,
        "select name, calculation_date, ex_ante_vol from analytics.portfolio_risk_metrics"
        " inner join raw.portfolios using (portfolio_id)",
    )
    assert (abs(volatility[MONDAY] / volatility[FRIDAY] - 1) < 0.25).all() and (volatility > 0.01).all().all()
    stressed = of_books(
        conn,
        "select name, calculation_date, direct_pnl from analytics.stress_test_results"
        " inner join raw.portfolios using (portfolio_id) where scenario_id = 'market_down_20'",
    )
    assert (abs(stressed[MONDAY] / stressed[FRIDAY] - 1) < 0.3).all()
    assert -110_000 < stressed.loc["Long calls", MONDAY] < -40_000
    assert (stressed.loc[["Short calls", "Long puts"]] > 0).all().all()
    assert (stressed.loc[["Long calls", "Short puts"]] < 0).all().all()
