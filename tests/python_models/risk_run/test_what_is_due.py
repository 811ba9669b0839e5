"""What is computed again, what is left alone, and what goes."""

from datetime import date
from typing import Any

import psycopg
import pytest

from python_models.run import compute_risk
from python_models.write import PORTFOLIO_TABLES, SYMBOL_TABLES
from tests.python_models.risk_book import (
    CASH,
    CRASH,
    END,
    ODDS,
    SIXTY,
    UNDER_WATER,
)
from tests.python_models.risk_run.rolled import DAYS, TABLES, content, portfolio, taken_back, versions


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


def test_days_without_snapshots_have_nothing_to_compute(conn: psycopg.Connection[Any]):
    report = compute_risk(conn, date(2018, 6, 1), date(2018, 6, 29))
    assert report.counts()["sessions"] == 0
    assert report.lines() == ["nothing to compute: no portfolio has a snapshot from 2018-06-01 to 2018-06-29"]
    assert report.warnings() == []
