"""Backtests: stored forecasts of risk are read back, compared with the sessions after them, and the result stored."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
import psycopg

from python_models.statistics.backtest import BACKTEST_WINDOW
from python_models.statistics.conventions import SESSIONS_PER_YEAR, Floats
from python_models.tables.backtests import Outcomes, backtest_columns
from warehouse.binary_copy import copy_columns
from warehouse.sessions import session_before, sessions_between

_COLUMNS = ("daily_return", "daily_pnl", "is_computed", "ex_ante_vol", "var_95_1d", "scaled_var_95_1d")
_PORTFOLIOS_AT_ONCE = 500

# A forecast is compared with the portfolio's own next session, but stored with the session before that one.
_READ = """
with wanted as (select unnest(%(portfolios)s::uuid[]) as portfolio_id),

earned as (
    select
        snapshots.portfolio_id,
        snapshots.snapshot_date,
        snapshots.daily_return::float8,
        snapshots.daily_pnl::float8
    from analytics.portfolio_snapshots as snapshots
    inner join wanted using (portfolio_id)
    where snapshots.snapshot_date between %(start)s and %(end)s
),

forecast as (
    select
        metrics.portfolio_id,
        metrics.calculation_date,
        metrics.ex_ante_vol::float8,
        metrics.var_95_1d::float8,
        metrics.scaled_var_95_1d::float8
    from analytics.portfolio_risk_metrics as metrics
    inner join wanted using (portfolio_id)
    where metrics.calculation_date between %(start)s and %(end)s
)

select
    earned.portfolio_id,
    array_agg(earned.snapshot_date),
    array_agg(earned.daily_return),
    array_agg(earned.daily_pnl),
    array_agg((forecast.calculation_date is not null)::integer::float8),
    array_agg(forecast.ex_ante_vol),
    array_agg(forecast.var_95_1d),
    array_agg(forecast.scaled_var_95_1d)
from earned
left join forecast
    on earned.portfolio_id = forecast.portfolio_id and earned.snapshot_date = forecast.calculation_date
group by earned.portfolio_id
"""


def update_backtests(
    conn: psycopg.Connection[Any], days: Sequence[date], portfolio_ids: Sequence[UUID] | None = None
) -> int:
    """Write the rows of `risk_backtest` for these sessions, each about the forecasts of the year before.

    A row rests on the forecasts stored when it is made. A forecast that is computed again later changes new rows, but
    no earlier ones.

    Args:
        conn: a connection with autocommit on.
        days: sessions whose rows are replaced; portfolios without risk results on one get no row.
        portfolio_ids: the portfolios; None: all.

    Returns:
        The number of written rows: 0 where nothing has changed.
    """
    if not days:
        return 0
    start, end = session_before(conn, min(days), BACKTEST_WINDOW), max(days)
    sessions = sessions_between(conn, start, end)
    places = {session: place for place, session in enumerate(sessions)}
    wanted = [places[day] for day in sorted(set(days))]
    with conn.transaction():
        conn.execute("create temporary table backtested (like analytics.risk_backtest)")
        for portfolios, outcomes in _read_outcomes(conn, portfolio_ids, sessions, places):
            tables = []
            for place in wanted:
                computed = np.flatnonzero(outcomes.is_computed[place])
                if len(computed):
                    chosen = [portfolios[column] for column in computed]
                    tables.append(backtest_columns(sessions[place], chosen, outcomes.up_to(place, computed)))
            if tables:
                rows = [(list(table.values()), len(table["portfolio_id"])) for table in tables]
                copy_columns(conn, "pg_temp.backtested", list(tables[0]), rows)
        written, removed = _replace(conn, days, portfolio_ids)
        # A table that is spread over servers has no trigger to note its change.
        noted = "; call ops.note_change('analytics.risk_backtest')" if written or removed else ""
        conn.execute(f"drop table backtested{noted}".encode())
    return written


def find_missing(
    conn: psycopg.Connection[Any], days: Sequence[date], portfolio_ids: Sequence[UUID] | None = None
) -> list[date]:
    """Those of the sessions that have risk results but no backtest, for example after a killed run."""
    rows = conn.execute(
        """
        select distinct metrics.calculation_date
        from analytics.portfolio_risk_metrics as metrics
        left join analytics.risk_backtest as backtests using (portfolio_id, calculation_date)
        where
            metrics.calculation_date = any(%(days)s)
            and (%(portfolios)s::uuid[] is null or metrics.portfolio_id = any(%(portfolios)s))
            and backtests.portfolio_id is null
        """,
        {"days": list(days), "portfolios": None if portfolio_ids is None else list(portfolio_ids)},
    )
    return [day for (day,) in rows]


def _read_outcomes(
    conn: psycopg.Connection[Any],
    portfolio_ids: Sequence[UUID] | None,
    sessions: Sequence[date],
    places: dict[date, int],
) -> Iterator[tuple[list[UUID], Outcomes]]:
    """The forecasts and the outcomes, in groups of portfolios that fit in memory."""
    rows = conn.execute(
        "select distinct portfolio_id from analytics.portfolio_risk_metrics where calculation_date between %s and %s"
        " and (%s::uuid[] is null or portfolio_id = any(%s)) order by portfolio_id",
        (sessions[0], sessions[-1], *[None if portfolio_ids is None else list(portfolio_ids)] * 2),
    )
    portfolios = [portfolio for (portfolio,) in rows.fetchall()]
    for first in range(0, len(portfolios), _PORTFOLIOS_AT_ONCE):
        group = portfolios[first : first + _PORTFOLIOS_AT_ONCE]
        table: dict[str, Floats] = {name: np.full((len(sessions), len(group)), np.nan) for name in _COLUMNS}
        columns = {portfolio: column for column, portfolio in enumerate(group)}
        cursor = conn.cursor(binary=True)
        cursor.execute(_READ, {"portfolios": group, "start": sessions[0], "end": sessions[-1]})
        for portfolio, days, *values in cursor:
            rows_of = [places[day] for day in days]
            for name, series in zip(_COLUMNS, values, strict=True):
                table[name][rows_of, columns[portfolio]] = np.array(series, dtype=np.float64)
        yield (
            group,
            Outcomes(
                returns=table["daily_return"],
                pnl=table["daily_pnl"],
                is_computed=table["is_computed"] == 1.0,
                volatility=table["ex_ante_vol"] / np.sqrt(SESSIONS_PER_YEAR),
                var=table["var_95_1d"],
                scaled_var=table["scaled_var_95_1d"],
            ),
        )


def _replace(
    conn: psycopg.Connection[Any], days: Sequence[date], portfolio_ids: Sequence[UUID] | None
) -> tuple[int, int]:
    """Bring the table to the new rows of these sessions; returns how many were written, and how many removed first.

    Rows that have not changed are left alone.
    """
    scope = {"days": list(days), "portfolios": None if portfolio_ids is None else list(portfolio_ids)}
    removed = conn.execute(
        """
        with changed as (
            select old.portfolio_id, old.calculation_date
            from analytics.risk_backtest as old
            left join backtested as new
                on old.portfolio_id = new.portfolio_id and old.calculation_date = new.calculation_date
            where
                old.calculation_date = any(%(days)s)
                and (%(portfolios)s::uuid[] is null or old.portfolio_id = any(%(portfolios)s))
                and (old.*) is distinct from (new.*)
        )

        delete from analytics.risk_backtest as old
        using changed
        where old.portfolio_id = changed.portfolio_id and old.calculation_date = changed.calculation_date
        """,
        scope,
    ).rowcount
    written = conn.execute(
        """
        insert into analytics.risk_backtest
        select * from backtested
        on conflict do nothing
        """
    ).rowcount
    return written, removed
