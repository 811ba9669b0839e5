"""What the numeric tests share: a seeded panel of returns, and real ones computed from closes and corporate actions."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import settings

# For property tests: always the same examples, and few enough to take only seconds.
examples = settings(deadline=None, max_examples=25, derandomize=True)

MARKET_FOLDER = Path(__file__).parents[3] / "shared" / "data" / "market"

CANDIDATES = {
    "Market": ["SPY"],
    "Interest Rate": ["TLT"],
    "Value": ["VTV", "VLUE"],
    "Growth": ["VUG", "IWF", "XLK"],
    "Size": ["IWM", "SIZE"],
    "Momentum": ["MTUM"],
    "Quality": ["QUAL"],
    "Low Volatility": ["USMV"],
}
SECTORS = {
    "Communication Services": ["XLC"],
    "Consumer Discretionary": ["XLY"],
    "Consumer Staples": ["XLP"],
    "Energy": ["XLE"],
    "Financials": ["XLF"],
    "Health Care": ["XLV"],
    "Industrials": ["XLI"],
    "Information Technology": ["XLK"],
    "Materials": ["XLB"],
    "Real Estate": ["XLRE"],
    "Utilities": ["XLU"],
}
STYLED = tuple(CANDIDATES)
CANDIDATES |= SECTORS
ETFS = [etf for etfs in CANDIDATES.values() for etf in etfs]

# Each day has symbols that were listed weeks before, and one day lies in the crash. Of the last three days an ordinary
# run of the tests takes some symbols, and the slow one takes all.
ALL_SYMBOLS = ("2020-03-23", "2023-12-29")
SOME_SYMBOLS = ("2019-06-28", "2021-05-28", "2022-06-16")


@dataclass(frozen=True)
class Panel:
    """Returns up to a date, (n_sessions, n_symbols), under column names."""

    frame: pd.DataFrame

    @property
    def symbols(self) -> list[str]:
        return list(self.frame.columns)

    @property
    def returns(self) -> np.ndarray:
        return self.frame.to_numpy()

    def series(self, symbol: str) -> np.ndarray:
        return self.frame[symbol].to_numpy()

    def column(self, symbol: str) -> int:
        return self.symbols.index(symbol)


def real_panel(date: str, has_all_symbols: bool) -> Panel:
    """The real panel up to a date: all symbols, or the ETFs, the new listings and every tenth other."""
    frame = _real_returns().loc[:date]
    if not has_all_symbols:
        young = frame.columns[frame.iloc[-252:].notna().sum() < 180]
        some = {*ETFS, *young, *frame.columns[::10]}
        frame = frame[[symbol for symbol in frame.columns if symbol in some]]
    return Panel(frame)


@cache
def _real_returns() -> pd.DataFrame:
    """Total returns s·(P + D) / P₋₁ − 1 of sessions whose previous session has a close too.

    The files have no holes inside a symbol's life, so some are cut into every ninth symbol that is no ETF of a factor.
    """
    prices = pd.read_csv(MARKET_FOLDER / "prices.csv.gz", usecols=["symbol", "date", "close"])
    actions = pd.read_csv(MARKET_FOLDER / "actions.csv.gz")
    close = prices.pivot(index="date", columns="symbol", values="close").sort_index()
    random = np.random.default_rng(7)
    for symbol in close.columns[::9].difference(ETFS):
        close.loc[random.choice(close.index, 40, replace=False), symbol] = np.nan

    def by_session(kind: str, default: float) -> pd.DataFrame:
        values = actions[actions["action_type"] == kind].pivot(index="ex_date", columns="symbol", values="value")
        return values.reindex(index=close.index, columns=close.columns).fillna(default)

    return by_session("SPLIT", 1.0) * (close + by_session("DIVIDEND", 0.0)) / close.shift(1) - 1.0


def synthetic_panel(n_sessions: int = 560, seed: int = 20200323) -> Panel:
    """Returns with clustered volatility, holes, late listings, a halted and a fixed-income-like constant symbol."""
    random = np.random.default_rng(seed)
    log_scale = np.zeros(n_sessions)
    for session in range(1, n_sessions):
        log_scale[session] = 0.97 * log_scale[session - 1] + 0.12 * random.standard_normal()
    market = 0.0004 + 0.009 * np.exp(log_scale) * random.standard_t(6, n_sessions)
    rates = -0.2 * market + 0.007 * random.standard_normal(n_sessions)
    styles = {
        name: 0.003 * random.standard_normal(n_sessions)
        for name in ("Value", "Growth", "Size", "Momentum", "Quality", "Low Volatility")
    }
    styles["Growth"] = -0.9 * styles["Value"] + 0.4 * styles["Growth"]
    columns = {"SPY": market, "TLT": rates}
    for factor, (etf,) in SECTORS.items():
        if factor not in ("Real Estate", "Information Technology"):
            columns[etf] = market + 0.005 * random.standard_normal(n_sessions)
    for factor, etfs in CANDIDATES.items():
        for etf in etfs:
            if factor in styles:
                columns[etf] = market + styles[factor] + 0.0004 * random.standard_normal(n_sessions)
    for number in range(30):
        loadings = 0.6 * random.standard_normal(len(styles))
        columns[f"S{number:02d}"] = (
            random.uniform(0.2, 1.8) * market
            + random.uniform(-0.5, 0.5) * rates
            + np.column_stack(list(styles.values())) @ loadings
            + random.uniform(0.004, 0.03) * random.standard_normal(n_sessions)
        )
    frame = pd.DataFrame(columns)
    frame.loc[:40, ["VTV", "VUG"]] = np.nan
    for symbol, listed in {
        "S01": 8,
        "S02": 20,
        "S03": 29,
        "S04": 30,
        "S05": 45,
        "S06": 70,
        "S07": 130,
        "S08": 240,
    }.items():
        frame.loc[: n_sessions - listed - 1, symbol] = np.nan
    for symbol in ("S10", "S11", "S12", "S13"):
        hole = random.choice(n_sessions, n_sessions // 12, replace=False)
        frame.loc[hole, symbol] = np.nan
    frame.loc[n_sessions - 60 : n_sessions - 12, "S14"] = np.nan
    frame["HALTED"] = 0.0
    frame["STEADY"] = 0.0001 + 1e-17 * random.standard_normal(n_sessions)
    frame["NEVER"] = np.nan
    frame["TWIN"] = frame["SPY"]
    frame.loc[n_sessions - 25 :, "S15"] = 0.0
    return Panel(frame)
