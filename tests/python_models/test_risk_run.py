"""Five years of real books through the risk models: the tables against statsmodels, scikit-learn and pandas.

One database carries the tests in order. It was rolled to the crash of March 2020, its results of that day were kept,
and then it was rolled on to the end of 2023. Three more days were computed then. What a test changes it takes back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import psycopg
import pytest
import statsmodels.api as sm
from distributed import LocalCluster
from numpy.testing import assert_allclose
from scipy.stats import chi2, norm, pearsonr
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from ingest.books.portfolios import load_folder
from nightly.context import Request
from nightly.night import run_night
from nightly.output.progress import Progress
from nightly.run_connection import hold_run_lock
from python_models import inputs
from python_models.books import OptionTerms
from python_models.read import read_holdings
from python_models.run import Resources, compute_risk
from python_models.statistics.stand_ins import uniform_draws
from python_models.workers import Crew, dask_workers, local_workers
from python_models.write import PORTFOLIO_TABLES, SYMBOL_TABLES, withdraw
from tests.python_models.risk_book import (
    CALL,
    CASH,
    CRASH,
    END,
    ENTRY_DAYS,
    ETFS,
    ODDS,
    SIXTY,
    UNDER_WATER,
    write_books,
    write_market,
)
from tests.real_book import SYMBOLS
from warehouse.database import Database, create_if_missing, libpq_url
from warehouse.settings import PROJECT_ROOT, load_settings

# Before the first of these days no history reaches back two years. COIN was listed nine weeks before the third.
SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"
DAYS = (date(2019, 6, 28), CRASH, date(2021, 6, 15), date(2022, 6, 16), END)
TABLES = (*SYMBOL_TABLES, *PORTFOLIO_TABLES)
EXACT = {"rtol": 1e-8, "atol": 1e-8}
FACTOR_ETFS = {
    "Market": "SPY",
    "Interest Rate": "TLT",
    "Value": "VTV",
    "Growth": "VUG",
    "Momentum": "MTUM",
    "Quality": "QUAL",
    "Size": "IWM",
    "Low Volatility": "USMV",
    "Communication Services": "XLC",
    "Consumer Discretionary": "XLY",
    "Consumer Staples": "XLP",
    "Energy": "XLE",
    "Financials": "XLF",
    "Health Care": "XLV",
    "Industrials": "XLI",
    "Information Technology": "XLK",
    "Materials": "XLB",
    "Real Estate": "XLRE",
    "Utilities": "XLU",
}
SPREADS = {
    "Growth-Value": ("VUG", "VTV"),
    "Momentum": ("MTUM", "SPY"),
    "Size": ("IWM", "SPY"),
    "Quality": ("QUAL", "SPY"),
}


@dataclass(frozen=True)
class Rolled:
    """The rolled database, the market's own files, and the rows that the night of the crash gave."""

    database: Database
    returns: pd.DataFrame
    closes: pd.DataFrame
    rows_that_night: dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
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
        from warehouse.migrate import migrate

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


def frame(conn: psycopg.Connection[Any], query: str, *parameters: Any) -> pd.DataFrame:
    """The answer to a query, nulls as NaN."""
    cursor = conn.execute(query, parameters)
    return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])


def content(conn: psycopg.Connection[Any], day: date) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a session, digits and all, in a fixed order."""
    return {
        table: conn.execute(
            f"select t::text from analytics.{table} as t where calculation_date = %s order by t::text", [day]
        ).fetchall()
        for table in TABLES
    }


def versions(conn: psycopg.Connection[Any], table: str, where: str = "true") -> set[str]:
    """Which transactions wrote the rows of a table."""
    return {row[0] for row in conn.execute(f"select xmin::text from analytics.{table} where {where}")}


def portfolio(conn: psycopg.Connection[Any], name: str) -> UUID:
    return conn.execute("select portfolio_id from raw.portfolios where name = %s", [name]).fetchone()[0]


@contextmanager
def taken_back(conn: psycopg.Connection[Any]) -> Iterator[None]:
    """Whatever is done inside is undone."""
    with conn.transaction(force_rollback=True):
        yield


def factors_of(rolled: Rolled, day: date) -> pd.DataFrame:
    """Returns of the factors over 252 sessions; Communication Services is one when XLC has its year."""
    window = rolled.returns.loc[: day.isoformat()].iloc[-252:]
    return pd.DataFrame(
        {
            factor: window[etf] - (0.0 if factor in ("Market", "Interest Rate") else window["SPY"])
            for factor, etf in FACTOR_ETFS.items()
            if window[etf].notna().sum() >= 240
        }
    )


@dataclass(frozen=True)
class RidgeFit:
    """What scikit-learn finds: on rows added for the penalties, of which the market's is zero."""

    betas: np.ndarray
    residuals: np.ndarray
    r_squared: float

    @staticmethod
    def of(factors: pd.DataFrame, returns: pd.Series) -> "RidgeFit":
        target = returns.to_numpy()
        scaler = StandardScaler().fit(factors.to_numpy())
        scaled = scaler.transform(factors.to_numpy())
        more = np.diag(np.sqrt([0.0 if factor == "Market" else 10.0 for factor in factors]))
        fit = LinearRegression(fit_intercept=False).fit(
            np.vstack([scaled, more]), np.append(target - target.mean(), np.zeros(len(more)))
        )
        residuals = target - target.mean() - scaled @ fit.coef_
        explained = 1 - (residuals**2).sum() / ((target - target.mean()) ** 2).sum()
        return RidgeFit(fit.coef_ / scaler.scale_, residuals, explained)


def held_symbols(rolled: Rolled, day: date) -> list[str]:
    """Of the sixty, those that had been entered by the day, and the factors' ETFs."""
    entered = (
        rolled.closes.loc[[entry for entry in ENTRY_DAYS if entry <= day.isoformat()], list(SYMBOLS)].notna().any()
    )
    return sorted({*entered.index[entered], *ETFS})


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize(
    ("table", "benchmark"), [("symbol_market_betas", "SPY"), ("symbol_interest_rate_betas", "TLT")]
)
def test_betas_are_those_of_statsmodels(
    conn: psycopg.Connection[Any], rolled: Rolled, day: date, table: str, benchmark: str
):
    found = frame(conn, f"select * from analytics.{table} where calculation_date = %s", day).set_index("symbol")
    window = rolled.returns.loc[: day.isoformat()].iloc[-90:]
    compared = 0
    for symbol in held_symbols(rolled, day):
        both = window[[symbol]].assign(benchmark=window[benchmark]).dropna()
        row = found.loc[symbol]
        assert row["observations"] == len(both)
        if len(both) < 30:
            assert row["quality_flag"] == "insufficient_history" and np.isnan(row["beta"])
            continue
        fit = sm.OLS(both[symbol].to_numpy(), sm.add_constant(both["benchmark"].to_numpy())).fit()
        assert_allclose(row["raw_beta"], fit.params[1], **EXACT)
        assert_allclose(row["beta"], np.clip(fit.params[1], -5, 5), **EXACT)
        assert_allclose(row["alpha"], fit.params[0], **EXACT)
        assert_allclose(row["r_squared"], fit.rsquared, **EXACT)
        if symbol != benchmark:
            assert_allclose(row["std_error"], fit.bse[1], **EXACT)
            assert_allclose(row["p_value"], fit.pvalues[1], **EXACT)
        compared += 1
    assert compared >= 60
    # options count as their underlyings, and what has no price has no beta
    assert set(found.index) - set(held_symbols(rolled, day)) == ({"ZZZZ"} if day > date(2021, 6, 1) else set())


@pytest.mark.parametrize("day", DAYS)
def test_spread_betas_are_those_of_statsmodels(conn: psycopg.Connection[Any], rolled: Rolled, day: date):
    found = frame(
        conn,
        "select symbol, factor, beta, r_squared, observations from analytics.symbol_factor_exposures"
        " where calculation_date = %s and model = 'spread'",
        day,
    ).set_index(["symbol", "factor"])
    window = rolled.returns.loc[: day.isoformat()].iloc[-180:]
    for symbol in held_symbols(rolled, day):
        for factor, (long, short) in SPREADS.items():
            both = window[[symbol]].assign(spread=window[long] - window[short]).dropna()
            row = found.loc[(symbol, factor)]
            assert row["observations"] == len(both)
            if len(both) < 60:
                assert np.isnan(row["beta"])
                continue
            fit = sm.OLS(both[symbol].to_numpy(), sm.add_constant(both["spread"].to_numpy())).fit()
            assert_allclose((row["beta"], row["r_squared"]), (fit.params[1], fit.rsquared), **EXACT)


@pytest.mark.parametrize("day", DAYS)
def test_ridge_betas_are_those_of_scikit_learn(conn: psycopg.Connection[Any], rolled: Rolled, day: date):
    found = frame(
        conn,
        "select symbol, factor, beta, r_squared, observations from analytics.symbol_factor_exposures"
        " where calculation_date = %s and model = 'ridge'",
        day,
    )
    betas = found.pivot(index="symbol", columns="factor", values="beta")
    fits = found.groupby("symbol")[["r_squared", "observations"]].first()
    window = rolled.returns.loc[: day.isoformat()].iloc[-252:]
    factors = factors_of(rolled, day)
    assert set(betas.columns) == set(factors.columns)
    for symbol in held_symbols(rolled, day):
        rows = window[symbol].notna() & factors.notna().all(axis=1)
        assert fits.loc[symbol, "observations"] == rows.sum()
        if rows.sum() < 60:
            assert betas.loc[symbol].isna().all()
            continue
        fit = RidgeFit.of(factors[rows], window.loc[rows, symbol])
        assert_allclose(betas.loc[symbol, list(factors)].to_numpy(float), fit.betas, **EXACT)
        assert_allclose(fits.loc[symbol, "r_squared"], fit.r_squared, **EXACT)


@pytest.mark.parametrize("day", DAYS)
def test_volatilities_are_those_of_pandas(conn: psycopg.Connection[Any], rolled: Rolled, day: date):
    found = frame(conn, "select * from analytics.symbol_volatility where calculation_date = %s", day).set_index(
        "symbol"
    )
    symbols = held_symbols(rolled, day)
    past = rolled.returns.loc[: day.isoformat(), symbols]
    for column, sessions, minimum in (("realized_vol_21d", 21, 14), ("realized_vol_63d", 63, 42)):
        expected = past.rolling(sessions, min_periods=minimum).std().iloc[-1] * np.sqrt(252)
        assert_allclose(found.loc[symbols, column].to_numpy(float), expected.to_numpy(), **EXACT)
    squares = past**2
    weighted = sum(
        weight * squares.rolling(sessions, min_periods=minimum).mean().iloc[-1]
        for weight, sessions, minimum in ((0.3, 5, 3), (0.4, 21, 14), (0.3, 252, 126))
    )
    assert_allclose(found.loc[symbols, "expected_vol_21d"].to_numpy(float), np.sqrt(252 * weighted), **EXACT)


@pytest.mark.parametrize("day", DAYS)
def test_pairs_held_together_have_the_correlations_of_pandas(conn: psycopg.Connection[Any], rolled: Rolled, day: date):
    found = frame(conn, "select * from analytics.pairwise_correlations where calculation_date = %s", day)
    window = rolled.returns.loc[: day.isoformat()].iloc[-90:]
    expected = window.corr(min_periods=30)
    held = [symbol for symbol in held_symbols(rolled, day) if symbol in SYMBOLS]
    together = {(first, second) for first in held for second in held if first < second}
    odds = ["KO", "MSFT"]
    odds += ["ZZZZ"] if day >= date(2021, 6, 1) else []
    odds += ["AAPL", "SPY"] if day == END else []  # through options
    together |= {(first, second) for first in odds for second in odds if first < second}
    pairs = list(zip(found["symbol_1"], found["symbol_2"], strict=True))
    assert set(pairs) == together and len(pairs) == len(together)
    known = found[found["symbol_2"] != "ZZZZ"]
    values = [expected.loc[pair] for pair in zip(known["symbol_1"], known["symbol_2"], strict=True)]
    assert_allclose(known["correlation"].to_numpy(float), values, **EXACT)
    assert found[found["symbol_2"] == "ZZZZ"]["correlation"].isna().all()
    for _, row in known.dropna().iloc[::97].iterrows():
        both = window[[row["symbol_1"], row["symbol_2"]]].dropna()
        assert row["observations"] == len(both)
        assert_allclose(row["p_value"], pearsonr(*both.to_numpy().T).pvalue, **EXACT)


def test_a_day_has_the_same_rows_that_night_and_with_years_of_later_prices(
    conn: psycopg.Connection[Any], rolled: Rolled
):
    assert content(conn, CRASH) == rolled.rows_that_night
    assert all(rolled.rows_that_night.values())
    report = compute_risk(conn, CRASH, CRASH)
    assert report.counts()["sessions_computed"] == 0  # nothing that it depends on has changed
    with taken_back(conn):
        written = compute_risk(conn, CRASH, CRASH, force=True).counts()["rows"]
        assert sum(written.values()) > 2000
        assert content(conn, CRASH) == rolled.rows_that_night


def test_many_days_in_one_pass_give_the_rows_of_each_day_alone(conn: psycopg.Connection[Any], rolled: Rolled):
    before = content(conn, END)
    with taken_back(conn):
        report = compute_risk(conn, date(2023, 12, 20), END, force=True)
        assert report.counts()["sessions_computed"] == 7
        assert content(conn, END) == before


def test_however_the_sessions_are_cut_into_blocks_the_rows_are_the_same(
    conn: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
):
    before = content(conn, END)
    monkeypatch.setattr("python_models.inputs._SESSIONS_AT_ONCE", 2)
    monkeypatch.setattr("python_models.units._ROWS_A_MEGABYTE", 0.5)
    told = []
    with taken_back(conn):
        report = compute_risk(
            conn, date(2023, 12, 27), END, force=True, progress=lambda done, total: told.append((done, total))
        )
        assert content(conn, END) == before
        of_one_day = sum(map(len, before.values()))
        written = report.counts()["rows"]
        assert 2.9 < sum(written[table] for table in TABLES) / of_one_day < 3.1
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_with_little_memory_a_session_is_computed_portfolio_by_portfolio(
    conn: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
):
    before, read = content(conn, END), []
    real = inputs.read_portfolio_blocks

    def counted(*arguments: Any) -> Iterator[Any]:
        for block in real(*arguments):
            read.append(block.portfolios)
            yield block

    monkeypatch.setattr(inputs, "read_portfolio_blocks", counted)
    told = []
    with taken_back(conn):
        report = compute_risk(
            conn,
            date(2023, 12, 28),
            END,
            force=True,
            resources=Resources(memory_mb=0.01),
            progress=lambda done, total: told.append((done, total)),
        )
        assert content(conn, END) == before
    assert [len(portfolios) for portfolios in read] == [2] * 4
    assert told == [(1, 2), (2, 2)]
    assert report.counts()["portfolio_results"] == 8


@pytest.mark.parametrize("kind", ["processes", "dask"])
@pytest.mark.parametrize("start", [date(2023, 12, 27), END], ids=["sessions", "portfolios of one session"])
def test_workers_write_the_same_rows(
    conn: psycopg.Connection[Any], rolled: Rolled, monkeypatch: pytest.MonkeyPatch, kind: str, start: date
):
    monkeypatch.setattr("python_models.run._WORTH_SENDING", 0)
    compute_risk(conn, start, END)
    before = {day: content(conn, day) for day in (start, END)}
    written_by = {table: versions(conn, table, f"calculation_date = '{END}'") for table in TABLES}
    with hold_run_lock(rolled.database, "a test") as lock:
        database = lock.let_writers_in()
        with workers(kind, database) as crew:
            report = compute_risk(conn, start, END, force=True, resources=Resources(crew=crew))
    assert report.lost_by_workers == []
    assert report.counts()["portfolio_results"] == 4 * report.counts()["sessions_computed"]
    assert {day: content(conn, day) for day in (start, END)} == before
    written = {table: versions(conn, table, f"calculation_date = '{END}'") for table in TABLES}
    assert not any(written[table] & written_by[table] for table in TABLES)
    added = conn.execute(
        "select calculation_date, portfolio_id from ops.risk_state"
        " where calculation_date >= %s and calculation_date < %s",
        [start, END],
    )
    withdraw(conn, added.fetchall())
    if start == END:  # each worker wrote its portfolios, and none of the symbols
        assert len(written["portfolio_risk_metrics"]) == 2
        assert not written["portfolio_risk_metrics"] & written["symbol_volatility"]


@contextmanager
def workers(kind: str, database: Database) -> Iterator[Crew]:
    """Two workers of a kind."""
    if kind == "processes":
        with local_workers(2, database) as crew:
            yield crew
    else:
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=40) as cluster,
            dask_workers(cluster.scheduler_address, database) as crew,
        ):
            yield crew


def test_statements_do_not_grow_with_sessions(rolled: Rolled):
    counts = []
    for start in (END, date(2023, 12, 20)):
        with rolled.database.connect() as conn, taken_back(conn):
            conn.cursor_factory = CountingCursor
            CountingCursor.statements = 0
            compute_risk(conn, start, END, force=True)
            counts.append(CountingCursor.statements)
    assert counts[0] == counts[1] > 0


class CountingCursor(psycopg.Cursor[Any]):
    """Counts what is asked of the database."""

    statements = 0

    def execute(self, *arguments: Any, **options: Any) -> "CountingCursor":
        CountingCursor.statements += 1
        return super().execute(*arguments, **options)

    def copy(self, *arguments: Any, **options: Any) -> Any:
        CountingCursor.statements += 1
        return super().copy(*arguments, **options)


def test_run_again_nothing_is_written(conn: psycopg.Connection[Any]):
    before = {table: versions(conn, table) for table in TABLES}
    report = compute_risk(conn, END, END)
    assert report.counts()["rows"] == {}
    assert report.counts()["unchanged_results"] == 5  # four portfolios, and the symbols
    assert report.lines() == ["results of 1 session are current"]
    assert {table: versions(conn, table) for table in TABLES} == before


def test_forced_the_same_rows_are_written_again(conn: psycopg.Connection[Any]):
    before, written_by = content(conn, END), versions(conn, "portfolio_risk_metrics")
    with taken_back(conn):
        compute_risk(conn, END, END, force=True)
        assert content(conn, END) == before
        assert not versions(conn, "portfolio_risk_metrics", f"calculation_date = '{END}'") & written_by


def test_a_portfolio_alone_leaves_the_others_results(conn: psycopg.Connection[Any]):
    odds = portfolio(conn, ODDS)
    before = content(conn, END)
    others = f"calculation_date = '{END}' and portfolio_id <> '{odds}'"
    written_by = {table: versions(conn, table, others) for table in PORTFOLIO_TABLES}
    with taken_back(conn):
        report = compute_risk(conn, END, END, portfolio_ids=[odds], force=True)
        assert report.counts()["rows"]["pairwise_correlations"] == len(before["pairwise_correlations"])
        assert report.counts()["portfolio_results"] == 1
        assert {table: versions(conn, table, others) for table in PORTFOLIO_TABLES} == written_by
        assert {table: content(conn, END)[table] for table in SYMBOL_TABLES} == {
            table: before[table] for table in SYMBOL_TABLES
        }


def test_an_option_of_a_list_stated_in_later_shares_has_its_strike_in_those(conn: psycopg.Connection[Any]):
    """As P&L settles it: `shares_as_of` names the day where a book was listed after a split."""
    odds = portfolio(conn, ODDS)

    def share_dates() -> dict[UUID, date | None]:
        held = read_holdings(conn, [odds], [END])[END]
        return {position.position_id: position.share_date for position in held if position.is_option}

    first_sessions = share_dates()
    assert len(set(first_sessions.values())) == 1 < len(first_sessions)
    with taken_back(conn):
        for stated, expected in (("2023-12-15", date(2023, 12, 15)), ("2019-01-02", None)):
            conn.execute("update raw.positions set shares_as_of = %s where portfolio_id = %s", [stated, odds])
            assert share_dates() == {each: expected or first for each, first in first_sessions.items()}


def test_only_what_rests_on_a_changed_return_is_computed_again(conn: psycopg.Connection[Any]):
    with taken_back(conn):
        conn.execute(
            "update analytics.daily_returns set total_return = total_return + 0.01"
            " where symbol = 'NVDA' and value_date = '2023-12-01'"
        )
        report = compute_risk(conn, END, END)
        assert report.counts()["unchanged_results"] == 3
        assert report.portfolios == {SIXTY}
        assert compute_risk(conn, END, END).counts()["unchanged_results"] == 5
    with taken_back(conn):
        conn.execute(
            "update analytics.daily_returns set total_return = total_return + 0.01"
            " where symbol = 'NVDA' and value_date < '2021-12-01'"
        )
        assert compute_risk(conn, END, END).counts()["unchanged_results"] == 5  # further back than any window
    with taken_back(conn):
        conn.execute(
            "update analytics.daily_returns set total_return = total_return + 0.01"
            " where symbol = 'SPY' and value_date = '2020-03-16'"
        )
        # portfolios' stress results replay that month; symbols' statistics look back two years
        report = compute_risk(conn, END, END)
        assert report.counts()["unchanged_results"] == 1
        assert "symbol_volatility" not in report.counts()["rows"]


def test_what_a_restated_factor_reaches_is_healed_with_the_next_session(conn: psycopg.Connection[Any]):
    """The windows of symbols reach back two years, so to March 2022; portfolios replay that month for ever."""
    symbols = "select calculation_date from ops.risk_state where portfolio_id is null and stale_because is not null"
    with taken_back(conn):
        compute_risk(conn, END, END)  # this takes in what was loaded
        assert conn.execute("select count(*) from ops.risk_state where stale_because is not null").fetchone() == (0,)
        conn.execute(
            "update analytics.daily_returns set total_return = total_return + 0.01"
            " where symbol = 'SPY' and value_date = '2020-03-16'"
        )
        conn.execute(
            "insert into ops.input_changes"
            " (input, symbol, from_date, through_date, what, rolled_at, returns_taken_at)"
            " values ('price', 'SPY', '2020-03-16', '2020-03-16', 'restated', now(), now())"
        )
        report = compute_risk(conn, date(2023, 12, 28), date(2023, 12, 28))
        assert list(report.left) == [CRASH, *DAYS[2:]]
        assert sorted(conn.execute(symbols).fetchall()) == [(CRASH,), (DAYS[2],)]
        report = compute_risk(conn, END, END, heal=2)
        assert (report.computed, report.healed, list(report.left)) == ([END], list(DAYS[2:4]), [CRASH])
        report = compute_risk(conn, END, END, heal=2)
        assert (report.computed, report.healed, list(report.left)) == ([], [CRASH], [])
        assert report.lines()[:2] == [
            "results of 1 session are current",
            "2020-03-23: computed again (SPY close of 2020-03-16 restated)",
        ]
        assert conn.execute("select count(*) from ops.risk_state where stale_because is not null").fetchone() == (0,)


def test_a_change_that_risk_has_seen_concerns_it_again_when_another_portfolio_is_rolled(conn: psycopg.Connection[Any]):
    with taken_back(conn):
        compute_risk(conn, END, END)
        ((change,),) = conn.execute(
            "insert into ops.input_changes (input, portfolio_id, from_date, what, rolled_at)"
            " values ('flow', %s, %s, 'new', now()) returning change_id",
            [portfolio(conn, CASH), CRASH],
        ).fetchall()
        conn.execute("insert into ops.input_changes_outstanding values (%s, %s)", [change, portfolio(conn, CASH)])
        looked_at = [compute_risk(conn, END, END, heal=9).causes for _ in range(2)]
        conn.execute("delete from ops.input_changes_outstanding where change_id = %s", [change])
        looked_at.append(compute_risk(conn, END, END, heal=9).causes)
        days = {day: [f"flow of {CRASH} added"] for day in DAYS[1:4]}
        assert looked_at == [days, {}, days]


def test_another_method_computes_everything_again(conn: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("python_models.run.method_fingerprint", lambda: "another")
    monkeypatch.setattr("python_models.compute.method_fingerprint", lambda: "another")
    with taken_back(conn):
        assert compute_risk(conn, END, END).counts()["unchanged_results"] == 0


def test_stale_rows_go_with_what_they_rested_on(conn: psycopg.Connection[Any]):
    water = portfolio(conn, UNDER_WATER)
    with taken_back(conn):
        conn.execute("delete from analytics.position_values where portfolio_id = %s", [water])
        conn.execute("delete from analytics.portfolio_snapshots where portfolio_id = %s", [water])
        compute_risk(conn, END, END)
        for table in PORTFOLIO_TABLES:
            left = conn.execute(f"select count(*) from analytics.{table} where portfolio_id = %s", [water])
            assert left.fetchone() == (0,), table
        assert conn.execute("select count(*) from ops.risk_state where portfolio_id = %s", [water]).fetchone() == (0,)
    with taken_back(conn):
        sixty = portfolio(conn, SIXTY)
        conn.execute(
            "delete from analytics.position_values where portfolio_id = %s and symbol = 'NVDA' and value_date = %s",
            [sixty, END],
        )
        compute_risk(conn, END, END)
        gone = "select count(*) from analytics.{} where calculation_date = %s and {} = 'NVDA'"
        for table, column in (("symbol_volatility", "symbol"), ("pairwise_correlations", "symbol_1")):
            assert conn.execute(gone.format(table, column), [END]).fetchone() == (0,), table


def test_contributions_add_up_to_the_volatility(conn: psycopg.Connection[Any]):
    sums = frame(
        conn,
        """
        select
            metrics.ex_ante_vol, metrics.factor_variance, metrics.specific_variance, metrics.reason,
            sum(contributions.contribution_vol) as total, sum(contributions.contribution_share) as shares
        from analytics.portfolio_risk_metrics as metrics
        inner join raw.portfolios using (portfolio_id)
        inner join analytics.position_risk_contributions as contributions using (portfolio_id, calculation_date)
        where portfolios.name in (%s, %s)
        group by metrics.portfolio_id, metrics.calculation_date
        """,
        SIXTY,
        ODDS,
    )
    assert len(sums) == 2 * len(DAYS)
    assert_allclose(sums["total"], sums["ex_ante_vol"], rtol=1e-12)
    assert_allclose(sums["shares"], 1.0, rtol=1e-12)
    assert_allclose(sums["factor_variance"] + sums["specific_variance"], sums["ex_ante_vol"] ** 2, rtol=1e-12)
    assert sums["reason"].isna().all()


def test_exposures_are_values_times_betas_over_equity(conn: psycopg.Connection[Any], rolled: Rolled):
    exposures = frame(
        conn,
        """
        select
            exposures.exposure_dollar, exposures.exposure_value * snapshots.equity_balance::float8 as from_value,
            sum(held.market_value::float8 * betas.beta) as expected
        from analytics.portfolio_factor_exposures as exposures
        inner join raw.portfolios using (portfolio_id)
        inner join analytics.portfolio_snapshots as snapshots
            on exposures.portfolio_id = snapshots.portfolio_id and calculation_date = snapshot_date
        inner join analytics.position_values as held
            on exposures.portfolio_id = held.portfolio_id and calculation_date = value_date
        inner join (
            select calculation_date, symbol, model, factor, beta from analytics.symbol_factor_exposures
            union all
            select calculation_date, symbol, 'market', 'Market', beta from analytics.symbol_market_betas
            union all
            select calculation_date, symbol, 'interest_rate', 'Interest Rate', beta
            from analytics.symbol_interest_rate_betas
        ) as betas using (calculation_date, symbol, model, factor)
        where portfolios.name = %s
        group by exposures.portfolio_id, calculation_date, model, factor, snapshots.equity_balance
        """,
        SIXTY,
    )
    # market, rates, four spreads, and the joint factors; Communication Services has its year by the second day
    assert len(exposures) == sum(6 + factors_of(rolled, day).shape[1] for day in DAYS)
    assert_allclose(exposures["exposure_dollar"], exposures["expected"], rtol=1e-10)
    assert_allclose(exposures["exposure_dollar"], exposures["from_value"], rtol=1e-12)


@pytest.mark.parametrize("terms", [OptionTerms(), OptionTerms(rate=0.05, dividend_yield=0.02)])
def test_an_option_counts_as_its_underlying_at_delta(conn: psycopg.Connection[Any], rolled: Rolled, terms: OptionTerms):
    """The call was never priced, so it is valued at the realized volatility of its underlying."""
    ((units, volatility),) = conn.execute(
        """
        select (quantity * multiplier)::float8, realized_vol_63d
        from analytics.position_values
        inner join analytics.symbol_volatility on value_date = calculation_date and symbol_volatility.symbol = 'AAPL'
        where position_values.symbol = %s and value_date = %s
        """,
        [CALL, END],
    )
    spot, years = rolled.closes.loc[END.isoformat(), "AAPL"], (date(2024, 6, 21) - END).days / 365
    dividends = 0.23 + 3 * 0.24  # of 2023, the year before
    carry = dividends / spot if terms.dividend_yield is None else terms.dividend_yield
    d1 = (np.log(spot / 190) + (volatility**2 / 2 + terms.rate - carry) * years) / (volatility * np.sqrt(years))
    delta_value = units * spot * np.exp(-carry * years) * norm.cdf(d1)
    with taken_back(conn):
        without = "select exposure_dollar from analytics.portfolio_factor_exposures where portfolio_id = %s" + (
            " and calculation_date = %s and model = 'market'"
        )
        odds = portfolio(conn, ODDS)
        compute_risk(conn, END, END, terms=terms)
        ((held,),) = conn.execute(without, [odds, END])
        conn.execute("delete from analytics.position_values where symbol = %s and value_date = %s", [CALL, END])
        compute_risk(conn, END, END, terms=terms)
        ((left,),) = conn.execute(without, [odds, END])
    ((beta,),) = conn.execute(
        "select beta from analytics.symbol_market_betas where symbol = 'AAPL' and calculation_date = %s", [END]
    )
    assert_allclose(held - left, delta_value * beta, rtol=1e-9)


def test_stress_results_add_up_and_replays_know_no_future(conn: psycopg.Connection[Any]):
    results = frame(
        conn,
        """
        select
            results.*, snapshots.equity_balance::float8 as equity, portfolios.name,
            (select sum(value::float8) from jsonb_each_text(factor_impacts)) as impacts
        from analytics.stress_test_results as results
        inner join raw.portfolios using (portfolio_id)
        inner join analytics.portfolio_snapshots as snapshots
            on results.portfolio_id = snapshots.portfolio_id and calculation_date = snapshot_date
        """,
    )
    known = results[results["correlated_pnl"].notna()]
    assert_allclose(known["impacts"], known["correlated_pnl"], rtol=1e-9, atol=1e-6)
    assert_allclose(known["correlated_pnl"] - known["direct_pnl"], known["correlation_effect"], rtol=1e-9, atol=1e-6)
    assert_allclose(known["equity"] + known["correlated_pnl"], known["stressed_equity"], rtol=1e-12)
    assert known["reason"].isna().all()
    unknown = results[results["correlated_pnl"].isna()]
    assert unknown["reason"].notna().all() and unknown["factor_impacts"].isna().all()
    scenarios = results.groupby("calculation_date")["scenario_id"].agg(set)
    assert scenarios[END] - scenarios[CRASH] == {"replay_rates_2022"}
    assert scenarios[CRASH] - scenarios[DAYS[0]] == {"replay_covid_2020"}
    assert "replay_covid_2020" in scenarios[CRASH]  # it ends on that day
    assert set(results[results["name"] == CASH]["correlated_pnl"].dropna()) == {0.0}


def test_a_replay_shocks_with_what_the_stored_prices_did(conn: psycopg.Connection[Any], rolled: Rolled):
    """From the close of 2020-02-19 to that of 2020-03-23, to the last digit rather than the seed's four."""
    fell = {etf: (1 + rolled.returns.loc["2020-02-20":"2020-03-23", etf]).prod() - 1 for etf in FACTOR_ETFS.values()}
    ((impacts,),) = conn.execute(
        "select factor_impacts from analytics.stress_test_results inner join raw.portfolios using (portfolio_id)"
        " where name = %s and calculation_date = %s and scenario_id = 'replay_covid_2020'",
        [SIXTY, END],
    )
    exposures = dict(
        conn.execute(
            "select factor, exposure_dollar from analytics.portfolio_factor_exposures"
            " inner join raw.portfolios using (portfolio_id)"
            " where name = %s and calculation_date = %s and model = 'ridge'",
            [SIXTY, END],
        ).fetchall()
    )
    for factor, etf in FACTOR_ETFS.items():
        shock = fell[etf] - (0 if factor in ("Market", "Interest Rate") else fell["SPY"])
        assert_allclose(impacts[factor], exposures[factor] * shock, rtol=1e-8)


def test_what_has_no_number_has_a_reason(conn: psycopg.Connection[Any]):
    metrics = frame(
        conn,
        "select portfolios.name, metrics.* from analytics.portfolio_risk_metrics as metrics"
        " inner join raw.portfolios using (portfolio_id) where calculation_date = %s",
        END,
    ).set_index("name")
    assert metrics.loc[UNDER_WATER, "reason"] == "equity is not positive"
    assert np.isnan(metrics.loc[UNDER_WATER, "ex_ante_vol"])
    assert metrics.loc[UNDER_WATER, "var_95_1d"] > 0  # dollars are known nevertheless
    assert metrics.loc[CASH, "ex_ante_vol"] == metrics.loc[CASH, "var_95_1d"] == 0.0
    assert metrics.loc[CASH, "quality_flag"] == "zero_variance"
    assert metrics.loc[ODDS, "positions_without"] == 2  # the bakery, and a symbol without a price
    report = compute_risk(conn, date(2023, 12, 28), date(2023, 12, 28), force=True)
    warnings = dict(report.warnings())
    assert warnings[f"portfolio {UNDER_WATER}"].startswith("equity is not positive on 2023-12-28")
    assert ["ZZZZ (0)" in message for message in warnings.values()].count(True) == 1
    assert report.counts()["etfs"] == FACTOR_ETFS
    assert report.counts()["missing_factors"] == []


def test_a_constant_price_is_named_and_left_out(conn: psycopg.Connection[Any]):
    with taken_back(conn):
        conn.execute("update analytics.daily_returns set total_return = 0 where symbol = 'KO'")
        compute_risk(conn, END, END)
        for table, number in (
            ("symbol_market_betas", "beta"),
            ("symbol_interest_rate_betas", "beta"),
            ("symbol_factor_exposures", "beta"),
            ("symbol_volatility", "expected_vol_21d"),
        ):
            flags = conn.execute(
                f"select distinct quality_flag, {number} from analytics.{table} where symbol = 'KO'"
                " and calculation_date = %s",
                [END],
            )
            assert flags.fetchall() == [("zero_variance", None)], table
        ((counted, beta),) = conn.execute(
            "select positions_without, exposure_dollar from analytics.portfolio_factor_exposures"
            " inner join raw.portfolios using (portfolio_id)"
            " where name = %s and calculation_date = %s and model = 'market'",
            [ODDS, END],
        )
        assert counted == 3 and beta is not None  # beside the bakery, and a symbol without a price
        pairs = (
            "select count(correlation) from analytics.pairwise_correlations"
            " where 'KO' in (symbol_1, symbol_2) and calculation_date = %s"
        )
        assert conn.execute(pairs, [END]).fetchone() == (0,)


def test_without_the_benchmark_there_are_reasons_and_the_losses_of_the_past(conn: psycopg.Connection[Any]):
    with taken_back(conn):
        conn.execute("delete from analytics.daily_returns where symbol = 'SPY'")
        report = compute_risk(conn, END, END)
        assert report.missing_factors[0] == "Market"
        betas = "select distinct quality_flag, beta from analytics.symbol_market_betas where calculation_date = %s"
        assert conn.execute(betas, [END]).fetchall() == [("no_benchmark", None)]
        exposures = frame(
            conn,
            "select exposures.* from analytics.portfolio_factor_exposures as exposures"
            " inner join raw.portfolios using (portfolio_id)"
            " where name = %s and calculation_date = %s and model = 'market'",
            SIXTY,
            END,
        )
        assert exposures["exposure_dollar"].isna().all() and (exposures["positions_covered"] == 0).all()
        assert set(exposures["reason"]) == {"no position has a beta"}
        (metrics,) = conn.execute(
            "select ex_ante_vol, beta_portfolio_regression, var_95_1d, reason from analytics.portfolio_risk_metrics"
            " inner join raw.portfolios using (portfolio_id) where name = %s and calculation_date = %s",
            [SIXTY, END],
        )
        assert metrics[:2] == (None, None)
        assert metrics[2] > 0  # today's holdings on past returns need no model
        assert metrics[3].startswith("no position has a beta")
        stress = conn.execute(
            "select count(*), count(direct_pnl), count(correlated_pnl), count(reason)"
            " from analytics.stress_test_results inner join raw.portfolios using (portfolio_id)"
            " where name = %s and calculation_date = %s",
            [SIXTY, END],
        ).fetchone()
        assert stress == (stress[0], 0, 0, stress[0])


def test_a_net_short_and_levered_book_has_the_risk_of_its_mirror_on_less_equity(conn: psycopg.Connection[Any]):
    sixty = portfolio(conn, SIXTY)

    def numbers() -> dict[str, float]:
        metrics = (
            "select ex_ante_vol from analytics.portfolio_risk_metrics where portfolio_id = %s and calculation_date = %s"
        )
        stress = (
            "select scenario_id, direct_pnl from analytics.stress_test_results"
            " where portfolio_id = %s and calculation_date = %s"
        )
        ((volatility,),) = conn.execute(metrics, [sixty, END])
        return {"volatility": volatility, **dict(conn.execute(stress, [sixty, END]).fetchall())}

    ahead = numbers()
    with taken_back(conn):
        conn.execute(
            "update analytics.position_values set quantity = -quantity, market_value = -market_value"
            " where portfolio_id = %s and value_date = %s",
            [sixty, END],
        )
        conn.execute(
            "update analytics.portfolio_snapshots set equity_balance = equity_balance / 4"
            " where portfolio_id = %s and snapshot_date = %s",
            [sixty, END],
        )
        assert compute_risk(conn, END, END).portfolios == {SIXTY}
        back = numbers()
    assert_allclose(back.pop("volatility"), 4 * ahead.pop("volatility"), rtol=1e-9)
    assert_allclose(list(back.values()), [-ahead[scenario] for scenario in back], rtol=1e-9)


@dataclass(frozen=True)
class Notebook:
    """The sixty on one day as an analyst would put them together: net values, factors and ridge betas by symbol."""

    values: pd.Series
    equity: float
    returns: pd.DataFrame
    factors: pd.DataFrame
    betas: pd.DataFrame
    residual_variance: pd.Series
    residuals: dict[str, np.ndarray]

    @property
    def covered(self) -> list[str]:
        return list(self.betas.index)

    def volatility(self, weights: pd.Series) -> float:
        """252·(b'Fb + Σ w²σ²) with RiskMetrics weights, session by session."""
        complete = self.factors.dropna()
        ages = len(self.factors) - 1 - np.array([self.factors.index.get_loc(day) for day in complete.index])
        decay = 0.94**ages
        covariance = sum(
            weight / decay.sum() * np.outer(row, row) for weight, row in zip(decay, complete.to_numpy(), strict=True)
        )
        exposure = self.betas.T @ weights
        specific = sum(weight**2 * self.residual_variance[symbol] for symbol, weight in weights.items())
        return float(np.sqrt(252 * (exposure @ covariance @ exposure + specific)))


def notebook(conn: psycopg.Connection[Any], rolled: Rolled, day: date) -> Notebook:
    rows = frame(
        conn,
        "select held.symbol, held.market_value::float8, snapshots.equity_balance::float8 as equity"
        " from analytics.position_values as held inner join raw.portfolios using (portfolio_id)"
        " inner join analytics.portfolio_snapshots as snapshots using (portfolio_id)"
        " where name = %s and value_date = %s and snapshot_date = value_date and quantity <> 0",
        SIXTY,
        day,
    )
    values = rows.groupby("symbol")["market_value"].sum()
    window = rolled.returns.loc[: day.isoformat()].iloc[-252:]
    factors = factors_of(rolled, day)
    betas, residuals, residual_variance = {}, {}, {}
    for symbol in values.index:
        used = window[symbol].notna() & factors.notna().all(axis=1)
        if used.sum() < 60:
            continue
        fit = RidgeFit.of(factors[used], window.loc[used, symbol])
        betas[symbol], residuals[symbol] = fit.betas, fit.residuals
        residual_variance[symbol] = (fit.residuals**2).sum() / (used.sum() - 1 - factors.shape[1])
    return Notebook(
        values,
        float(rows["equity"].iloc[0]),
        window[values.index],
        factors,
        pd.DataFrame.from_dict(betas, orient="index", columns=list(factors)),
        pd.Series(residual_variance),
        residuals,
    )


def with_stand_ins(column: pd.Series, book: Notebook) -> pd.Series:
    """Where a young listing has no return, what its betas say and one of its own residuals at their full size."""
    symbol, column = str(column.name), column.copy()
    residuals = np.sort(book.residuals[symbol])
    size = np.sqrt(book.residual_variance[symbol] / (residuals**2).mean())
    for session in column.index[column.isna()]:
        draw = uniform_draws(symbol, np.array([session.toordinal()], dtype=np.uint64))[0]
        modelled = float(book.factors.loc[session] @ book.betas.loc[symbol])
        column[session] = modelled + size * residuals[int(draw * len(residuals))]
    return column


@pytest.mark.parametrize("day", DAYS)
def test_risk_of_the_book_is_that_of_a_notebook(conn: psycopg.Connection[Any], rolled: Rolled, day: date):
    book = notebook(conn, rolled, day)
    weights = book.values[book.covered] / book.equity
    metrics = frame(
        conn,
        "select metrics.* from analytics.portfolio_risk_metrics as metrics"
        " inner join raw.portfolios using (portfolio_id) where name = %s and calculation_date = %s",
        SIXTY,
        day,
    ).iloc[0]
    assert_allclose(metrics["ex_ante_vol"], book.volatility(weights), **EXACT)
    left_out = len(book.values) - len(book.covered)
    assert metrics["positions_without"] == left_out == (day == DAYS[2])  # COIN

    contributions = frame(
        conn,
        "select symbol, sum(contribution_vol) as contribution from analytics.position_risk_contributions"
        " inner join raw.positions using (position_id, portfolio_id) inner join raw.portfolios using (portfolio_id)"
        " where portfolios.name = %s and calculation_date = %s group by symbol",
        SIXTY,
        day,
    ).set_index("symbol")["contribution"]
    for symbol in book.covered[::12]:
        step = pd.Series(0.0, weights.index)
        step[symbol] = 1e-5
        slope = (book.volatility(weights + step) - book.volatility(weights - step)) / 2e-5
        assert_allclose(contributions[symbol], weights[symbol] * slope, rtol=1e-6, atol=1e-10)

    history = book.returns.apply(
        lambda column: with_stand_ins(column, book) if column.name in book.betas.index else column
    )
    pnl = (history.loc[:, history.notna().all()] * book.values).dropna(axis=1).sum(axis=1)
    quantile = np.quantile(pnl, 0.05)
    assert_allclose(metrics["var_95_1d"], -quantile, rtol=1e-8)
    assert_allclose(metrics["es_95_1d"], -pnl[pnl <= quantile].mean(), rtol=1e-8)
    assert_allclose(metrics["realized_vol_21d"], (pnl / book.equity).iloc[-21:].std() * np.sqrt(252), rtol=1e-8)


@pytest.mark.parametrize("day", DAYS)
def test_stress_tests_of_the_book_are_those_of_a_notebook(conn: psycopg.Connection[Any], rolled: Rolled, day: date):
    book = notebook(conn, rolled, day)
    covariance = book.factors.cov()
    values = book.values[book.covered]
    found = frame(
        conn,
        "select results.* from analytics.stress_test_results as results"
        " inner join raw.portfolios using (portfolio_id) where name = %s and calculation_date = %s",
        SIXTY,
        day,
    ).set_index("scenario_id")
    seed = pd.read_csv(SEEDS / "stress_test_scenarios.csv", parse_dates=["window_start", "window_end"])
    expected = [
        name for name, lines in seed.groupby("scenario_id") if not lines["window_end"].max() > pd.Timestamp(day)
    ]
    assert sorted(found.index) == expected
    for scenario in expected:
        lines = seed[seed["scenario_id"] == scenario]
        shocks = dict(zip(lines["factor"], lines["shock"], strict=True))
        is_replay = lines["category"].iloc[0] == "replay"
        if not is_replay and "Interest Rate" in shocks:
            change = shocks["Interest Rate"] / 10_000
            shocks["Interest Rate"] = -17.5 * change + 160 * change**2
        start, end = lines["window_start"].iloc[0], lines["window_end"].iloc[0]
        factors = list(book.factors)
        if start >= rolled.returns.index[0]:
            window = rolled.returns.loc[start + pd.Timedelta(days=1) : end, [FACTOR_ETFS[each] for each in factors]]
            grown = ((1 + window).prod() - 1)[window.notna().all()]
            shocks |= {
                factor: grown[FACTOR_ETFS[factor]] - (0.0 if factor in ("Market", "Interest Rate") else grown["SPY"])
                for factor in factors
                if FACTOR_ETFS[factor] in grown
            }
        moves = pd.Series(0.0, factors)
        moves.update(pd.Series(shocks))
        direct = (values * (book.betas @ moves).clip(lower=-1)).sum()
        assert_allclose(found.loc[scenario, "direct_pnl"], direct, rtol=1e-8)

        known = list(shocks)
        solved = np.linalg.lstsq(covariance.loc[known, known].to_numpy(), np.array(list(shocks.values())), rcond=None)[
            0
        ]
        others = [factor for factor in factors if factor not in shocks]
        if not is_replay and np.sqrt(np.array(list(shocks.values())) @ solved) > 60:
            assert "more than 60" in found.loc[scenario, "reason"]
            assert np.isnan(found.loc[scenario, "correlated_pnl"])
            continue
        moves[others] = covariance.loc[others, known].to_numpy() @ solved
        correlated = (values * (book.betas @ moves).clip(lower=-1)).sum()
        assert_allclose(found.loc[scenario, "correlated_pnl"], correlated, rtol=1e-8)
        for factor, dollars in (book.betas.T @ values * moves).items():
            assert_allclose(found.loc[scenario, "factor_impacts"][factor], dollars, rtol=1e-8, atol=1e-6)
    # on any day, every replay says what it would do to the book
    assert found.loc[[name for name in expected if name.startswith("replay")], "correlated_pnl"].notna().all()


def test_history_of_the_book_is_its_holdings_on_past_returns(conn: psycopg.Connection[Any], rolled: Rolled):
    """Sixty at the crash: every holding has all its returns, so pandas needs no stand-in."""
    values = dict(
        conn.execute(
            "select symbol, sum(market_value)::float8 from analytics.position_values"
            " inner join raw.portfolios using (portfolio_id) where name = %s and value_date = %s group by symbol",
            [SIXTY, CRASH],
        ).fetchall()
    )
    window = rolled.returns.loc[: CRASH.isoformat(), list(values)].iloc[-252:]
    assert window.notna().all().all()
    pnl = window @ pd.Series(values)
    quantile = np.quantile(pnl, 0.05)
    ((equity, volatility, var, shortfall),) = conn.execute(
        "select equity_balance::float8, realized_vol_63d, var_95_1d, es_95_1d from analytics.portfolio_risk_metrics"
        " inner join raw.portfolios using (portfolio_id) inner join analytics.portfolio_snapshots using (portfolio_id)"
        " where name = %s and calculation_date = %s and snapshot_date = calculation_date",
        [SIXTY, CRASH],
    )
    assert_allclose(var, -quantile, rtol=1e-9)
    assert_allclose(shortfall, -pnl[pnl <= quantile].mean(), rtol=1e-9)
    assert_allclose(volatility, (pnl / equity).iloc[-63:].std() * np.sqrt(252), rtol=1e-9)


def test_the_portfolio_s_own_returns_give_its_drawdown_and_beta(conn: psycopg.Connection[Any], rolled: Rolled):
    own = frame(
        conn,
        "select snapshot_date, daily_return::float8 from analytics.portfolio_snapshots"
        " inner join raw.portfolios using (portfolio_id) where name = %s and snapshot_date <= %s"
        " order by snapshot_date",
        SIXTY,
        CRASH,
    ).set_index("snapshot_date")["daily_return"]
    wealth = np.concatenate([[1.0], (1 + own).cumprod()])
    market = rolled.returns.loc[: CRASH.isoformat(), "SPY"].iloc[-90:]
    fit = sm.OLS(own.iloc[-90:].to_numpy(), sm.add_constant(market.to_numpy())).fit()
    ((drawdown, beta),) = conn.execute(
        "select max_drawdown, beta_portfolio_regression from analytics.portfolio_risk_metrics"
        " inner join raw.portfolios using (portfolio_id) where name = %s and calculation_date = %s",
        [SIXTY, CRASH],
    )
    assert_allclose(drawdown, (wealth / np.maximum.accumulate(wealth) - 1).min(), rtol=1e-9)
    assert_allclose(beta, fit.params[1], **EXACT)


def test_days_without_snapshots_have_nothing_to_compute(conn: psycopg.Connection[Any]):
    report = compute_risk(conn, date(2018, 6, 1), date(2018, 6, 29))
    assert report.counts()["sessions"] == 0
    assert report.lines() == ["nothing to compute: no portfolio has a snapshot from 2018-06-01 to 2018-06-29"]
    assert report.warnings() == []


def test_forecasts_are_held_against_the_sessions_after_them(conn: psycopg.Connection[Any]):
    """Of three years' nights, made up from what the book earned, so that the outcome is known."""
    sixty = portfolio(conn, SIXTY)
    rows = "select * from analytics.risk_backtest where portfolio_id = %s and calculation_date = %s"
    before = frame(conn, rows, sixty, END).iloc[0]
    assert (before["observations"], before["bias_statistic"]) == (0, None)
    assert before["reason"] == "fewer than 60 sessions with a forecast of the session before"
    with taken_back(conn):
        forecast(conn, sixty, date(2022, 6, 17), var=20_000, scaled_var=40_000)
        report = compute_risk(conn, END, END, portfolio_ids=[sixty], force=True)
        assert report.counts()["rows"]["risk_backtest"] == 1
        found = frame(conn, rows, sixty, END).iloc[0]
        earned = frame(
            conn,
            "select daily_return::float8, daily_pnl::float8 from analytics.portfolio_snapshots"
            " where portfolio_id = %s and snapshot_date <= %s order by snapshot_date desc limit 252",
            sixty,
            END,
        )
        assert found["observations"] == 252 and found["reason"] is None
        scaled = earned["daily_return"] / (0.2 / np.sqrt(252))
        assert_allclose(found["bias_statistic"], scaled.std(), rtol=1e-8)
        assert found["var_breaches"] == (earned["daily_pnl"] < -20000).sum() > 0
        assert found["scaled_var_breaches"] == (earned["daily_pnl"] < -40000).sum()
        share = found["var_breaches"] / 252
        ratio = 2 * (
            found["var_breaches"] * np.log(share / 0.05) + (252 - found["var_breaches"]) * np.log((1 - share) / 0.95)
        )
        assert_allclose(found["kupiec_p_value"], chi2.sf(ratio, 1), rtol=1e-8)
        # nothing has changed since, and a row that a killed run did not reach is added
        assert compute_risk(conn, END, END, portfolio_ids=[sixty]).counts()["rows"] == {}
        conn.execute("delete from analytics.risk_backtest where calculation_date = %s", [END])
        assert compute_risk(conn, END, END).counts()["rows"] == {"risk_backtest": 4}


def forecast(conn: psycopg.Connection[Any], portfolio_id: UUID, start: date, *, var: float, scaled_var: float) -> None:
    """Let the portfolio's forecasts be these, dollars, from `start` to the session before the last."""
    conn.execute(
        "delete from analytics.portfolio_risk_metrics"
        " where portfolio_id = %s and calculation_date between %s and '2023-12-28'",
        [portfolio_id, start],
    )
    conn.execute(
        """
        insert into analytics.portfolio_risk_metrics
        (calculation_date, portfolio_id, observations, quality_flag, positions_without, ex_ante_vol, var_95_1d,
            scaled_var_95_1d)
        select snapshot_date, portfolio_id, 252, 'full_history', 0, 0.2, %s, %s
        from analytics.portfolio_snapshots
        where portfolio_id = %s and snapshot_date between %s and '2023-12-28'
        """,
        [var, scaled_var, portfolio_id, start],
    )


def test_the_day_of_a_forecast_is_never_its_own_outcome(conn: psycopg.Connection[Any]):
    """A crash on the last session: the forecast of that evening knows it, the one of the night before did not."""
    sixty = portfolio(conn, SIXTY)
    with taken_back(conn):
        forecast(conn, sixty, date(2022, 12, 30), var=1e9, scaled_var=1e9)
        conn.execute(
            "update analytics.portfolio_risk_metrics set var_95_1d = -1e9"
            " where portfolio_id = %s and calculation_date = '2023-12-28'",
            [sixty],
        )
        compute_risk(conn, END, END, portfolio_ids=[sixty], force=True)
        ((breaches,),) = conn.execute(
            "select var_breaches from analytics.risk_backtest where portfolio_id = %s and calculation_date = %s",
            [sixty, END],
        )
        assert breaches == 1
