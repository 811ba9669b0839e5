"""Endpoints of a portfolio's holdings: by lot, by symbol, and their history."""

from __future__ import annotations

from typing import Any

import psycopg
from fastapi import Request, Response

from api import queries
from api.answers import caller_of
from api.asking import Ask, Body, Reads, Selection, Selects, answer_asked, find_portfolio, find_session, id_of, span_of
from api.endpoints.parts import WEIGHT
from api.endpoints.routes import Endpoint, Many
from api.missing import missing_of
from api.paths import name_of
from api.problems import NotThere
from api.tables import Table, of, optional, own
from reports import sources

_SECTOR = "Its sector; null where none is known, and of a fund that is looked through"

LOTS = Table(
    (
        *of("held", "position_values", "position_id symbol"),
        *own("company", "companies.name", "text", "The issuer's name; of an option, its underlying's"),
        *own("sector", "tags.name", "text", _SECTOR),
        *own("industry", "companies.industry", "text", "The industry as the source names it"),
        *of("positions", "positions", "position_type investment_class investment_subtype"),
        *of("positions", "positions", "entry_date entry_price"),
        *optional(of("positions", "positions", "exit_date exit_price")),
        *optional(of("positions", "positions", "underlying_symbol option_type strike_price expiration_date")),
        *of("held", "position_values", "quantity price"),
        *of("held", "position_values", "price_date is_stale multiplier market_value"),
        *WEIGHT,
        *of("held", "position_values", "cost_basis unrealized_pnl opening_unrealized_pnl realized_pnl"),
        *of("held", "position_values", "dividend_income fees daily_pnl"),
        *optional(of("contributions", "position_risk_contributions", "marginal_vol contribution_vol")),
        *optional(of("contributions", "position_risk_contributions", "contribution_share")),
        *of("held", "position_values", "transferred_pnl"),
        *of("positions", "positions", "entry_symbol"),
        *optional(of("positions", "positions", "parent_position_id what_happened")),
    ),
    f"{sources.HELD} and (%(position_id)s::uuid is null or held.position_id = %(position_id)s)"
    f" {sources.LARGEST_FIRST}, held.position_id",
    label=("symbol", "entry_date"),
)
NETTED = Table(
    (
        *of("held", "position_values", "symbol"),
        *own("company", "held.company", "text", "The issuer's name; of an option, its underlying's"),
        *own("sector", "held.sector", "text", _SECTOR),
        *optional(of("held", "positions", "underlying_symbol")),
        *of("held", "positions", "investment_class"),
        *own("lots", "held.lots", "bigint", "How many lots are netted"),
        *own("quantity", "held.quantity", "numeric", "Signed shares or contracts of all lots"),
        *own("market_value", "held.market_value", "numeric", "USD of all lots"),
        *own(
            "weight",
            "case when held.equity_balance > 0 then round(held.market_value / held.equity_balance, 18) end",
            "numeric",
            "Market value as a share of equity; null where equity is not positive",
        ),
        *own("cost_basis", "held.cost_basis", "numeric", "USD that the lots cost, signed like the market value"),
        *own("unrealized_pnl", "held.unrealized_pnl", "numeric", "USD not realized yet, of all lots"),
        *own("realized_pnl", "held.realized_pnl", "numeric", "USD realized on the session, net of fees"),
        *own("dividend_income", "held.dividend_income", "numeric", "USD of dividends on the session"),
        *own("fees", "held.fees", "numeric", "USD of fees on the session"),
        *own("daily_pnl", "held.daily_pnl", "numeric", "USD earned on the session"),
        *own("is_stale", "held.is_stale", "boolean", "Whether any lot is valued at an earlier session's price"),
        *optional(own("price_date", "held.price_date", "date", "The oldest day of a price that a lot is valued at")),
        *optional(
            own("contribution_vol", "held.contribution_vol", "double precision", "What the lots add to ex_ante_vol")
        ),
        *optional(
            own("contribution_share", "held.contribution_share", "double precision", "The same as a share of it")
        ),
        *own("transferred_pnl", "held.transferred_pnl", "numeric", "USD of unrealized P&L that went with children"),
        *optional(
            own("what_happened", "held.what_happened", "text", "Renamings, mergers and the like of its lots, in words")
        ),
    ),
    f"{sources.NETTED} {sources.LARGEST_FIRST}",
    label=("symbol",),
)
VALUES = Table(
    of("held", "position_values", leave_out="portfolio_id"),
    "from analytics.position_values as held where held.portfolio_id = %(portfolio_id)s"
    " and held.value_date between %(start)s and %(end)s"
    " and (%(symbol)s::text is null or held.symbol = %(symbol)s)",
    key=("value_date", "position_id"),
    label=("symbol", "value_date"),
)


def _positions(ask: Ask) -> Selection:
    query = ask.query
    by_symbol = isinstance(query, queries.Positions) and query.by == "symbol"
    return Selection(NETTED if by_symbol else LOTS, ask.parameters)


def _read_positions(ask: Ask) -> Body:
    table = _positions(ask).table
    rows = ask.rows(table)
    return Body(rows.json(), missing_of(rows, table))


async def _answer_positions(
    request: Request, handle: str, query: queries.Query, reads: Reads, selects: Selects | None
) -> Response:
    """The lots of a portfolio, or one lot: in the platform's path the id may be of either."""
    caller = caller_of(request)
    assert isinstance(query, queries.AsOf)  # noqa: S101

    def ask(conn: psycopg.Connection[Any]) -> Ask:
        try:
            portfolio, lot = find_portfolio(conn, handle, caller), None
        except NotThere:
            if (lot := id_of(name_of(handle))) is None:
                raise
            owner = conn.execute(
                "select portfolio_id::text from analytics.positions where position_id = %s", [lot]
            ).fetchone()
            if owner is None:
                raise
            portfolio = find_portfolio(conn, owner[0], caller)
        day = find_session(conn, portfolio, query.as_of)
        if lot is not None and query.as_of == "latest":
            # the last row of a lot that has been closed
            last = conn.execute(
                "select max(value_date) from analytics.position_values where position_id = %s and value_date <= %s",
                [lot, day],
            ).fetchone()
            day = (last and last[0]) or day
        return Ask(conn, query, caller, portfolio.version, portfolio, day, lot)

    return await answer_asked(request, ask, query, reads, selects)


def _values(ask: Ask) -> Selection:
    query = ask.query
    assert isinstance(query, queries.PositionHistory)  # noqa: S101
    return Selection(VALUES, {**span_of(ask), "symbol": query.symbol})


ENDPOINTS = (
    Endpoint(
        "/portfolios/{portfolio}/positions",
        "portfolio_positions",
        "What is held at a session, by lot or netted by symbol; a lot that was closed on the session is still there",
        queries.Positions,
        _read_positions,
        _positions,
        Many(LOTS, other=NETTED),
    ),
    Endpoint(
        "/positions/{portfolio}",
        "positions",
        "The lots of a portfolio, or the one lot of an id of a position",
        queries.Positions,
        _read_positions,
        _positions,
        Many(LOTS, other=NETTED),
        answers=_answer_positions,
    ),
    Endpoint(
        "/portfolios/{portfolio}/positions/history",
        "position_history",
        "The value and P&L of every lot over a span of sessions",
        queries.PositionHistory,
        lambda ask: ask.read_page(_values(ask)),
        _values,
        Many(VALUES),
    ),
)
