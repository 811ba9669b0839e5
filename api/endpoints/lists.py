"""What concerns no single portfolio: the portfolios there are, scenarios, factors, and the state of the batch."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

import psycopg
from fastapi import Request, Response

from api import queries
from api.answers import Answer, answers_of, caller_of
from api.asking import Ask, Body, Reads, Selection, Selects
from api.encode import json_text
from api.endpoints.routes import Endpoint, Many, Plain
from api.forms import wanted
from api.missing import missing_of
from api.problems import NotThere
from api.tables import Table, of, optional, own
from reports.batch import read_batch

_LATEST = "coalesce(portfolios.published_to, portfolios.rolled_to)"

PORTFOLIOS = Table(
    (
        *of("portfolios", "portfolios", "portfolio_id name inception_date benchmark currency"),
        *optional(of("portfolios", "portfolios", "first_session rolled_to risk_to published_to rolled_at risk_at")),
        *own("as_of", _LATEST, "date", "The session that the numbers beside it are of; null before there is one"),
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
        *own("beta", "market.exposure_value", "double precision", "Beta of equity to the stock market (SPY)"),
        *of("metrics", "portfolio_risk_metrics", "expected_vol_21d ex_ante_vol var_95_1d es_95_1d max_drawdown"),
        *own("worst_scenario", "worst.name", "text", "The scenario in which it would lose most"),
        *own("worst_scenario_pnl", "worst.pnl", "double precision", "USD that it would lose then, negative"),
        *of("portfolios", "portfolios", "version"),
    ),
    f"""
    from analytics.portfolios
    left join analytics.risk_status
        on portfolios.portfolio_id = risk_status.portfolio_id and risk_status.calculation_date = {_LATEST}
    left join analytics.portfolio_snapshots as snapshots
        on portfolios.portfolio_id = snapshots.portfolio_id and snapshots.snapshot_date = {_LATEST}
    left join analytics.portfolio_risk_metrics as metrics
        on portfolios.portfolio_id = metrics.portfolio_id and metrics.calculation_date = {_LATEST}
    left join analytics.portfolio_factor_exposures as market
        on
            portfolios.portfolio_id = market.portfolio_id
            and market.calculation_date = {_LATEST}
            and market.model = 'market'
    left join lateral (
        select scenarios.name, coalesce(results.correlated_pnl, results.direct_pnl) as pnl
        from analytics.stress_test_results as results
        inner join analytics.stress_test_scenarios as scenarios using (scenario_id)
        where
            results.portfolio_id = portfolios.portfolio_id
            and results.calculation_date = {_LATEST}
            and coalesce(results.correlated_pnl, results.direct_pnl) < 0
        order by pnl, scenarios.name
        limit 1
    ) as worst on true
    where %(portfolio_ids)s::uuid[] is null or portfolios.portfolio_id = any(%(portfolio_ids)s)
    order by portfolios.name
    """,
    label=("name",),
)
SCENARIOS = Table(
    (
        *of("scenarios", "stress_test_scenarios", "scenario_id name category factor shock"),
        *optional(of("scenarios", "stress_test_scenarios", "window_start window_end")),
        *of("scenarios", "stress_test_scenarios", "description"),
    ),
    "from analytics.stress_test_scenarios as scenarios order by scenarios.scenario_id, scenarios.factor",
    label=("name",),
)
FACTORS = Table(
    (
        *of("factors", "factor_definitions", "factor symbols"),
        *optional(of("factors", "factor_definitions", "duration_years convexity")),
        *of("factors", "factor_definitions", "description"),
    ),
    "from analytics.factor_definitions as factors order by factors.factor",
    label=("factor",),
)


def _portfolios(ask: Ask) -> Selection:
    ids = ask.caller.portfolio_ids
    return Selection(PORTFOLIOS, {"portfolio_ids": None if ids is None else sorted(ids)})


def _read(ask: Ask, selection: Selection) -> Body:
    rows = ask.rows(selection.table, **selection.parameters)
    return Body(rows.json(), missing_of(rows, selection.table))


STATUS: dict[str, Any] = {
    "type": "object",
    "description": "How the last runs went, and what they lack",
    "required": ["trade_date", "runs", "tables", "stale", "missed", "quarantine", "decisions"],
    "properties": {
        "trade_date": {
            "type": ["string", "null"],
            "format": "date",
            "description": "The latest session that has closed",
        },
        "runs": {"type": "array", "items": {"type": "object"}, "description": "Latest first, with phases and messages"},
        "tables": {"type": "array", "items": {"type": "object"}, "description": "How far each table is"},
        "stale": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Portfolios whose risk rests on inputs that have changed since",
        },
        "missed": {"type": "array", "items": {"type": "object"}, "description": "What sources did not have"},
        "quarantine": {"type": "array", "items": {"type": "object"}, "description": "What was refused, by reason"},
        "decisions": {"type": "array", "items": {"type": "object"}, "description": "Events that people decided on"},
    },
}


def _status(ask: Ask) -> Body:
    batch = read_batch(ask.conn)
    data = {**batch.status, "tables": [asdict(table) for table in batch.tables], "stale": batch.stale}
    return Body(json_text(data))


async def _answer_status(request: Request, _: str, query: queries.Query, reads: Reads, __: Selects | None) -> Response:
    """The state of the batch changes without a change of data: it is read for each request."""
    caller = caller_of(request)
    if not caller.is_operator:
        raise NotThere("the state of the batch is for tokens of all portfolios")

    wanted(query.format, request.headers.get("accept", ""), has_table=False)

    def make(conn: psycopg.Connection[Any]) -> Answer:
        body = f'{{"data":{reads(Ask(conn, query, caller)).data},"missing":[]}}'.encode()
        return Answer(body, "application/json", hashlib.sha256(body).hexdigest()[:32], keep=False)

    return await answers_of(request).make(request, make)


ENDPOINTS = (
    Endpoint(
        "/portfolios",
        "portfolios",
        "The portfolios you may see, each with its latest session",
        queries.Query,
        lambda ask: _read(ask, _portfolios(ask)),
        _portfolios,
        Many(PORTFOLIOS),
        of="all",
    ),
    Endpoint(
        "/scenarios",
        "scenarios",
        "The scenarios of the stress tests, a row for each factor that one shocks",
        queries.Query,
        lambda ask: _read(ask, Selection(SCENARIOS, {})),
        lambda ask: Selection(SCENARIOS, {}),
        Many(SCENARIOS),
        of="all",
    ),
    Endpoint(
        "/factors",
        "factors",
        "The factors of the risk models",
        queries.Query,
        lambda ask: _read(ask, Selection(FACTORS, {})),
        lambda ask: Selection(FACTORS, {}),
        Many(FACTORS),
        of="all",
    ),
    Endpoint(
        "/status",
        "status",
        "The state of the batch, for tokens of all portfolios",
        queries.Query,
        _status,
        None,
        Plain(STATUS),
        answers=_answer_status,
        of="all",
        versioned=False,
    ),
)
