"""Computes the results of one session from its inputs. Nothing outside is changed."""

from collections.abc import Iterator
from dataclasses import replace

from python_models.books import make_books
from python_models.fingerprints import method_fingerprint
from python_models.inputs import Inputs, SessionBlock, SessionInputs, portfolios_rest_on, symbols_rest_on
from python_models.report import SessionNotes, notes_of_symbols
from python_models.shocks import session_shocks
from python_models.tables.portfolios import portfolio_blocks
from python_models.tables.symbols import symbol_blocks, symbol_pairs
from python_models.write import Results


def compute(session: SessionInputs, block: SessionBlock, inputs: Inputs) -> Iterator[tuple[Results, SessionNotes]]:
    """Compute the due results of one session in a block, symbols first, then portfolios, with notes for the report.

    Results are due when their inputs or method differ from those of the stored ones, or when everything is forced.
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
    if inputs.asked.keeps("pairwise_correlations", session.day):
        rows.append(symbol_pairs(session.statistics, session.held_together))
    return Results(rows, {scope: rests_on}), notes_of_symbols(session.statistics, session.held)


def _of_portfolios(session: SessionInputs, block: SessionBlock, inputs: Inputs) -> tuple[Results, SessionNotes]:
    day, method = session.day, method_fingerprint()
    rests_on = {each: (inputs_of, method) for each, inputs_of in portfolios_rest_on(inputs, session, block).items()}
    due = {each: basis for each, basis in rests_on.items() if inputs.is_due((day, each), basis)}
    unchanged = [(day, each) for each in rests_on if each not in due]
    if not due:
        return Results(unchanged=unchanged), SessionNotes(day, unchanged=len(unchanged))
    equity = {each: inputs.snapshots.equity[day][each] for each in due}
    books = make_books(
        session.statistics,
        equity,
        {each: block.holdings[day].get(each, []) for each in due},
        block.underlyings,
        inputs.asked.terms,
        inputs.own_returns(day, list(due)),
    )
    shocks = session_shocks(
        session.statistics, inputs.scenarios_known(day), inputs.replayed, inputs.etfs, inputs.definitions
    )
    blocks = portfolio_blocks(books, session.statistics, shocks)
    rows = [block for block in blocks if inputs.asked.keeps(block.table, day)]
    return (
        Results(rows, {(day, each): basis for each, basis in due.items()}, unchanged),
        replace(
            notes_of_symbols(session.statistics, session.held),
            unchanged=len(unchanged),
            equity={inputs.snapshots.names[each]: balance for each, balance in equity.items()},
        ),
    )
