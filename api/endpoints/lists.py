"""What concerns no single portfolio: the portfolios there are, scenarios, factors, and the state of the batch."""

from __future__ import annotations

from api import queries
from api.asking import Ask, Body, Selection
from api.endpoints.routes import Endpoint, Many
from api.missing import missing_of
from api.tables import Table, of, optional, own

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
)
