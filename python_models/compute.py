"""The unit of work: the results of one session, from what was read. Nothing outside is changed."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np

from python_models.books import make_books
from python_models.fingerprints import method_fingerprint
from python_models.inputs import Inputs, SessionInputs
from python_models.report import SessionNotes, note_symbols
from python_models.statistics.conventions import Floats
from python_models.statistics.stress import FactorShocks, factor_shocks, replay_shocks
from python_models.statistics.symbols import SymbolStatistics, symbol_statistics
from python_models.tables.portfolios import portfolio_blocks
from python_models.tables.symbols import symbol_blocks, symbol_pairs
from python_models.write import Block, Results


def compute(session: SessionInputs, inputs: Inputs) -> tuple[Results, SessionNotes]:
    """Compute what is due of one session, and note what was found.

    Due is what rests on something else than the stored results do, or everything when that is forced.
    """
    day, method = session.day, method_fingerprint()
    due = {
        portfolio: (rests_on, method)
        for portfolio, rests_on in session.rests_on.items()
        if inputs.asked.force or inputs.states.get((day, portfolio)) != (rests_on, method)
    }
    unchanged = [(day, portfolio) for portfolio in session.rests_on if portfolio not in due]
    if not due:
        return Results(unchanged=unchanged), SessionNotes(day, unchanged=len(unchanged))
    definitions = inputs.definitions
    statistics = symbol_statistics(
        day,
        session.symbols,
        session.returns,
        session.volatility.at(-1),
        definitions.candidates,
        definitions.sectors,
        session.sessions,
    )
    blocks: list[Block] = []
    if None in due:
        blocks += symbol_blocks(statistics)
        if day >= inputs.asked.pairs_from:
            blocks.append(symbol_pairs(statistics, session.held_together))
    portfolios = [portfolio for portfolio in due if portfolio is not None]
    if portfolios:
        blocks += _portfolio_blocks(session, inputs, statistics, portfolios)
    equity = {inputs.snapshots.names[each]: inputs.snapshots.equity[day][each] for each in portfolios}
    return (
        Results(blocks, {(day, portfolio): rests_on for portfolio, rests_on in due.items()}, unchanged),
        replace(note_symbols(statistics, session.held), unchanged=len(unchanged), equity=equity),
    )


def _portfolio_blocks(
    session: SessionInputs, inputs: Inputs, statistics: SymbolStatistics, portfolios: Sequence[UUID]
) -> list[Block]:
    equity = {portfolio: inputs.snapshots.equity[session.day][portfolio] for portfolio in portfolios}
    own_returns = inputs.own_returns(session.day, portfolios)
    books = make_books(
        statistics,
        equity,
        [position for position in session.positions if position.portfolio_id in equity],
        session.underlyings,
        inputs.asked.terms,
        own_returns,
        _last_rows(statistics.benchmark, len(own_returns)),
    )
    return portfolio_blocks(books, statistics, _shocks(inputs, statistics))


def _shocks(inputs: Inputs, statistics: SymbolStatistics) -> FactorShocks:
    """What the scenarios do on this session; a replay does what happened, where stored prices reach."""
    scenarios = []
    for each in inputs.scenarios_known(statistics.day):
        scenario = each.scenario
        if scenario.is_replay:
            happened = replay_shocks(inputs.replayed[scenario.scenario_id], inputs.etfs, statistics.chosen)
            scenario = replace(scenario, shocks={**scenario.shocks, **happened})
        scenarios.append(scenario)
    return factor_shocks(
        scenarios,
        statistics.factors.names,
        statistics.stress_covariance.matrix,
        duration=inputs.definitions.duration,
        convexity=inputs.definitions.convexity,
    )


def _last_rows(series: Floats, length: int) -> Floats:
    """The end of a series, of this length; NaN where it does not reach back so far."""
    missing = max(length - len(series), 0)
    return np.concatenate([np.full(missing, np.nan), series[max(len(series) - length, 0) :]])
