"""A book of 60 real stocks and ETFs, as the folder that `load DIR` takes and as input of the accounting replay.

Everything follows from a symbol's place in the list and from its real prices, so that the book is the same on every
machine. It holds what makes books go wrong: longs and shorts, carried in and entered later, on weekends too; companies
that split while held (some twice) or were listed later; partial closes in shares after a split, closes of more than is
left, exits, fees, fractions of shares, two lots of one symbol, contributions and withdrawals.
"""

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from tests.accounting_replay import Action, Close, Flow, Lot, Portfolio, Prices

NAME = "Sixty real holdings"
INCEPTION, END = date(2021, 1, 4), date(2023, 12, 29)
# Early enough before inception to have a last close of every carried-in lot.
PRICES_FROM = date(2020, 12, 1)
STARTING_EQUITY = Decimal(1_500_000)
LOT_SIZE = Decimal(40_000)
CENT = Decimal("0.01")

# NVDA, TSLA, GOOGL, AMZN, SHW, CSX, ISRG, ANET, FTNT, PANW, CPRT (twice), MNST, SRE, RJF, PCAR, APH, NDAQ and TTD split
# in these years; COIN, CEG, GEHC and KVUE were listed in them. XOM, T, VZ and the bond funds pay much.
SYMBOLS = (
    *(
        "AAPL",
        "NVDA",
        "TSLA",
        "MSFT",
        "GOOGL",
        "AMZN",
        "SHW",
        "CSX",
        "ISRG",
        "ANET",
        "FTNT",
        "PANW",
        "CPRT",
        "MNST",
        "SRE",
    ),
    *("RJF", "PCAR", "APH", "NDAQ", "TTD", "COIN", "CEG", "GEHC", "KVUE", "BRK.B", "META", "JPM", "BAC", "XOM", "CVX"),
    *("KO", "PEP", "PG", "JNJ", "UNH", "T", "VZ", "DIS", "NFLX", "INTC", "CSCO", "ORCL", "WMT", "HD", "MCD"),
    *("NKE", "CAT", "BA", "MO", "SPY", "QQQ", "IWM", "TLT", "HYG", "GLD", "EEM", "XLE", "VNQ", "SCHD", "LQD"),
)


@dataclass(frozen=True)
class RealBook:
    """The book, and the market it is to be replayed on: `replay(book.portfolio, book.prices, book.actions, …)`."""

    portfolio: Portfolio
    prices: Prices
    actions: list[Action]
    sessions: list[date]


def build(market_folder: Path) -> RealBook:
    """Make the book from a folder of market data (prices.csv.gz and actions.csv.gz)."""
    prices: dict[str, dict[date, Decimal]] = defaultdict(dict)
    for symbol, day, row in _rows(market_folder / "prices.csv.gz", "date"):
        prices[symbol][day] = Decimal(row["close"])
    actions = [
        Action(symbol, day, row["action_type"], Decimal(row["value"]))
        for symbol, day, row in _rows(market_folder / "actions.csv.gz", "ex_date")
    ]
    sessions = sorted(prices["SPY"])
    lots, closes = [], []
    for place, symbol in enumerate(SYMBOLS):
        for lot in _lots(place, symbol, prices[symbol], sessions):
            lots.append(lot)
            closes += _closes(place, lot, prices[symbol], sessions)
    portfolio = Portfolio(INCEPTION, STARTING_EQUITY, lots, closes, list(_flows()))
    return RealBook(portfolio, prices, actions, sessions)


def write(book: RealBook, folder: Path) -> None:
    """Write the book as the CSV files that `load DIR` takes."""
    portfolio = book.portfolio
    _write(
        folder / "portfolios.csv",
        "name,starting_equity,inception_date",
        [(NAME, f"${portfolio.starting_equity:,}", portfolio.inception_date)],
    )
    _write(
        folder / "positions.csv",
        "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date,Exit Date,Exit Price Per Share",
        (
            (NAME, lot.symbol, lot.quantity, lot.entry_price, lot.entry_date, lot.exit_date, lot.exit_price)
            for lot in portfolio.lots
        ),
    )
    _write(
        folder / "closes.csv",
        "portfolio,symbol,entry_date,trade_date,quantity_closed,close_price,fees",
        (
            (NAME, close.symbol, close.entry_date, close.trade_date, close.quantity, close.price, close.fees)
            for close in portfolio.closes
        ),
    )
    _write(
        folder / "capital_flows.csv",
        "portfolio,date,type,amount",
        (
            (NAME, flow.date, "CONTRIBUTION" if flow.amount > 0 else "WITHDRAWAL", abs(flow.amount))
            for flow in portfolio.flows
        ),
    )


def _rows(path: Path, date_column: str) -> Iterator[tuple[str, date, dict[str, str]]]:
    # The data spells classes of shares with a dash.
    symbols = {symbol.replace(".", "-"): symbol for symbol in SYMBOLS}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        header = next(rows)
        place = header.index(date_column)
        for row in rows:
            symbol = symbols.get(row[0])
            if symbol and PRICES_FROM.isoformat() <= row[place] <= END.isoformat():
                yield symbol, date.fromisoformat(row[place]), dict(zip(header, row, strict=True))


def _lots(place: int, symbol: str, prices: dict[date, Decimal], sessions: list[date]) -> Iterator[Lot]:
    first = next(number for number, session in enumerate(sessions) if session in prices)
    inception = sessions.index(INCEPTION)
    listed_late = first > inception
    style = 3 if listed_late else place % 6
    sign = -1 if style in (2, 4) else 1
    if style in (0, 2):
        # Carried in: stated in shares of the inception date, at its cost of long ago.
        price = prices[sessions[inception - 1]]
        entry_date, entry_price = date(2019, 3, 1) + timedelta(days=9 * place), price * (70 + place) / 100
    elif style == 5:
        # Carried in and bought on the Saturday before New Year's Eve, so it counts from the Monday.
        entry_date, entry_price = date(2020, 12, 26), prices[sessions[inception - 1]]
    else:
        number = first + 7 if listed_late else inception if style == 1 else inception + 7 + 11 * place % 500
        entry_date, entry_price = sessions[number], prices[sessions[number]] * 1001 / 1000
        price = prices[entry_date]
    quantity = LOT_SIZE / entry_price
    quantity = quantity.quantize(Decimal("0.0001")) if place % 7 == 0 else quantity.to_integral_value()
    leaves = {}
    if place % 5 == 4:
        number = min(max(inception, _number(entry_date, sessions)) + 360, len(sessions) - 2)
        leaves = {"exit_date": sessions[number], "exit_price": _cents(prices[sessions[number]] * 999 / 1000)}
    yield Lot(symbol, entry_date, sign * quantity, _cents(entry_price), **leaves)
    if place % 8 == 1:
        # A second lot, half as large and on a Sunday two years in.
        sunday = date(2022, 11, 6) + timedelta(weeks=place)
        number = _number(sunday, sessions)
        half = (LOT_SIZE / 2 / prices[sessions[number]]).to_integral_value()
        yield Lot(symbol, sunday, sign * half, _cents(prices[sessions[number]]))


def _closes(place: int, lot: Lot, prices: dict[date, Decimal], sessions: list[date]) -> Iterator[Close]:
    start = max(_number(lot.entry_date, sessions), sessions.index(INCEPTION))
    fees = Decimal(place) / 4
    plan = []
    if place % 3 == 1:
        # A quarter of what the statement says, twice on one day, and half of it a year later.
        plan = [(20, Decimal("0.25")), (20, Decimal("0.25")), (270, Decimal("0.5"))]
    elif place % 12 == 5:
        # A close of more than is held, and then one that finds nothing.
        plan = [(600, Decimal(100)), (610, Decimal(1))]
    for later, part in plan:
        if start + later < len(sessions):
            session = sessions[start + later]
            quantity = (abs(lot.quantity) * part).quantize(Decimal("0.0001"))
            yield Close(lot.symbol, lot.entry_date, session, quantity, _cents(prices[session] * 1002 / 1000), fees)


def _flows() -> Iterator[Flow]:
    # Before inception, on it, then every second month, some of them on weekends and holidays.
    yield Flow(date(2020, 12, 31), Decimal(123_456))
    yield Flow(INCEPTION, Decimal("50000.50"))
    for number in range(17):
        month = 2 * number + 2
        day = date(2021 + month // 12, month % 12 + 1, 1 + number % 5)
        yield Flow(day, Decimal(-20_000 if number % 3 == 2 else 15_000) + number * CENT)


def _number(day: date, sessions: list[date]) -> int:
    """The place among the sessions of the one that a date counts on."""
    return next((number for number, session in enumerate(sessions) if session >= day), len(sessions))


def _cents(price: Decimal) -> Decimal:
    return price.quantize(CENT)


def _write(path: Path, header: str, rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
