"""Endpoints of the list of portfolios, and of one portfolio on a session and over its history."""

from __future__ import annotations

from api import queries
from api.asking import Ask, Body, Selection, read_table, span_of
from api.encode import json_text
from api.endpoints.parts import risk_missing, sections
from api.endpoints.risk import RISK
from api.endpoints.routes import Endpoint, Many, One, Plain, Sections
from api.missing import missing_of, not_there
from api.problems import invalid
from api.tables import Table, of, optional, own
from reports import sources
from reports.notes import notes
from reports.portfolios import read_stale_because
from reports.reading import read_page

PORTFOLIOS = Table(
    (
        *of("portfolios", "portfolios", "portfolio_id name inception_date benchmark currency"),
        *optional(of("portfolios", "portfolios", "first_session rolled_to risk_to published_to rolled_at risk_at")),
        *optional(
            own(
                "as_of",
                "snapshots.snapshot_date",
                "date",
                "The session that the numbers beside it are of; null before there is one",
            )
        ),
        *own(
            "is_complete",
            "portfolios.published_to is not null",
            "boolean",
            "Whether P&L and risk of that session both stand",
        ),
        *optional(of("risk_status", "risk_status", "stale_because")),
        *of("snapshots", "portfolio_snapshots", "equity_balance cash_value gross_exposure net_exposure"),
        *of("snapshots", "portfolio_snapshots", "daily_pnl daily_return mtd_pnl mtd_return ytd_pnl ytd_return"),
        *of("snapshots", "portfolio_snapshots", "cumulative_pnl cumulative_return num_positions num_stale_positions"),
        *own("beta", "exposures.exposure_value", "double precision", "Beta of equity to the stock market (SPY)"),
        *of("metrics", "portfolio_risk_metrics", "expected_vol_21d ex_ante_vol var_95_1d es_95_1d max_drawdown"),
        *of("metrics", "portfolio_risk_metrics", "scaled_var_95_1d scaled_es_95_1d"),
        *own("worst_scenario", "worst.name", "text", "The scenario with the lowest P&L"),
        *own("worst_scenario_pnl", "worst.pnl", "double precision", "P&L in it, USD; negative is a loss"),
        *of("portfolios", "portfolios", "version"),
    ),
    sources.LATEST,
    label=("name",),
)


SNAPSHOT = Table(
    of("snapshots", "portfolio_snapshots", leave_out="portfolio_id"),
    sources.SNAPSHOT,
)
HISTORY = Table(
    SNAPSHOT.columns,
    "from analytics.portfolio_snapshots as snapshots"
    " where snapshots.portfolio_id = %(portfolio_id)s and snapshots.snapshot_date between %(start)s and %(end)s",
    key=("snapshot_date",),
    label=("snapshot_date",),
)
SECTORS = Table(
    of("sectors", "portfolio_sector_exposures", leave_out="portfolio_id value_date"),
    sources.SECTORS,
    label=("sector",),
)

STATUS = {
    "type": "object",
    "description": "How far the portfolio is, and what has to be known of these numbers.",
    "required": ["is_complete", "rolled_to", "risk_to", "published_to", "stale_because", "notes"],
    "properties": {
        "is_complete": {"type": "boolean", "description": "P&L, sectors and risk of this session all stand."},
        "rolled_to": {"type": ["string", "null"], "format": "date", "description": "The last session of its P&L."},
        "risk_to": {"type": ["string", "null"], "format": "date", "description": "The last session of its risk."},
        "published_to": {"type": ["string", "null"], "format": "date", "description": "The last session of both."},
        "stale_because": {
            "type": ["string", "null"],
            "description": "What changed under the risk results since they were computed; null while they are current.",
        },
        "notes": {"type": "array", "items": {"type": "string"}, "description": "What is missing, why, and what to do."},
    },
}


def _portfolios(ask: Ask) -> Selection:
    ids = ask.caller.portfolio_ids
    return Selection(PORTFOLIOS, {"allowed": None if ids is None else sorted(ids)})


def _snapshot_at_level(ask: Ask) -> Selection:
    query = ask.query
    tables = {"snapshot": SNAPSHOT, "risk": RISK, "sector": SECTORS}
    return Selection(tables[query.level if isinstance(query, queries.Snapshot) else "snapshot"], ask.parameters)


def _snapshot(ask: Ask) -> Body:
    assert ask.portfolio and ask.day  # noqa: S101
    snapshot, risk, sectors = ask.rows(SNAPSHOT), ask.rows(RISK), ask.rows(SECTORS)
    portfolio = ask.portfolio
    status = {
        "is_complete": bool(risk.values and sectors.values),
        "rolled_to": portfolio.rolled_to,
        "risk_to": portfolio.risk_to,
        "published_to": portfolio.published_to,
        "stale_because": read_stale_because(ask.conn, portfolio.portfolio_id, ask.day),
        "notes": notes(read_page(ask.conn, portfolio, ask.day)),
    }
    missing = missing_of(snapshot, SNAPSHOT, "snapshot") + risk_missing(ask, risk, RISK, "risk")
    missing += missing_of(sectors, SECTORS, "sectors")
    if not sectors.values:
        missing += not_there("sectors", f"phase 2.75 has not computed the sectors of {ask.day}")
    parts = {"snapshot": snapshot.first(), "risk": risk.first(), "sectors": sectors.json(), "status": json_text(status)}
    return Body(sections(parts), missing)


def _history_names(ask: Ask) -> list[str] | None:
    query = ask.query
    assert isinstance(query, queries.History)  # noqa: S101
    if query.columns is None:
        return None
    asked_for = filter(None, (name.strip() for name in query.columns.split(",")))
    names = list(dict.fromkeys(["snapshot_date", *asked_for]))
    if unknown := [name for name in names if name not in HISTORY.names]:
        raise invalid("columns", f"{', '.join(unknown)}: no such column; there are: {', '.join(HISTORY.names)}")
    return names


def _history(ask: Ask) -> Selection:
    return Selection(HISTORY, span_of(ask), _history_names(ask))


ENDPOINTS = (
    Endpoint(
        "/portfolios",
        "portfolios",
        "The portfolios you may see, each with its latest session",
        queries.Query,
        read_table(_portfolios),
        _portfolios,
        Many(PORTFOLIOS),
        of="all",
    ),
    Endpoint(
        "/portfolios/{portfolio}",
        "portfolio_snapshot",
        "One portfolio at a session: balance, P&L, risk, sectors, and what is missing",
        queries.Snapshot,
        _snapshot,
        _snapshot_at_level,
        Sections({"snapshot": One(SNAPSHOT), "risk": One(RISK), "sectors": Many(SECTORS), "status": Plain(STATUS)}),
        also=("/data/portfolio/{portfolio}/snapshot/latest",),
    ),
    Endpoint(
        "/portfolios/{portfolio}/history",
        "portfolio_history",
        "The snapshots of a span of sessions",
        queries.History,
        lambda ask: ask.read_page(_history(ask)),
        _history,
        Many(HISTORY),
    ),
)
