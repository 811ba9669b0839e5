"""One pass over sessions, symbols and portfolios: read a panel, compute the due results, write them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from threadpoolctl import threadpool_limits

from python_models import staleness, write
from python_models.backtests import find_missing, update_backtests
from python_models.books import OptionTerms
from python_models.definitions import Definitions, StressScenario
from python_models.fingerprints import fingerprint, method_fingerprint
from python_models.inputs import (
    Asked,
    Inputs,
    SessionBlock,
    read_inputs,
    read_portfolio_blocks,
    read_session,
    read_session_blocks,
    symbols_rest_on,
)
from python_models.performance.run import compute_performance
from python_models.read import (
    Size,
    read_definitions,
    read_scenarios,
    read_sector_seeds,
    read_sizes,
    read_symbols,
    read_withdrawn,
)
from python_models.report import RiskReport
from python_models.units import Done, compute_blocks
from python_models.workers import Crew, Lost
from warehouse.queries import fetch_one
from warehouse.sessions import session_before

# Positions times sessions that are worth sending to workers: below that, they would take longer to start.
_WORTH_SENDING = 20_000

# For a preview: mark every change as taken in by P&L and returns, as a run does before it computes risk.
_TAKE_IN = """
update ops.input_changes
set rolled_at = coalesce(rolled_at, clock_timestamp()), returns_taken_at = coalesce(returns_taken_at, clock_timestamp())
where rolled_at is null or returns_taken_at is null
"""


class Healing(NamedTuple):
    """The sessions to look at beside those asked for, each with its causes, and those left for later runs."""

    causes: dict[date, list[str]]
    left: dict[date, list[str]]


class Kept(NamedTuple):
    """Of how many sessions, up to the latest with results, pairs and stress tests are kept; None: of all."""

    pair_sessions: int | None = None
    stress_sessions: int | None = None


class Resources(NamedTuple):
    """The resources of a pass: its memory, which it shares with its workers, and the workers."""

    memory_mb: int = 2_000
    crew: Crew | None = None


def compute_risk(
    conn: psycopg.Connection[Any],
    start: date,
    end: date,
    *,
    portfolio_ids: Sequence[UUID] | None = None,
    force: bool = False,
    heal: int = 0,
    kept: Kept = Kept(),  # noqa: B008 # it cannot be changed
    terms: OptionTerms | None = None,
    without: Collection[str] = frozenset(),
    resources: Resources = Resources(),  # noqa: B008 # it cannot be changed
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> RiskReport:
    """Bring the risk results of every session from `start` to `end` up to date, for all portfolios in one pass.

    Every session on which some portfolio has a snapshot gets its results as of its close: no later price is used.
    Results whose inputs and method have not changed since they were written are left alone, and results of portfolios
    that have no snapshot any more are removed. In the same pass other sessions are healed: those whose inputs have
    changed since their results were computed, and those that were missed since the last result.

    Args:
        conn: a connection with autocommit on; a portfolio's results on a session are replaced in one transaction, and
             so are the symbols' results.
        start: first session.
        end: last session.
        portfolio_ids: the portfolios to compute; None: all. Symbols are always computed for all holdings.
        force: compute results again even where nothing has changed.
        heal: at most so many other sessions are checked, the latest first; the report tells which are left. A gap of
             more sessions than that before `start` does not count as missed sessions.
        kept: which results of earlier sessions are neither written nor left in place.
        terms: interest and dividends for options; by default no interest and each underlying's own dividends.
        without: symbols that break a model and are left out, as if they had no market price. At the end, results that
             would need them are marked stale: a caller who wants both or neither opens a transaction.
        resources: memory and workers; neither changes a number.
        progress: called after each session with the number of sessions done, and of all.

    Raises:
        UserError: the seeds do not define factors or scenarios that can be used.
    """
    terms = terms or OptionTerms()
    # With many small solves, more threads would only wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        write.withdraw(conn, read_withdrawn(conn))
        definitions = read_definitions(conn)
        scenarios = read_scenarios(conn, definitions)
        healing = _find_healing(conn, start, end, definitions, scenarios, terms, heal=heal, portfolio_ids=portfolio_ids)
        kept_from = _first_sessions_kept(conn, end, kept)
        sizes = read_sizes(conn, start, end, list(healing.causes))
        report = RiskReport(
            start,
            end,
            factors=tuple(definitions.candidates),
            sectors=definitions.sectors,
            sessions=sum(start <= day <= end for day in sizes),
            causes=healing.causes,
            left=healing.left,
            memory_mb=resources.memory_mb,
        )
        asked = Asked(portfolio_ids, force, kept_from, terms, frozenset(without), resources.memory_mb)
        models = _Pass(conn, asked, definitions, scenarios, sizes, progress)
        done, lost = models.compute(resources.crew)
        for _, notes in sorted(done.notes.items()):
            report.add(notes)
        report.rows.update(done.rows)
        report.peak_memory_mb = done.peak_mb
        report.lost_by_workers = [each.reason for each in lost]
        judged = {*report.computed, *report.healed, *find_missing(conn, list(sizes), portfolio_ids)}
        report.rows["risk_backtest"] = update_backtests(conn, sorted(judged), portfolio_ids)
        report.rows.update(compute_performance(conn, definitions, terms.rate, portfolio_ids))
        report.pruned = {table: write.prune(conn, table, first) for table, first in kept_from.items()}
        if without:
            staleness.mark_incomplete(conn, list(sizes), without, definitions.etfs)
        return report


@dataclass
class _Pass:
    """The sessions of a pass, computed here or by workers."""

    conn: psycopg.Connection[Any]
    asked: Asked
    definitions: Definitions
    scenarios: Sequence[StressScenario]
    sizes: Mapping[date, Size]
    progress: Callable[[int, int], None]
    _finished: int = 0

    def compute(self, crew: Crew | None) -> tuple[Done, list[Lost]]:
        """Compute all sessions; work that workers lose is done here."""
        if crew is None or sum(size.positions for size in self.sizes.values()) < _WORTH_SENDING:
            return self._compute_here(self.sizes), []
        if len(self.sizes) >= crew.size:
            done, lost = crew.compute_sessions(
                self.asked, self.definitions, self.scenarios, self.sizes, self._count_finished
            )
            for each in lost:
                done.add(self._compute_here(each.part))
            return done, lost
        done, lost = Done(), list[Lost]()
        for day, size in self.sizes.items():
            of_day, lost_of_day = self._share_out(crew, day, size)
            done.add(of_day)
            lost += lost_of_day
        return done, lost

    def _compute_here(self, sizes: Mapping[date, Size]) -> Done:
        inputs = self._read_inputs(sizes)
        return compute_blocks(
            self.conn, inputs, read_session_blocks(self.conn, inputs), lambda: self._count_finished(1)
        )

    def _share_out(self, crew: Crew, day: date, size: Size) -> tuple[Done, list[Lost]]:
        """Compute one session: its symbols here, its portfolios by workers, which are sent the symbols' statistics."""
        inputs = self._read_inputs({day: size})
        session = read_session(self.conn, inputs, day)
        if inputs.is_due((day, None), (symbols_rest_on(inputs, session), method_fingerprint())):
            # before it is sent
            _ = session.statistics
        done = Done()

        def compute_symbols() -> None:
            done.add(compute_blocks(self.conn, inputs, [SessionBlock([session], [], of_symbols=True)]))

        of_portfolios, lost = crew.compute_portfolios(inputs, session, inputs.portfolios_asked(day), compute_symbols)
        done.add(of_portfolios)
        for each in lost:
            done.add(compute_blocks(self.conn, inputs, read_portfolio_blocks(self.conn, inputs, session, each.part)))
        self._count_finished(1)
        return done, lost

    def _read_inputs(self, sizes: Mapping[date, Size]) -> Inputs:
        return read_inputs(self.conn, self.asked, self.definitions, self.scenarios, sizes)

    def _count_finished(self, sessions: int) -> None:
        self._finished += sessions
        self.progress(self._finished, len(self.sizes))


def plan_healing(
    conn: psycopg.Connection[Any],
    start: date,
    end: date,
    terms: OptionTerms,
    *,
    heal: int,
    portfolio_ids: Sequence[UUID] | None = None,
) -> Healing:
    """The sessions that a run would heal after rolling P&L forward, found in a transaction that is rolled back.

    Raises:
        UserError: the seeds do not define factors or scenarios that can be used.
    """
    with conn.transaction(force_rollback=True):
        conn.execute(_TAKE_IN)
        definitions = read_definitions(conn)
        scenarios = read_scenarios(conn, definitions)
        return _find_healing(conn, start, end, definitions, scenarios, terms, heal=heal, portfolio_ids=portfolio_ids)


def read_all_symbols(conn: psycopg.Connection[Any]) -> tuple[list[str], list[str]]:
    """The symbols that risk needs: the ETFs that may stand for factors, and everything that is or was held.

    Raises:
        UserError: the seed of the factors does not define any that can be used.
    """
    etfs = read_definitions(conn).etfs
    return sorted(etfs), sorted(set(read_symbols(conn)).difference(etfs))


def _find_healing(
    conn: psycopg.Connection[Any],
    start: date,
    end: date,
    definitions: Definitions,
    scenarios: Sequence[StressScenario],
    terms: OptionTerms,
    *,
    heal: int,
    portfolio_ids: Sequence[UUID] | None = None,
) -> Healing:
    """Mark stale results, and choose at most `heal` sessions outside of `start` to `end`, the latest ones."""
    staleness.mark_stale(conn, _foundations(conn, definitions, scenarios, terms), definitions.etfs)
    stale = staleness.find_stale(conn, start, end, portfolio_ids=portfolio_ids, longest_gap=heal)
    healed = sorted(stale)[max(len(stale) - heal, 0) :]
    left = {day: causes for day, causes in stale.items() if day not in healed}
    return Healing({day: stale[day] for day in healed}, left)


def _foundations(
    conn: psycopg.Connection[Any], definitions: Definitions, scenarios: Sequence[StressScenario], terms: OptionTerms
) -> dict[str, str]:
    """The fingerprints that all results share, beside their inputs, by name."""
    return {
        "risk models": method_fingerprint(),
        "factor definitions": fingerprint(definitions),
        "stress scenarios": fingerprint(scenarios),
        "option terms": fingerprint(terms),
        "sectors": fingerprint(read_sector_seeds(conn)),
    }


def _first_sessions_kept(conn: psycopg.Connection[Any], end: date, kept: Kept) -> dict[str, date]:
    """The first session that a table keeps rows of, for the tables that do not keep those of all."""
    sessions = {"pairwise_correlations": kept.pair_sessions, "stress_test_results": kept.stress_sessions}
    if not any(sessions.values()):
        return {}
    (latest,) = fetch_one(conn.execute("select greatest(max(calculation_date), %s) from ops.risk_state", [end]))
    return {table: session_before(conn, latest, many - 1) for table, many in sessions.items() if many}
