"""What a portfolio earned, and where it came from."""

from __future__ import annotations

from api import queries
from api.asking import Ask, Body, Selection
from api.encode import Rows
from api.endpoints.parts import KEYS, sections
from api.endpoints.routes import Endpoint, Many, Sections
from api.missing import Missing, missing_of, not_there
from api.tables import Table, of
from reports.sources import OF_SESSION

PERFORMANCE = Table(
    (
        *of("performance", "portfolio_performance", "period start_date"),
        *of("performance", "portfolio_performance", leave_out=f"{KEYS} period start_date"),
    ),
    f"from analytics.portfolio_performance as performance where {OF_SESSION}"
    " and (%(period)s::text is null or performance.period = %(period)s)"
    " order by array_position(array['MTD', 'QTD', 'YTD', '1Y', '3Y', '5Y', 'SI'], performance.period)",
    label=("period",),
)
SOURCES = Table(
    of("attribution", "portfolio_pnl_attribution", leave_out=KEYS),
    f"from analytics.portfolio_pnl_attribution as attribution where {OF_SESSION} order by attribution.source",
    label=("source",),
)
SECTOR_ATTRIBUTION = Table(
    of("attribution", "portfolio_sector_attribution", leave_out=KEYS),
    f"from analytics.portfolio_sector_attribution as attribution where {OF_SESSION} order by attribution.sector",
    label=("sector",),
)
POSITION_CONTRIBUTIONS = Table(
    of("contributions", "position_contributions", leave_out=KEYS),
    f"from analytics.position_contributions as contributions where {OF_SESSION}"
    " and contributions.period = %(period)s"
    " order by contributions.pnl desc, contributions.symbol, contributions.position_id",
    label=("symbol",),
)


def _performance_missing(ask: Ask, rows: Rows, table: Table, what: str) -> Missing:
    if rows.values:
        return missing_of(rows, table, what)
    return not_there(what, f"no performance has been computed for {ask.day}: the next run computes it with its risk")


def _period(ask: Ask) -> dict[str, str | None]:
    query = ask.query
    assert isinstance(query, queries.Performance | queries.Attribution)  # noqa: S101
    return {"period": query.period}


def _performance(ask: Ask) -> Body:
    rows = ask.rows(PERFORMANCE, **_period(ask))
    return Body(rows.json(), _performance_missing(ask, rows, PERFORMANCE, ""))


def _attribution(ask: Ask) -> Body:
    parts: dict[str, str] = {}
    missing: Missing = []
    for name, table in (("sources", SOURCES), ("sectors", SECTOR_ATTRIBUTION), ("positions", POSITION_CONTRIBUTIONS)):
        rows = ask.rows(table, **_period(ask))
        parts[name] = rows.json()
        missing += _performance_missing(ask, rows, table, name)
    return Body(sections(parts), missing)


def _attribution_at_level(ask: Ask) -> Selection:
    query = ask.query
    assert isinstance(query, queries.Attribution)  # noqa: S101
    tables = {"source": SOURCES, "sector": SECTOR_ATTRIBUTION, "position": POSITION_CONTRIBUTIONS}
    return Selection(tables[query.level], {**ask.parameters, **_period(ask)})


ENDPOINTS = (
    Endpoint(
        "/portfolios/{portfolio}/performance",
        "portfolio_performance",
        "What the portfolio earned over each period and how evenly, alone and against its benchmark",
        queries.Performance,
        _performance,
        lambda ask: Selection(PERFORMANCE, {**ask.parameters, **_period(ask)}),
        Many(PERFORMANCE),
    ),
    Endpoint(
        "/portfolios/{portfolio}/attribution",
        "portfolio_attribution",
        "Where the P&L of the session came from, by source and by sector, and what each position added over a period",
        queries.Attribution,
        _attribution,
        _attribution_at_level,
        Sections(
            {
                "sources": Many(SOURCES),
                "sectors": Many(SECTOR_ATTRIBUTION),
                "positions": Many(POSITION_CONTRIBUTIONS),
            }
        ),
    ),
)
