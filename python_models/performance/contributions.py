"""The rows of `position_contributions`: each position's P&L and contribution to the return since a period began.

Sums continue from session to session. They start from the stored sums of the close before, if these are current, and
otherwise from the beginning of the portfolio. Both ways add the same numbers in the same order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import Any, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray

from python_models.performance.histories import Due, Histories
from python_models.statistics.attribution import log_per_return, return_per_log
from python_models.statistics.conventions import Booleans, Floats, Integers, divide
from python_models.statistics.periods import first_row
from python_models.write import CONTRIBUTION_SUMS, Block
from warehouse.binary_copy import uuids_of
from warehouse.queries import fetch_one

PERIODS = ("MTD", "YTD", "SI")
# Sessions × positions that are in memory together.
_CELLS = 2_000_000
# Ids of a group of rows as bytes, for `uuids_of`: tens of thousands of objects would be made for an array of them.
_IDS: LiteralString = "string_agg(uuid_send(position_id), ''::bytea)"


@dataclass(frozen=True)
class Positions:
    """Every position of the portfolios, with the column of its portfolio in `Histories` (n_positions,)."""

    ids: NDArray[np.void]
    symbols: NDArray[np.bytes_]
    column: Integers

    @cached_property
    def _by_id(self) -> Integers:
        return np.argsort(_sortable(self.ids))

    def places(self, ids: NDArray[np.void]) -> tuple[Integers, Booleans]:
        """Where positions are among all, and which of them are there at all (n_ids,)."""
        own, wanted = _sortable(self.ids), _sortable(ids)
        if not len(own):
            return np.zeros(len(ids), dtype=np.intp), np.zeros(len(ids), dtype=bool)
        next_places = np.searchsorted(own, wanted, sorter=self._by_id)
        places = self._by_id[np.minimum(next_places, len(own) - 1)]
        return places, own[places] == wanted


@dataclass
class _Sums:
    """The sums since a period began: by position, and the logarithm of growth by portfolio."""

    pnl: Floats
    log: Floats
    seen: Booleans
    log_growth: Floats

    @classmethod
    def empty(cls, n_positions: int, n_portfolios: int) -> "_Sums":
        return cls(
            np.zeros(n_positions), np.zeros(n_positions), np.zeros(n_positions, dtype=bool), np.zeros(n_portfolios)
        )


def contribution_blocks(
    conn: psycopg.Connection[Any], histories: Histories, due: Due
) -> Iterator[tuple[list[date], list[Block]]]:
    """The rows of the portfolios that are due, a few sessions at a time."""
    positions = _read_positions(conn, histories)
    n_positions, n_portfolios = len(positions.ids), len(histories.portfolios)
    sums = {period: _Sums.empty(n_positions, n_portfolios) for period in PERIODS}
    first_due = np.full(n_portfolios, len(histories.sessions))
    for day, portfolios in due.portfolios_on.items():
        columns = [histories.columns[portfolio] for portfolio in portfolios]
        first_due[columns] = np.minimum(first_due[columns], histories.rows[day])
    begins = _take_up(conn, histories, positions, sums, first_due)
    n_at_once = max(_CELLS // max(n_positions, 1), 1)
    for start in range(int(begins.min()), len(histories.sessions), n_at_once):
        rows = range(start, min(start + n_at_once, len(histories.sessions)))
        blocks = _run_on(conn, histories, positions, sums, begins, due, rows)
        days = [histories.sessions[row] for row in rows if histories.sessions[row] in due.portfolios_on]
        if days:
            yield days, blocks


def _run_on(
    conn: psycopg.Connection[Any],
    histories: Histories,
    positions: Positions,
    sums: Mapping[str, _Sums],
    begins: Integers,
    due: Due,
    rows: range,
) -> list[Block]:
    """Continue the sums over neighbouring sessions, and return the rows of those that are due."""
    pnl, held = _read_pnl(conn, histories, positions, rows)
    window = slice(rows.start, rows.stop)
    returns = histories.returns[window]
    # nothing counts before a portfolio's stored sums, or before its inception
    runs = np.arange(rows.start, rows.stop)[:, np.newaxis] >= begins
    counted = runs[:, positions.column]
    pnl, held = np.where(counted, pnl, 0.0), held & counted
    per_dollar = np.where(np.isfinite(returns), divide(log_per_return(returns), histories.bases[window]), 0.0)
    logs = np.where(pnl == 0, 0.0, pnl * per_dollar[:, positions.column])
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = np.where(runs & np.isfinite(returns), np.log1p(returns), 0.0)
    runs_of: dict[str, _Sums] = {}
    for period, before in sums.items():
        resets = [
            place
            for place, row in enumerate(rows)
            if row > 0 and _begins(period, histories.sessions[row - 1], histories.sessions[row])
        ]
        run = _running(before, pnl, logs, held, grown, resets)
        before.pnl, before.log = run.pnl[-1], run.log[-1]
        before.seen, before.log_growth = run.seen[-1], run.log_growth[-1]
        runs_of[period] = run
    blocks: list[Block] = []
    for place, day in enumerate(histories.sessions[window]):
        if day in due.portfolios_on:
            is_due = np.isin(positions.column, [histories.columns[each] for each in due.portfolios_on[day]])
            # a position seen in a month or year has been seen since inception
            of = np.flatnonzero(runs_of["SI"].seen[place] & is_due)
            columns: dict[str, Any] = {
                "calculation_date": day,
                "portfolio_id": histories.ids[positions.column[of]],
                "position_id": positions.ids[of],
                "symbol": positions.symbols[of],
            }
            for period, run in runs_of.items():
                columns |= _columns(period, run, place, of, positions.column[of])
            blocks.append(Block(CONTRIBUTION_SUMS, columns))
    return blocks


def _columns(period: str, run: _Sums, place: int, of: Integers, portfolio: Integers) -> dict[str, Floats]:
    """The columns of a period after one session, of some positions (n_positions,); NaN where there were none yet."""
    seen, log = run.seen[place, of], run.log[place, of]
    values = {
        "pnl": run.pnl[place, of],
        "contribution": log * return_per_log(run.log_growth[place])[portfolio],
        "log_contribution": log,
    }
    return {f"{period.lower()}_{name}": np.where(seen, each, np.nan) for name, each in values.items()}


def _running(before: _Sums, pnl: Floats, logs: Floats, held: Booleans, grown: Floats, resets: Sequence[int]) -> _Sums:
    """The sums after each session (n_sessions, …); they restart at the sessions in `resets`."""
    n_sessions = len(pnl)
    run = _Sums(np.empty_like(pnl), np.empty_like(logs), np.empty_like(held), np.empty_like(grown))
    edges = [0, *(place for place in resets if place > 0), n_sessions]
    for start, stop in pairwise(edges):
        goes_on = start == 0 and 0 not in resets
        for values, into, carried in (
            (pnl, run.pnl, before.pnl),
            (logs, run.log, before.log),
            (grown, run.log_growth, before.log_growth),
        ):
            first = carried if goes_on else np.zeros_like(carried)
            into[start:stop] = np.cumsum(np.vstack([first, values[start:stop]]), axis=0)[1:]
        first_seen = before.seen if goes_on else np.zeros_like(before.seen)
        run.seen[start:stop] = np.logical_or.accumulate(np.vstack([first_seen, held[start:stop]]), axis=0)[1:]
    return run


def _begins(period: str, before: date, day: date) -> bool:
    """Whether a session is the first of its month or year."""
    return {"MTD": before.month != day.month, "YTD": before.year != day.year, "SI": False}[period]


def _take_up(
    conn: psycopg.Connection[Any],
    histories: Histories,
    positions: Positions,
    sums: Mapping[str, _Sums],
    first_due: Integers,
) -> Integers:
    """Read the sums at the close before each portfolio's first due session from the table, where they are current.

    Returns the row from which to continue each portfolio: its first due one, or its inception.
    """
    wanted = [
        (histories.sessions[row - 1], portfolio)
        for portfolio, row, inception in zip(
            histories.portfolios, first_due.tolist(), histories.inception.tolist(), strict=True
        )
        if row > inception
    ]
    begins = histories.inception.copy()
    if not wanted:
        return begins
    days, portfolios = zip(*wanted, strict=True)
    current = conn.execute(
        """
        select state.portfolio_id
        from unnest(%s::date[], %s::uuid[]) as wanted (day, portfolio_id)
        inner join ops.risk_state as state
            on wanted.portfolio_id = state.portfolio_id and wanted.day = state.calculation_date
        where state.performance_at is not null and state.stale_because is null
        """,
        (list(days), list(portfolios)),
    ).fetchall()
    taken = [histories.columns[portfolio] for (portfolio,) in current]
    begins[taken] = first_due[taken]
    stored = conn.cursor(binary=True).execute(
        f"""
        select
            coalesce({_IDS}, ''),
            array_agg(mtd_pnl::float8), array_agg(mtd_log_contribution::float8),
            array_agg(ytd_pnl::float8), array_agg(ytd_log_contribution::float8),
            array_agg(si_pnl::float8), array_agg(si_log_contribution::float8)
        from ops.position_contribution_sums
        inner join unnest(%s::date[], %s::uuid[]) as wanted (day, portfolio)
            on portfolio_id = portfolio and calculation_date = day
        """,
        (
            [histories.sessions[first_due[column] - 1] for column in taken],
            [histories.portfolios[column] for column in taken],
        ),
    )
    ids, *columns = fetch_one(stored)
    places, known = positions.places(uuids_of(ids))
    values = np.array([column or () for column in columns], dtype=np.float64)
    for (period, each), pnl, log in zip(sums.items(), values[::2], values[1::2], strict=True):
        has_sum = known & ~np.isnan(pnl)
        of = places[has_sum]
        each.pnl[of] = pnl[has_sum]
        each.log[of] = log[has_sum]
        each.seen[of] = True
        for column in taken:
            each.log_growth[column] = _log_growth(period, histories, column, int(first_due[column]))
    return begins


def _log_growth(period: str, histories: Histories, column: int, stop: int) -> float:
    """The logarithm of growth from the start of the period to the session before row `stop`."""
    first = max(first_row(period, histories.sessions[stop - 1], histories.sessions), int(histories.inception[column]))
    earned = histories.returns[first:stop, column]
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.cumsum(np.where(np.isfinite(earned), np.log1p(earned), 0.0))[-1])


def _read_positions(conn: psycopg.Connection[Any], histories: Histories) -> Positions:
    rows = (
        conn.cursor(binary=True)
        .execute(
            f"""
            select portfolio_id, {_IDS}, array_agg(symbol), count(*)
            from (
                select portfolio_id, position_id, symbol from analytics.positions
                where portfolio_id = any(%s)
                order by portfolio_id, position_id
            ) as positions
            group by portfolio_id
            order by portfolio_id
            """,
            (list(histories.portfolios),),
        )
        .fetchall()
    )
    return Positions(
        ids=uuids_of(b"".join(ids for _, ids, *_ in rows)),
        symbols=np.array([symbol.encode() for _, _, symbols, _ in rows for symbol in symbols], dtype=np.bytes_),
        column=np.repeat(
            np.array([histories.columns[portfolio] for portfolio, *_ in rows], dtype=np.intp),
            [n_positions for *_, n_positions in rows],
        ),
    )


def _read_pnl(
    conn: psycopg.Connection[Any], histories: Histories, positions: Positions, rows: range
) -> tuple[Floats, Booleans]:
    """The P&L of each position on neighbouring sessions (n_sessions, n_positions), and where it has a row at all."""
    shape = (len(rows), len(positions.ids))
    pnl, held = np.zeros(shape), np.zeros(shape, dtype=bool)
    found = conn.cursor(binary=True).execute(
        f"""
        select value_date, {_IDS}, array_agg(daily_pnl::float8)
        from analytics.position_values
        where portfolio_id = any(%s) and value_date between %s and %s
        group by value_date
        """,
        (
            list(histories.portfolios),
            histories.sessions[rows.start],
            histories.sessions[rows.stop - 1],
        ),
    )
    for day, ids, values in found:
        row = histories.rows[day] - rows.start
        places, known = positions.places(uuids_of(ids))
        pnl[row, places[known]] = np.array(values, dtype=np.float64)[known]
        held[row, places[known]] = True
    return pnl, held


def _sortable(ids: NDArray[np.void]) -> NDArray[np.bytes_]:
    return ids.view("S16")
