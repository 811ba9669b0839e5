"""Endpoints of a portfolio's risk: volatility, value at risk, the backtest, and each position's contribution."""

from __future__ import annotations

from api import queries
from api.asking import Ask, Body, Selection, span_of
from api.endpoints.parts import KEYS, WEIGHT, at_level, risk_missing, sections
from api.endpoints.routes import Endpoint, Many, One, Sections
from api.missing import missing_of, not_there
from api.tables import Table, of
from reports.sources import OF_SESSION

RISK = Table(
    of("metrics", "portfolio_risk_metrics", leave_out=KEYS),
    f"from analytics.portfolio_risk_metrics as metrics where {OF_SESSION}",
)
RISK_HISTORY = Table(
    of("metrics", "portfolio_risk_metrics", leave_out="portfolio_id"),
    "from analytics.portfolio_risk_metrics as metrics"
    " where metrics.portfolio_id = %(portfolio_id)s and metrics.calculation_date between %(start)s and %(end)s",
    key=("calculation_date",),
    label=("calculation_date",),
)
BACKTEST = Table(
    of("backtest", "risk_backtest", leave_out=KEYS),
    f"from analytics.risk_backtest as backtest where {OF_SESSION}",
)
VOLATILITY = Table(
    of(
        "metrics",
        "portfolio_risk_metrics",
        "realized_vol_21d realized_vol_63d expected_vol_21d vol_trend vol_trend_strength vol_percentile observations"
        " model_r_squared quality_flag ex_ante_vol reason",
    ),
    f"from analytics.portfolio_risk_metrics as metrics where {OF_SESSION}",
)
POSITION_VOLATILITY = Table(
    of("volatility", "position_volatility", leave_out=KEYS),
    f"from analytics.position_volatility as volatility where {OF_SESSION}"
    " order by volatility.symbol, volatility.position_id",
    label=("symbol",),
)
CONTRIBUTIONS = Table(
    (
        *of("contributions", "position_risk_contributions", "position_id"),
        *of("held", "position_values", "symbol market_value"),
        *WEIGHT,
        *of("contributions", "position_risk_contributions", leave_out=f"{KEYS} position_id"),
    ),
    "from analytics.position_risk_contributions as contributions"
    " inner join analytics.position_values as held"
    " on contributions.portfolio_id = held.portfolio_id and contributions.position_id = held.position_id"
    " and contributions.calculation_date = held.value_date"
    " left join analytics.portfolio_snapshots as snapshots"
    " on held.portfolio_id = snapshots.portfolio_id and held.value_date = snapshots.snapshot_date"
    " where contributions.portfolio_id = %(portfolio_id)s and contributions.calculation_date = %(day)s"
    " order by contributions.contribution_vol desc nulls last, held.symbol, contributions.position_id",
    label=("symbol",),
)


def _volatility(ask: Ask) -> Body:
    portfolio, positions = ask.rows(VOLATILITY), ask.rows(POSITION_VOLATILITY)
    missing = risk_missing(ask, portfolio, VOLATILITY, "portfolio")
    missing += missing_of(positions, POSITION_VOLATILITY, "positions")
    return Body(sections({"portfolio": portfolio.first(), "positions": positions.json()}), missing)


def _risk(ask: Ask) -> Body:
    rows, backtest = ask.rows(RISK), ask.rows(BACKTEST)
    missing = risk_missing(ask, rows, RISK, "risk")
    if not rows.values:
        return Body("null", missing)
    missing += missing_of(backtest, BACKTEST, "backtest")
    if not backtest.values:
        missing += not_there("backtest", f"no forecasts have been judged as of {ask.day}")
    return Body(f'{rows.first()[:-1]},"backtest":{backtest.first()}}}', missing)


def _risk_history(ask: Ask) -> Selection:
    return Selection(RISK_HISTORY, span_of(ask))


def _contributions(ask: Ask) -> Body:
    rows = ask.rows(CONTRIBUTIONS)
    missing = risk_missing(ask, ask.rows(RISK), RISK, "risk") if not rows.values else []
    return Body(rows.json(), missing + missing_of(rows, CONTRIBUTIONS))


ENDPOINTS = (
    Endpoint(
        "/portfolios/{portfolio}/volatility",
        "portfolio_volatility",
        "Realized and expected volatility, of the portfolio and of its positions",
        queries.Models,
        _volatility,
        lambda ask: at_level(VOLATILITY, POSITION_VOLATILITY, ask),
        Sections({"portfolio": One(VOLATILITY), "positions": Many(POSITION_VOLATILITY)}),
    ),
    Endpoint(
        "/portfolios/{portfolio}/risk",
        "portfolio_risk",
        "Volatility, value at risk, expected shortfall, drawdown, and how the forecasts came out",
        queries.AsOf,
        _risk,
        lambda ask: Selection(RISK, ask.parameters),
        One(RISK, {"backtest": One(BACKTEST)}),
    ),
    Endpoint(
        "/portfolios/{portfolio}/risk/history",
        "risk_history",
        "Volatility, value at risk, expected shortfall and drawdown over a span of sessions",
        queries.Span,
        lambda ask: ask.read_page(_risk_history(ask)),
        _risk_history,
        Many(RISK_HISTORY),
    ),
    Endpoint(
        "/portfolios/{portfolio}/contributions",
        "portfolio_contributions",
        "What each position adds to the volatility of the portfolio",
        queries.AsOf,
        _contributions,
        lambda ask: Selection(CONTRIBUTIONS, ask.parameters),
        Many(CONTRIBUTIONS),
    ),
)
