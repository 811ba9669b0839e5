"""What the ledger and other records say: recent runs, how far portfolios are rolled and analysed, what was refused."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from ingest.sources.reach import reach_of_files
from nightly import ledger
from nightly.context import new_york_date
from nightly.freshness import read_freshness
from nightly.output import summary
from warehouse.queries import fetch_one
from warehouse.sessions import latest_closed_session, session_before, sessions_between
from warehouse.settings import PROJECT_ROOT, Settings

RUNS_SHOWN = 10


def read_status(conn: psycopg.Connection, settings: Settings, now: datetime, runs: int = RUNS_SHOWN) -> dict[str, Any]:
    """The state of the batch, plain JSON values.

    `trade_date`, the latest closed session; `rolled_to`, the last one that any portfolio is rolled to, and `due`, how
    many sessions lie between them; `sources_ended`, the folders whose prices end there, where that is why
    nothing more is rolled; `runs`, latest first; `portfolios`; `tables`, how far each is and what it lacks;
    `quarantine`; `restatements`.
    """
    trade_date = latest_closed_session(conn, now)
    (rolled_to,) = fetch_one(conn.execute("select max(last_session) from ops.roll_forward_state"))
    due = len(sessions_between(conn, rolled_to + timedelta(days=1), trade_date)) if rolled_to else None
    cursor = conn.cursor(row_factory=dict_row)
    portfolios = cursor.execute(
        """
        select
            portfolios.name,
            to_char(portfolios.inception_date, 'YYYY-MM-DD') as inception_date,
            to_char(state.last_session, 'YYYY-MM-DD') as rolled_to,
            to_char(analysed.risk_to, 'YYYY-MM-DD') as risk_to
        from raw.portfolios
        left join ops.roll_forward_state as state on portfolios.portfolio_id = state.portfolio_id
        left join (
            select portfolio_id, max(calculation_date) as risk_to from analytics.portfolio_risk_metrics
            group by portfolio_id
        ) as analysed on portfolios.portfolio_id = analysed.portfolio_id
        where portfolios.deleted_at is null
        order by portfolios.name
        """
    ).fetchall()
    quarantine = cursor.execute(
        """
        select
            source, relation, reason, count(*) as rows, count(distinct symbol) as symbols,
            to_char(max(last_rejected_at), 'YYYY-MM-DD HH24:MI') as last_seen
        from ops.rejected_rows
        where accepted_at is null
        group by source, relation, reason
        order by rows desc, source, relation, reason
        """
    ).fetchall()
    restatements = cursor.execute(
        """
        select
            new_source as source, count(*) as rows, count(distinct symbol) as symbols,
            to_char(max(restated_at), 'YYYY-MM-DD HH24:MI') as last_seen
        from ops.price_restatements
        group by new_source
        order by rows desc, source
        """
    ).fetchall()
    return {
        "trade_date": trade_date.isoformat(),
        "rolled_to": rolled_to and rolled_to.isoformat(),
        "due": due,
        "sources_ended": _sources_ended(conn, settings, rolled_to, now) if due else None,
        "runs": [_run_line(run) for run in ledger.recent_runs(conn, runs)],
        "portfolios": portfolios,
        "tables": read_freshness(conn, trade_date),
        "quarantine": quarantine,
        "restatements": restatements,
    }


def _sources_ended(conn: psycopg.Connection, settings: Settings, rolled_to: date, now: datetime) -> str | None:
    """The sources, where all of them are folders whose prices end in the session that is rolled to."""
    reach = reach_of_files(conn, settings, today=new_york_date(now), relative_to=PROJECT_ROOT)
    return reach.sources if reach and session_before(conn, reach.last_day, 0) <= rolled_to else None


def _run_line(run: ledger.RunRecord) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "command": run.command,
        "trade_date": run.trade_date.isoformat(),
        "portfolios": run.scope or "all",
        "status": run.status,
        "started_at": f"{run.started_at:%Y-%m-%d %H:%M}",
        "seconds": round(summary.duration(run), 1),
        "errors": len(run.errors),
        "warnings": len(run.warnings),
    }
