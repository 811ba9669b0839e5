"""Performance, attribution and contributions of twenty books of real prices, against libraries and by other ways.

One database carries the tests in order: the results of five weeks were computed in one pass, those of the next
sessions night by night. What a test changes it takes back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from ingest.books.portfolios import load_folder
from nightly.context import Request
from nightly.dbt.runner import Dbt
from nightly.night import run_night
from nightly.output.progress import Progress
from python_models.performance.run import compute_performance
from python_models.read import read_definitions
from python_models.run import compute_risk
from python_models.write import CONTRIBUTION_SUMS, PERFORMANCE_TABLES, qualified
from reports.attribution import first_of_period
from reports.performance import read_performance
from tests.python_models.performance_books import END, N_BOOKS, write_books
from tests.python_models.risk_book import write_market
from warehouse.database import Database, create_if_missing, libpq_url
from warehouse.migrate import migrate
from warehouse.sessions import sessions_between
from warehouse.settings import Settings, load_settings

FROM, NIGHTS = date(2023, 5, 22), (date(2023, 6, 28), date(2023, 6, 29), date(2023, 6, 30))
EXACT = {"rtol": 1e-9, "atol": 1e-9}
CENT = 0.005
# The holdings of a fund in these books. The rest of it is in no sector.
FUND, HELD_BY_FUND = "QQQ", {"Information Technology": 0.5, "Health Care": 0.3}
PERIODS = ("MTD", "QTD", "YTD", "1Y", "3Y", "5Y", "SI")


@pytest.fixture(scope="module")
def settings(short_folder: Path, market_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("performance")
    write_market(market_folder, folder / "market")
    weights = [f"{FUND},{sector},{weight},2023-01-31\n" for sector, weight in HELD_BY_FUND.items()]
    (folder / "market" / "fund_sectors.csv").write_text("symbol,sector,weight,as_of\n" + "".join(weights))
    return load_settings().model_copy(
        update={"home": short_folder / "performance", "providers": f"files:{folder / 'market'}"}
    )


@pytest.fixture(scope="module")
def database(server: dict[str, str], market_folder: Path, settings: Settings, tmp_path_factory) -> Database:
    """The books rolled to the end, with the results of five weeks and three nights."""
    folder = tmp_path_factory.mktemp("books")
    write_books(market_folder, folder / "books")
    create_if_missing(server, "performance")
    database = Database(libpq_url({**server, "dbname": "performance"}), embedded=True)
    with database.connect() as conn:
        migrate(conn)
        load_folder(conn, folder / "books")
        request = Request("backfill", end=END, phases=("1", "2", "2.5", "2.75"))
        record = run_night(database, settings, request, datetime.combine(END, time(23, 30), UTC), Progress())
        assert not record.errors, record.errors
        compute_risk(conn, FROM, NIGHTS[0] - timedelta(days=1))
        for night in NIGHTS:
            compute_risk(conn, night, night)
    return database


@pytest.fixture
def conn(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def snapshots(database: Database) -> dict[str, pd.DataFrame]:
    """Each portfolio's snapshots by session, as floats, with the equity of the close before."""
    with database.connect() as conn:
        frame = _frame(
            conn,
            """
            select
                name, snapshot_date, equity_balance::float8 as equity, daily_return::float8 as earned,
                benchmark_return::float8 as benchmark, daily_pnl::float8 as pnl, daily_contributions::float8 as paid_in,
                (daily_contributions - daily_capital_flow)::float8 as taken_out,
                daily_cash_income::float8 as cash_income,
                lag(equity_balance, 1, starting_equity) over (
                    partition by portfolio_id order by snapshot_date
                )::float8 as equity_before
            from analytics.portfolio_snapshots inner join raw.portfolios using (portfolio_id)
            order by name, snapshot_date
            """,
        )
    return {name: of_book.set_index("snapshot_date") for name, of_book in frame.groupby("name")}


def _frame(conn: psycopg.Connection[Any], query: str, *parameters: Any) -> pd.DataFrame:
    cursor = conn.execute(query, parameters)
    return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])


def _content(conn: psycopg.Connection[Any]) -> dict[str, list[tuple[str]]]:
    """Every row of the tables, digits and all."""
    return {
        table: conn.execute(f"select t::text from {qualified(table)} as t order by 1").fetchall()
        for table in PERFORMANCE_TABLES
    }


@contextmanager
def _taken_back(conn: psycopg.Connection[Any]) -> Iterator[None]:
    with conn.transaction(force_rollback=True):
        yield


def _start(sessions: list[date], period: str, day: date, inception: date) -> date | None:
    """The close that a period begins with, by the words of the design."""
    before_inception = max(session for session in sessions if session < inception)
    if period == "SI":
        return before_inception
    if period in ("1Y", "3Y", "5Y"):
        then = min(session for session in sessions if session >= day.replace(year=day.year - int(period[0])))
        return then if then >= before_inception else None
    first = {"MTD": day.replace(day=1), "QTD": date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)}.get(
        period, date(day.year, 1, 1)
    )
    return max(max(session for session in sessions if session < first), before_inception)


@pytest.mark.parametrize("day", [date(2023, 5, 31), date(2023, 6, 16), END])
def test_every_period_of_every_book_agrees_with_the_libraries(conn, snapshots, day: date, monkeypatch):
    monkeypatch.setattr(np, "NINF", -np.inf, raising=False)
    import empyrical
    import pyxirr

    sessions = sessions_between(conn, date(2017, 1, 3), day)
    stored = _frame(
        conn,
        "select name, performance.* from analytics.portfolio_performance as performance"
        " inner join raw.portfolios using (portfolio_id) where calculation_date = %s",
        day,
    ).set_index(["name", "period"])
    assert len(stored) == N_BOOKS * len(PERIODS)
    compared = with_flows = 0
    for (name, period), row in stored.iterrows():
        book = snapshots[name].loc[:day]
        start = _start(sessions, period, day, book.index[0])
        assert row["start_date"] == start
        if start is None:
            assert row["reason"] == f"the portfolio began on {book.index[0]}"
            assert row.drop(["calculation_date", "portfolio_id", "reason"]).isna().all()
            continue
        book = book[book.index > start]
        own, benchmark = book["earned"], book["benchmark"]
        assert row["sessions"] == len(book)
        days = (day - start).days
        flows = [(start, -book["equity_before"].iloc[0]), (day, book["equity"].iloc[-1])]
        for session, flow in book.iterrows():
            flows += [(session - timedelta(days=1), -flow["paid_in"])] if flow["paid_in"] else []
            flows += [(session, flow["taken_out"])] if flow["taken_out"] else []
        days_of_flows, amounts = zip(*flows, strict=True)
        rate = pyxirr.xirr(days_of_flows, amounts)
        # which the solver finds to about nine digits
        rate = brentq(pyxirr.xnpv, rate - 1e-5, rate + 1e-5, args=(days_of_flows, amounts), xtol=1e-14)
        expected = {
            "twr": empyrical.cum_returns_final(own),
            "benchmark_return": empyrical.cum_returns_final(benchmark),
            "mwr": (1 + rate) ** (days / 365) - 1,
            "volatility": empyrical.annual_volatility(own),
            "downside_deviation": empyrical.downside_risk(own) * np.sqrt(len(own) / (len(own) - 1)),
            "sharpe": empyrical.sharpe_ratio(own),
            "sortino": empyrical.sortino_ratio(own) * np.sqrt((len(own) - 1) / len(own)),
            "calmar": empyrical.calmar_ratio(own),
            "max_drawdown": empyrical.max_drawdown(own),
            "tracking_error": empyrical.annual_volatility(own - benchmark),
            "information_ratio": empyrical.excess_sharpe(own, benchmark) * np.sqrt(252),
            "beta": empyrical.beta(own, benchmark),
            "alpha": empyrical.alpha(own, benchmark),
            "up_capture": empyrical.up_capture(own, benchmark),
            "down_capture": empyrical.down_capture(own, benchmark),
            "best_day": own.max(),
            "worst_day": own.min(),
            "positive_days": (own > 0).mean(),
        }
        expected["active_return"] = expected["twr"] - expected["benchmark_return"]
        for annual, whole in (
            ("twr_annual", "twr"),
            ("benchmark_return_annual", "benchmark_return"),
            ("mwr_annual", "mwr"),
        ):
            expected[annual] = (1 + expected[whole]) ** (365 / days) - 1 if days > 365 else np.nan
        for statistic, value in expected.items():
            assert_allclose(float(row[statistic]), value, **EXACT, err_msg=f"{statistic} of {name}, {period}")
        compared += 1
        with_flows += len(flows) > 2
    assert compared >= 4 * N_BOOKS
    assert with_flows >= N_BOOKS


def test_drawdown_dates_are_those_of_the_chain(conn, snapshots):
    stored = _frame(
        conn,
        "select name, max_drawdown, drawdown_start, drawdown_trough, drawdown_end, start_date"
        " from analytics.portfolio_performance inner join raw.portfolios using (portfolio_id)"
        " where calculation_date = %s and period = 'SI'",
        END,
    )
    recovered = 0
    for row in stored.itertuples():
        growth = (1 + snapshots[row.name]["earned"].fillna(0)).cumprod()
        growth.loc[row.start_date] = 1.0
        growth = growth.sort_index()
        assert_allclose(growth[row.drawdown_trough] / growth[row.drawdown_start] - 1, row.max_drawdown)
        assert growth[row.drawdown_start] == growth[: row.drawdown_trough].max()
        after = growth[row.drawdown_trough :]
        back = after[after >= growth[row.drawdown_start]]
        assert row.drawdown_end == (back.index[0] if len(back) else None)
        recovered += row.drawdown_end is not None
    assert 0 < recovered < N_BOOKS


def test_the_sources_of_pnl_are_what_they_say(conn):
    """Each by another way: factors from exposures and ETFs' returns, the rest from positions and cash."""
    day, before = NIGHTS[1], NIGHTS[0]
    stored = _frame(
        conn,
        "select portfolio_id, source, pnl from analytics.portfolio_pnl_attribution where calculation_date = %s",
        day,
    ).pivot(index="portfolio_id", columns="source", values="pnl")
    returns = dict(
        conn.execute(
            "select symbol, total_return::float8 from analytics.daily_returns where value_date = %s", [day]
        ).fetchall()
    )
    exposures = _frame(
        conn,
        "select portfolio_id, factor, exposure_dollar from analytics.portfolio_factor_exposures"
        " where calculation_date = %s and model = 'ridge'",
        before,
    ).pivot(index="portfolio_id", columns="factor", values="exposure_dollar")
    etfs = {"Market": "SPY", "Interest Rate": "TLT", "Value": "VTV", "Growth": "VUG", "Momentum": "MTUM"}
    assert set(etfs) < set(exposures.columns)
    for factor, etf in etfs.items():
        earned = returns[etf] - (returns["SPY"] if factor in ("Value", "Growth", "Momentum") else 0)
        assert_allclose(stored[factor], exposures[factor].loc[stored.index] * earned, **EXACT)
    snapshots = _frame(
        conn,
        "select portfolio_id, daily_pnl::float8, daily_cash_income::float8, daily_dividend_income::float8"
        " from analytics.portfolio_snapshots where snapshot_date = %s",
        day,
    ).set_index("portfolio_id")
    assert_allclose(stored.sum(axis=1), snapshots["daily_pnl"].loc[stored.index], atol=1e-6)
    assert_allclose(stored["Cash items"], snapshots["daily_cash_income"].loc[stored.index], atol=1e-9)
    assert_allclose(stored["Dividends"], snapshots["daily_dividend_income"].loc[stored.index], atol=1e-9)
    options = _frame(
        conn,
        """
        select
            today.portfolio_id,
            sum(today.daily_pnl::float8 - exposures.exposure * returns.price_return::float8) as pnl
        from analytics.position_values as today
        inner join raw.positions using (position_id)
        inner join analytics.position_risk_contributions as exposures
            on today.position_id = exposures.position_id and exposures.calculation_date = %s
        inner join analytics.daily_returns as returns
            on underlying_symbol = returns.symbol and returns.value_date = today.value_date
        where today.value_date = %s and investment_class = 'OPTIONS'
        group by today.portfolio_id
        """,
        before,
        day,
    ).set_index("portfolio_id")["pnl"]
    assert len(options) == 3
    assert_allclose(stored["Options"].loc[options.index], options, atol=1e-6)
    assert (stored["Options"].drop(options.index) == 0).all()


def test_trading_is_entries_and_closes_against_the_close(conn):
    traded = _frame(
        conn,
        """
        select
            closed.trade_date, lots.portfolio_id,
            sum(
                sign(lots.quantity) * closed.quantity_closed * (closed.close_price - today.price) - closed.fees
            )::float8 as pnl
        from raw.position_realized_events as closed
        inner join raw.positions as lots using (position_id)
        inner join analytics.position_values as today
            on closed.position_id = today.position_id and closed.trade_date = today.value_date
        where closed.trade_date between %s and %s
        group by 1, 2
        """,
        FROM,
        END,
    )
    compared = 0
    for row in traded.itertuples():
        others = conn.execute(
            "select count(*) from raw.positions"
            " where portfolio_id = %(portfolio)s and %(day)s in (entry_date, exit_date)",
            {"portfolio": row.portfolio_id, "day": row.trade_date},
        ).fetchone()
        if others == (0,):
            (pnl,) = conn.execute(
                "select pnl from analytics.portfolio_pnl_attribution"
                " where portfolio_id = %s and calculation_date = %s and source = 'Trading'",
                [row.portfolio_id, row.trade_date],
            ).fetchone()
            assert_allclose(pnl, row.pnl, atol=CENT)
            compared += 1
    assert compared >= 1


def test_contributions_link_what_each_position_earned(conn, snapshots):
    """By pandas, over the whole life: each day's P&L over its base, weighted as Carino says."""
    values = _frame(
        conn,
        "select name, position_id, value_date, daily_pnl::float8 as pnl from analytics.position_values"
        " inner join raw.portfolios using (portfolio_id) where value_date <= %s",
        END,
    )
    stored = (
        _frame(
            conn,
            "select name, position_id, period, pnl, contribution from analytics.position_contributions"
            " inner join raw.portfolios using (portfolio_id) where calculation_date = %s",
            END,
        )
        .set_index(["name", "period", "position_id"])
        .sort_index()
    )
    for name, book in snapshots.items():
        of_book = values[values["name"] == name].pivot(index="value_date", columns="position_id", values="pnl")
        for period, since in (("MTD", END.replace(day=1)), ("YTD", date(2023, 1, 1)), ("SI", date.min)):
            days = book[book.index >= since]
            earned, base = days["earned"], days["equity_before"] + days["paid_in"]
            whole = (1 + earned).prod() - 1
            weight = (np.log1p(earned) / earned).fillna(1) / (np.log1p(whole) / whole)
            pnl = of_book.reindex(days.index).dropna(axis=1, how="all").fillna(0)
            expected = pnl.mul(weight / base, axis=0).sum()
            ours = stored.loc[(name, period)]
            assert set(ours.index) == set(expected.index)
            assert_allclose(ours["contribution"].loc[expected.index], expected, **EXACT)
            assert_allclose(ours["pnl"].loc[expected.index], pnl.sum(), atol=1e-6)
            cash = (days["cash_income"] * weight / base).sum()
            assert_allclose(ours["contribution"].sum() + cash, whole, **EXACT)


def test_sector_effects_by_hand(conn):
    day, before = NIGHTS[2], NIGHTS[1]
    rows = _frame(conn, "select * from analytics.portfolio_sector_attribution where calculation_date = %s", day)
    benchmark = _frame(
        conn,
        """
        select sector, max(benchmark_weight)::float8 as weight, max(total_return)::float8 as earned
        from analytics.portfolio_sector_exposures
        left join analytics.factor_definitions on sector = factor
        left join analytics.daily_returns on symbols = symbol and daily_returns.value_date = %s
        where portfolio_sector_exposures.value_date = %s and benchmark_weight > 0
        group by sector
        """,
        day,
        before,
    ).set_index("sector")
    known = benchmark.dropna()
    assert len(known) >= 1
    built = (known["weight"] * known["earned"]).sum() / known["weight"].sum()
    benchmark["earned"] = benchmark["earned"].fillna(built)
    held = _frame(
        conn,
        """
        select
            portfolio_id, sector_tags.name as sector, before.market_value::float8 as value,
            abs(before.market_value)::float8 as gross, (today.daily_pnl - today.trading_pnl)::float8 as pnl,
            before.symbol
        from analytics.position_values as today
        inner join analytics.position_values as before using (position_id, portfolio_id)
        left join analytics.position_sector_tags using (position_id)
        left join analytics.sector_tags using (sector_tag_id)
        where today.value_date = %s and before.value_date = %s
        """,
        day,
        before,
    )
    through_fund = held[held["symbol"] == FUND]
    assert len(through_fund) and through_fund["sector"].isna().all()
    figures = ["value", "gross", "pnl"]
    parts = [
        through_fund.assign(sector=sector, **{each: through_fund[each] * weight for each in figures})
        for sector, weight in HELD_BY_FUND.items()
    ]
    held = pd.concat([held.dropna(subset="sector"), *parts]).groupby(["portfolio_id", "sector"])[figures].sum()
    books = _frame(
        conn,
        "select before.portfolio_id, before.equity_balance::float8 as equity, today.active_return::float8 as active"
        " from analytics.portfolio_snapshots as before"
        " inner join analytics.portfolio_snapshots as today using (portfolio_id)"
        " where before.snapshot_date = %s and today.snapshot_date = %s",
        before,
        day,
    ).set_index("portfolio_id")
    compared = 0
    for portfolio, sectors in rows.groupby("portfolio_id"):
        of, equity = sectors.set_index("sector"), books.loc[portfolio, "equity"]
        for sector, (their_weight, their) in benchmark.iterrows():
            ours = of.loc[sector]
            value, gross, pnl = held.loc[(portfolio, sector)] if (portfolio, sector) in held.index else (0, 0, 0)
            weight = value / equity
            assert_allclose(ours["portfolio_weight"], weight, **EXACT)
            assert_allclose(ours["benchmark_weight"], their_weight, **EXACT)
            assert_allclose(ours["allocation"], (weight - their_weight) * (their - built), **EXACT)
            if abs(value) > 0.01 * gross:
                own = pnl / value
                assert_allclose(ours["portfolio_return"], own, **EXACT)
                assert_allclose(ours["selection"], their_weight * (own - their), **EXACT)
                assert_allclose(ours["interaction"], (weight - their_weight) * (own - their), **EXACT)
                compared += 1
        assert_allclose(of["total"].sum(), books.loc[portfolio, "active"], **EXACT)
        assert_allclose(of["portfolio_weight"].sum(), 1, **EXACT)
    assert compared > N_BOOKS


def _linked_by_hand(days: pd.DataFrame, effects: pd.DataFrame) -> pd.DataFrame:
    """Each sector's effects over some sessions (Carino 1999), by numpy; `days` has the two returns of each."""
    own, other = days["own"], days["other"].fillna(0.0)
    per_unit = pd.Series((np.log1p(own) - np.log1p(other)) / (own - other), index=days.index)
    whole, theirs = (1 + own).prod() - 1, (1 + other).prod() - 1
    share = per_unit * (whole - theirs) / (np.log1p(whole) - np.log1p(theirs))
    parts = effects.set_index(["calculation_date", "sector"])[["allocation", "selection", "interaction", "total"]]
    return parts.mul(share, axis=0, level="calculation_date").groupby(level="sector").sum()


@pytest.mark.parametrize("period", ["MTD", "YTD", "SI"])
def test_sector_effects_link_to_the_active_return_of_the_sessions(conn, period: str):
    """Of those that have effects; on one of them the benchmark has no close, and on another both earned the same."""
    books = conn.execute("select portfolio_id from raw.portfolios order by name").fetchall()
    gap, level = NIGHTS[0] - timedelta(days=1), NIGHTS[0] - timedelta(days=2)
    with _taken_back(conn):
        conn.execute("update analytics.portfolio_snapshots set benchmark_return = null where snapshot_date = %s", [gap])
        conn.execute(
            "update analytics.portfolio_sector_attribution set total = null, interaction = null, allocation = null,"
            " selection = null where calculation_date = %s and sector = 'Benchmark'",
            [gap],
        )
        conn.execute(
            "update analytics.portfolio_sector_attribution as effects"
            " set total = total + snapshots.benchmark_return - snapshots.daily_return,"
            " interaction = interaction + snapshots.benchmark_return - snapshots.daily_return"
            " from analytics.portfolio_snapshots as snapshots"
            " where effects.portfolio_id = snapshots.portfolio_id and snapshot_date = %s"
            " and calculation_date = %s and sector = 'Trading'",
            [level, level],
        )
        conn.execute(
            "update analytics.portfolio_snapshots set daily_return = benchmark_return where snapshot_date = %s", [level]
        )
        for (portfolio,) in books:
            days = _frame(
                conn,
                "select snapshot_date as day, daily_return::float8 as own, benchmark_return::float8 as other"
                " from analytics.portfolio_snapshots where portfolio_id = %s and snapshot_date >= %s"
                " and snapshot_date in (select calculation_date from analytics.portfolio_sector_attribution)"
                " and daily_return is not null order by snapshot_date",
                portfolio,
                first_of_period(period, END),
            ).set_index("day")
            found = {row["sector"]: row for row in read_performance(conn, portfolio, END, period).sector_effects}
            whole, theirs = (1 + days["own"]).prod() - 1, (1 + days["other"].fillna(0)).prod() - 1
            assert_allclose(sum(row["total"] for row in found.values()), whole - theirs, **EXACT)
            for row in found.values():
                assert_allclose(row["allocation"] + row["selection"] + row["interaction"], row["total"], **EXACT)
                assert row["sessions"] == len(days) <= row["of_sessions"]
                assert (row["reason"] is None) == (row["sessions"] == row["of_sessions"])
            effects = _frame(
                conn,
                "select * from analytics.portfolio_sector_attribution where portfolio_id = %s"
                " and calculation_date = any(%s) and sector <> 'Benchmark'",
                portfolio,
                list(days.index),
            )
            # on this session both earned the same, so the limit of the ratio counts
            days.loc[level, "own"] += 1e-9
            expected = _linked_by_hand(days, effects)
            ours = pd.DataFrame(found).T[list(expected.columns)].astype(float).loc[expected.index]
            assert_allclose(ours, expected, rtol=1e-6, atol=1e-9)


def test_what_lost_everything_cannot_be_linked(conn):
    (portfolio,) = conn.execute("select portfolio_id from raw.portfolios order by name limit 1").fetchone()
    with _taken_back(conn):
        conn.execute(
            "update analytics.portfolio_snapshots set daily_return = -1 where snapshot_date = %s and portfolio_id = %s",
            [NIGHTS[0], portfolio],
        )
        for row in read_performance(conn, portfolio, END, "SI").sector_effects:
            assert row["total"] is row["allocation"] is None
            assert row["reason"] == "everything was lost on a session: nothing can be linked"


@pytest.mark.slow
def test_the_data_checks_of_these_tables_pass(database: Database, settings: Settings):
    chosen = ("pnl_attribution_adds_up", "sector_attribution_adds_up", "contributions_add_up")
    published = ("position_contributions", *(table for table in PERFORMANCE_TABLES if table != CONTRIBUTION_SUMS))
    dbt = Dbt(database, settings.home / "dbt")
    checks = [
        node for node in dbt.nodes("test") if node.name in chosen or any(table in node.name for table in published)
    ]
    results = dbt._results("test", checks).results
    assert len(results) >= len(chosen) + 3 * len(published)
    assert [result.name for result in results if not result.well] == []


def test_nights_and_one_pass_and_what_is_left_of_a_killed_run_give_the_same_rows(conn):
    expected = _content(conn)
    definitions = read_definitions(conn)
    assert compute_performance(conn, definitions, 0.0).total() == 0
    with _taken_back(conn):
        conn.execute("update ops.risk_state set performance_at = null where calculation_date > '2023-06-10'")
        conn.execute("delete from ops.position_contribution_sums where calculation_date > '2023-06-15'")
        assert compute_performance(conn, definitions, 0.0).total() > 0
        assert _content(conn) == expected
    with _taken_back(conn):
        conn.execute("update ops.risk_state set performance_at = null")
        for table in PERFORMANCE_TABLES:
            conn.execute(f"delete from {qualified(table)}")
        compute_performance(conn, definitions, 0.0)
        assert _content(conn) == expected
