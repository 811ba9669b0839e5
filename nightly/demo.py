"""The demo: the bundled sample through the ordinary entry points, and what a person would look at then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from nightly.context import Request, new_york_date
from nightly.night import run_night
from nightly.prepare import prepare_database
from warehouse.locks import run_lock
from warehouse.sessions import session_before
from warehouse.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from nightly.progress import Progress
    from nightly.record import RunRecord
    from warehouse.database import Database
    from warehouse.settings import Settings

DATABASE_NAME = "afterclose_demo"
SAMPLE = PROJECT_ROOT / "ingest" / "sample"
LAST_SESSION = date(2016, 7, 1)
SESSIONS = 20
_POSITIONS_SHOWN = 5


def demo_settings(settings: Settings) -> Settings:
    """The settings of the demo: the embedded server whatever DATABASE_URL says, and the sample as the only provider."""
    return settings.model_copy(update={"database_url": None, "providers": f"files:{SAMPLE.relative_to(PROJECT_ROOT)}"})


def load_sample(database: Database, now: datetime) -> list[str]:
    """Load the sample portfolios; returns what that did, in words."""
    from ingest.portfolios import load_folder

    with database.connect() as conn, run_lock(conn, "demo"):
        prepare_database(conn, new_york_date(now))
        return load_folder(conn, SAMPLE / "portfolios").lines()


def run_sample(database: Database, settings: Settings, now: datetime, progress: Progress) -> RunRecord:
    """Backfill the sample's last sessions: the night's own code, on the sample's dates."""
    with database.connect() as conn:
        start = session_before(conn, LAST_SESSION, SESSIONS - 1)
    return run_night(database, settings, Request("backfill", start=start, end=LAST_SESSION), now, progress)


def read_overview(conn: psycopg.Connection) -> list[dict[str, Any]]:
    """One record per portfolio at the last session: its money, and how it has done over a day, a month and the year."""
    snapshots = conn.cursor(row_factory=dict_row).execute(
        """
        select portfolios.name, snapshots.*
        from analytics.portfolio_snapshots as snapshots
        inner join raw.portfolios as portfolios on snapshots.portfolio_id = portfolios.portfolio_id
        where snapshots.snapshot_date = %s
        order by portfolios.name
        """,
        (LAST_SESSION,),
    )
    return [
        {
            "portfolio": row["name"],
            "equity": _money(row["equity_balance"]),
            "cash": _money(row["cash_value"]),
            "day": _change(row["daily_pnl"], row["daily_return"]),
            "month": _change(row["mtd_pnl"], row["mtd_return"]),
            "year": _change(row["ytd_pnl"], row["ytd_return"]),
            "positions": row["num_positions"],
        }
        for row in snapshots
    ]


def read_top_positions(conn: psycopg.Connection, portfolio: str) -> list[dict[str, Any]]:
    """The largest positions of a portfolio by |market value|, lots of one symbol together."""
    positions = conn.cursor(row_factory=dict_row).execute(
        """
        select
            positions.symbol,
            sum(positions.market_value) as market_value,
            sum(positions.unrealized_pnl) as unrealized_pnl,
            sum(positions.market_value) / snapshots.equity_balance as weight
        from analytics.positions as positions
        inner join raw.portfolios as portfolios on positions.portfolio_id = portfolios.portfolio_id
        inner join analytics.portfolio_snapshots as snapshots
            on positions.portfolio_id = snapshots.portfolio_id and snapshots.snapshot_date = %s
        where portfolios.name = %s and positions.market_value <> 0
        group by positions.symbol, snapshots.equity_balance
        order by abs(sum(positions.market_value)) desc, positions.symbol
        limit %s
        """,
        (LAST_SESSION, portfolio, _POSITIONS_SHOWN),
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


def read_sectors(conn: psycopg.Connection, portfolio: str) -> list[dict[str, Any]]:
    """A portfolio's sector weights beside the benchmark's, the largest first."""
    sectors = conn.cursor(row_factory=dict_row).execute(
        """
        select exposures.sector, exposures.weight, exposures.benchmark_weight, exposures.active_weight
        from analytics.portfolio_sector_exposures as exposures
        inner join raw.portfolios as portfolios on exposures.portfolio_id = portfolios.portfolio_id
        where portfolios.name = %s and exposures.value_date = %s
        order by exposures.weight desc, exposures.sector
        """,
        (portfolio, LAST_SESSION),
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
    """What to type after the demo, each with what it is for."""
    sample = SAMPLE.relative_to(PROJECT_ROOT)
    return (
        ("load the same portfolios into a database of your own", f"python run_nightly.py load {sample}/portfolios"),
        (
            "run their nights there",
            f"AFTERCLOSE_PROVIDERS=files:{sample} python run_nightly.py backfill --end {LAST_SESSION}",
        ),
        ("see what ran, and how far each portfolio is rolled", "python run_nightly.py status"),
        ("look at a table through dbt", "python run_nightly.py dbt -- show --select portfolio_snapshots"),
        ("or with SQL, in schema analytics", 'psql "$(python run_nightly.py db url)"'),
    )


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _signed(amount: Decimal) -> str:
    return f"{amount:+,.2f}"


def _share(share: Decimal | None, sign: str = "") -> str | None:
    return None if share is None else f"{share:{sign}.1%}"


def _change(pnl: Decimal, earned: Decimal | None) -> str:
    return _signed(pnl) + (f" ({earned:+.2%})" if earned is not None else "")
