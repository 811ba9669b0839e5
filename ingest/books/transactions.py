"""Transactions of brokers: what a line is, and the effect of each on the holdings.

Pure: lines come in, rows of raw.transactions go out. dbt, not this module, chooses the lots of a sale.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from ingest.books.cells import plain
from ingest.books.csv_files import CsvFile, FileProblem
from ingest.books.instruments import CASH_SETTLED, Instrument
from ingest.books.lots import CONTRACT_SIZE
from ingest.identifiers import natural_id

BUYS = frozenset({"BUY", "REINVEST", "COVER"})
SELLS = frozenset({"SELL", "SHORT"})
TRANSFERS = frozenset({"TRANSFER_IN", "TRANSFER_OUT"})
MONEY = frozenset({"DIVIDEND", "INTEREST", "FEE", "TAX", "DEPOSIT", "WITHDRAWAL"})
OPTION_ENDS = frozenset({"ASSIGN", "EXERCISE", "EXPIRE"})
TYPES = (
    "BUY", "SELL", "SHORT", "COVER", "DIVIDEND", "REINVEST", "INTEREST", "FEE", "TAX", "DEPOSIT", "WITHDRAWAL",
    "TRANSFER_IN", "TRANSFER_OUT", "SPLIT", "ASSIGN", "EXERCISE", "EXPIRE",
)  # fmt: skip
# Cash for a fraction of a share, whose size the broker leaves out. The holdings decide: it is a sale, or income.
IN_LIEU = "IN_LIEU"
LOT_MATCHING = ("fifo", "lifo", "hifo", "average", "named")

_EFFECTS = {
    "BUY": ("open", 1),
    "REINVEST": ("open", 1),
    "SHORT": ("open", -1),
    "SELL": ("close", -1),
    "COVER": ("close", 1),
    "TRANSFER_IN": ("open", 1),
    "TRANSFER_OUT": ("close", -1),
    "ASSIGN": ("expire", 0),
    "EXERCISE": ("expire", 0),
    "EXPIRE": ("expire", 0),
    "SPLIT": ("none", 0),
}
# The last digit of a price for one unit.
DECIMALS = Decimal(1).scaleb(-10)


@dataclass(frozen=True, slots=True)
class Line:
    """One valid line of a broker: `quantity` is unsigned, `fees` are USD, `side` is -1 for a transferred short.

    `may_flip` is set where the broker does not say which purchases and sales open a position: a sale of more shares
    than are held then opens a short.
    """

    portfolio: str
    file: str
    number: int
    trade_date: date
    type: str
    instrument: Instrument | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    amount: Decimal | None = None
    fees: Decimal = Decimal(0)
    lot_date: date | None = None
    unit_price: Decimal | None = None
    cash: Decimal = Decimal(0)
    side: int = 1
    may_flip: bool = False
    # the broker's account, where one portfolio holds several
    account: str = ""

    @property
    def multiplier(self) -> int:
        """Shares per unit."""
        return CONTRACT_SIZE if self.instrument and self.instrument.contract else 1


class Move(NamedTuple):
    """The effect of a line on the holding of a symbol: open, close, flip or end; `side` 1 buys, -1 sells."""

    symbol: str
    effect: str
    side: int
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class TransactionOptions:
    """The options of `load transactions`; None where the file or the default decides.

    `portfolio` names the portfolio of a broker's file, and `equity` is its value at the close before `inception`.
    `lots` is the matching rule. `keep` leaves lines of other days alone; `replace` drops all lines loaded before.
    `skip` has actions of a broker to leave out. `symbols` maps security numbers and names to their symbols.
    """

    portfolio: str | None = None
    equity: Decimal | None = None
    inception: date | None = None
    lots: str | None = None
    layout: str | None = None
    keep: bool = False
    replace: bool = False
    strict: bool = False
    skip: Sequence[str] = ()
    symbols: Path | None = None


@dataclass(slots=True)
class TransactionFile:
    """A file of transactions: its valid lines in their order, and its problems."""

    csv: CsvFile
    lines: list[Line] = field(default_factory=list)
    # oddities, and lines left out; the file is loaded all the same
    warnings: list[FileProblem] = field(default_factory=list)

    @property
    def portfolios(self) -> set[str]:
        """The portfolios that the file names."""
        return {row.cells["portfolio"] for row in self.csv.rows} - {None}


def rows_of(lines: Sequence[Line], portfolio_ids: Mapping[str, UUID]) -> list[tuple]:
    """Return the rows of raw.transactions, in the order of `portfolios.TRANSACTION_TABLE`.

    Lines that are equal in everything count as often as they occur; `sequence` is a line's place in its day.
    """
    occurrences: Counter[tuple] = Counter()
    places: Counter[tuple[UUID, date]] = Counter()
    rows = []
    for line in lines:
        portfolio_id = portfolio_ids[line.portfolio]
        key = (
            portfolio_id, line.trade_date, line.type, line.instrument and line.instrument.symbol,
            *(None if number is None else plain(number) for number in (line.quantity, line.price, line.amount)),
            plain(line.fees), line.lot_date,
        )  # fmt: skip
        occurrences[key] += 1
        transaction_id = natural_id("transaction", *key, occurrences[key])
        for told in _settle(line, transaction_id):
            places[portfolio_id, line.trade_date] += 1
            rows.append((told[0], portfolio_id, line.trade_date, places[portfolio_id, line.trade_date], *told[1:]))
    return rows


def _settle(line: Line, transaction_id: UUID) -> Iterator[tuple]:
    """The rows of a line: one, and a second for the shares that an assignment or exercise delivers."""
    effect, side = _EFFECTS.get(line.type, ("cash", 0))
    contract = line.instrument.contract if line.instrument else None
    if line.may_flip and effect in ("open", "close"):
        effect = "flip"
    terms = (
        (contract.underlying_symbol, contract.option_type, contract.strike_price, contract.expiration_date, "OPTIONS")
        if contract
        else (None, None, None, None, "PUBLIC")
    )
    yield (
        transaction_id,
        line.type,
        line.instrument.symbol if line.instrument else None,
        line.quantity,
        line.price,
        line.amount,
        # the fees of an assignment or exercise go with its shares
        Decimal(0) if contract and delivers(line) else line.fees,
        line.lot_date,
        effect,
        side * line.side,
        line.unit_price,
        line.cash,
        *terms,
    )
    if contract and delivers(line):
        buys = (line.type == "EXERCISE") == (contract.option_type == "CALL")
        shares = (line.quantity or 0) * CONTRACT_SIZE
        yield (
            natural_id("delivery", transaction_id),
            line.type,
            contract.underlying_symbol,
            shares,
            contract.strike_price,
            None,
            line.fees,
            None,
            "flip",
            1 if buys else -1,
            contract.strike_price,
            (-1 if buys else 1) * shares * contract.strike_price - line.fees,
            None,
            None,
            None,
            # the shares change hands when the option ends, however late it is reported
            contract.expiration_date,
            "PUBLIC",
        )


def moves_of(line: Line) -> list[Move]:
    """Return the effects of a line on holdings: none, one, or two where the end of an option brings shares."""
    moves = (Move(row[2], row[8], row[9], row[3]) for row in _settle(line, UUID(int=0)))
    return [move for move in moves if move.effect not in ("cash", "none")]


def sold_fraction(line: Line, fraction: Decimal) -> Line:
    """Return cash in lieu as the sale of a fraction, or as its purchase where it was paid for a short."""
    gross = abs(line.cash)
    return replace(
        line,
        type="SELL" if line.cash >= 0 else "COVER",
        quantity=fraction,
        amount=line.cash,
        fees=Decimal(0),
        unit_price=(gross / fraction).quantize(DECIMALS),
    )


def spans_of(files: Sequence[TransactionFile]) -> list[tuple[str, date, date]]:
    """Return the first and the last day of each portfolio in each file."""
    spans = []
    for file in files:
        days: dict[str, list[date]] = defaultdict(list)
        for line in file.lines:
            days[line.portfolio].append(line.trade_date)
        spans += [(name, min(told), max(told)) for name, told in days.items()]
    return spans


def delivers(line: Line) -> bool:
    """Whether the end of an option brings or takes shares: cash-settled ones, and those with an amount, do not."""
    contract = line.instrument.contract if line.instrument else None
    return (
        contract is not None and line.type in ("ASSIGN", "EXERCISE") and contract.underlying_symbol not in CASH_SETTLED
    )
