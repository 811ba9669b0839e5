"""Endpoints of one portfolio's performance by period and by month, and of its attribution."""

from __future__ import annotations

from typing import Any

from api import queries
from api.asking import Ask, Body, Selection, span_of
from api.encode import Rows
from api.endpoints.parts import KEYS, sections
from api.endpoints.routes import Endpoint, Many, Sections
from api.missing import Missing, missing_of, not_there
from api.tables import Table, of, optional, own
from reports.attribution import SECTORS_OF_PERIOD, SOURCES_OF_PERIOD, first_of_period
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
MONTHS = Table(
    (
        *own("month", "months.month", "date", "The first day of the month"),
        *own("sessions", "months.sessions", "integer", "Its sessions in the portfolio's life, up to the end asked for"),
        *own("pnl", "months.pnl", "numeric", "USD: sum of its daily P&L"),
        *own("twr", "months.twr", "numeric", "Its daily returns linked, a decimal; null where no session has a return"),
        *own(
            "benchmark_return",
            "months.benchmark_return",
            "double precision",
            "The benchmark's over the same sessions; null where it has no close on one of them",
        ),
        *own("ytd_return", "months.ytd_return", "numeric", "Of the year up to its end; null where no session has one"),
    ),
    """from (
        select
            date_trunc('month', snapshot_date)::date as month,
            count(*)::integer as sessions,
            sum(daily_pnl) as pnl,
            (array_agg(mtd_return order by snapshot_date desc))[1] as twr,
            case
                when bool_and(coalesce(benchmark_return > -1, false))
                    then exp(sum(ln(1 + benchmark_return::float8) order by snapshot_date)) - 1
            end as benchmark_return,
            (array_agg(ytd_return order by snapshot_date desc))[1] as ytd_return
        from analytics.portfolio_snapshots
        where
            portfolio_id = %(portfolio_id)s
            and snapshot_date >= date_trunc('month', %(start)s::date) and snapshot_date <= %(end)s
        group by 1
    ) as months""",
    key=("month",),
    label=("month",),
)
SOURCES = Table(
    of("attribution", "portfolio_pnl_attribution", leave_out=KEYS),
    f"from analytics.portfolio_pnl_attribution as attribution where {OF_SESSION} order by attribution.source",
    label=("source",),
)
# Trading has no weight, and a sector without holdings has no return. Where a number is missing, the row says so.
_NOT_OF_EVERY_ROW = "portfolio_weight benchmark_weight portfolio_return benchmark_return"
SECTOR_ATTRIBUTION = Table(
    (
        *of("attribution", "portfolio_sector_attribution", "sector"),
        *optional(of("attribution", "portfolio_sector_attribution", _NOT_OF_EVERY_ROW)),
        *of("attribution", "portfolio_sector_attribution", leave_out=f"{KEYS} sector {_NOT_OF_EVERY_ROW}"),
    ),
    f"from analytics.portfolio_sector_attribution as attribution where {OF_SESSION} order by attribution.sector",
    label=("sector",),
)
_COUNTED = (
    *own("sessions", "period.sessions", "integer", "Sessions of the period that have an attribution"),
    *own("of_sessions", "period.of_sessions", "integer", "Sessions of the period"),
    *own("reason", "period.reason", "text", "What is not in these numbers, in words; null where nothing is missing"),
)
PERIOD_SOURCES = Table(
    (
        *of("period", "portfolio_pnl_attribution", "source"),
        *own("pnl", "period.pnl", "double precision", "USD: sum over the sessions of the period"),
        *_COUNTED,
    ),
    SOURCES_OF_PERIOD,
    label=("source",),
)
_LINKED = "over the period, linked (Carino 1999): all of them add up to its active return"
PERIOD_SECTORS = Table(
    (
        *of("period", "portfolio_sector_attribution", "sector"),
        *optional(
            own("portfolio_weight", "period.portfolio_weight", "double precision", "Mean share of equity")
            + own("benchmark_weight", "period.benchmark_weight", "double precision", "Mean share of the benchmark")
        ),
        *own("allocation", "period.allocation", "double precision", f"Allocation {_LINKED}"),
        *own("selection", "period.selection", "double precision", f"Selection {_LINKED}"),
        *own("interaction", "period.interaction", "double precision", f"Interaction {_LINKED}"),
        *own("total", "period.total", "double precision", "Allocation, selection and interaction"),
        *_COUNTED,
    ),
    SECTORS_OF_PERIOD,
    label=("sector",),
)
POSITION_CONTRIBUTIONS = Table(
    of("contributions", "position_contributions", leave_out=KEYS),
    f"from analytics.position_contributions as contributions where {OF_SESSION}"
    " and contributions.period = %(period)s"
    " order by contributions.pnl desc, contributions.symbol, contributions.position_id",
    label=("symbol",),
)
_ATTRIBUTED = {
    "sources": SOURCES,
    "sectors": SECTOR_ATTRIBUTION,
    "positions": POSITION_CONTRIBUTIONS,
    "period_sources": PERIOD_SOURCES,
    "period_sectors": PERIOD_SECTORS,
}


def _missing(ask: Ask, rows: Rows, table: Table, what: str) -> Missing:
    if rows.values:
        return missing_of(rows, table, what)
    return not_there(what, f"no performance has been computed for {ask.day}: the next run computes it with its risk")


def _period(ask: Ask) -> dict[str, Any]:
    query = ask.query
    if isinstance(query, queries.Attribution):
        assert ask.day  # noqa: S101
        return {"period": query.period, "first": first_of_period(query.period, ask.day)}
    assert isinstance(query, queries.Performance)  # noqa: S101
    return {"period": query.period}


def _performance(ask: Ask) -> Body:
    rows = ask.rows(PERFORMANCE, **_period(ask))
    return Body(rows.json(), _missing(ask, rows, PERFORMANCE, ""))


def _months(ask: Ask) -> Selection:
    return Selection(MONTHS, span_of(ask))


def _attribution(ask: Ask) -> Body:
    parts: dict[str, str] = {}
    missing: Missing = []
    for name, table in _ATTRIBUTED.items():
        rows = ask.rows(table, **_period(ask))
        parts[name] = rows.json()
        missing += _missing(ask, rows, table, name)
    return Body(sections(parts), missing)


def _attribution_at_level(ask: Ask) -> Selection:
    query = ask.query
    assert isinstance(query, queries.Attribution)  # noqa: S101
    return Selection(_ATTRIBUTED[f"{query.level}s"], {**ask.parameters, **_period(ask)})


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
        "/portfolios/{portfolio}/months",
        "portfolio_months",
        "What the portfolio earned in each month of a span, whole months but for the first and the last of its life",
        queries.Span,
        lambda ask: ask.read_page(_months(ask)),
        _months,
        Many(MONTHS),
    ),
    Endpoint(
        "/portfolios/{portfolio}/attribution",
        "portfolio_attribution",
        "Where P&L and active return came from, by source and by sector, of the session and of a period, and what each"
        " position added over the period",
        queries.Attribution,
        _attribution,
        _attribution_at_level,
        Sections({name: Many(table) for name, table in _ATTRIBUTED.items()}),
    ),
)
