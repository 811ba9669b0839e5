"""Endpoint of the correlations between a portfolio's holdings."""

from __future__ import annotations

import json
from typing import Any

from api import queries
from api.asking import Ask, Body, Selection
from api.endpoints.parts import KEYS, sections
from api.endpoints.routes import Endpoint, Many, One, Plain, Sections
from api.missing import missing_of, not_there
from api.tables import Table, of, own
from reports import sources, words
from reports.sources import OF_SESSION
from warehouse.market_symbol import market_symbol

CORRELATION = Table(
    of("summary", "correlation_calculations", leave_out=KEYS),
    f"from analytics.correlation_calculations as summary where {OF_SESSION}",
)
CLUSTERS = Table(
    (
        *of("clusters", "correlation_clusters", leave_out=KEYS),
        *own("symbols", "to_json(members.symbols)", "text[]", "The symbols of the members"),
    ),
    sources.CLUSTERS,
    label=("nickname",),
)
# An option counts as its underlying, and private holdings have no returns.
_LARGEST = f"""
    (
        select symbol
        from (
            select
                {market_symbol("positions", held="held")} as symbol,
                max(sum(abs(held.market_value))) over (partition by {market_symbol("positions", held="held")})
                    as size
            from analytics.position_values as held
            left join analytics.positions as positions
                on held.portfolio_id = positions.portfolio_id and held.position_id = positions.position_id
            where
                held.portfolio_id = %(portfolio_id)s and held.value_date = %(day)s and held.quantity <> 0
                and coalesce(positions.investment_class, 'PUBLIC') <> 'PRIVATE'
            group by {market_symbol("positions", held="held")}
        ) as sizes
        order by size desc, symbol
        limit %(max_symbols)s
    )
"""
LARGEST = Table(own("symbol", "largest.symbol", "text", "Ticker"), f"from {_LARGEST} as largest")
PAIRS = Table(
    of("pairs", "pairwise_correlations", leave_out="calculation_date"),
    f"from analytics.pairwise_correlations as pairs where pairs.calculation_date = %(day)s"
    f" and pairs.symbol_1 in {_LARGEST} and pairs.symbol_2 in {_LARGEST}"
    " order by pairs.symbol_1, pairs.symbol_2",
    label=("symbol_1", "symbol_2"),
)


def _max_symbols(ask: Ask) -> dict[str, Any]:
    query = ask.query
    assert isinstance(query, queries.Correlations)  # noqa: S101
    return {"max_symbols": query.max_symbols}


def _correlations(ask: Ask) -> Body:
    """A summary, the clusters, and the matrix of the largest holdings, in the order of `symbols`."""
    summary, clusters = ask.rows(CORRELATION), ask.rows(CLUSTERS)
    symbols = [symbol or "" for symbol in ask.rows(LARGEST, **_max_symbols(ask)).column("symbol")]
    pairs = ask.rows(PAIRS, **_max_symbols(ask))
    one, other, value = (pairs.names.index(name) for name in ("symbol_1", "symbol_2", "correlation"))
    known = {(row[one], row[other]): row[value] for row in pairs.values}

    def cell(row: str, column: str) -> str:
        if row == column:
            return "1"
        return known.get((row, column)) or known.get((column, row)) or "null"

    matrix = [f"[{','.join(cell(row, column) for column in symbols)}]" for row in symbols]
    missing = missing_of(summary, CORRELATION, "summary") + missing_of(clusters, CLUSTERS, "clusters")
    if not summary.values:
        missing += not_there("summary", "correlations take two holdings with 30 common returns")
    unknown = [
        f"{json.loads(first)} and {json.loads(second)}"
        for place, first in enumerate(symbols)
        for second in symbols[place + 1 :]
        if cell(first, second) == "null"
    ]
    if unknown:
        missing += not_there(
            f"matrix: {words.and_more(unknown, 20)}", "too little common history, or no pairs are kept of this session"
        )
    parts = {
        "summary": summary.first(),
        "clusters": clusters.json(),
        "symbols": f"[{','.join(symbols)}]",
        "matrix": f"[{','.join(matrix)}]",
    }
    return Body(sections(parts), missing)


def _correlations_at_level(ask: Ask) -> Selection:
    query = ask.query
    assert isinstance(query, queries.Correlations)  # noqa: S101
    if query.level == "cluster":
        return Selection(CLUSTERS, ask.parameters)
    return Selection(PAIRS, {**ask.parameters, **_max_symbols(ask)})


ENDPOINTS = (
    Endpoint(
        "/portfolios/{portfolio}/correlations",
        "portfolio_correlations",
        "How much the holdings move together: a summary, clusters, and the matrix of the largest",
        queries.Correlations,
        _correlations,
        _correlations_at_level,
        Sections(
            {
                "summary": One(CORRELATION),
                "clusters": Many(CLUSTERS),
                "symbols": Plain(
                    {"type": "array", "items": {"type": "string"}, "description": "The rows and columns of `matrix`"}
                ),
                "matrix": Plain(
                    {
                        "type": "array",
                        "items": {"type": "array", "items": {"type": ["number", "null"]}},
                        "description": "Correlations of `symbols`, the largest holdings first; null where not known",
                    }
                ),
            }
        ),
        also=("/analytics/portfolio/{portfolio}/correlations",),
    ),
)
