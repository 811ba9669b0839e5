"""Endpoints of one symbol: its betas, factors and volatility. A caller sees the symbols in portfolios it may see."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import psycopg
from fastapi import Request, Response

from api import queries
from api.answers import Answer, answers_of, caller_of
from api.asking import Ask, Body, Reads, Selection, Selects, data_version
from api.encode import Rows, json_text
from api.endpoints.routes import Endpoint, Many
from api.forms import wanted, written
from api.missing import missing_of
from api.paths import name_of
from api.problems import NotThere
from api.queries import refuse_repeated
from api.tables import Table, of, optional, own

_WHERE = "where %(symbol)s = rows.symbol and rows.calculation_date = %(day)s"

_NUMBERS = of("rows", "symbol_market_betas", leave_out="calculation_date")
BETAS = Table(
    (*own("model", "rows.model", "text", "market: beta to SPY; interest_rate: beta to TLT"), *_NUMBERS),
    "from (select 'market' as model, * from analytics.symbol_market_betas"
    " union all select 'interest_rate' as model, * from analytics.symbol_interest_rate_betas"
    f") as rows {_WHERE} order by rows.model desc",
    label=("model",),
)
FACTORS = Table(
    (
        *of("rows", "symbol_factor_exposures", leave_out="calculation_date regularization_alpha"),
        *optional(of("rows", "symbol_factor_exposures", "regularization_alpha")),
    ),
    f"from analytics.symbol_factor_exposures as rows {_WHERE} order by rows.model, rows.factor",
    label=("model", "factor"),
)
VOLATILITY = Table(
    of("rows", "symbol_volatility", leave_out="calculation_date"),
    f"from analytics.symbol_volatility as rows {_WHERE}",
    label=("symbol",),
)
_IS_HELD = """
select exists (
    select 1
    from analytics.positions
    where
        %(symbol)s in (symbol, underlying_symbol) and investment_class <> 'PRIVATE'
        and (%(portfolio_ids)s::uuid[] is null or portfolio_id = any(%(portfolio_ids)s))
)
"""


async def _answer_symbol(
    request: Request, symbol: str, query: queries.Query, reads: Reads, selects: Selects | None
) -> Response:
    assert isinstance(query, queries.SymbolAsOf) and selects  # noqa: S101
    refuse_repeated(request)
    caller, symbol = caller_of(request), name_of(symbol)
    form = wanted(query.format, request.headers.get("accept", ""), has_table=True)

    def make(conn: psycopg.Connection) -> Answer:
        ids = caller.portfolio_ids
        asked_for = {"symbol": symbol, "portfolio_ids": None if ids is None else sorted(ids)}
        held = None if "\0" in symbol else conn.execute(_IS_HELD, asked_for).fetchone()
        if not held or not held[0]:
            raise NotThere("no portfolio that you may see holds this symbol")
        ask = Ask(conn, query, caller, data_version(conn))
        table = selects(ask).table
        day = _session(conn, table, symbol, query.as_of)
        selection = Selection(table, {"symbol": symbol, "day": day})
        if form.is_table:
            return Answer(written(ask, selection.query(), form), form.media_type, ask.tag(form))
        rows: Rows = ask.rows(table, symbol=symbol, day=day)
        head = json_text({"symbol": symbol, "as_of": day.isoformat(), "version": ask.version})
        tail = json_text({"missing": missing_of(rows, table)})
        return Answer(f'{head[:-1]},"data":{rows.json()},{tail[1:]}'.encode(), "application/json", ask.tag(form))

    return await answers_of(request).make(request, make)


def _session(conn: psycopg.Connection, table: Table, symbol: str, wanted_day: date | str) -> date:
    relation = "analytics." + next(column.relation for column in table.columns if column.relation)
    before = after = None
    row = conn.execute(
        f"select max(calculation_date) filter (where calculation_date <= coalesce(%(day)s::date, 'infinity')),"
        f" min(calculation_date) filter (where calculation_date > %(day)s::date) from {relation}"
        " where symbol = %(symbol)s".encode(),
        {"symbol": symbol, "day": wanted_day if isinstance(wanted_day, date) else None},
    ).fetchone()
    if row:
        before, after = row
    if before is not None and wanted_day in ("latest", before):
        return before
    nearest = [each.isoformat() for each in (before, after) if each]
    said = f"; the nearest: {' and '.join(nearest)}" if nearest else ""
    raise NotThere(f"there are no statistics of {symbol} as of {wanted_day}{said}", nearest=nearest)


def _unread(_: Ask) -> Body:
    raise NotImplementedError


def _of(table: Table) -> Callable[[Ask], Selection]:
    return lambda _: Selection(table, {})


ENDPOINTS = tuple(
    Endpoint(
        f"/symbols/{{symbol}}/{name}",
        f"symbol_{name}",
        f"{summary} of one symbol, as of its latest session or another",
        queries.SymbolAsOf,
        _unread,
        _of(table),
        Many(table),
        answers=_answer_symbol,
        of="symbol",
    )
    for name, summary, table in (
        ("betas", "Betas to the stock market and to Treasuries", BETAS),
        ("factors", "Factor exposures", FACTORS),
        ("volatility", "Realized and expected volatility", VOLATILITY),
    )
)
