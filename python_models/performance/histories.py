"""The inputs of performance, read for all portfolios at once: returns, equity, flows and benchmarks since inception."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy as np
import psycopg

from python_models.statistics.conventions import Booleans, Floats, Integers
from warehouse.binary_copy import uuid_array
from warehouse.sessions import session_before, sessions_between


@dataclass(frozen=True)
class Due:
    """The sessions whose results have no performance yet, in order, each with its portfolios."""

    portfolios_on: Mapping[date, Sequence[UUID]]

    @property
    def days(self) -> list[date]:
        """The sessions."""
        return list(self.portfolios_on)

    @cached_property
    def portfolios(self) -> tuple[UUID, ...]:
        """Every portfolio that is due on some session."""
        return tuple(sorted({each for portfolios in self.portfolios_on.values() for each in portfolios}))


@dataclass(frozen=True)
class Benchmark:
    """A benchmark's returns by session: since its last close, and over one session; and whether it has a close."""

    returns: Floats
    of_one_session: Floats
    has_close: Booleans


@dataclass(frozen=True)
class Flows:
    """Capital flows (n_flows,): session and portfolio as places, dollars paid in and taken out."""

    row: Integers
    column: Integers
    contribution: Floats
    withdrawal: Floats


@dataclass(frozen=True)
class Histories:
    """All portfolios from the session before the earliest inception, which is row 0, to the last session due.

    `returns` and `equity` are (n_sessions, n_portfolios); NaN before inception, where `equity` begins a session earlier
    with the starting equity. `inception` is the row of each portfolio's first session.
    """

    sessions: tuple[date, ...]
    portfolios: tuple[UUID, ...]
    returns: Floats
    equity: Floats
    inception: Integers
    flows: Flows
    benchmark_of: tuple[str, ...]
    benchmarks: Mapping[str, Benchmark]

    @cached_property
    def rows(self) -> dict[date, int]:
        """Each session's row."""
        return {session: row for row, session in enumerate(self.sessions)}

    @cached_property
    def columns(self) -> dict[UUID, int]:
        """Each portfolio's column."""
        return {portfolio: column for column, portfolio in enumerate(self.portfolios)}

    @cached_property
    def ids(self) -> np.ndarray:
        """The portfolios' ids in the form for the tables (n_portfolios,)."""
        return uuid_array(self.portfolios)

    @cached_property
    def benchmark_returns(self) -> Floats:
        """The returns over one session of each portfolio's benchmark (n_sessions, n_portfolios)."""
        return np.column_stack([self.benchmarks[symbol].of_one_session for symbol in self.benchmark_of])

    @cached_property
    def bases(self) -> Floats:
        """The base of each day's return: the close before plus contributions (n_sessions, n_portfolios)."""
        bases = np.vstack([np.full((1, len(self.portfolios)), np.nan), self.equity[:-1]])
        np.add.at(bases, (self.flows.row, self.flows.column), self.flows.contribution)
        return bases


def read_due(conn: psycopg.Connection[Any], portfolio_ids: Sequence[UUID] | None = None) -> Due:
    """The current results without performance, or whose performance rests on older exposures.

    With `portfolio_ids`, only those of these portfolios.
    """
    rows = conn.execute(
        """
        with computed as (
            select calculation_date, portfolio_id
            from ops.risk_state
            where performance_at is null and stale_because is null and portfolio_id is not null
        ),

        -- the P&L of a session is shared out by the exposures of the close before
        next_sessions as (
            select days.calculation_date, min(sessions.session_date) as next_session
            from (select distinct calculation_date from computed) as days
            inner join raw.trading_sessions as sessions on sessions.session_date > days.calculation_date
            where sessions.session_date <= days.calculation_date + 14
            group by days.calculation_date
        ),

        due as (
            select * from computed
            union
            select state.calculation_date, state.portfolio_id
            from computed
            inner join next_sessions using (calculation_date)
            inner join ops.risk_state as state
                on
                    computed.portfolio_id = state.portfolio_id
                    and next_sessions.next_session = state.calculation_date
            where state.stale_because is null
        )

        select due.calculation_date, array_agg(due.portfolio_id order by due.portfolio_id)
        from due
        -- of results whose snapshot has gone there is nothing to tell
        inner join analytics.portfolio_snapshots as snapshots
            on due.portfolio_id = snapshots.portfolio_id and due.calculation_date = snapshots.snapshot_date
        where %(portfolios)s::uuid[] is null or due.portfolio_id = any(%(portfolios)s)
        group by due.calculation_date
        order by due.calculation_date
        """,
        {"portfolios": None if portfolio_ids is None else list(portfolio_ids)},
    )
    return Due(dict(rows.fetchall()))


def read_histories(conn: psycopg.Connection[Any], due: Due) -> Histories:
    """Read the whole histories of the due portfolios, up to the last due session."""
    portfolios, end = list(due.portfolios), due.days[-1]
    facts = {
        portfolio: row
        for portfolio, *row in conn.execute(
            """
            select portfolios.portfolio_id, benchmark, starting_equity::float8, first_session
            from raw.portfolios
            inner join (
                select portfolio_id, min(snapshot_date) as first_session from analytics.portfolio_snapshots
                where portfolio_id = any(%s)
                group by portfolio_id
            ) as snapshots on portfolios.portfolio_id = snapshots.portfolio_id
            """,
            (portfolios,),
        )
    }
    start = session_before(conn, min(first for _, _, first in facts.values()), 1)
    sessions = tuple(sessions_between(conn, start, end))
    rows = {session: row for row, session in enumerate(sessions)}
    shape = (len(sessions), len(portfolios))
    returns, equity = np.full(shape, np.nan), np.full(shape, np.nan)
    inception = np.array([rows[facts[portfolio][2]] for portfolio in portfolios], dtype=np.intp)
    columns = {portfolio: column for column, portfolio in enumerate(portfolios)}
    lives = conn.cursor(binary=True).execute(
        """
        with places as (
            select session_date, row_number() over (order by session_date)::integer - 1 as place
            from unnest(%s::date[]) as session_date
        )
        select portfolio_id, array_agg(place), array_agg(daily_return::float8), array_agg(equity_balance::float8)
        from analytics.portfolio_snapshots
        inner join places on snapshot_date = session_date
        where portfolio_id = any(%s)
        group by portfolio_id
        """,
        (list(sessions), portfolios),
    )
    for portfolio, places, earned, balances in lives:
        column = columns[portfolio]
        returns[places, column] = np.array(earned, dtype=np.float64)
        equity[places, column] = balances
        equity[inception[column] - 1, column] = facts[portfolio][1]
    benchmark_of = tuple(facts[portfolio][0] for portfolio in portfolios)
    return Histories(
        sessions=sessions,
        portfolios=tuple(portfolios),
        returns=returns,
        equity=equity,
        inception=inception,
        flows=_read_flows(conn, sessions, columns, rows),
        benchmark_of=benchmark_of,
        benchmarks=_read_benchmarks(conn, sorted(set(benchmark_of)), rows),
    )


def _read_flows(
    conn: psycopg.Connection[Any],
    sessions: Sequence[date],
    columns: Mapping[UUID, int],
    rows: Mapping[date, int],
) -> Flows:
    flows = conn.execute(
        """
        select
            snapshot_date, portfolio_id,
            daily_contributions::float8, (daily_contributions - daily_capital_flow)::float8
        from analytics.portfolio_snapshots
        where
            portfolio_id = any(%s)
            and snapshot_date between %s and %s
            and (daily_contributions <> 0 or daily_capital_flow <> 0)
        order by portfolio_id, snapshot_date
        """,
        (list(columns), sessions[0], sessions[-1]),
    ).fetchall()
    return Flows(
        row=np.array([rows[day] for day, *_ in flows], dtype=np.intp),
        column=np.array([columns[portfolio] for _, portfolio, *_ in flows], dtype=np.intp),
        contribution=np.array([paid_in for *_, paid_in, _ in flows], dtype=np.float64),
        withdrawal=np.array([taken_out for *_, taken_out in flows], dtype=np.float64),
    )


def _read_benchmarks(
    conn: psycopg.Connection[Any], symbols: Sequence[str], rows: Mapping[date, int]
) -> dict[str, Benchmark]:
    nothing = {
        symbol: Benchmark(np.full(len(rows), np.nan), np.full(len(rows), np.nan), np.zeros(len(rows), dtype=bool))
        for symbol in symbols
    }
    found = conn.execute(
        """
        select symbol, value_date, total_return::float8, gap_sessions
        from analytics.daily_returns
        where symbol = any(%s) and value_date between %s and %s
        """,
        (list(symbols), min(rows), max(rows)),
    )
    for symbol, day, earned, gap in found:
        benchmark, row = nothing[symbol], rows[day]
        benchmark.returns[row] = earned
        benchmark.has_close[row] = True
        if gap == 1:
            benchmark.of_one_session[row] = earned
        # its very first close has no return
        if row >= gap:
            benchmark.has_close[row - gap] = True
    return nothing
