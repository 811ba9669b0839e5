"""Books of real stocks and ETFs that begin in 2019, as the folder that `load DIR` takes, and the market they need.

Sixty holds sixty symbols, long and short, some of them listed later and one of them twice; Odds and ends holds what
risk models stumble over (options, a private company, a symbol without a price); Cash holds nothing, and Under water
owes more than it has.
"""

import csv
from datetime import date
from pathlib import Path

import pandas as pd

from tests.real_book import SYMBOLS

SIXTY, ODDS, CASH, UNDER_WATER = "Sixty", "Odds and ends", "Cash", "Under water"
SECTOR_ETFS = ("XLC", "XLY", "XLP", "XLE", "XLF", "XLV", "XLI", "XLK", "XLB", "XLRE", "XLU")
ETFS = ("SPY", "TLT", "VTV", "VLUE", "VUG", "IWF", "MTUM", "QUAL", "IWM", "SIZE", "USMV", *SECTOR_ETFS)
# Symbols that were listed late: they are entered on the first of these days on which they have a price.
ENTRY_DAYS = ("2019-01-02", "2021-06-01", "2022-06-01", "2023-01-03", "2023-12-01")
INCEPTION, CRASH, END = date(2019, 1, 2), date(2020, 3, 23), date(2023, 12, 29)
CALL, PUT = "AAPL240621C00190000", "SPY240315P00450000"


def write_market(market_folder: Path, folder: Path) -> None:
    """Write the prices and actions of the books' symbols up to END as a smaller folder of market data."""
    folder.mkdir()
    # the data spells classes of shares with a dash
    symbols = {symbol.replace(".", "-") for symbol in (*SYMBOLS, *ETFS)}
    for file, day in (("prices.csv.gz", "date"), ("actions.csv.gz", "ex_date")):
        rows = pd.read_csv(market_folder / file, dtype=str)
        rows[rows["symbol"].isin(symbols) & (rows[day] <= END.isoformat())].to_csv(folder / file, index=False)
    (folder / "profiles.csv").write_text((market_folder / "profiles.csv").read_text(encoding="utf-8"), encoding="utf-8")


def write_books(market_folder: Path, folder: Path) -> None:
    """Write the books' CSV files; `market_folder` may be the smaller one."""
    folder.mkdir()
    prices = pd.read_csv(market_folder / "prices.csv.gz")
    prices = prices[prices["date"].isin([*ENTRY_DAYS, "2020-01-02"])]
    closes = prices.set_index([prices["symbol"].str.replace("-", "."), "date"])["close"].to_dict()
    first = ENTRY_DAYS[0]
    _write(
        folder / "portfolios.csv",
        ["name", "starting_equity", "inception_date"],
        [
            (SIXTY, 1_500_000, first),
            (ODDS, 200_000, first),
            (CASH, 50_000, "2019-06-03"),
            (UNDER_WATER, 1_000, "2020-01-02"),
        ],
    )
    positions = []
    for place, symbol in enumerate(SYMBOLS):
        entry = next(day for day in ENTRY_DAYS if (symbol, day) in closes)
        price = closes[symbol, entry]
        positions.append((SIXTY, symbol, (-1 if place % 4 == 3 else 1) * round(30_000 / price), price, entry))
    positions += [
        (SIXTY, "AAPL", 10, closes["AAPL", "2020-01-02"], "2020-01-02"),
        (ODDS, "MSFT", 300, closes["MSFT", first], first),
        (ODDS, "KO", -200, closes["KO", first], first),
        (ODDS, CALL, 5, 10, "2023-06-01"),
        (ODDS, PUT, 3, 12, "2023-06-01"),
        (ODDS, "ZZZZ", 100, 20, "2021-06-01"),
        (ODDS, "Corner bakery", 1, 5_000, first, "PRIVATE"),
        (UNDER_WATER, "TSLA", -100, closes["TSLA", "2020-01-02"], "2020-01-02"),
    ]
    _write(
        folder / "positions.csv",
        ["portfolio", "Symbol", "Quantity", "Entry Price Per Share", "Entry Date", "Investment Class"],
        [(*position, *[""] * (6 - len(position))) for position in positions],
    )


def _write(file: Path, header: list[str], rows: list[tuple]) -> None:
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([header, *rows])
