"""The demo: the bundled sample through the ordinary entry points, and what a person would look at then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from nightly.context import Request, new_york_date
from nightly.demo_database import DATABASE_NAME as DATABASE_NAME
from nightly.demo_database import SAMPLE
from nightly.demo_database import demo_settings as demo_settings
from nightly.invocation import as_typed
from nightly.night import run_night
from nightly.prepare import prepare_database
from warehouse.locks import run_lock
from warehouse.sessions import session_before
from warehouse.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from nightly.output.progress import Progress
    from nightly.record import RunRecord
    from warehouse.database import Database
    from warehouse.settings import Settings

LAST_SESSION = date(2016, 7, 1)
SESSIONS = 20
_POSITIONS_SHOWN = 5
_SCENARIOS_SHOWN = 3


def load_sample(database: Database, now: datetime) -> list[str]:
    """Load the sample portfolios; returns what that did, in words."""
    from ingest.books.portfolios import load_folder

    with database.connect() as conn, run_lock(conn, "demo"):
        prepare_database(conn, new_york_date(now))
        return load_folder(conn, SAMPLE / "portfolios").lines()


def run_sample(database: Database, settings: Settings, now: datetime, progress: Progress) -> RunRecord:
    """Backfill the sample's last sessions: the night's own code, on the sample's dates."""
    with database.connect() as conn:
        start = session_before(conn, LAST_SESSION, SESSIONS - 1)
    return run_night(database, settings, Request("backfill", start=start, end=LAST_SESSION, demo=True), now, progress)


def read_overview(conn: psycopg.Connection) -> list[dict[str, Any]]:
    """One record per portfolio at the last session, as stored: its snapshot, its risk and its beta to the market."""
    overview = conn.cursor(row_factory=dict_row).execute(
        """
        select
            portfolios.name,
            metrics.*,
            coalesce(metrics.scaled_var_95_1d, metrics.var_95_1d) as value_at_risk,
            exposures.exposure_value as beta,
            snapshots.*
        from analytics.portfolio_snapshots as snapshots
        inner join raw.portfolios as portfolios on snapshots.portfolio_id = portfolios.portfolio_id
        left join analytics.portfolio_risk_metrics as metrics
            on snapshots.portfolio_id = metrics.portfolio_id and snapshots.snapshot_date = metrics.calculation_date
        left join analytics.portfolio_factor_exposures as exposures
            on
                snapshots.portfolio_id = exposures.portfolio_id
                and snapshots.snapshot_date = exposures.calculation_date
                and exposures.model = 'market'
        where snapshots.snapshot_date = %s
        order by portfolios.name
        """,
        (LAST_SESSION,),
    )
    return overview.fetchall()


def headline(row: Mapping[str, Any]) -> list[str]:
    """A portfolio's money and risk in a few lines."""
    changes = {
        "day": _change(row["daily_pnl"], row["daily_return"]),
        "month": _change(row["mtd_pnl"], row["mtd_return"]),
        "year": _change(row["ytd_pnl"], row["ytd_return"]),
    }
    expected, realized = _share(row["expected_vol_21d"]), _share(row["realized_vol_21d"])
    risk = {
        "beta": _number(row["beta"]),
        "volatility": f"{expected} expected, {realized} in the last month",
        "one day of twenty loses": _money(row["value_at_risk"]),
    }
    lines = {
        "equity": f"{_money(row['equity_balance'])}, of it cash {_money(row['cash_value'])}",
        "P&L": " · ".join(f"{period} {change}" for period, change in changes.items()),
        "risk": " · ".join(f"{name} {value}" for name, value in risk.items()),
    }
    if row["reason"]:
        lines["but"] = row["reason"]
    return [f"  {name:<8}{line}" for name, line in lines.items()]


def read_top_positions(conn: psycopg.Connection, portfolio_id: UUID) -> list[dict[str, Any]]:
    """The largest positions of a portfolio by |market value|, lots of one symbol together."""
    positions = conn.cursor(row_factory=dict_row).execute(
        """
        select
            positions.symbol,
            sum(positions.market_value) as market_value,
            sum(positions.unrealized_pnl) as unrealized_pnl,
            sum(positions.market_value) / snapshots.equity_balance as weight
        from analytics.positions as positions
        inner join analytics.portfolio_snapshots as snapshots
            on positions.portfolio_id = snapshots.portfolio_id and snapshots.snapshot_date = %s
        where positions.portfolio_id = %s and positions.market_value <> 0
        group by positions.symbol, snapshots.equity_balance
        order by abs(sum(positions.market_value)) desc, positions.symbol
        limit %s
        """,
        (LAST_SESSION, portfolio_id, _POSITIONS_SHOWN),
    )
    return [
        {
            "largest position": row["symbol"],
            "market value": _money(row["market_value"]),
            "of equity": _share(row["weight"]),
            "unrealized P&L": _signed(row["unrealized_pnl"]),
        }
        for row in positions
    ]


def read_worst_scenarios(conn: psycopg.Connection, portfolio_id: UUID) -> list[dict[str, Any]]:
    """The stress scenarios in which a portfolio loses most."""
    scenarios = conn.cursor(row_factory=dict_row).execute(
        """
        select
            scenarios.name,
            results.correlated_pnl,
            results.correlated_pnl / snapshots.equity_balance as share
        from analytics.stress_test_results as results
        inner join analytics.portfolio_snapshots as snapshots
            on results.portfolio_id = snapshots.portfolio_id and results.calculation_date = snapshots.snapshot_date
        inner join (select distinct scenario_id, name from analytics.stress_test_scenarios) as scenarios
            on results.scenario_id = scenarios.scenario_id
        where
            results.portfolio_id = %s
            and results.calculation_date = %s
            and results.correlated_pnl is not null
        order by results.correlated_pnl, scenarios.name
        limit %s
        """,
        (portfolio_id, LAST_SESSION, _SCENARIOS_SHOWN),
    )
    return [
        {
            "worst scenario": row["name"],
            "P&L": _signed(row["correlated_pnl"]),
            "of equity": _share(row["share"], "+"),
        }
        for row in scenarios
    ]


def read_sectors(conn: psycopg.Connection, portfolio_id: UUID) -> list[dict[str, Any]]:
    """A portfolio's sector weights beside the benchmark's, the largest first."""
    sectors = conn.cursor(row_factory=dict_row).execute(
        """
        select sector, weight, benchmark_weight, active_weight
        from analytics.portfolio_sector_exposures
        where portfolio_id = %s and value_date = %s
        order by weight desc, sector
        """,
        (portfolio_id, LAST_SESSION),
    )
    return [
        {
            "sector": row["sector"],
            "of equity": _share(row["weight"]),
            "benchmark": _share(row["benchmark_weight"]),
            "difference": _share(row["active_weight"], "+"),
        }
        for row in sectors
    ]


def next_commands() -> Sequence[tuple[str, str]]:
    """What to type after the demo, each with what it is for: as it can be typed in the shell that the demo ran in."""
    run = as_typed()
    sample = SAMPLE.relative_to(PROJECT_ROOT)
    table = "select snapshot_date, equity_balance, daily_pnl from analytics.portfolio_snapshots order by 1 desc limit 5"
    return (
        ("see one portfolio's risk on one page", f'{run} show "Core Growth" --demo'),
        ("or the same in a browser", f'{run} show "Core Growth" --demo --html core_growth.html'),
        ("look at all of them in a browser, or ask the API", f"{run} serve --demo"),
        ("see what ran, and how far each portfolio is rolled", f"{run} status --demo"),
        ("look into a table, as into any other of schema analytics", f'{run} db psql --demo -c "{table}"'),
        ("load the same portfolios into a database of your own", f"{run} load {sample}/portfolios"),
        ("roll them there, as far as these prices reach", f"AFTERCLOSE_PROVIDERS=files:{sample} {run} backfill"),
    )


def _money(amount: Decimal | float | None) -> str:
    return "unknown" if amount is None else f"{amount:,.2f}"


def _signed(amount: Decimal | float) -> str:
    return f"{amount:+,.2f}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _share(share: Decimal | float | None, sign: str = "") -> str:
    return "unknown" if share is None else f"{share:{sign}.1%}"


def _change(pnl: Decimal, earned: Decimal | None) -> str:
    return _signed(pnl) + (f" ({earned:+.2%})" if earned is not None else "")
