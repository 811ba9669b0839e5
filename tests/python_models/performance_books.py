"""Twenty random books of real stocks and ETFs, with flows, cash items and benchmarks of their own.

They begin on different days, buy, sell short, sell a part and leave again; every fifth holds a private company, every
seventh an option. The same for everybody who makes them.
"""

import csv
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pandas as pd

from tests.real_book import SYMBOLS

N_BOOKS = 20
FIRST, END = date(2021, 6, 1), date(2023, 6, 30)
BENCHMARKS = ("SPY", "", "IWM", "QUAL", "TLT")
CALL = "AAPL240621C00190000"
_FIRST_LISTED = [symbol for symbol in SYMBOLS if symbol not in ("COIN",)]


def name_of(number: int) -> str:
    """The name of a book."""
    return f"Book {number:02}"


def write_books(market_folder: Path, folder: Path) -> None:
    """Write the books' CSV files; `market_folder` has the prices at which they trade."""
    folder.mkdir()
    prices = pd.read_csv(market_folder / "prices.csv.gz", usecols=["symbol", "date", "close"])
    prices = prices[(prices["date"] >= FIRST.isoformat()) & (prices["date"] <= END.isoformat())]
    closes = prices.assign(symbol=prices["symbol"].str.replace("-", ".")).pivot(
        index="date", columns="symbol", values="close"
    )
    maker = _Maker(Random(20), closes)  # noqa: S311
    for number in range(N_BOOKS):
        maker.make(number)
    for file, header in (
        ("portfolios.csv", "name,starting_equity,inception_date,benchmark"),
        (
            "positions.csv",
            "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date,Investment Class,"
            "Exit Date,Exit Price Per Share",
        ),
        ("closes.csv", "portfolio,symbol,entry_date,trade_date,quantity_closed,close_price,fees"),
        ("capital_flows.csv", "portfolio,date,type,amount"),
        ("cash_items.csv", "portfolio,date,type,amount"),
        ("manual_prices.csv", "portfolio,symbol,date,price"),
    ):
        with (folder / file).open("w", newline="", encoding="utf-8") as lines:
            csv.writer(lines).writerows([header.split(","), *maker.rows[file]])


class _Maker:
    def __init__(self, random: Random, closes: pd.DataFrame) -> None:
        self.random, self.closes = random, closes
        self.days = [date.fromisoformat(day) for day in closes.index]
        self.symbols = [symbol for symbol in _FIRST_LISTED if closes[symbol].notna().all()]
        files = ("portfolios", "positions", "closes", "capital_flows", "cash_items", "manual_prices")
        self.rows: dict[str, list[tuple]] = {f"{file}.csv": [] for file in files}

    def make(self, number: int) -> None:
        """One book."""
        name, random = name_of(number), self.random
        begins = self.days[random.randrange(10, 300)]
        self.rows["portfolios.csv"].append(
            (name, random.randrange(80_000, 400_000), begins, BENCHMARKS[number % len(BENCHMARKS)])
        )
        for symbol in random.sample(self.symbols, random.randrange(2, 8)):
            self.lot(name, symbol, begins)
        if number % 5 == 0:
            self.rows["positions.csv"].append((name, "Corner bakery", 1, 9_000, begins, "PRIVATE", "", ""))
            for place in (30, 200, 420):
                self.rows["manual_prices.csv"].append((name, "Corner bakery", self.days[place], 9_000 + 10 * place))
        if number % 7 == 0:
            self.rows["positions.csv"].append((name, CALL, random.choice((2, -1)), 12, "2023-01-03", "", "", ""))
        for _ in range(random.randrange(9)):
            day, amount = self.day(begins), random.randrange(500, 30_000)
            kind = random.choice(("CONTRIBUTION", "CONTRIBUTION", "WITHDRAWAL"))
            self.rows["capital_flows.csv"].append((name, day, kind, amount))
        for _ in range(random.randrange(9)):
            kind, sign = random.choice((("INTEREST", 1), ("FEE", -1), ("BORROW", -1)))
            self.rows["cash_items.csv"].append((name, self.day(begins), kind, sign * random.randrange(5, 400)))

    def lot(self, name: str, symbol: str, begins: date) -> None:
        """A lot of a symbol, carried in, bought on the first day or later; some are sold in part, some in whole."""
        random = self.random
        entered = random.choice((begins - timedelta(days=90), begins, max(begins, self.day(begins))))
        place = next(place for place, day in enumerate(self.days) if day >= max(entered, begins))
        price = self.closes[symbol].iloc[place]
        quantity = round(random.randrange(5_000, 40_000) / price) * random.choice((1, 1, 1, -1))
        leaves = ("", "")
        if random.random() < 0.3 and place + 30 < len(self.days):
            left = random.randrange(place + 5, len(self.days))
            leaves = (self.days[left], round(self.closes[symbol].iloc[left] * 1.002, 2))
        self.rows["positions.csv"].append((name, symbol, quantity, round(price, 2), entered, "", *leaves))
        if random.random() < 0.4 and place + 5 < len(self.days):
            sold = random.randrange(place + 1, len(self.days))
            price = round(self.closes[symbol].iloc[sold] * 0.999, 2)
            self.rows["closes.csv"].append(
                (name, symbol, entered, self.days[sold], max(abs(quantity) // 3, 1), price, 2.5)
            )

    def day(self, begins: date) -> date:
        """A day on or after the first."""
        return begins + timedelta(days=self.random.randrange((END - begins).days))
