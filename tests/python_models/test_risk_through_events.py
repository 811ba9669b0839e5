"""Risk and performance of books whose symbols are renamed, merged and split off, beside a twin that nothing happens to.

The twin has the prices of the renamed share under one name all along, so every number has to be the same.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import exchange_calendars
import numpy as np
import psycopg
import pytest
from numpy.testing import assert_allclose

from ingest.books.portfolios import load_folder
from nightly.context import Request
from nightly.night import run_night
from nightly.output.progress import Progress
from warehouse.database import Database, create_if_missing, libpq_url
from warehouse.migrate import migrate
from warehouse.settings import load_settings

SESSIONS = [
    day.date() for day in exchange_calendars.get_calendar("XNYS", start="2022-06-01", end="2023-09-29").sessions
]
INCEPTION, RENAMED, MERGED, SPUN_OFF, END = (SESSIONS[place] for place in (-8, -5, -4, -3, -1))
BOOKS = ("renamed", "twin", "merged", "parent")


def write_files(folder: Path) -> None:
    """A market of a year and a half that moves together, the events, and a book for each."""
    random = np.random.default_rng(8)
    n_sessions = len(SESSIONS)
    market = random.normal(0.0003, 0.01, n_sessions)

    def prices(beta: float, start: float) -> list[float]:
        return (start * np.cumprod(1 + beta * market + random.normal(0, 0.008, n_sessions))).round(4).tolist()

    one, target, acquirer, parent = prices(1.3, 50), prices(0.7, 40), prices(1.0, 80), prices(0.9, 60)
    closes = {"SPY": (100 * np.cumprod(1 + market)).round(4).tolist(), "TLT": prices(-0.3, 90), "TWIN": one}
    lines = [
        f"{symbol},{day},{close}" for symbol, each in closes.items() for day, close in zip(SESSIONS, each, strict=True)
    ]
    for day, renamed, merged, other, whole in zip(SESSIONS, one, target, acquirer, parent, strict=True):
        lines.append(f"{'OLD' if day < RENAMED else 'NEW'},{day},{renamed}")
        lines.append(f"ACQ,{day},{other}")
        if day < MERGED:
            lines.append(f"TGT,{day},{merged}")
        lines.append(f"PAR,{day},{whole if day < SPUN_OFF else round(0.9 * whole, 4)}")
        if day >= SPUN_OFF:
            lines.append(f"KID,{day},{round(0.4 * whole, 4)}")
    (folder / "market").mkdir(parents=True)
    (folder / "market" / "prices.csv").write_text("symbol,date,close\n" + "\n".join(lines) + "\n")
    books = folder / "books"
    books.mkdir()
    (books / "portfolios.csv").write_text(
        "name,starting_equity,inception_date\n" + "".join(f"{name},20000,{INCEPTION}\n" for name in BOOKS)
    )
    held = {"renamed": ("OLD", one), "twin": ("TWIN", one), "merged": ("TGT", target), "parent": ("PAR", parent)}
    (books / "positions.csv").write_text(
        "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\n"
        + "".join(f"{name},{symbol},200,{each[-8]},{INCEPTION}\n" for name, (symbol, each) in held.items())
    )
    (books / "corporate_actions.csv").write_text(
        "symbol,ex_date,action_type,value,new_symbol,cash_per_share,cost_fraction\n"
        f"OLD,{RENAMED},RENAME,,NEW,,\n"
        f"TGT,{MERGED},MERGER,0.5,ACQ,1.5,\n"
        f"PAR,{SPUN_OFF},SPINOFF,0.25,KID,,\n"
    )


@pytest.fixture(scope="module")
def database(server: dict[str, str], short_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Database:
    folder = tmp_path_factory.mktemp("events")
    write_files(folder)
    settings = load_settings().model_copy(
        update={"home": short_folder / "events", "providers": f"files:{folder / 'market'}"}
    )
    create_if_missing(server, "risk_through_events")
    database = Database(libpq_url({**server, "dbname": "risk_through_events"}), embedded=True)
    with database.connect() as conn:
        migrate(conn)
        load_folder(conn, folder / "books")
    request = Request("backfill", end=END, phases=("1", "2", "2.5", "2.75", "3"))
    record = run_night(database, settings, request, datetime.combine(END, time(23, 30), UTC), Progress())
    assert not [error for error in record.errors if error.phase in ("2", "2.5", "2.75", "3")], record.errors
    return database


@pytest.fixture
def conn(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        yield connection


def numbers(conn: psycopg.Connection[Any], name: str, table: str, columns: str, order: str, day: date) -> list[Any]:
    rows = conn.execute(
        f"select {columns} from analytics.{table} where calculation_date = %s"
        f" and portfolio_id = (select portfolio_id from raw.portfolios where name = %s) order by {order}",
        [day, name],
    ).fetchall()
    assert rows
    return rows


@pytest.mark.parametrize("day", [RENAMED, END])
@pytest.mark.parametrize(
    ("table", "columns", "order"),
    [
        (
            "portfolio_risk_metrics",
            "ex_ante_vol, specific_variance, var_95_1d, es_95_1d, scaled_var_95_1d, realized_vol_63d, max_drawdown",
            "1",
        ),
        ("portfolio_factor_exposures", "exposure_dollar, positions_covered, positions_without", "model, factor"),
        ("position_risk_contributions", "contribution_vol, contribution_share", "1"),
        ("stress_test_results", "direct_pnl, correlated_pnl", "scenario_id"),
        ("portfolio_performance", "twr, mwr, volatility, beta, max_drawdown", "period"),
        ("portfolio_pnl_attribution", "pnl", "source"),
    ],
)
def test_a_renamed_share_has_the_numbers_of_its_twin(conn, table: str, columns: str, order: str, day: date):
    renamed, twin = (numbers(conn, name, table, columns, order, day) for name in ("renamed", "twin"))
    assert_allclose(np.array(renamed, dtype=float), np.array(twin, dtype=float), rtol=1e-9, atol=1e-9)


def test_a_new_name_has_the_whole_past_of_the_old_one(conn):
    found = conn.execute(
        "select symbol, beta, observations, quality_flag from analytics.symbol_market_betas"
        " where calculation_date = %s and symbol in ('NEW', 'TWIN') order by symbol",
        [END],
    ).fetchall()
    (new, beta, *rest), (twin, its_beta, *its_rest) = found
    assert (new, twin) == ("NEW", "TWIN")
    assert beta == pytest.approx(its_beta, rel=1e-12)
    assert rest == its_rest == [90, "full_history"]


def test_whoever_holds_what_came_of_an_event_has_risk_and_pnl_that_adds_up(conn):
    rows = conn.execute(
        """
        select name, snapshot_date, daily_pnl::float8, attributed.pnl, metrics.ex_ante_vol, contributed.vol
        from analytics.portfolio_snapshots as snapshots
        inner join raw.portfolios using (portfolio_id)
        inner join analytics.portfolio_risk_metrics as metrics
            on snapshots.portfolio_id = metrics.portfolio_id and snapshot_date = metrics.calculation_date
        cross join lateral (
            select sum(pnl) as pnl from analytics.portfolio_pnl_attribution as parts
            where parts.portfolio_id = snapshots.portfolio_id and parts.calculation_date = snapshot_date
        ) as attributed
        cross join lateral (
            select sum(contribution_vol) as vol from analytics.position_risk_contributions as parts
            where parts.portfolio_id = snapshots.portfolio_id and parts.calculation_date = snapshot_date
        ) as contributed
        order by name, snapshot_date
        """
    ).fetchall()
    assert len(rows) == len(BOOKS) * 8
    for name, day, pnl, attributed, volatility, contributed in rows:
        assert attributed == pytest.approx(pnl, abs=0.005), (name, day)
        assert volatility > 0.01, (name, day)
        assert contributed == pytest.approx(volatility, rel=1e-9), (name, day)
    # a merger and a spin-off hand value on, and earn nothing by themselves
    assert all(abs(pnl) < 1000 for _, _, pnl, *_ in rows)
