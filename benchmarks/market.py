"""Markets for benchmarks: invented from a seed, or cut out of a folder of real prices."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from python_models.definitions import SECTORS

# Everything that may stand for a factor (dbt_project/seeds/factor_definitions.csv).
FACTOR_ETFS = (
    *("SPY", "TLT", "VTV", "VLUE", "VUG", "IWF", "MTUM", "QUAL", "IWM", "SIZE", "USMV"),
    *("XLC", "XLY", "XLP", "XLE", "XLF", "XLV", "XLI", "XLK", "XLB", "XLRE", "XLU"),
)
INVENTED_UNTIL = date(2024, 6, 28)


class TooSmall(Exception):  # noqa: N818
    """The market asked for has not so many symbols or sessions."""


@dataclass(frozen=True)
class Market:
    """Prices as traded, splits and dividends, by symbol, over the same sessions.

    `closes` (n_sessions, n_symbols), NaN where a symbol has none; `actions` are rows (symbol, ex-date, SPLIT or
    DIVIDEND, value), `sectors` in the order of `symbols`, "" for ETFs.
    """

    sessions: Sequence[date]
    symbols: Sequence[str]
    closes: np.ndarray
    actions: Sequence[tuple[str, date, str, float]]
    sectors: Sequence[str]


def invent_market(n_symbols: int, n_sessions: int, seed: int) -> Market:
    """A market that moves with one common factor, with dividends every quarter and a split for one symbol in ten."""
    if n_symbols < len(FACTOR_ETFS):
        raise TooSmall(f"{n_symbols} symbols: {len(FACTOR_ETFS)} at least, the factors' ETFs are among them")
    random = np.random.default_rng(seed)
    sessions = _nyse_sessions(n_sessions)
    symbols = [*FACTOR_ETFS, *(f"X{number:05}" for number in range(n_symbols - len(FACTOR_ETFS)))]
    common = random.normal(0.0004, 0.01, n_sessions)
    beta = random.uniform(0.4, 1.6, n_symbols)
    own = random.normal(0.0, 1.0, (n_sessions, n_symbols)) * random.uniform(0.004, 0.02, n_symbols)
    growth = np.exp(np.cumsum(common[:, None] * beta + own, axis=0))
    closes = random.uniform(30, 300, n_symbols) * growth
    actions: list[tuple[str, date, str, float]] = []
    for column, symbol in enumerate(symbols):
        if column % 10 == 5:
            row = int(random.integers(1, n_sessions))
            ratio = float(random.choice([2.0, 3.0, 1.5]))
            closes[row:, column] /= ratio
            actions.append((symbol, sessions[row], "SPLIT", ratio))
        if column % 5 < 3:
            first = int(random.integers(1, 63))
            actions += [
                (symbol, sessions[row], "DIVIDEND", round(float(closes[row, column]) * 0.005, 4))
                for row in range(first, n_sessions, 63)
            ]
    sectors = ["" if symbol in FACTOR_ETFS else SECTORS[place % len(SECTORS)] for place, symbol in enumerate(symbols)]
    return Market(sessions, symbols, np.maximum(closes, 0.5).round(2), actions, sectors)


def cut_market(folder: Path, n_symbols: int, n_sessions: int) -> Market:
    """The first so many symbols of a folder that have prices on each of its last sessions; the ETFs of factors first.

    Raises TooSmall where it has not so many.
    """
    by_symbol: dict[str, dict[date, float]] = defaultdict(dict)
    for row in _rows(folder, "prices"):
        by_symbol[row["symbol"]][date.fromisoformat(row["date"])] = float(row["close"])
    sessions = sorted(by_symbol.get("SPY", {}))[-n_sessions:]
    complete = [symbol for symbol in sorted(by_symbol) if all(day in by_symbol[symbol] for day in sessions)]
    chosen = [symbol for symbol in FACTOR_ETFS if symbol in by_symbol]
    chosen += [symbol for symbol in complete if symbol not in chosen][: n_symbols - len(chosen)]
    if len(chosen) < n_symbols or len(sessions) < n_sessions:
        raise TooSmall(
            f"{folder.name} has {len(complete)} symbols with prices on {len(sessions)} sessions: ask for fewer than"
            f" {n_symbols} symbols and {n_sessions} sessions, or leave out --market"
        )
    profiles = {row["symbol"]: row["sector"] for row in _rows(folder, "profiles")}
    actions = [
        (row["symbol"], date.fromisoformat(row["ex_date"]), row["action_type"], float(row["value"]))
        for row in _rows(folder, "actions")
        if row["symbol"] in set(chosen) and sessions[0] <= date.fromisoformat(row["ex_date"]) <= sessions[-1]
    ]
    closes = np.array([[by_symbol[symbol].get(day, np.nan) for symbol in chosen] for day in sessions])
    return Market(sessions, chosen, closes, actions, [profiles.get(symbol, "") for symbol in chosen])


def write_market(market: Market, folder: Path) -> None:
    """Write a market as the files that the provider `files:DIR` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(
        folder / "prices.csv",
        "symbol,date,open,high,low,close,volume",
        (
            (symbol, day, close, close, close, close, 1_000_000)
            for column, symbol in enumerate(market.symbols)
            for day, close in zip(market.sessions, market.closes[:, column].tolist(), strict=True)
            if close == close
        ),
    )
    write_csv(folder / "actions.csv", "symbol,ex_date,action_type,value", market.actions)
    write_csv(
        folder / "profiles.csv",
        "symbol,name,sector,industry,quote_type,currency",
        (
            (symbol, symbol, sector, "", "EQUITY" if sector else "ETF", "USD")
            for symbol, sector in zip(market.symbols, market.sectors, strict=True)
        ),
    )


def write_csv(file: Path, header: str, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows under a header."""
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(header.split(","))
        writer.writerows(rows)


def _nyse_sessions(count: int) -> list[date]:
    import exchange_calendars

    calendar = exchange_calendars.get_calendar("XNYS", start="1990-01-01", end=INVENTED_UNTIL.isoformat())
    sessions = [session.date() for session in calendar.sessions[-count:]]
    if len(sessions) < count:
        raise TooSmall(f"{count} sessions: there are {len(sessions)} since 1990")
    return sessions


def _rows(folder: Path, stem: str) -> Iterator[dict[str, str]]:
    plain, packed = folder / f"{stem}.csv", folder / f"{stem}.csv.gz"
    content = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    yield from csv.DictReader(content.decode().splitlines())
