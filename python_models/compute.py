"""The results of one session, from what was read. Nothing outside is changed."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from python_models.books import make_books
from python_models.fingerprints import method_fingerprint
from python_models.inputs import Inputs, SessionBlock, SessionInputs, portfolios_rest_on, symbols_rest_on
from python_models.report import SessionNotes, note_symbols
from python_models.statistics.conventions import Floats
from python_models.statistics.stress import FactorShocks, factor_shocks, replay_shocks
from python_models.statistics.symbols import SymbolStatistics
from python_models.tables.portfolios import portfolio_blocks
from python_models.tables.symbols import symbol_blocks, symbol_pairs
from python_models.write import Results


def compute(session: SessionInputs, block: SessionBlock, inputs: Inputs) -> Iterator[tuple[Results, SessionNotes]]:
    """Compute what is due of one session in a block, and note what was found: symbols first, then portfolios.

    Due is what rests on something else than the stored results do, or everything when that is forced.
    """
    if block.of_symbols:
        yield _of_symbols(session, inputs)
    if block.portfolios:
        yield _of_portfolios(session, block, inputs)


def _of_symbols(session: SessionInputs, inputs: Inputs) -> tuple[Results, SessionNotes]:
    scope, rests_on = (session.day, None), (symbols_rest_on(inputs, session), method_fingerprint())
    if not inputs.is_due(scope, rests_on):
        return Results(unchanged=[scope]), SessionNotes(session.day, unchanged=1)
    rows = symbol_blocks(session.statistics)
    if session.day >= inputs.asked.pairs_from:
        rows.append(symbol_pairs(session.statistics, session.held_together))
    return Results(rows, {scope: rests_on}), note_symbols(session.statistics, session.held)


def _of_portfolios(session: SessionInputs, block: SessionBlock, inputs: Inputs) -> tuple[Results, SessionNotes]:
    day, method = session.day, method_fingerprint()
    rests_on = {each: (inputs_of, method) for each, inputs_of in portfolios_rest_on(inputs, session, block).items()}
    due = {each: basis for each, basis in rests_on.items() if inputs.is_due((day, each), basis)}
    unchanged = [(day, each) for each in rests_on if each not in due]
    if not due:
        return Results(unchanged=unchanged), SessionNotes(day, unchanged=len(unchanged))
    equity = {each: inputs.snapshots.equity[day][each] for each in due}
    own_returns = inputs.own_returns(day, list(due))
    books = make_books(
        session.statistics,
        equity,
        [position for position in block.holdings[day] if position.portfolio_id in due],
        block.underlyings,
        inputs.asked.terms,
        own_returns,
        _last_rows(session.statistics.benchmark, len(own_returns)),
    )
    rows = portfolio_blocks(books, session.statistics, _shocks(inputs, session.statistics))
    return (
        Results(rows, {(day, each): basis for each, basis in due.items()}, unchanged),
        replace(
            note_symbols(session.statistics, session.held),
            unchanged=len(unchanged),
            equity={inputs.snapshots.names[each]: balance for each, balance in equity.items()},
        ),
    )


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
