"""The files of a portfolio folder: their columns, and the problems of each file by itself.

Checks that need a second file, or the data loaded so far, are in `book`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from ingest.books.cells import (
    one_of,
    parse_currency,
    parse_date,
    parse_non_negative,
    parse_non_zero,
    parse_positive,
    parse_ratio,
    parse_share,
    parse_text,
    shown,
)
from ingest.books.csv_files import Column, CsvFile, FileProblem, read_csv
from ingest.books.lots import PORTFOLIO, PositionFile, read_positions
from ingest.books.transaction_files import read_transactions
from ingest.books.transactions import LOT_MATCHING, TransactionFile
from ingest.rows import ACTION_TYPES
from ingest.symbols import canonical_symbol

# The calendar begins in 1990, and starting equity is measured one session before inception.
EARLIEST_INCEPTION = date(1990, 1, 3)

# The benchmark of a portfolio whose owner chooses none.
DEFAULT_BENCHMARK = "SPY"

PORTFOLIO_COLUMNS = (
    Column("name", parse_text),
    Column("starting_equity", parse_non_negative),
    Column("inception_date", parse_date),
    Column("benchmark", canonical_symbol, required=False, optional=True, default=DEFAULT_BENCHMARK),
    Column("currency", parse_currency, required=False, optional=True, default="USD"),
    Column("shares_as_of", parse_date, required=False, optional=True),
    Column("lot_matching", one_of(*map(str.upper, LOT_MATCHING)), required=False, optional=True),
)
CLOSE_COLUMNS = (
    PORTFOLIO,
    Column("symbol", parse_text),
    Column("entry_date", parse_date),
    Column("trade_date", parse_date),
    Column("quantity_closed", parse_positive),
    Column("close_price", parse_non_negative),
    Column("fees", parse_non_negative, required=False, optional=True, default=Decimal(0)),
)
FLOW_COLUMNS = (
    PORTFOLIO,
    Column("date", parse_date),
    Column("type", one_of("CONTRIBUTION", "WITHDRAWAL")),
    Column("amount", parse_positive),
)
CASH_ITEM_COLUMNS = (
    PORTFOLIO,
    Column("date", parse_date),
    Column("type", one_of("INTEREST", "FEE", "TAX", "BORROW", "OTHER")),
    Column("amount", parse_non_zero),
)
MARK_COLUMNS = (
    PORTFOLIO,
    Column("symbol", parse_text),
    Column("date", parse_date),
    Column("price", parse_non_negative),
)
TAG_COLUMNS = (
    PORTFOLIO,
    Column("symbol", parse_text),
    Column("entry_date", parse_date),
    Column("sector", parse_text),
)
ACTION_COLUMNS = (
    Column("symbol", canonical_symbol),
    Column("ex_date", parse_date),
    Column("action_type", one_of(*ACTION_TYPES)),
    Column("value", parse_ratio, required=False, optional=True),
    Column("new_symbol", canonical_symbol, required=False, optional=True),
    Column("cash_per_share", parse_positive, required=False, optional=True),
    Column("cost_fraction", parse_ratio, required=False, optional=True),
)
FUND_SECTOR_COLUMNS = (
    Column("symbol", canonical_symbol),
    Column("sector", parse_text),
    Column("weight", parse_share),
    Column("as_of", parse_date),
)
FILES = (
    "portfolios.csv",
    "positions.csv",
    "closes.csv",
    "capital_flows.csv",
    "cash_items.csv",
    "manual_prices.csv",
    "sector_tags.csv",
    "transactions.csv",
    "corporate_actions.csv",
    "fund_sectors.csv",
)


@dataclass(frozen=True, slots=True)
class PortfolioFiles:
    """The files of one load, each with its problems; None for an optional file that is absent."""

    portfolios: CsvFile
    positions: PositionFile
    closes: CsvFile | None = None
    flows: CsvFile | None = None
    cash_items: CsvFile | None = None
    marks: CsvFile | None = None
    tags: CsvFile | None = None
    transactions: TransactionFile | None = None
    actions: CsvFile | None = None
    fund_sectors: CsvFile | None = None

    @property
    def others(self) -> list[CsvFile]:
        """The optional files about portfolios that are present."""
        files = (self.closes, self.flows, self.cash_items, self.marks, self.tags)
        return [*filter(None, files), *([self.transactions.csv] if self.transactions else [])]

    @property
    def problems(self) -> list[FileProblem]:
        """All problems found so far, by file and line."""
        of_the_market = filter(None, (self.actions, self.fund_sectors))
        files = (self.portfolios, self.positions.csv, *self.others, *of_the_market)
        return [problem for file in files for problem in sorted(file.problems, key=lambda problem: problem.line)]


def read_folder(folder: Path) -> PortfolioFiles:
    """Read the portfolio files of a folder. Their content never raises: look at `problems`."""

    def read_optional(name: str, columns: Sequence[Column]) -> CsvFile | None:
        path = folder / name
        return read_csv(path, name, columns) if path.exists() else None

    told = folder / "transactions.csv"
    transactions = read_transactions(told) if told.exists() else None
    return PortfolioFiles(
        portfolios=_read_portfolios(folder / "portfolios.csv"),
        # a portfolio that is kept by transactions has no lots of its own
        positions=PositionFile(CsvFile("positions.csv", complete_header=True))
        if transactions and not (folder / "positions.csv").exists()
        else read_positions(folder / "positions.csv"),
        closes=read_optional("closes.csv", CLOSE_COLUMNS),
        flows=read_optional("capital_flows.csv", FLOW_COLUMNS),
        cash_items=read_optional("cash_items.csv", CASH_ITEM_COLUMNS),
        marks=read_optional("manual_prices.csv", MARK_COLUMNS),
        tags=read_optional("sector_tags.csv", TAG_COLUMNS),
        transactions=transactions,
        actions=read_optional("corporate_actions.csv", ACTION_COLUMNS),
        fund_sectors=read_optional("fund_sectors.csv", FUND_SECTOR_COLUMNS),
    )


def _read_portfolios(path: Path) -> CsvFile:
    read = read_csv(path, path.name, PORTFOLIO_COLUMNS)
    first_lines: dict[str, int] = {}
    for row in read.rows:
        name, inception = row.cells["name"], row.cells["inception_date"]
        first = first_lines.setdefault(name, row.line)
        if name and first != row.line:
            read.report(row.line, "name", f"a second portfolio {shown(name)} (the first is on line {first}): keep one")
        if inception and inception < EARLIEST_INCEPTION:
            read.report(row.line, "inception_date", f"{inception} is too early: {EARLIEST_INCEPTION} at the earliest")
    return read
