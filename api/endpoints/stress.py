"""Endpoints of the stress scenarios and of their effects on a portfolio."""

from __future__ import annotations

from api import queries
from api.asking import Ask, Body, Selection, read_table
from api.endpoints.parts import risk_missing
from api.endpoints.routes import Endpoint, Many
from api.missing import missing_of
from api.tables import Table, of, optional, own
from reports import sources

SCENARIOS = Table(
    (
        *of("scenarios", "stress_test_scenarios", "scenario_id name category factor shock"),
        *optional(of("scenarios", "stress_test_scenarios", "window_start window_end")),
        *of("scenarios", "stress_test_scenarios", "description"),
    ),
    "from analytics.stress_test_scenarios as scenarios order by scenarios.scenario_id, scenarios.factor",
    label=("name",),
)
STRESS = Table(
    (
        *of("results", "stress_test_results", "scenario_id"),
        *of("scenarios", "stress_test_scenarios", "name category"),
        *of("scenarios", "stress_test_scenarios", "description"),
        *of("results", "stress_test_results", "direct_pnl correlated_pnl correlation_effect"),
        *own(
            "pnl_fraction",
            "case when snapshots.equity_balance > 0"
            " then coalesce(results.correlated_pnl, results.direct_pnl) / snapshots.equity_balance::float8 end",
            "double precision",
            "correlated_pnl, else direct_pnl, as a share of equity; null where equity is not positive",
        ),
        *of("results", "stress_test_results", "stressed_equity factor_impacts positions_excluded reason"),
    ),
    sources.STRESS,
    label=("name",),
)


def _scenarios(_: Ask) -> Selection:
    return Selection(SCENARIOS, {})


def _stress(ask: Ask) -> Body:
    rows = ask.rows(STRESS)
    missing = missing_of(rows, STRESS) if rows.values else risk_missing(ask, rows, STRESS, "scenarios")
    return Body(rows.json(), missing)


ENDPOINTS = (
    Endpoint(
        "/scenarios",
        "scenarios",
        "The scenarios of the stress tests, a row for each factor that one shocks",
        queries.Query,
        read_table(_scenarios),
        _scenarios,
        Many(SCENARIOS),
        of="all",
    ),
    Endpoint(
        "/portfolios/{portfolio}/stress-tests",
        "portfolio_stress_tests",
        "What each scenario would do to the portfolio, the worst first",
        queries.AsOf,
        _stress,
        lambda ask: Selection(STRESS, ask.parameters),
        Many(STRESS),
        also=("/analytics/portfolio/{portfolio}/stress-tests",),
    ),
)
