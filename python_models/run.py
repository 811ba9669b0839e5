"""One pass over sessions, symbols and portfolios: read as a panel, compute, write what changed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from python_models import panel as read
from python_models import store
from python_models.conventions import Booleans
from python_models.fingerprints import fingerprint, method_fingerprint
from python_models.panel import Definitions, Panel, Position, Snapshots, StressScenario, Underlyings
from python_models.portfolio_results import OptionTerms, make_books, portfolio_blocks
from python_models.report import RiskReport
from python_models.stress import FactorShocks, factor_shocks, replay_shocks
from python_models.symbol_results import SymbolStatistics, symbol_blocks, symbol_pairs, symbol_statistics
from python_models.volatility import VOLATILITY_LOOKBACK, VolatilityHistory, volatility_history
from warehouse.sessions import session_before, sessions_between

# What is held in memory at once: positions read, sessions of rolling statistics, rows to write.
_POSITIONS_AT_ONCE = 200_000
_SESSIONS_AT_ONCE = 64
_ROWS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class _Inputs:
    """What is read once for the whole pass; `replays` are the factor ETFs' returns over all windows replayed."""

    definitions: Definitions
    scenarios: Sequence[StressScenario]
    replays: Panel
    snapshots: Snapshots
    panel: Panel
    states: Mapping[store.Scope, tuple[str, str]]

    @property
    def days(self) -> list[date]:
        """The sessions that are wanted, on which some portfolio has a snapshot."""
        return sorted(self.snapshots.equity)


@dataclass(frozen=True)
class _Session:
    """One session's inputs, and what they add up to: fingerprints for symbols and for each portfolio that is wanted."""

    day: date
    symbols: tuple[str, ...]
    returns: np.ndarray
    volatility: VolatilityHistory
    positions: Sequence[Position]
    held_together: Booleans
    symbols_rest_on: str
    portfolios_rest_on: Mapping[UUID, str]


def compute_risk(
    conn: psycopg.Connection[Any],
    start: date,
    end: date,
    *,
    portfolio_ids: Sequence[UUID] | None = None,
    force: bool = False,
    terms: OptionTerms | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> RiskReport:
    """Bring the risk results of every session from `start` to `end` up to date, for all portfolios in one pass.

    Every session on which some portfolio has a snapshot gets its results as of its close: no later price is looked at.
    Results whose inputs and method have not changed since they were written are left alone, and results of portfolios
    that have no snapshot any more are removed.

    Args:
        conn: a connection with autocommit on; results are written in one transaction per block of sessions.
        start: first session.
        end: last session.
        portfolio_ids: whose portfolio tables to compute; None: all. Symbol tables are always of all holdings.
        force: compute again what has not changed, too.
        terms: what options are valued with; by default no interest and each underlying's own dividends.
        progress: told after each session how many of how many are done.

    Raises:
        UserError: the seeds do not define factors or scenarios that can be used.
    """
    terms = terms or OptionTerms()
    # Many small solves: more threads only wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        store.withdraw(conn, read.read_withdrawn(conn))
        inputs = _read_inputs(conn, start, end)
        report = RiskReport(start, end, sessions=len(inputs.days))
        done = 0
        for days in _in_blocks(inputs.days, inputs.snapshots.position_counts):
            results = store.Results()
            holdings, underlyings = _read_holdings(conn, inputs.snapshots, days)
            for session in _sessions(inputs, days, holdings, underlyings, portfolio_ids, terms):
                _compute(session, inputs, underlyings, terms, force, results, report)
                if len(results) > _ROWS_AT_ONCE:
                    report.rows.update(store.replace(conn, results))
                    results = store.Results()
                done += 1
                progress(done, len(inputs.days))
            if results.scopes:
                report.rows.update(store.replace(conn, results))
        return report


def _read_inputs(conn: psycopg.Connection[Any], start: date, end: date) -> _Inputs:
    definitions = read.read_definitions(conn)
    scenarios = read.read_scenarios(conn)
    snapshots = read.read_snapshots(conn, start, end)
    days = sorted(snapshots.equity)
    sessions, replayed = [], []
    if days:
        sessions = sessions_between(conn, session_before(conn, days[0], VOLATILITY_LOOKBACK - 1), days[-1])
    windows = [each for each in scenarios if each.scenario.is_replay and days and each.end <= days[-1]]
    if windows:
        replayed = sessions_between(conn, min(each.start for each in windows), max(each.end for each in windows))
    return _Inputs(
        definitions,
        scenarios,
        read.read_returns(conn, definitions.etfs, replayed),
        snapshots,
        read.read_returns(conn, [*read.read_symbols(conn), *definitions.etfs], sessions),
        read.read_states(conn, start, end),
    )


def _in_blocks(days: Sequence[date], position_counts: Mapping[date, int]) -> Iterator[list[date]]:
    """Cut the sessions into blocks that fit in memory."""
    block: list[date] = []
    positions = 0
    for day in days:
        if block and (len(block) == _SESSIONS_AT_ONCE or positions + position_counts[day] > _POSITIONS_AT_ONCE):
            yield block
            block, positions = [], 0
        block.append(day)
        positions += position_counts[day]
    if block:
        yield block


def _read_holdings(
    conn: psycopg.Connection[Any], snapshots: Snapshots, days: Sequence[date]
) -> tuple[Mapping[date, list[Position]], Underlyings]:
    holdings = read.read_holdings(conn, snapshots.portfolios, days)
    options = [(day, position) for day in days for position in holdings[day] if position.is_option]
    wanted = {(option.symbol, day) for day, option in options}
    wanted |= {(option.symbol, option.price_date) for _, option in options if option.price_date}
    return holdings, read.read_underlyings(conn, sorted(wanted))


def _sessions(
    inputs: _Inputs,
    days: Sequence[date],
    holdings: Mapping[date, list[Position]],
    underlyings: Underlyings,
    portfolio_ids: Sequence[UUID] | None,
    terms: OptionTerms,
) -> Iterator[_Session]:
    """The sessions of a block, each with its own symbols: what is held then, and the factors' ETFs."""
    panel, snapshots = inputs.panel, inputs.snapshots
    begin = max(panel.rows[days[0]] - VOLATILITY_LOOKBACK + 1, 0)
    block = panel.returns[begin : panel.rows[days[-1]] + 1]
    rolling = volatility_history(block)
    method = repr(terms)
    for day in days:
        row = panel.rows[day] - begin
        window = slice(max(row - VOLATILITY_LOOKBACK + 1, 0), row + 1)
        equity = snapshots.equity[day]
        positions = [position for position in holdings[day] if position.portfolio_id in equity]
        held = {position.symbol for position in positions} - {None}
        quoted = np.isfinite(block[window]).any(axis=0)
        etfs = {etf for etf in inputs.definitions.etfs if quoted[panel.columns[etf]]}
        symbols = tuple(sorted(held | etfs))
        columns = [panel.columns[symbol] for symbol in symbols]
        returns = block[window][:, columns]
        digests = dict(zip(symbols, map(fingerprint, np.ascontiguousarray(returns.T)), strict=True))
        common = fingerprint(day, inputs.definitions, [(etf, digests[etf]) for etf in sorted(etfs)])
        held_together = _held_together(positions, symbols, list(equity))
        scenarios = [
            (each, _window_returns(inputs, each)) for each in inputs.scenarios if each.end is None or each.end <= day
        ]
        scenarios_rest_on = fingerprint(*(part for pair in scenarios for part in pair))
        of_portfolio: dict[UUID, list[Position]] = {portfolio: [] for portfolio in equity}
        for position in positions:
            of_portfolio[position.portfolio_id].append(position)
        wanted = equity if portfolio_ids is None else [each for each in equity if each in set(portfolio_ids)]
        own = snapshots.daily_returns[: snapshots.rows[day] + 1]
        yield _Session(
            day=day,
            symbols=symbols,
            returns=returns,
            volatility=VolatilityHistory(
                *(getattr(rolling, each.name)[window][:, columns] for each in fields(VolatilityHistory))
            ),
            positions=positions,
            held_together=held_together,
            symbols_rest_on=fingerprint(common, list(digests.items()), np.packbits(held_together)),
            portfolios_rest_on={
                portfolio: fingerprint(
                    common,
                    method,
                    scenarios_rest_on,
                    equity[portfolio],
                    of_portfolio[portfolio],
                    [digests.get(position.symbol) for position in of_portfolio[portfolio]],
                    _underlyings_rest_on(of_portfolio[portfolio], underlyings, day),
                    own[:, snapshots.columns[portfolio]],
                )
                for portfolio in wanted
            },
        )


def _held_together(positions: Sequence[Position], symbols: Sequence[str], portfolios: Sequence[UUID]) -> Booleans:
    """Which symbols (n_symbols, n_symbols) some portfolio holds at once."""
    rows = {portfolio: row for row, portfolio in enumerate(portfolios)}
    columns = {symbol: column for column, symbol in enumerate(symbols)}
    places = {(rows[each.portfolio_id], columns[each.symbol]) for each in positions if each.symbol is not None}
    held = np.array(sorted(places), dtype=np.intp).reshape(-1, 2).T
    holding = csr_array((np.ones(held.shape[1]), (held[0], held[1])), shape=(len(rows), len(columns)))
    return (holding.T @ holding).toarray() > 0


def _underlyings_rest_on(positions: Sequence[Position], underlyings: Underlyings, day: date) -> list[tuple[float, ...]]:
    """What options' values hang on beside their own prices."""
    return [
        (
            underlyings.spot(option.symbol, day),
            underlyings.spot(option.symbol, option.price_date or day),
            underlyings.dividend_yield(option.symbol, day),
        )
        for option in positions
        if option.is_option
    ]


def _compute(
    session: _Session,
    inputs: _Inputs,
    underlyings: Underlyings,
    terms: OptionTerms,
    force: bool,
    results: store.Results,
    report: RiskReport,
) -> None:
    """Add what is due of one session to the results."""
    method = method_fingerprint()
    rests_on = {None: session.symbols_rest_on, **session.portfolios_rest_on}
    due = {
        portfolio: (inputs_of, method)
        for portfolio, inputs_of in rests_on.items()
        if force or inputs.states.get((session.day, portfolio)) != (inputs_of, method)
    }
    report.unchanged_results += len(rests_on) - len(due)
    if not due:
        return
    statistics = symbol_statistics(
        session.day, session.symbols, session.returns, session.volatility.at(-1), inputs.definitions.candidates
    )
    held = {position.symbol for position in session.positions} - {None}
    report.note_symbols(statistics, held, list(inputs.definitions.candidates))
    if None in due:
        results.blocks += symbol_blocks(statistics)
        results.pairs.append(symbol_pairs(statistics, session.held_together))
    if portfolios := [portfolio for portfolio in due if portfolio is not None]:
        snapshots = inputs.snapshots
        equity = {portfolio: snapshots.equity[session.day][portfolio] for portfolio in portfolios}
        own = snapshots.daily_returns[: snapshots.rows[session.day] + 1]
        books = make_books(
            statistics,
            equity,
            [position for position in session.positions if position.portfolio_id in equity],
            underlyings,
            terms,
            own[:, [snapshots.columns[portfolio] for portfolio in portfolios]],
            _last_rows(statistics.benchmark, len(own)),
        )
        results.blocks += portfolio_blocks(books, statistics, _shocks(inputs, statistics))
        report.note_portfolios({snapshots.names[each]: equity[each] for each in portfolios}, session.day)
    results.scopes |= {(session.day, portfolio): rests for portfolio, rests in due.items()}


def _last_rows(series: np.ndarray, length: int) -> np.ndarray:
    """The end of a series, of this length; NaN where it does not reach back so far."""
    missing = max(length - len(series), 0)
    return np.concatenate([np.full(missing, np.nan), series[max(len(series) - length, 0) :]])


def _shocks(inputs: _Inputs, statistics: SymbolStatistics) -> FactorShocks:
    """What the scenarios do on this session; replays that had ended by then, with what happened where prices reach."""
    scenarios = []
    for each in inputs.scenarios:
        if not each.scenario.is_replay:
            scenarios.append(each.scenario)
        elif each.end <= statistics.day:
            happened = replay_shocks(_window_returns(inputs, each), inputs.replays.symbols, statistics.chosen)
            scenarios.append(replace(each.scenario, shocks={**each.scenario.shocks, **happened}))
    return factor_shocks(
        scenarios,
        statistics.factors.names,
        statistics.stress_covariance.matrix,
        duration=inputs.definitions.duration,
        convexity=inputs.definitions.convexity,
    )


def _window_returns(inputs: _Inputs, scenario: StressScenario) -> np.ndarray | None:
    """Returns of the factors' ETFs from the close that a replay starts from to the one it ends on."""
    if not scenario.scenario.is_replay:
        return None
    within = [scenario.start < session <= scenario.end for session in inputs.replays.sessions]
    return inputs.replays.returns[np.array(within, dtype=bool)]
