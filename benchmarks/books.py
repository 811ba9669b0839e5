"""Portfolios for benchmarks: the files that `load DIR` takes, from a seed and a market."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.market import Market, TooSmall, write_csv

STARTING_EQUITY = 1_000_000


def write_books(market: Market, n_portfolios: int, n_positions: int, inception: int, seed: int, folder: Path) -> None:
    """Write portfolios of so many lots each, all carried in at the session in row `inception`.

    One lot in seven is short; each portfolio closes a part of two lots and has a flow of capital every 21 sessions
    after that. Raises TooSmall where the market has fewer symbols than a portfolio has lots.
    """
    if n_positions > len(market.symbols):
        raise TooSmall(f"{n_positions} positions of {len(market.symbols)} symbols: a portfolio holds each once")
    random = np.random.default_rng(seed + 1)
    sessions = market.sessions
    later = len(sessions) - inception - 1
    portfolios, lots, closes, flows = [], [], [], []
    # A lot that is carried in is stated in shares of its first session.
    held = np.flatnonzero(np.isfinite(market.closes[inception]))
    for number in range(1, n_portfolios + 1):
        name = f"Portfolio {number:05}"
        portfolios.append((name, STARTING_EQUITY, sessions[inception]))
        for place, column in enumerate(random.choice(held, n_positions, replace=False)):
            symbol, price = market.symbols[column], float(market.closes[inception, column])
            side = -1 if place % 7 == 3 else 1
            quantity = max(int(STARTING_EQUITY / n_positions / price), 1)
            entry_date = sessions[inception - 1 - int(random.integers(0, min(200, inception)))]
            cost = round(price * random.uniform(0.7, 1.2), 2)
            lots.append((name, symbol, side * quantity, cost, entry_date))
            if place in (1, 5) and later > 0:
                row = inception + 1 + int(random.integers(0, later))
                part, paid = max(quantity // 4, 1), round(float(market.closes[row, column]), 2)
                closes.append((name, symbol, entry_date, sessions[row], part, paid, 1.25))
        flows += [
            (name, sessions[row], "WITHDRAWAL" if number % 3 == 0 else "CONTRIBUTION", 10_000 + number)
            for row in range(inception + 1, len(sessions), 21)
        ]
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "portfolios.csv", "name,starting_equity,inception_date", portfolios)
    write_csv(folder / "positions.csv", "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date", lots)
    write_csv(folder / "closes.csv", "portfolio,symbol,entry_date,trade_date,quantity_closed,close_price,fees", closes)
    write_csv(folder / "capital_flows.csv", "portfolio,date,type,amount", flows)
