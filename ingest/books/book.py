"""All portfolio files together: names become identifiers, and references that lead nowhere are reported.

Pure: the content of the database comes in as `Known`, rows for its tables go out as `Book`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import product
from uuid import UUID

from ingest.books.cells import plain, shown
from ingest.books.csv_files import CsvFile, Row
from ingest.books.files import DEFAULT_BENCHMARK, PortfolioFiles
from ingest.books.instruments import other_spelling, read_instrument
from ingest.books.lots import Lot
from ingest.identifiers import natural_id


@dataclass(frozen=True, slots=True)
class LotReference:
    """A lot that closes, marks and tags can name. `named_as` is the symbol that it has become, where they use that."""

    position_id: UUID
    portfolio: str
    symbol: str
    entry_date: date
    investment_class: str
    named_as: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The data loaded so far: portfolios by name, which of them are deleted, their benchmarks, and their lots.

    `former_symbols` maps a symbol to the earlier ones that an event turned into it, or whose child it is.
    """

    portfolio_ids: dict[str, UUID]
    deleted: frozenset[str]
    benchmarks: dict[str, str]
    lots: Sequence[LotReference]
    former_symbols: Mapping[str, Set[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replacement:
    """A file's rows of one kind, and the portfolios whose rows of that kind they replace."""

    source: str
    portfolio_ids: list[UUID]
    rows: list[tuple]


@dataclass(frozen=True, slots=True)
class Book:
    """Rows for the tables of schema `raw`, with the columns in the order given here; None without the file."""

    # from the name to the identifier, for every portfolio that some file names
    portfolio_ids: dict[str, UUID]
    # portfolio_id, name, inception_date, starting_equity, benchmark, currency, deleted_at
    portfolios: Replacement
    # position_id, portfolio_id, symbol, position_type, quantity, entry_price, entry_date, exit_price, exit_date,
    # underlying_symbol, option_type, strike_price, expiration_date, investment_class, investment_subtype,
    # shares_as_of, deleted_at, joins_on
    positions: Replacement
    # event_id, position_id, trade_date, sequence, quantity_closed, close_price, fees, named_symbol
    closes: Replacement | None
    # change_id, portfolio_id, change_date, change_type, amount
    flows: Replacement | None
    # item_id, portfolio_id, item_date, item_type, amount
    cash_items: Replacement | None
    # position_id, price_date, price
    marks: Replacement | None
    # position_id, sector
    tags: Replacement | None


def named_portfolios(files: PortfolioFiles) -> set[str]:
    """Return every portfolio that some file names."""
    named = {row.cells["name"] for row in files.portfolios.rows} | files.positions.portfolios
    for file in files.others:
        named |= {row.cells["portfolio"] for row in file.rows}
    return named - {None}


def assemble(files: PortfolioFiles, known: Known) -> Book:
    """Turn the files into table rows. Errors go to the files' problems; with any of them the book must not be used."""
    ids = {name: known.portfolio_ids.get(name) or natural_id("portfolio", name) for name in named_portfolios(files)}
    existing = _existing_portfolios(files, known)
    for file in (files.positions.csv, *files.others):
        _check_portfolios(file, existing, known, files.portfolios.name)
    lots = _Lots(files, known, ids, existing)
    shares_as_of = {row.cells["name"]: row.cells.get("shares_as_of") for row in files.portfolios.rows}

    def replacement(file: CsvFile, rows: Iterable[tuple]) -> Replacement:
        named = {row.cells["portfolio"] for row in file.rows} - {None}
        return Replacement(file.name, sorted(ids[name] for name in named), list(rows))

    return Book(
        portfolio_ids=ids,
        portfolios=Replacement(
            files.portfolios.name, sorted(ids.values()), list(_portfolios(files.portfolios, ids, known))
        ),
        positions=replacement(
            files.positions.csv,
            (
                _position(lot, lots.id_of(lot), ids[lot.portfolio], shares_as_of.get(lot.portfolio))
                for lot in files.positions.lots
            ),
        ),
        closes=files.closes and replacement(files.closes, _closes(files.closes, lots)),
        flows=files.flows and replacement(files.flows, _dated_amounts("flow", files.flows, ids)),
        cash_items=files.cash_items
        and replacement(files.cash_items, _dated_amounts("cash item", files.cash_items, ids)),
        marks=files.marks and replacement(files.marks, _marks(files.marks, lots)),
        tags=files.tags and replacement(files.tags, _tags(files.tags, lots)),
    )


def _existing_portfolios(files: PortfolioFiles, known: Known) -> set[str]:
    """The portfolios that a row may name; every name is allowed while those in portfolios.csv cannot be read."""
    listed = files.portfolios
    if not listed.complete_header or any("name" in row.bad for row in listed.rows):
        return named_portfolios(files)
    return {row.cells["name"] for row in listed.rows} | (known.portfolio_ids.keys() - known.deleted)


def _check_portfolios(file: CsvFile, existing: set[str], known: Known, listed_in: str) -> None:
    for row in file.rows:
        name = row.cells["portfolio"]
        if name and name not in existing:
            reason = (
                f"is deleted: list it in {listed_in} to bring it back"
                if name in known.deleted
                else f"is neither in {listed_in} nor loaded already: list it there"
            )
            file.report(row.line, "portfolio", f"{shown(name)} {reason}")


class _Lots:
    """The lots that a row can name: those of the position file, and loaded lots of portfolios not in that file."""

    def __init__(self, files: PortfolioFiles, known: Known, ids: dict[str, UUID], existing: set[str]) -> None:
        self._existing = existing
        self._readable = files.positions.csv.complete_header
        self._unsound_lots = files.positions.unsound
        self._unsound_symbols = {(portfolio, symbol) for portfolio, symbol, _ in files.positions.unsound}
        self._former_symbols = known.former_symbols
        self._held: dict[tuple[str, str], dict[date, LotReference]] = defaultdict(dict)
        for lot in files.positions.lots:
            position_id = natural_id("position", ids[lot.portfolio], lot.symbol, lot.entry_date)
            reference = LotReference(position_id, lot.portfolio, lot.symbol, lot.entry_date, lot.investment_class)
            self._held[lot.portfolio, lot.symbol][lot.entry_date] = reference
        for reference in known.lots:
            if reference.portfolio not in files.positions.portfolios:
                self._held[reference.portfolio, reference.symbol][reference.entry_date] = reference

    def id_of(self, lot: Lot) -> UUID:
        """Return the identifier of a lot of the position file."""
        return self._held[lot.portfolio, lot.symbol][lot.entry_date].position_id

    def of_symbol(self, row: Row, file: CsvFile) -> dict[date, LotReference]:
        """Return the lots of the row's symbol in its portfolio by entry date; reports a symbol that is not held."""
        portfolio, written = row.cells["portfolio"], row.cells["symbol"]
        if portfolio not in self._existing or written is None:
            return {}
        spellings = _spellings(written)
        for symbol in spellings:
            if (portfolio, symbol) in self._held:
                return self._held[portfolio, symbol]
        for symbol in spellings:
            if become := self._become(portfolio, symbol):
                return become
        unsound = product((portfolio, None), (*spellings, None))
        if self._readable and self._unsound_symbols.isdisjoint(unsound):
            file.report(row.line, "symbol", f"{shown(portfolio)} holds no {shown(written)}: correct it, or add its lot")
        return {}

    def _become(self, portfolio: str, symbol: str) -> dict[date, LotReference]:
        """Return the lots that events may have turned into the symbol, or whose spin-offs may have it."""
        return {
            entry_date: replace(lot, named_as=symbol)
            for former in sorted(self._former_symbols.get(symbol, ()))
            for entry_date, lot in self._held.get((portfolio, former), {}).items()
        }

    def named(self, row: Row, file: CsvFile) -> LotReference | None:
        """Return the lot that the row names by symbol and entry date; reports one that does not exist."""
        lots = self.of_symbol(row, file)
        entry_date = row.cells["entry_date"]
        if not lots or entry_date is None:
            return None
        if entry_date not in lots:
            lot = next(iter(lots.values()))
            if become := self._become(lot.portfolio, lot.symbol).get(entry_date):
                return become
            unsound = product((lot.portfolio, None), (lot.symbol, None), (entry_date, None))
            if self._unsound_lots.isdisjoint(unsound):
                entered = ", ".join(map(str, sorted(lots)[:3])) + (", …" if len(lots) > 3 else "")
                what = f"no lot of {lot.symbol} in {shown(lot.portfolio)} was entered on {entry_date} but on {entered}"
                file.report(row.line, "entry_date", what)
        return lots.get(entry_date)


def _spellings(written: str) -> list[str]:
    """The symbols that a cell may mean: a private one as written, or a listed one in both spellings of its class."""
    try:
        symbol = read_instrument(written).symbol
    except ValueError:
        return [written]
    return [written, symbol, *filter(None, [other_spelling(symbol)])]


def _portfolios(file: CsvFile, ids: dict[str, UUID], known: Known) -> Iterator[tuple]:
    for row in file.rows:
        if not row.bad:
            cells = row.cells
            # A listed portfolio is not deleted, even if it was before.
            yield (
                ids[cells["name"]],
                cells["name"],
                cells["inception_date"],
                cells["starting_equity"],
                cells["benchmark"] or known.benchmarks.get(cells["name"], DEFAULT_BENCHMARK),
                cells["currency"],
                None,
            )


def _position(lot: Lot, position_id: UUID, portfolio_id: UUID, shares_as_of: date | None) -> tuple:
    contract = lot.contract
    return (
        position_id,
        portfolio_id,
        lot.symbol,
        lot.position_type,
        lot.quantity,
        lot.entry_price,
        lot.entry_date,
        lot.exit_price,
        lot.exit_date,
        contract and contract.underlying_symbol,
        contract and contract.option_type,
        contract and contract.strike_price,
        contract and contract.expiration_date,
        lot.investment_class,
        lot.investment_subtype,
        shares_as_of,
        None,
        lot.joins_on,
    )


def _closes(file: CsvFile, lots: _Lots) -> Iterator[tuple]:
    """Number the closes of each lot by themselves, so that a close of another lot does not change the numbers."""
    sequences: Counter[UUID] = Counter()
    occurrences: Counter[tuple] = Counter()
    for row in file.rows:
        lot = lots.named(row, file)
        trade_date = row.cells["trade_date"]
        if lot and trade_date and trade_date < lot.entry_date:
            file.report(
                row.line, "trade_date", f"{trade_date} lies before the entry on {lot.entry_date}: correct one of them"
            )
        if lot is None or row.bad:
            continue
        amounts = [row.cells[column] for column in ("quantity_closed", "close_price", "fees")]
        key = (lot.position_id, trade_date, *map(plain, amounts), *filter(None, [lot.named_as]))
        occurrences[key] += 1
        sequences[lot.position_id] += 1
        event_id = natural_id("close", *key, occurrences[key])
        yield event_id, lot.position_id, trade_date, sequences[lot.position_id], *amounts, lot.named_as


def _dated_amounts(kind: str, file: CsvFile, ids: dict[str, UUID]) -> Iterator[tuple]:
    """Rows of flows or of cash items."""
    occurrences: Counter[tuple] = Counter()
    for row in file.rows:
        if row.bad:
            continue
        portfolio, day, what, amount = (row.cells[c] for c in ("portfolio", "date", "type", "amount"))
        key = (ids[portfolio], day, what, plain(amount))
        occurrences[key] += 1
        yield natural_id(kind, *key, occurrences[key]), ids[portfolio], day, what, amount


def _marks(file: CsvFile, lots: _Lots) -> Iterator[tuple]:
    """Rows of marks: each mark counts for every private lot of its symbol in the portfolio."""
    first_lines: dict[tuple, int] = {}
    for row in file.rows:
        held = list(lots.of_symbol(row, file).values())
        private = [lot for lot in held if lot.investment_class == "PRIVATE"]
        if held and not private:
            what = f"{held[0].symbol} in {shown(held[0].portfolio)} is priced by the market: leave the row out"
            file.report(row.line, "symbol", what)
        if not private or row.bad:
            continue
        price_date = row.cells["date"]
        if _is_first((private[0].position_id, price_date), row, file, "date", first_lines):
            yield from ((lot.position_id, price_date, row.cells["price"]) for lot in private)


def _tags(file: CsvFile, lots: _Lots) -> Iterator[tuple]:
    first_lines: dict[tuple, int] = {}
    for row in file.rows:
        lot = lots.named(row, file)
        if lot and lot.named_as:
            file.report(row.line, "symbol", f"a tag names its lot by the symbol it was loaded with: write {lot.symbol}")
        if lot and not row.bad and _is_first((lot.position_id,), row, file, "symbol", first_lines):
            yield lot.position_id, row.cells["sector"]


def _is_first(key: tuple, row: Row, file: CsvFile, column: str, first_lines: dict[tuple, int]) -> bool:
    """Note the row's key; where an earlier row has it, report the row and return False."""
    first = first_lines.setdefault(key, row.line)
    if first != row.line:
        file.report(row.line, column, f"repeats what line {first} says: keep one")
    return first == row.line
