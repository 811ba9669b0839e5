"""What a pass rests on: read once for all sessions, then cut into one session after the other, with fingerprints."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from scipy.sparse import csr_array

from python_models import read
from python_models.books import OptionTerms, underlying_facts
from python_models.definitions import Definitions, StressScenario
from python_models.fingerprints import fingerprint
from python_models.read import Panel, Position, Snapshots, Underlyings
from python_models.statistics.betas import BETA_WINDOW
from python_models.statistics.conventions import Booleans, Floats
from python_models.statistics.portfolio_risk import drawdowns
from python_models.statistics.volatility import VOLATILITY_LOOKBACK, VolatilityHistory, volatility_history
from python_models.write import Scope
from warehouse.sessions import session_before, sessions_between

# What is held in memory at once: positions read, sessions of rolling statistics.
_POSITIONS_AT_ONCE = 200_000
_SESSIONS_AT_ONCE = 64


@dataclass(frozen=True)
class Asked:
    """What a pass is asked for: see `run.compute_risk`; pairs are wanted from the session `pairs_from` on.

    `without` are symbols that are left out: positions in them are as those that have no market price.
    """

    start: date
    end: date
    portfolio_ids: Sequence[UUID] | None = None
    force: bool = False
    pairs_from: date = date.min
    terms: OptionTerms = field(default_factory=OptionTerms)
    without: Collection[str] = frozenset()

    def wanted(self, symbols: Sequence[str]) -> list[str]:
        """Those of the symbols that are not left out."""
        return [symbol for symbol in symbols if symbol not in self.without]


@dataclass(frozen=True)
class Inputs:
    """What is read once for the whole pass.

    `replayed` has, for each replay that had ended by the last session, the daily returns of its window, columns as in
    `etfs`. `states` tell what the stored results rest on, (inputs, method).
    """

    asked: Asked
    definitions: Definitions
    scenarios: Sequence[StressScenario]
    etfs: tuple[str, ...]
    replayed: Mapping[str, Floats]
    snapshots: Snapshots
    panel: Panel
    states: Mapping[Scope, tuple[str, str]]

    @property
    def days(self) -> list[date]:
        """The sessions that are wanted, on which some portfolio has a snapshot."""
        return sorted(self.snapshots.equity)

    def scenarios_known(self, day: date) -> list[StressScenario]:
        """The scenarios of a session: replays that end later are none of them."""
        return [each for each in self.scenarios if not each.scenario.is_replay or each.end <= day]

    @cached_property
    def drawdowns(self) -> Floats:
        """Each portfolio's deepest fall so far, (n_sessions, n_portfolios) as in `snapshots.daily_returns`."""
        return drawdowns(self.snapshots.daily_returns)

    def own_returns(self, day: date, portfolios: Sequence[UUID]) -> Floats:
        """The daily returns of portfolios (n_sessions, n_portfolios) from the earliest inception up to a session."""
        snapshots = self.snapshots
        return snapshots.daily_returns[: snapshots.rows[day] + 1, [snapshots.columns[each] for each in portfolios]]


@dataclass(frozen=True)
class SessionBlock:
    """Neighbouring sessions that are in memory together, with their holdings."""

    days: Sequence[date]
    holdings: Mapping[date, list[Position]]
    underlyings: Underlyings


@dataclass(frozen=True)
class SessionInputs:
    """One session, as of its close: its positions, and its symbols (what is held then, and the factors' ETFs).

    `returns` (n_sessions, n_symbols) are of `sessions` and end with the session. `held_together` (n_symbols, n_symbols)
    marks the pairs that some portfolio holds. `underlyings` are of the options. `rests_on` has the fingerprints of what
    the results rest on: by portfolio, None for symbols.
    """

    day: date
    symbols: tuple[str, ...]
    sessions: Sequence[date]
    returns: Floats
    volatility: VolatilityHistory
    positions: Sequence[Position]
    held_together: Booleans
    underlyings: Underlyings
    rests_on: Mapping[UUID | None, str]

    @property
    def held(self) -> set[str]:
        """The symbols that some portfolio holds, options through their underlyings."""
        return {position.symbol for position in self.positions if position.symbol is not None}


def read_inputs(
    conn: psycopg.Connection[Any],
    asked: Asked,
    definitions: Definitions,
    scenarios: Sequence[StressScenario],
    further: Sequence[date] = (),
) -> Inputs:
    """Read what the sessions asked for, and further ones, need, but for the holdings."""
    snapshots = read.read_snapshots(conn, asked.start, asked.end, further)
    days = sorted(snapshots.equity)
    sessions, windows = [], []
    if days:
        sessions = sessions_between(conn, session_before(conn, days[0], VOLATILITY_LOOKBACK - 1), days[-1])
        windows = [each for each in scenarios if each.scenario.is_replay and each.end <= days[-1]]
    etfs, replayed = _read_replays(conn, asked.wanted(definitions.etfs), windows)
    return Inputs(
        asked=asked,
        definitions=definitions,
        scenarios=scenarios,
        etfs=etfs,
        replayed=replayed,
        snapshots=snapshots,
        panel=read.read_returns(conn, asked.wanted([*read.read_symbols(conn), *definitions.etfs]), sessions),
        states=read.read_states(conn, days),
    )


def session_blocks(conn: psycopg.Connection[Any], inputs: Inputs) -> Iterator[SessionBlock]:
    """Read the holdings of the sessions, as many at a time as fit in memory."""
    for days in _in_blocks(inputs.days, inputs.snapshots.position_counts):
        holdings = read.read_holdings(conn, inputs.snapshots.portfolios, days)
        options = [(day, each.symbol, each) for day in days for each in holdings[day] if each.is_option and each.symbol]
        wanted = {(underlying, day) for day, underlying, _ in options}
        # an option's last price is held against its underlying's of the same day
        wanted |= {(underlying, option.price_date) for _, underlying, option in options if option.price_date}
        yield SessionBlock(days, holdings, read.read_underlyings(conn, sorted(wanted)))


def sessions_of(inputs: Inputs, block: SessionBlock) -> Iterator[SessionInputs]:
    """The sessions of a block in order."""
    panel = inputs.panel
    begin = max(panel.rows[block.days[0]] - VOLATILITY_LOOKBACK + 1, 0)
    returns = panel.returns[begin : panel.rows[block.days[-1]] + 1]
    rolling = volatility_history(returns)
    for day in block.days:
        row = panel.rows[day] - begin
        window = slice(max(row - VOLATILITY_LOOKBACK + 1, 0), row + 1)
        equity = inputs.snapshots.equity[day]
        positions = [
            position._replace(symbol=None) if position.symbol in inputs.asked.without else position
            for position in block.holdings[day]
            if position.portfolio_id in equity
        ]
        held = {position.symbol for position in positions if position.symbol is not None}
        quoted = np.isfinite(returns[window]).any(axis=0)
        symbols = tuple(sorted(held | {etf for etf in inputs.etfs if quoted[panel.columns[etf]]}))
        columns = [panel.columns[symbol] for symbol in symbols]
        session = SessionInputs(
            day=day,
            symbols=symbols,
            sessions=panel.sessions[begin:][window],
            returns=returns[window][:, columns],
            volatility=VolatilityHistory(
                *(getattr(rolling, each.name)[window][:, columns] for each in fields(VolatilityHistory))
            ),
            positions=positions,
            held_together=_held_together(positions, symbols, list(equity)),
            underlyings=block.underlyings,
            rests_on={},
        )
        yield replace(session, rests_on=_fingerprints(inputs, session))


def _read_replays(
    conn: psycopg.Connection[Any], etfs: Sequence[str], windows: Sequence[StressScenario]
) -> tuple[tuple[str, ...], dict[str, Floats]]:
    """The factors' ETFs, and their returns from the close that each replay starts from to the one it ends on."""
    sessions = []
    if windows:
        sessions = sessions_between(conn, min(each.start for each in windows), max(each.end for each in windows))
    panel = read.read_returns(conn, etfs, sessions)
    replayed = {}
    for each in windows:
        within = np.array([each.start < session <= each.end for session in panel.sessions], dtype=bool)
        replayed[each.scenario.scenario_id] = panel.returns[within]
    return panel.symbols, replayed


def _in_blocks(days: Sequence[date], position_counts: Mapping[date, int]) -> Iterator[list[date]]:
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


def _held_together(positions: Sequence[Position], symbols: Sequence[str], portfolios: Sequence[UUID]) -> Booleans:
    rows = {portfolio: row for row, portfolio in enumerate(portfolios)}
    columns = {symbol: column for column, symbol in enumerate(symbols)}
    places = {(rows[each.portfolio_id], columns[each.symbol]) for each in positions if each.symbol is not None}
    held = np.array(sorted(places), dtype=np.intp).reshape(-1, 2).T
    holding = csr_array((np.ones(held.shape[1]), (held[0], held[1])), shape=(len(rows), len(columns)))
    return (holding.T @ holding).toarray() > 0


def _fingerprints(inputs: Inputs, session: SessionInputs) -> dict[UUID | None, str]:
    """What results rest on: those of symbols on all returns, a portfolio's on its own symbols' and the factors'."""
    day, asked = session.day, inputs.asked.portfolio_ids
    equity = inputs.snapshots.equity[day]
    portfolios = list(equity) if asked is None else sorted(set(equity).intersection(asked))
    digests = dict(zip(session.symbols, map(fingerprint, np.ascontiguousarray(session.returns.T)), strict=True))
    factors = fingerprint(day, inputs.definitions, [digests.get(etf) for etf in inputs.etfs])
    replays = [inputs.replayed.get(each.scenario.scenario_id) for each in inputs.scenarios_known(day)]
    scenarios = fingerprint(inputs.scenarios_known(day), *replays)
    positions: dict[UUID, list[Position]] = {portfolio: [] for portfolio in portfolios}
    for position in session.positions:
        if position.portfolio_id in positions:
            positions[position.portfolio_id].append(position)
    # of their own returns, all that led to the drawdown matter only through it
    own_returns = inputs.own_returns(day, portfolios)[-BETA_WINDOW:]
    drawdown = inputs.drawdowns[inputs.snapshots.rows[day], [inputs.snapshots.columns[each] for each in portfolios]]
    rests_on: dict[UUID | None, str] = {
        None: fingerprint(factors, list(digests.items()), np.packbits(session.held_together))
    }
    for column, (portfolio, own) in enumerate(positions.items()):
        options = [underlying_facts(each, session.underlyings, day) for each in own if each.is_option]
        rests_on[portfolio] = fingerprint(
            factors,
            scenarios,
            equity[portfolio],
            own,
            [digests.get(position.symbol) for position in own],
            (inputs.asked.terms, options) if options else None,
            own_returns[:, column],
            float(drawdown[column]),
        )
    return rests_on
