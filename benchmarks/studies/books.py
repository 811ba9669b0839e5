"""The returns of real symbols, and fixed-weight books of them that forecasts are judged on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from warehouse.settings import PROJECT_ROOT

FIRST, LAST = "2019-01-02", "2024-03-07"
_DEFINED = pd.read_csv(PROJECT_ROOT / "dbt_project" / "seeds" / "factor_definitions.csv").set_index("factor")
_FIRST_ETFS = _DEFINED["symbols"].str.split().str[0]
FACTOR_ETFS: dict[str, str] = _FIRST_ETFS[_DEFINED["kind"] != "sector"].to_dict()
SECTOR_ETFS: dict[str, str] = _FIRST_ETFS[_DEFINED["kind"] == "sector"].sort_index().to_dict()
KINDS = ("30 stocks", "6 stocks", "market-neutral", "130/30", "one sector", "8 ETFs")
BOOKS_OF_A_KIND = 40


@dataclass(frozen=True)
class Market:
    """Daily total returns (sessions × symbols) of a `files:` folder, and the sector of each stock."""

    returns: pd.DataFrame
    sectors: pd.Series

    @cached_property
    def stocks(self) -> list[str]:
        """Stocks that have every return: whoever was delisted or listed on the way is not among them."""
        complete = self.returns.columns[self.returns.iloc[1:].notna().all()]
        return [symbol for symbol in complete if symbol in self.sectors.index]

    @cached_property
    def etfs(self) -> list[str]:
        """Funds that have every return."""
        complete = self.returns.columns[self.returns.iloc[1:].notna().all()]
        return [symbol for symbol in complete if symbol not in self.sectors.index]

    def place(self, day: str) -> int:
        """The row of the first session at or after a day."""
        return int(self.returns.index.searchsorted(day))


@dataclass(frozen=True)
class Books:
    """Weights (symbols × books) of equity that never change, and what kind each book is of."""

    weights: pd.DataFrame
    kinds: np.ndarray

    def returns(self, market: Market) -> np.ndarray:
        """The books' daily returns (n_sessions, n_books)."""
        return market.returns[self.weights.index].to_numpy() @ self.weights.to_numpy()


def read_market(folder: Path) -> Market:
    """Total returns s·(P + D) / P₋₁ − 1 of neighbouring sessions."""
    prices = pd.read_csv(folder / "prices.csv.gz", usecols=["symbol", "date", "close"])
    actions = pd.read_csv(folder / "actions.csv.gz")
    profiles = pd.read_csv(folder / "profiles.csv").set_index("symbol")
    close = prices.pivot(index="date", columns="symbol", values="close").sort_index()

    def by_session(kind: str, default: float) -> pd.DataFrame:
        values = actions[actions["action_type"] == kind].pivot(index="ex_date", columns="symbol", values="value")
        return values.reindex(index=close.index, columns=close.columns).fillna(default)

    returns = by_session("SPLIT", 1.0) * (close + by_session("DIVIDEND", 0.0)) / close.shift(1) - 1.0
    stocks = profiles[(profiles["quote_type"] == "EQUITY") & profiles["sector"].notna()]
    return Market(returns, stocks["sector"])


def make_books(market: Market, seed: int = 1) -> Books:
    """Forty books of each kind, drawn at random."""
    random = np.random.default_rng(seed)
    by_sector = market.sectors[market.stocks].groupby(market.sectors[market.stocks]).groups
    large = [sector for sector, members in by_sector.items() if len(members) >= 12]
    columns, kinds = [], []

    def shares(symbols: np.ndarray, total: float) -> pd.Series:
        sizes = random.uniform(0.5, 1.5, len(symbols))
        return pd.Series(total * sizes / sizes.sum(), symbols)

    def some(symbols: list[str], count: int) -> np.ndarray:
        return random.choice(symbols, count, replace=False)

    for kind in KINDS:
        for number in range(BOOKS_OF_A_KIND):
            if kind == "one sector":
                book = shares(some(list(by_sector[large[number % len(large)]]), 12), 1.0)
            elif kind == "8 ETFs":
                book = shares(some(market.etfs, 8), 1.0)
            elif kind in ("market-neutral", "130/30"):
                chosen = some(market.stocks, 40)
                long, short = (1.0, -1.0) if kind == "market-neutral" else (1.3, -0.3)
                book = pd.concat([shares(chosen[:20], long), shares(chosen[20:], short)])
            else:
                book = shares(some(market.stocks, int(kind.split()[0])), 1.0)
            columns.append(book)
            kinds.append(kind)
    weights = pd.concat(columns, axis=1, ignore_index=True).fillna(0.0).sort_index()
    return Books(weights, np.array(kinds))
