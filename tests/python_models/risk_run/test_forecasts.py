"""Forecasts of risk, held against the sessions after them."""

from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from numpy.testing import assert_allclose
from scipy.stats import chi2

from python_models.run import compute_risk
from tests.python_models.risk_book import (
    END,
    SIXTY,
)
from tests.python_models.risk_run.rolled import frame, portfolio, taken_back


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
