"""Reads the page: one portfolio and session from `analytics`, in a fixed number of statements."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.numeric import FloatLoader

from reports import sources, view
from reports.history import read_history
from reports.performance import read_performance
from reports.portfolios import Portfolio, nearest_sessions, read_portfolios, read_stale_because, reading
from reports.view import RiskView
from warehouse.errors import UserError
from warehouse.portfolio_names import find_portfolios
from warehouse.queries import fetch_one

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FACTORS = (
    *("Market", "Interest Rate", "Value", "Growth", "Momentum", "Quality", "Size", "Low Volatility"),
    "Growth-Value",
)
SYMBOLS_CORRELATED = 40

Row = TypeVar("Row", bound="DataclassInstance")

_EXPOSURES = f"from analytics.portfolio_factor_exposures where {sources.OF_SESSION}"
_BACKTEST = f"from analytics.risk_backtest where {sources.OF_SESSION}"
_RISK = f"from analytics.portfolio_risk_metrics where {sources.OF_SESSION}"
_RISK_SPAN = """
    select min(calculation_date), max(calculation_date)
    from analytics.portfolio_risk_metrics
    where portfolio_id = %(portfolio_id)s
"""
# Statistics of symbols are looked up where they lie, after the holdings have been read where these lie.
_HOLDINGS = f"""
    from (
        with held as materialized (
            select * {sources.NETTED}
        )

        select
            held.*,
            betas.quality_flag
        from held
        left join lateral (
            select min(exposures.quality_flag) as quality_flag
            from analytics.symbol_factor_exposures as exposures
            where
                exposures.calculation_date = %(day)s
                and exposures.symbol = held.market_symbol
                and exposures.model = 'ridge'
                and held.investment_class <> 'PRIVATE'
        ) as betas on true
    ) as held
    {sources.LARGEST_FIRST}
"""
# The set in force is the latest at or before the session, else the earliest.
_WEIGHTS_OF = """
    select coalesce(max(effective_date) filter (where effective_date <= %(day)s), min(effective_date))
    from analytics.benchmark_sector_weights
"""
_CORRELATIONS = f"from analytics.correlation_calculations where {sources.OF_SESSION}"
_PAIRS = """
    from analytics.pairwise_correlations
    where
        calculation_date = %(day)s
        and symbol_1 = any(%(symbols)s) and symbol_2 = any(%(symbols)s)
        and correlation is not null
    order by symbol_1, symbol_2
"""


def read_view(conn: psycopg.Connection[Any], handle: str, day: date | None = None, *, demo: bool = False) -> RiskView:
    """Read the page of a portfolio, given by name or id, on a session or the latest published one.

    All statements see the tables as of one moment. Raises UserError where there is no such portfolio or snapshot.
    """
    with reading(conn):
        portfolio = _find_portfolio(conn, handle)
        page = read_page(conn, portfolio, _find_session(conn, portfolio, day, demo), demo=demo)
        return replace(page, performance=read_performance(conn, portfolio.portfolio_id, page.day, "SI"))


def read_page(conn: psycopg.Connection[Any], portfolio: Portfolio, session: date, *, demo: bool = False) -> RiskView:
    """Read the page of a portfolio on one of its sessions. The caller's transaction must see a single moment.

    `performance` is left out: it has a page of its own.
    """
    portfolio_id = portfolio.portfolio_id
    parameters = {"portfolio_id": portfolio_id, "day": session}

    def rows(kind: type[Row], statement: LiteralString, **more: Any) -> list[Row]:
        cursor = conn.cursor(row_factory=class_row(kind))
        cursor.adapters.register_loader("numeric", FloatLoader)
        columns = sql.SQL(", ").join(sql.Identifier(field.name) for field in fields(kind))
        query = sql.SQL("select {} {}").format(columns, sql.SQL(statement))
        return cursor.execute(query, {**parameters, **more}).fetchall()

    exposures = rows(view.Exposure, _EXPOSURES)
    holdings = rows(view.Holding, _HOLDINGS)
    largest = list(dict.fromkeys(holding.market_symbol for holding in holdings))[:SYMBOLS_CORRELATED]
    risk_from, risk_to = fetch_one(conn.execute(_RISK_SPAN, parameters))
    return RiskView(
        portfolio_id=portfolio_id,
        name=portfolio.name,
        snapshot=rows(view.Snapshot, sources.SNAPSHOT)[0],
        history=read_history(conn, portfolio_id, session),
        exposures=sorted(exposures, key=lambda exposure: (exposure.model, _place(exposure.factor))),
        risk=next(iter(rows(view.Risk, _RISK)), None),
        backtest=next(iter(rows(view.Backtest, _BACKTEST)), None),
        holdings=holdings,
        scenarios=rows(view.ScenarioResult, sources.STRESS),
        sectors=rows(view.Sector, sources.SECTORS),
        correlations=next(iter(rows(view.CorrelationSummary, _CORRELATIONS)), None),
        clusters=rows(view.HoldingCluster, sources.CLUSTERS),
        pairs=rows(view.Pair, _PAIRS, symbols=largest),
        risk_from=risk_from,
        risk_to=risk_to,
        rolled_to=portfolio.rolled_to or session,
        benchmark=portfolio.benchmark,
        stale_because=read_stale_because(conn, portfolio_id, session),
        weights_of=fetch_one(conn.execute(_WEIGHTS_OF, parameters))[0],
        demo=demo,
    )


def _find_portfolio(conn: psycopg.Connection[Any], handle: str) -> Portfolio:
    portfolios = read_portfolios(conn)
    if not portfolios:
        raise UserError("no portfolio is loaded: load some first with `python run_nightly.py load DIR`")
    return find_portfolios([handle], {(each.portfolio_id, each.name): each for each in portfolios})[0]


def _find_session(conn: psycopg.Connection[Any], portfolio: Portfolio, day: date | None, demo: bool) -> date:
    if portfolio.latest is None:
        command = "demo" if demo else "backfill"
        raise UserError(f"{portfolio.name} has no snapshot yet: `python run_nightly.py {command}` rolls it forward")
    if day is None:
        return portfolio.latest
    before, after = nearest_sessions(conn, portfolio.portfolio_id, day)
    if day != before:
        nearest = " and ".join(str(each) for each in (before, after) if each)
        raise UserError(f"--date {day}: {portfolio.name} has no snapshot of that day; nearest: {nearest}")
    return day


def _place(factor: str) -> tuple[int, str]:
    return (FACTORS.index(factor) if factor in FACTORS else len(FACTORS), factor)
