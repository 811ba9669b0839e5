"""Whose data break the risk models: portfolios and symbols, found by halving, so that the rest are computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from uuid import UUID

import psycopg

from nightly.phases.set_aside import MOST_ATTEMPTS, find_culprits
from nightly.record import describe_exception
from warehouse.errors import UserError

T = TypeVar("T")


class Compute(Protocol):
    """A function that computes risk."""

    def __call__(self, portfolio_ids: Sequence[UUID], without: Collection[str], *, trial: bool) -> object:
        """Compute these portfolios without these symbols; a trial keeps nothing."""
        ...


@dataclass(frozen=True)
class Culprits:
    """Who breaks a model, each with the reason."""

    portfolios: Mapping[UUID, str] = field(default_factory=dict[UUID, str])
    symbols: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Search:
    """Finds them after an `error`. It raises that error again if leaving somebody out does not help.

    `symbols` are all symbols in groups, each resting on the one before: the ETFs of factors, then the others.
    """

    error: Exception
    compute: Compute
    symbols: Sequence[Sequence[str]]

    def find(self, portfolio_ids: Sequence[UUID]) -> Culprits:
        """Compute the risk of all portfolios but the culprits'.

        What fails without any portfolio is looked for among the symbols. So is what fails for more portfolios than can
        be tried out: they may all hold the same one.
        """
        symbols = self._find_symbols([]) if self._reason([], (), trial=True) else {}
        if not self._reason(portfolio_ids, symbols):
            return Culprits(symbols=symbols)
        portfolios, left_alone = find_culprits(
            portfolio_ids, lambda some: self._reason(some, symbols), most_attempts=MOST_ATTEMPTS
        )
        if left_alone:
            return Culprits(symbols=self._find_symbols(portfolio_ids))
        return Culprits(self._known(portfolios, left_alone), symbols)

    def _find_symbols(self, portfolio_ids: Sequence[UUID]) -> dict[str, str]:
        """The symbols to leave out so that these portfolios can be computed, found by trials."""
        culprits: dict[str, str] = {}
        good: list[str] = []

        def reason_with(some: Sequence[str]) -> str | None:
            without = {symbol for group in self.symbols for symbol in group}.difference(good, some)
            return self._reason(portfolio_ids, without, trial=True)

        if reason_with([]):
            raise self.error
        for group in self.symbols:
            if reason_with(group):
                culprits |= self._known(*find_culprits(group, reason_with, MOST_ATTEMPTS))
            good += [symbol for symbol in group if symbol not in culprits]
        return culprits

    def _reason(self, portfolio_ids: Sequence[UUID], without: Collection[str], *, trial: bool = False) -> str | None:
        """Why computing these fails; None if it does not."""
        try:
            self.compute(portfolio_ids, without, trial=trial)
        except (UserError, psycopg.OperationalError):
            raise
        except Exception as failure:
            return describe_exception(failure)
        return None

    def _known(self, culprits: dict[T, str], left_alone: list[T]) -> dict[T, str]:
        if left_alone or not culprits:
            raise self.error
        return culprits
