"""One pass over sessions, symbols and portfolios: read as a panel, compute what is due, write it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from threadpoolctl import threadpool_limits

from python_models import staleness
from python_models import write as store
from python_models.fingerprints import fingerprint, method_fingerprint
from python_models.inputs import Inputs, Session, blocks, read_inputs, sessions_of
from python_models.portfolio_results import OptionTerms, make_books, portfolio_blocks
from python_models.read import (
    Definitions,
    StressScenario,
    Underlyings,
    read_definitions,
    read_scenarios,
    read_sector_seeds,
    read_withdrawn,
)
from python_models.report import RiskReport
from python_models.statistics.conventions import Floats
from python_models.statistics.stress import FactorShocks, factor_shocks, replay_shocks
from python_models.symbol_results import SymbolStatistics, symbol_blocks, symbol_pairs, symbol_statistics
from warehouse.queries import fetch_one
from warehouse.sessions import session_before

# Written in one transaction, once there are so many.
_ROWS_AT_ONCE = 1_000_000


def compute_risk(
    conn: psycopg.Connection[Any],
    start: date,
    end: date,
    *,
    portfolio_ids: Sequence[UUID] | None = None,
    force: bool = False,
    heal: int = 0,
    pair_sessions: int | None = None,
    terms: OptionTerms | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> RiskReport:
    """Bring the risk results of every session from `start` to `end` up to date, for all portfolios in one pass.

    Every session on which some portfolio has a snapshot gets its results as of its close: no later price is looked at.
    Results whose inputs and method have not changed since they were written are left alone, and results of portfolios
    that have no snapshot any more are removed. In the same pass other sessions are healed: those whose results stand on
    inputs that have changed, and those that were missed since the last result.

    Args:
        conn: a connection with autocommit on; a session's results are replaced in one transaction.
        start: first session.
        end: last session.
        portfolio_ids: whose portfolio tables to compute; None: all. Symbol tables are always of all holdings.
        force: compute again what has not changed, too.
        heal: at most so many other sessions are looked at, the latest first; the report tells which are left. A gap of
             more sessions than that before `start` is not taken for missed ones.
        pair_sessions: keep the pairs of so many sessions, up to the latest that has results; None: of all.
        terms: what options are valued with; by default no interest and each underlying's own dividends.
        progress: told after each session how many of how many are done.

    Raises:
        UserError: the seeds do not define factors or scenarios that can be used.
    """
    terms = terms or OptionTerms()
    # Many small solves: more threads only wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        store.withdraw(conn, read_withdrawn(conn))
        definitions, scenarios = read_definitions(conn), read_scenarios(conn)
        staleness.mark_stale(conn, _foundations(conn, definitions, scenarios, terms), definitions.etfs)
        stale = staleness.find_stale(conn, start, end, portfolio_ids=portfolio_ids, longest_gap=heal)
        healed = sorted(stale)[max(len(stale) - heal, 0) :]
        inputs = read_inputs(conn, definitions, scenarios, start, end, healed)
        report = RiskReport(
            start,
            end,
            sessions=sum(start <= day <= end for day in inputs.days),
            causes={day: stale[day] for day in healed},
            left=[day for day in stale if day not in healed],
        )
        pairs_from = _first_session_with_pairs(conn, end, pair_sessions)
        results, done = store.Results(), 0
        with store.Writer(conn) as writer:
            for block in blocks(conn, inputs):
                # of the block before, now that this one has been read
                writer.write(results)
                results = store.Results()
                for session in sessions_of(inputs, block, portfolio_ids, terms):
                    _compute(session, inputs, block.underlyings, terms, force, pairs_from, results, report)
                    if results.n_rows > _ROWS_AT_ONCE:
                        writer.write(results)
                        results = store.Results()
                    done += 1
                    progress(done, len(inputs.days))
                writer.finish()
            writer.write(results)
        report.rows.update(writer.written)
        if pair_sessions:
            report.pruned_pairs = store.prune_pairs(conn, pairs_from)
        return report


def _compute(
    session: Session,
    inputs: Inputs,
    underlyings: Underlyings,
    terms: OptionTerms,
    force: bool,
    pairs_from: date,
    results: store.Results,
    report: RiskReport,
) -> None:
    """Add what is due of one session to the results, and note what is not."""
    day, method = session.day, method_fingerprint()
    due = {
        portfolio: (rests_on, method)
        for portfolio, rests_on in session.rests_on.items()
        if force or inputs.states.get((day, portfolio)) != (rests_on, method)
    }
    unchanged = [(day, portfolio) for portfolio in session.rests_on if portfolio not in due]
    results.unchanged += unchanged
    report.unchanged_results += len(unchanged)
    if not due:
        return
    statistics = symbol_statistics(
        day, session.symbols, session.returns, session.volatility.at(-1), inputs.definitions.candidates
    )
    report.note_symbols(statistics, session.held, list(inputs.definitions.candidates))
    if None in due:
        results.blocks += symbol_blocks(statistics)
        if day >= pairs_from:
            results.blocks.append(symbol_pairs(statistics, session.held_together))
    if portfolios := [portfolio for portfolio in due if portfolio is not None]:
        equity = {portfolio: inputs.snapshots.equity[day][portfolio] for portfolio in portfolios}
        own_returns = inputs.own_returns(day, portfolios)
        books = make_books(
            statistics,
            equity,
            [position for position in session.positions if position.portfolio_id in equity],
            underlyings,
            terms,
            own_returns,
            _last_rows(statistics.benchmark, len(own_returns)),
        )
        results.blocks += portfolio_blocks(books, statistics, _shocks(inputs, statistics))
        report.note_portfolios({inputs.snapshots.names[each]: equity[each] for each in portfolios}, day)
    results.scopes |= {(day, portfolio): rests_on for portfolio, rests_on in due.items()}


def _foundations(
    conn: psycopg.Connection[Any], definitions: Definitions, scenarios: Sequence[StressScenario], terms: OptionTerms
) -> dict[str, str]:
    """What all results rest on beside the inputs, by name."""
    return {
        "risk models": method_fingerprint(),
        "factor definitions": fingerprint(definitions),
        "stress scenarios": fingerprint(scenarios),
        "option terms": fingerprint(terms),
        "sectors": fingerprint(read_sector_seeds(conn)),
    }


def _first_session_with_pairs(conn: psycopg.Connection[Any], end: date, pair_sessions: int | None) -> date:
    if pair_sessions is None:
        return date.min
    (latest,) = fetch_one(conn.execute("select greatest(max(calculation_date), %s) from ops.risk_state", [end]))
    return session_before(conn, latest, pair_sessions - 1)


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
