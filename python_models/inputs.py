"""The inputs of a pass: read once for all sessions, then cut into blocks that fit in memory, with fingerprints."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from scipy.sparse import csr_array

from python_models import read
from python_models.books import OptionTerms, underlying_facts
from python_models.definitions import Definitions, StressScenario
from python_models.fingerprints import fingerprint
from python_models.read import Panel, Position, Size, Snapshots, Underlyings
from python_models.statistics.betas import BETA_WINDOW
from python_models.statistics.conventions import Booleans, Floats
from python_models.statistics.portfolio_risk import drawdowns
from python_models.statistics.symbols import SymbolStatistics, symbol_statistics
from python_models.statistics.volatility import VOLATILITY_LOOKBACK, Volatility, VolatilityHistory, volatility_history
from python_models.write import Scope
from warehouse.sessions import session_before, sessions_between

# Sessions of rolling statistics that are in memory at once.
_SESSIONS_AT_ONCE = 64
# Bytes of a position, as it is read and in the arrays and rows made of it; and of a portfolio, in the arrays that have
# all symbols.
_BYTES_A_POSITION = 8_000
_BYTES_A_PORTFOLIO_AND_SYMBOL = 40


@dataclass(frozen=True)
class Asked:
    """The request of a pass (see `run.compute_risk`).

    `kept_from` has, by table, the first session that rows are requested of; tables that are not in it have them of all.
    Symbols in `without` are left out: positions in them count as positions without a market price. `memory_mb` is the
    memory of the pass in megabytes; it decides how much is read at once and changes no number.
    """

    portfolio_ids: Sequence[UUID] | None = None
    force: bool = False
    kept_from: Mapping[str, date] = field(default_factory=dict[str, date])
    terms: OptionTerms = field(default_factory=OptionTerms)
    without: Collection[str] = frozenset()
    memory_mb: int = 2_000

    def keeps(self, table: str, day: date) -> bool:
        """Whether the table's rows of a session are requested."""
        return day >= self.kept_from.get(table, date.min)

    def wanted(self, symbols: Sequence[str]) -> list[str]:
        """The symbols that are not left out."""
        return [symbol for symbol in symbols if symbol not in self.without]


@dataclass(frozen=True)
class Inputs:
    """The data that are read once for the whole pass.

    `replayed` has the daily returns of each replay that had ended by the last session, with the columns of `etfs`.
    `states` are the fingerprints of the stored results, (inputs, method).
    """

    asked: Asked
    definitions: Definitions
    scenarios: Sequence[StressScenario]
    etfs: tuple[str, ...]
    replayed: Mapping[str, Floats]
    sizes: Mapping[date, Size]
    snapshots: Snapshots
    panel: Panel
    states: Mapping[Scope, tuple[str, str]]

    @property
    def days(self) -> list[date]:
        """The requested sessions, on which some portfolio has a snapshot."""
        return sorted(self.sizes)

    def portfolios_of(self, day: date) -> list[UUID]:
        """All portfolios with a snapshot on a session."""
        return list(self.snapshots.equity[day])

    def portfolios_asked(self, day: date) -> list[UUID]:
        """The portfolios with a snapshot on a session whose results are requested."""
        asked = self.asked.portfolio_ids
        return [each for each in self.portfolios_of(day) if asked is None or each in set(asked)]

    def is_due(self, scope: Scope, rests_on: tuple[str, str]) -> bool:
        """Whether results have another fingerprint, (inputs, method), than the stored ones, or are forced."""
        return self.asked.force or self.states.get(scope) != rests_on

    def of(self, day: date, portfolios: Sequence[UUID]) -> "Inputs":
        """The inputs for one session's portfolio results, without the symbols' statistics; small enough to be sent."""
        return replace(
            self,
            sizes={day: self.sizes[day]},
            snapshots=self.snapshots.of(day, portfolios),
            panel=Panel((), self.panel.symbols, np.empty((0, len(self.panel.symbols)))),
            states={(day, each): self.states[day, each] for each in portfolios if (day, each) in self.states},
        )

    def scenarios_known(self, day: date) -> list[StressScenario]:
        """The scenarios of a session: all but the replays that end later."""
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
class SessionInputs:
    """One session, as of its close: its symbols (what is held then, and the factors' ETFs).

    `returns` (n_sessions, n_symbols) are of `sessions` and end with the session; `digests` are the fingerprints of each
    symbol's. `held` are the symbols that some portfolio holds, options through their underlyings; `held_together`
    (n_symbols, n_symbols) marks the pairs that some portfolio holds.
    """

    day: date
    symbols: tuple[str, ...]
    sessions: Sequence[date]
    returns: Floats
    volatility: Volatility
    definitions: Definitions
    held: frozenset[str]
    held_together: Booleans
    digests: Mapping[str, str]

    @cached_property
    def statistics(self) -> SymbolStatistics:
        """Of all symbols: computed once, where something is due."""
        return symbol_statistics(
            self.day,
            self.symbols,
            self.returns,
            self.volatility,
            self.definitions.candidates,
            self.definitions.sectors,
            self.sessions,
        )


@dataclass(frozen=True)
class SessionBlock:
    """A block of work that fits in memory: neighbouring sessions, or a part of the portfolios of one session.

    `portfolios` are the ones to compute (on a session, those with a snapshot), with the `holdings` of those that hold
    any, and the `underlyings` of their options. `of_symbols` tells whether the symbols are computed as well, `last`
    whether this is the last block of these sessions.
    """

    sessions: Iterable[SessionInputs]
    portfolios: Sequence[UUID]
    holdings: Mapping[date, Mapping[UUID, Sequence[Position]]] = field(
        default_factory=dict[date, Mapping[UUID, Sequence[Position]]]
    )
    underlyings: Underlyings = field(default_factory=Underlyings)
    of_symbols: bool = False
    last: bool = True


def read_inputs(
    conn: psycopg.Connection[Any],
    asked: Asked,
    definitions: Definitions,
    scenarios: Sequence[StressScenario],
    sizes: Mapping[date, Size],
) -> Inputs:
    """Read the inputs of the sessions, except for the holdings; `sizes` are the sessions' sizes, in order."""
    days = list(sizes)
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
        sizes=sizes,
        snapshots=read.read_snapshots(conn, days),
        panel=read.read_returns(conn, asked.wanted([*read.read_symbols(conn), *definitions.etfs]), sessions),
        states=read.read_states(conn, days),
    )


def read_session_blocks(conn: psycopg.Connection[Any], inputs: Inputs) -> Iterator[SessionBlock]:
    """Read the holdings of the sessions, block by block, each as large as fits in memory."""
    for days in _in_blocks(inputs):
        if len(days) == 1 and _bytes(inputs, inputs.sizes[days[0]]) > _budget(inputs):
            session = read_session(conn, inputs, days[0])
            portfolios = inputs.portfolios_asked(days[0])
            yield SessionBlock([session], [], of_symbols=True, last=not portfolios)
            yield from read_portfolio_blocks(conn, inputs, session, portfolios)
        else:
            holdings = _read_holdings(conn, inputs, inputs.snapshots.portfolios, days)
            held = {day: _held_by_portfolio(holdings[day]) for day in days}
            underlyings = _read_underlyings(conn, holdings)
            portfolios = sorted({portfolio for day in days for portfolio in inputs.portfolios_asked(day)})
            yield SessionBlock(_sessions(inputs, days, held), portfolios, holdings, underlyings, of_symbols=True)


def read_session(conn: psycopg.Connection[Any], inputs: Inputs, day: date) -> SessionInputs:
    """Read the symbols held on one session, without the positions."""
    held = read.read_held(conn, inputs.portfolios_of(day), day)
    (session,) = _sessions(inputs, [day], {day: {each: inputs.asked.wanted(own) for each, own in held.items()}})
    return session


def read_portfolio_blocks(
    conn: psycopg.Connection[Any], inputs: Inputs, session: SessionInputs, portfolios: Sequence[UUID]
) -> Iterator[SessionBlock]:
    """Read the holdings of some portfolios of a session, in blocks that fit in memory."""
    day = session.day
    size = inputs.sizes[day]
    parts = cut_portfolios(
        portfolios, -(-_bytes(inputs, size) * len(portfolios) // (size.portfolios * _budget(inputs)))
    )
    for each in parts:
        holdings = _read_holdings(conn, inputs, each, [day])
        yield SessionBlock([session], each, holdings, _read_underlyings(conn, holdings), last=each is parts[-1])


def cut_portfolios(portfolios: Sequence[UUID], parts: int) -> list[Sequence[UUID]]:
    """Cut into so many parts of about equal length, none of a single item, which would be summed in another order."""
    parts = max(min(parts, len(portfolios) // 2), 1)
    bounds = [len(portfolios) * part // parts for part in range(parts + 1)]
    return [portfolios[start:end] for start, end in pairwise(bounds) if end > start]


def _read_holdings(
    conn: psycopg.Connection[Any], inputs: Inputs, portfolios: Sequence[UUID], days: Sequence[date]
) -> dict[date, dict[UUID, list[Position]]]:
    """The positions of portfolios that have a snapshot, with the symbols that are not left out."""
    without = inputs.asked.without
    return {
        day: {
            portfolio: [each._replace(symbol=None) if each.symbol in without else each for each in positions]
            for portfolio, positions in of_day.items()
            if portfolio in inputs.snapshots.equity[day]
        }
        for day, of_day in read.read_holdings(conn, portfolios, days).items()
    }


def _read_underlyings(
    conn: psycopg.Connection[Any], holdings: Mapping[date, Mapping[UUID, Sequence[Position]]]
) -> Underlyings:
    options = [
        (day, each.symbol, each)
        for day, of_day in holdings.items()
        for positions in of_day.values()
        for each in positions
        if each.is_option and each.symbol
    ]
    wanted = {(underlying, day) for day, underlying, _ in options}
    # an option's last price is compared with its underlying's of the same day
    wanted |= {(underlying, option.price_date) for _, underlying, option in options if option.price_date}
    return read.read_underlyings(conn, sorted(wanted))


def _budget(inputs: Inputs) -> int:
    """Bytes for a block: half of the memory; the rest is for the panel and for rows on their way to the database."""
    return inputs.asked.memory_mb * 500_000


def _bytes(inputs: Inputs, size: Size) -> int:
    per_portfolio = len(inputs.panel.symbols) * _BYTES_A_PORTFOLIO_AND_SYMBOL
    return size.positions * _BYTES_A_POSITION + size.portfolios * per_portfolio


def _in_blocks(inputs: Inputs) -> Iterator[list[date]]:
    block: list[date] = []
    taken = 0
    for day, size in inputs.sizes.items():
        if block and (len(block) == _SESSIONS_AT_ONCE or taken + _bytes(inputs, size) > _budget(inputs)):
            yield block
            block, taken = [], 0
        block.append(day)
        taken += _bytes(inputs, size)
    if block:
        yield block


def _held_by_portfolio(holdings: Mapping[UUID, Sequence[Position]]) -> dict[UUID, list[str]]:
    return {
        portfolio: [each.symbol for each in positions if each.symbol is not None]
        for portfolio, positions in holdings.items()
    }


def _sessions(
    inputs: Inputs, days: Sequence[date], held: Mapping[date, Mapping[UUID, Sequence[str]]]
) -> Iterator[SessionInputs]:
    """Neighbouring sessions in order; `held` has what each portfolio holds on each of them."""
    panel = inputs.panel
    begin = max(panel.rows[days[0]] - VOLATILITY_LOOKBACK + 1, 0)
    returns = panel.returns[begin : panel.rows[days[-1]] + 1]
    rolling = volatility_history(returns)
    for day in days:
        row = panel.rows[day] - begin
        window = slice(max(row - VOLATILITY_LOOKBACK + 1, 0), row + 1)
        of_all = frozenset(symbol for symbols in held[day].values() for symbol in symbols)
        quoted = np.any(np.isfinite(returns[window]), axis=0)
        symbols = tuple(sorted(of_all | {etf for etf in inputs.etfs if quoted[panel.columns[etf]]}))
        columns = [panel.columns[symbol] for symbol in symbols]
        of_session = returns[window][:, columns]
        history = VolatilityHistory(
            *(getattr(rolling, each.name)[window][:, columns] for each in fields(VolatilityHistory))
        )
        yield SessionInputs(
            day=day,
            symbols=symbols,
            sessions=panel.sessions[begin:][window],
            returns=of_session,
            volatility=history.at(-1),
            definitions=inputs.definitions,
            held=of_all,
            held_together=_held_together(list(held[day].values()), symbols),
            digests=dict(zip(symbols, map(fingerprint, np.ascontiguousarray(of_session.T)), strict=True)),
        )


def symbols_rest_on(inputs: Inputs, session: SessionInputs) -> str:
    """The fingerprint of the inputs of the symbols' results: all returns, and the pairs held together."""
    return fingerprint(
        _factors_rest_on(inputs, session), list(session.digests.items()), np.packbits(session.held_together)
    )


def portfolios_rest_on(inputs: Inputs, session: SessionInputs, block: SessionBlock) -> dict[UUID, str]:
    """The fingerprints of the inputs of each portfolio in a block, among them its own symbols' and the factors'."""
    day = session.day
    equity = inputs.snapshots.equity[day]
    holdings = block.holdings.get(day, {})
    positions = {each: holdings.get(each, []) for each in block.portfolios if each in equity}
    factors = _factors_rest_on(inputs, session)
    replays = [inputs.replayed.get(each.scenario.scenario_id) for each in inputs.scenarios_known(day)]
    scenarios = fingerprint(inputs.scenarios_known(day), *replays)
    # older returns of the portfolios themselves matter only for the drawdown
    own_returns = inputs.own_returns(day, list(positions))[-BETA_WINDOW:]
    drawdown = inputs.drawdowns[inputs.snapshots.rows[day], [inputs.snapshots.columns[each] for each in positions]]
    rests_on: dict[UUID, str] = {}
    for column, (portfolio, own) in enumerate(positions.items()):
        options = [underlying_facts(each, block.underlyings, day) for each in own if each.is_option]
        rests_on[portfolio] = fingerprint(
            factors,
            scenarios,
            equity[portfolio],
            own,
            [session.digests.get(position.symbol or "") for position in own],
            (inputs.asked.terms, options) if options else None,
            own_returns[:, column],
            float(drawdown[column]),
        )
    return rests_on


def _factors_rest_on(inputs: Inputs, session: SessionInputs) -> str:
    return fingerprint(session.day, inputs.definitions, [session.digests.get(etf) for etf in inputs.etfs])


def _read_replays(
    conn: psycopg.Connection[Any], etfs: Sequence[str], windows: Sequence[StressScenario]
) -> tuple[tuple[str, ...], dict[str, Floats]]:
    """The factors' ETFs, and their returns in each replay, from its first close to its last."""
    sessions = []
    if windows:
        sessions = sessions_between(conn, min(each.start for each in windows), max(each.end for each in windows))
    panel = read.read_returns(conn, etfs, sessions)
    replayed = {}
    for each in windows:
        within = np.array([each.start < session <= each.end for session in panel.sessions], dtype=bool)
        replayed[each.scenario.scenario_id] = panel.returns[within]
    return panel.symbols, replayed


def _held_together(held: Sequence[Sequence[str]], symbols: Sequence[str]) -> Booleans:
    columns = {symbol: column for column, symbol in enumerate(symbols)}
    row = np.repeat(np.arange(len(held)), [len(of_portfolio) for of_portfolio in held])
    column = np.array([columns[symbol] for of_portfolio in held for symbol in of_portfolio], dtype=np.intp)
    holding = csr_array((np.ones(len(row)), (row, column)), shape=(len(held), len(columns)))
    return (holding.T @ holding).toarray() > 0
