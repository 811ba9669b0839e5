"""Books of real stocks and ETFs that begin in 2019, as the folder that `load DIR` takes.

Sixty holds sixty symbols, long and short, some of them listed later and one of them twice; Odds and ends holds what
risk models stumble over (options, a private company, a symbol without a price); Cash holds nothing, and Under water
owes more than it has.
"""

import csv
import gzip
from datetime import date
from pathlib import Path

from tests.real_book import SYMBOLS

SIXTY, ODDS, CASH, UNDER_WATER = "Sixty", "Odds and ends", "Cash", "Under water"
INCEPTION, END = "2019-01-02", date(2023, 12, 29)
_LATER = ("2021-06-01", "2022-06-01", "2023-01-03", "2023-12-01")


def write(market_folder: Path, folder: Path) -> None:
    """Write the books' CSV files."""
    closes = _closes(market_folder)
    folder.mkdir()
    _write(
        folder / "portfolios.csv",
        ["name", "starting_equity", "inception_date"],
        [(SIXTY, 1_500_000, INCEPTION), (ODDS, 200_000, INCEPTION), (CASH, 50_000, "2019-06-03")]
        + [(UNDER_WATER, 1_000, "2020-01-02")],
    )
    positions = []
    for place, symbol in enumerate(SYMBOLS):
        entry = next(day for day in (INCEPTION, *_LATER) if (symbol, day) in closes)
        sign = -1 if place % 4 == 3 else 1
        price = closes[symbol, entry]
        positions.append((SIXTY, symbol, sign * round(30_000 / price), price, entry))
    positions += [
        (SIXTY, "AAPL", 10, closes["AAPL", "2020-01-02"], "2020-01-02"),
        (ODDS, "MSFT", 300, closes["MSFT", INCEPTION], INCEPTION),
        (ODDS, "KO", -200, closes["KO", INCEPTION], INCEPTION),
        (ODDS, "AAPL240621C00190000", 5, 10, "2023-06-01"),
        (ODDS, "SPY240315P00450000", 3, 12, "2023-06-01"),
        (ODDS, "ZZZZ", 100, 20, "2021-06-01"),
        (ODDS, "Corner bakery", 1, 5_000, INCEPTION, "PRIVATE"),
        (UNDER_WATER, "TSLA", -100, closes["TSLA", "2020-01-02"], "2020-01-02"),
    ]
    _write(
        folder / "positions.csv",
        ["portfolio", "Symbol", "Quantity", "Entry Price Per Share", "Entry Date", "Investment Class"],
        [(*position, *[""] * (6 - len(position))) for position in positions],
    )


def _closes(market_folder: Path) -> dict[tuple[str, str], float]:
    wanted = {INCEPTION, *_LATER, "2020-01-02"}
    with gzip.open(market_folder / "prices.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        return {
            (row["symbol"].replace("-", "."), row["date"]): float(row["close"])
            for row in csv.DictReader(lines)
            if row["date"] in wanted
        }


def _write(file: Path, header: list[str], rows: list[tuple]) -> None:
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([header, *rows])
