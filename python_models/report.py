"""The report of one pass over the risk models: counts for the ledger, lines for the summary, scoped warnings."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from python_models.statistics.conventions import Flags, Integers, has_numbers
from python_models.statistics.factors import ETF_ENOUGH, ETF_MINIMUM
from python_models.statistics.portfolio_risk import EQUITY_NOT_POSITIVE
from python_models.statistics.symbols import SymbolStatistics
from warehouse.phrases import and_more, count, span_of

_NAMED = 8  # a line names at most so many symbols or portfolios

_WHY = {
    "insufficient_history": "too few returns",
    "zero_variance": "returns that do not move",
    "no_benchmark": "the benchmark has too few returns",
}


@dataclass(frozen=True)
class SessionNotes:
    """Notes on one session: `unchanged` counts the results left alone, the other fields describe the computed ones.

    `equity` has the computed portfolios by name, `without_beta` the held symbols without a beta, by model and reason,
    with their observations. `symbols` is None where nothing was due.
    """

    day: date
    unchanged: int = 0
    symbols: int | None = None
    etfs: Mapping[str, str] = field(default_factory=dict)
    without_beta: Mapping[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    equity: Mapping[str, float] = field(default_factory=dict)

    def with_more(self, more: "SessionNotes") -> "SessionNotes":
        """These notes and others of the same session."""
        told = self if self.symbols is not None else more
        return replace(told, unchanged=self.unchanged + more.unchanged, equity={**self.equity, **more.equity})


def notes_of_symbols(statistics: SymbolStatistics, held: Collection[str]) -> SessionNotes:
    """The notes of the results and the missing numbers of a session's symbols."""
    models = {
        "market": statistics.market,
        "interest_rate": statistics.interest_rate,
        **{f"spread {name}": fit for name, fit in statistics.spreads.items()},
        "ridge": statistics.ridge,
    }
    return SessionNotes(
        statistics.day,
        symbols=len(statistics.symbols),
        etfs=dict(statistics.chosen),
        without_beta={
            model: _by_reason(statistics.symbols, held, fit.quality_flag, fit.observations)
            for model, fit in models.items()
        },
    )


@dataclass
class RiskReport:
    """The work of a pass on the sessions `start` to `end`.

    `factors` are the defined ones; `sectors` are those among them that need a year of returns. `sessions` have a
    snapshot of some portfolio, and `computed` are those of them where something was due. `healed` are other sessions
    where something was due; `causes` has the reasons to check them (none for a session that had been missed), and
    `left` are those that were not checked.

    `unchanged_results` counts portfolios × sessions (and symbols as one more) that were left alone. `without_beta` has
    the held symbols without a beta by model and reason, with their observations, `etfs` the ETF of each factor, and
    `missing_factors` those without any, all as of the last session of `computed`. `peak_memory_mb` is the largest
    memory of this process or a worker, out of `memory_mb`. `lost_by_workers` has a reason for each part of the work
    that a worker did not finish and that was done again here.
    """

    start: date
    end: date
    factors: tuple[str, ...] = ()
    sectors: tuple[str, ...] = ()
    sessions: int = 0
    unchanged_results: int = 0
    computed: list[date] = field(default_factory=list)
    causes: dict[date, list[str]] = field(default_factory=dict)
    healed: list[date] = field(default_factory=list)
    left: dict[date, list[str]] = field(default_factory=dict)
    symbols: int = 0
    portfolios: set[str] = field(default_factory=set)
    portfolio_results: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    pruned: dict[str, int] = field(default_factory=dict[str, int])
    etfs: dict[str, str] = field(default_factory=dict)
    missing_factors: list[str] = field(default_factory=list)
    without_beta: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    without_equity: dict[str, list[date]] = field(default_factory=dict)
    memory_mb: int = 0
    peak_memory_mb: int = 0
    lost_by_workers: list[str] = field(default_factory=list)

    def add(self, notes: SessionNotes) -> None:
        """Add the notes of a session; sessions come in order."""
        self.unchanged_results += notes.unchanged
        if notes.symbols is None:
            return
        self.portfolio_results += len(notes.equity)
        if notes.day in self.causes:
            self.healed.append(notes.day)
            return
        self.computed.append(notes.day)
        self.symbols = notes.symbols
        self.etfs = dict(notes.etfs)
        self.missing_factors = [factor for factor in self.factors if factor not in notes.etfs]
        self.without_beta = dict(notes.without_beta)
        self.portfolios |= set(notes.equity)
        for name, balance in notes.equity.items():
            if not balance > 0:
                self.without_equity.setdefault(name, []).append(notes.day)

    def counts(self) -> dict[str, Any]:
        """Everything in plain JSON values."""
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "sessions": self.sessions,
            "sessions_computed": len(self.computed),
            "symbols": self.symbols,
            "portfolios": len(self.portfolios),
            "portfolio_results": self.portfolio_results,
            "unchanged_results": self.unchanged_results,
            "healed": {day.isoformat(): self.causes[day] for day in self.healed},
            "left_stale": len(self.left),
            "memory_mb": self.memory_mb,
            "peak_memory_mb": self.peak_memory_mb,
            "lost_by_workers": len(self.lost_by_workers),
            "pruned_pairs": self.pruned.get("pairwise_correlations", 0),
            "pruned_stress_tests": self.pruned.get("stress_test_results", 0),
            "rows": {table: count for table, count in self.rows.items() if count},
            "etfs": self.etfs,
            "missing_factors": self.missing_factors,
            "without_beta": {model: reasons for model, reasons in self.without_beta.items() if reasons},
            "without_equity": {name: len(days) for name, days in self.without_equity.items()},
        }

    def lines(self) -> list[str]:
        """The work in words, for the summary."""
        lines = []
        if not self.sessions:
            lines.append(f"nothing to compute: no portfolio has a snapshot from {self.start} to {self.end}")
        if self.computed:
            many = f"{count(len(self.portfolios), 'portfolio')}, {count(self.symbols, 'symbol')}"
            lines.append(f"{_span(self.computed)}: {many}")
        if current := self.sessions - len(self.computed):
            lines.append(f"results of {count(current, 'more session' if self.computed else 'session')} are current")
        lines += self._lines_of_healing()
        if any(self.rows.values()):
            memory = f"{self.peak_memory_mb:,} MB of memory at most (AFTERCLOSE_MEMORY_MB: {self.memory_mb:,})"
            lines.append(f"{sum(self.rows.values()):,} rows written, {memory}")
        lines += [
            f"{self.pruned[table]:,} {what} of earlier sessions pruned ({setting})"
            for table, what, setting in (
                ("pairwise_correlations", "pairs", "AFTERCLOSE_PAIR_SESSIONS"),
                ("stress_test_results", "stress tests", "AFTERCLOSE_STRESS_SESSIONS"),
            )
            if self.pruned.get(table)
        ]
        if self.etfs:
            lines.append("factors: " + ", ".join(f"{factor} {etf}" for factor, etf in self.etfs.items()))
        if absent := [factor for factor in self.missing_factors if factor in self.sectors]:
            lines.append(f"no factors yet, below {ETF_ENOUGH} returns of their ETF: {', '.join(absent)}")
        return lines

    def _lines_of_healing(self) -> list[str]:
        """The healed sessions and the reasons, in words."""
        missed = [day for day in self.healed if not self.causes[day]]
        stale = [day for day in self.healed if self.causes[day]]
        lines = [f"{_span(missed)}: computed, because missed before"] if missed else []
        if stale:
            causes = list(dict.fromkeys(cause for day in stale for cause in self.causes[day]))
            lines.append(f"{_span(stale)}: computed again ({and_more(causes, _NAMED)})")
        if same := len(self.causes) - len(self.healed):
            lines.append(f"{count(same, 'other session')} looked at: nothing that the results rest on has changed")
        return lines

    def warnings(self) -> list[tuple[str, str]]:
        """Warnings about missing numbers and their reasons, as (scope, message)."""
        found = self._warnings_of_workers()
        if not self.computed:
            return found
        day = self.computed[-1]
        found += [
            (f"factor {factor}", f"no ETF of it has {ETF_MINIMUM} returns up to {day}: nothing is exposed to it")
            for factor in self.missing_factors
            if factor not in self.sectors
        ]
        for (reason, symbols), models in self._models_by_lack().items():
            named = [f"{symbol} ({returns})" for symbol, returns in symbols]
            have = f"{count(len(symbols), 'held symbol')} without a beta on {day}"
            found.append((", ".join(models), f"{have}, {_WHY[reason]}: {and_more(named, _NAMED)}"))
        for name, days in self.without_equity.items():
            when = str(days[-1]) + (f" and {count(len(days) - 1, 'session')} before" if len(days) > 1 else "")
            found.append((f"portfolio {name}", f"{EQUITY_NOT_POSITIVE} on {when}: no exposures or volatilities"))
        return found

    def _warnings_of_workers(self) -> list[tuple[str, str]]:
        if not self.lost_by_workers:
            return []
        reasons = "; ".join(dict.fromkeys(self.lost_by_workers))
        parts = count(len(self.lost_by_workers), "part")
        return [("workers", f"{parts} of the work was lost by workers, and done again by the run itself: {reasons}")]

    def _models_by_lack(self) -> dict[tuple[str, tuple[tuple[str, int], ...]], list[str]]:
        """Groups of models that lack the same symbols for the same reason, and so share a line."""
        models: dict[tuple[str, tuple[tuple[str, int], ...]], list[str]] = {}
        for model, reasons in self.without_beta.items():
            for reason, symbols in reasons.items():
                models.setdefault((reason, tuple(symbols.items())), []).append(model)
        return models


def _by_reason(
    symbols: tuple[str, ...], held: Collection[str], flags: Flags, observations: Integers
) -> dict[str, dict[str, int]]:
    """The held symbols without a number and their observations, by the flag with the reason."""
    reasons: dict[str, dict[str, int]] = {}
    numbers = has_numbers(flags)
    for symbol, has_number, flag, returns in zip(
        symbols, numbers.tolist(), flags.tolist(), observations.tolist(), strict=True
    ):
        if symbol in held and not has_number:
            reasons.setdefault(flag, {})[symbol] = returns
    return reasons


def _span(days: list[date]) -> str:
    return span_of(len(days), days[0], days[-1])
