"""The provider `files:DIR`: a folder of CSV files, plain or `.gz`, with data that people already have.

- `prices`: `symbol,date,close` and, if there, `open,high,low,volume`; as traded. Options by their OCC symbol.
- `actions`: `symbol,ex_date,action_type,value`; SPLIT (new shares per old; 0.3333 is read as 1/3) or DIVIDEND
  (USD per share).
- `profiles`: `symbol` and, if there, `name,sector,industry,quote_type,currency`.
- `fund_sectors`: `symbol,sector,weight,as_of`; the share of each sector in a fund on a day, 0.288 or 28.8%.

Columns come in any order and others are ignored, as are other files; an absent file counts as empty. A request reads
each file once, row by row, and keeps the rows asked for: the folder may be much larger than the book.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path

from ingest.books.cells import parse_share
from ingest.market.ratios import read_split_ratio
from ingest.providers.base import Answer, FundSectorsReply, Outcome, PriceReply, ProfileReply, Usage, Want
from ingest.providers.csv_table import BadFile, CsvTable, without_nul
from ingest.rows import DIVIDEND, SPLIT, CorporateAction, PriceBar, Profile, SectorWeight, as_price
from warehouse.phrases import and_more

_PRICE_COLUMNS = ("date", "open", "high", "low", "close", "volume")
_ACTION_COLUMNS = ("ex_date", "action_type", "value")
_PROFILE_COLUMNS = ("name", "sector", "industry", "quote_type", "currency")
_FUND_COLUMNS = ("sector", "weight", "as_of")
_LARGEST_VOLUME = 10**15
_ROWS_TRIED = 5
_DECIMAL_COMMA = re.compile(r"-?[\d.]*,\d+")


class FilesProvider:
    """Market data from the CSV files of one folder."""

    name = "files"
    overlap_sessions = None

    def __init__(self, folder: Path, label: str = "") -> None:
        self.folder = folder
        self.label = label or f"files:{folder}"
        self.usage = Usage()

    def declines(self, symbol: str) -> str | None:
        """Nothing: a file may hold any symbol."""
        return None

    def probe(self) -> Answer:
        """Look at what the folder holds: the files' columns, and whether the first prices can be read."""
        tables = [self._prices(), self._actions(), self._profiles(), self._funds()]
        try:
            if not any(table.path() for table in tables):
                there = sorted(file.name for file in self.folder.iterdir() if file.is_file())
                has = f"it has {and_more(there, 5)}" if there else "it has no files"
                return Answer(Outcome.BAD_DATA, f"there is no prices.csv, actions.csv or profiles.csv; {has}")
        except (BadFile, OSError) as problem:
            return Answer(Outcome.BAD_DATA, str(problem))
        return _try_first_rows(tables)

    def probe_prices(self) -> Answer:
        """Look at the files of prices and actions alone: whether this folder can answer for prices at all."""
        try:
            if not self._prices().path():
                return Answer(Outcome.BAD_DATA, "there is no prices.csv")
        except BadFile as problem:
            return Answer(Outcome.BAD_DATA, str(problem))
        return _try_first_rows([self._prices(), self._actions()])

    def last_day(self) -> date | None:
        """The last day that the file of prices has, of any symbol; None where it has none or can't be read."""
        read = _Dates()
        days: list[date] = []
        try:
            for text in self._prices().cells_of("date"):
                with suppress(ValueError):
                    days.append(read[text])
        except BadFile:
            return None
        return max(days, default=None)

    def fetch_prices(self, wants: Sequence[Want]) -> PriceReply:
        """Read the bars and actions within each symbol's range.

        Where one of the two files cannot be used, nothing is answered: closes without the splits between them would
        be taken for gains and losses.
        """
        wanted = {want.symbol: want for want in wants}
        prices, actions = self._prices(), self._actions()
        try:
            bars, seen = _read_bars(prices, wanted)
            corporate_actions = _read_actions(actions, wanted)
            absent = "" if prices.path() else "there is no prices.csv"
        except BadFile as problem:
            answer = Answer(Outcome.BAD_DATA, str(problem))
            return PriceReply(answers=dict.fromkeys(wanted, answer), problems=[str(problem)])
        refused = Counter(row.symbol for row in prices.rejected)
        answers = {}
        for symbol in wanted:
            if symbol in bars:
                answers[symbol] = Answer(Outcome.OK)
            elif symbol in refused:
                answers[symbol] = Answer(Outcome.BAD_DATA, f"{refused[symbol]} rows could not be read")
            elif symbol in seen:
                answers[symbol] = Answer(Outcome.NOTHING_IN_RANGE)
            else:
                answers[symbol] = Answer(Outcome.NOT_FOUND, absent)
        return PriceReply(
            bars=[bar for by_date in bars.values() for bar in by_date.values()],
            actions=corporate_actions,
            answers=answers,
            rejected=prices.rejected + actions.rejected,
        )

    def fetch_profiles(self, symbols: Sequence[str]) -> ProfileReply:
        """Read the profiles of these symbols; where two rows of one symbol differ, neither is taken."""
        table = self._profiles()
        profiles: dict[str, Profile] = {}
        contradicted = set()
        try:
            for line, symbol, cells in table.rows_of(frozenset(symbols)):
                fields = dict(zip(_PROFILE_COLUMNS, (without_nul(cell).strip() or None for cell in cells), strict=True))
                profile = Profile(symbol, **fields)
                if profiles.setdefault(symbol, profile) != profile:
                    contradicted.add(symbol)
                    table.reject(line, symbol, None, "another row of the file says otherwise", cells)
        except BadFile as problem:
            return ProfileReply(problems=[str(problem)])
        for symbol in contradicted:
            del profiles[symbol]
        return ProfileReply(list(profiles.values()), table.rejected)

    def fetch_fund_sectors(self, symbols: Sequence[str]) -> FundSectorsReply:
        """Read the sectors of these symbols; a set with a row that cannot be read, or two of a sector, is not taken."""
        table = self._funds()
        weights: dict[tuple[str, str, date], SectorWeight] = {}
        spoiled: set[tuple[str, date | None]] = set()
        read_date = _Dates()
        try:
            for line, symbol, cells in table.rows_of(frozenset(symbols)):
                sector, weight, as_of = (without_nul(cell).strip() for cell in cells)
                day = None
                try:
                    day = read_date[as_of]
                    if not sector:
                        raise ValueError("sector: it is empty")
                    share = SectorWeight(symbol, sector, parse_share(weight), day)
                    if weights.setdefault((symbol, sector.lower(), day), share) is not share:
                        raise ValueError("another row of the file has this sector, too")
                except ValueError as error:
                    spoiled.add((symbol, day))
                    table.reject(line, symbol, day, str(error), cells)
        except BadFile as problem:
            return FundSectorsReply(problems=[str(problem)])
        sound = [
            each for each in weights.values() if spoiled.isdisjoint({(each.symbol, each.as_of), (each.symbol, None)})
        ]
        return FundSectorsReply(sound, table.rejected)

    def _funds(self) -> CsvTable:
        return self._table("fund_sectors", _FUND_COLUMNS, _FUND_COLUMNS, "fund_sector_weights")

    def _actions(self) -> CsvTable:
        return self._table("actions", _ACTION_COLUMNS, _ACTION_COLUMNS, "corporate_actions")

    def _profiles(self) -> CsvTable:
        return self._table("profiles", _PROFILE_COLUMNS, (), "company_profiles")

    def _prices(self) -> CsvTable:
        return self._table("prices", _PRICE_COLUMNS, ("date", "close"), "market_data_cache")

    def _table(self, stem: str, columns: Sequence[str], required: Sequence[str], relation: str) -> CsvTable:
        return CsvTable(self.folder, stem, columns, required, relation, self.name)


def _try_first_rows(tables: Sequence[CsvTable]) -> Answer:
    """Read the headers and first rows of these tables; those of prices, the first table, have to be prices."""
    try:
        for table in tables:
            first = list(islice(table.rows_of(_Everything()), _ROWS_TRIED))
            if table is tables[0] and first and all(_unreadable_price(cells) for _, _, cells in first):
                line, _, cells = first[0]
                return Answer(Outcome.BAD_DATA, f"prices.csv:{line}: {_unreadable_price(cells)}")
    except (BadFile, OSError) as problem:
        return Answer(Outcome.BAD_DATA, str(problem))
    return Answer(Outcome.OK)


def _read_bars(table: CsvTable, wanted: dict[str, Want]) -> tuple[dict[str, dict[date, PriceBar]], set[str]]:
    """Return the bars by symbol and date, and the symbols that the file has on any date."""
    read_date, read_price = _Dates(), _Prices()
    bars: defaultdict[str, dict[date, PriceBar]] = defaultdict(dict)
    contradicted = set()
    seen = set()
    for line, symbol, cells in table.rows_of(wanted):
        seen.add(symbol)
        day = None
        try:
            day = read_date[cells[0]]
            _, first, last = wanted[symbol]
            if not first <= day <= last:
                continue
            _, open_, high, low, close, volume = cells
            bar = PriceBar(
                symbol,
                day,
                read_price[open_] if open_ else None,
                read_price[high] if high else None,
                read_price[low] if low else None,
                read_price[close],
                _whole(volume) if volume else None,
            )
        except ValueError:
            table.reject(line, symbol, day, _unreadable_price(cells), cells)
            continue
        if bars[symbol].setdefault(day, bar) != bar:
            contradicted.add((symbol, day))
            table.reject(line, symbol, day, "another row of the file has this session differently", cells)
    for symbol, day in contradicted:
        del bars[symbol][day]
    return {symbol: by_date for symbol, by_date in bars.items() if by_date}, seen


def _read_actions(table: CsvTable, wanted: dict[str, Want]) -> list[CorporateAction]:
    read_date = _Dates()
    actions = []
    for line, symbol, cells in table.rows_of(wanted):
        ex_date, action_type, value = (cell.strip() for cell in cells)
        day = None
        try:
            day = read_date[ex_date]
            if not wanted[symbol].first <= day <= wanted[symbol].last:
                continue
            if action_type.upper() not in (SPLIT, DIVIDEND):
                raise ValueError(f"action_type: {action_type!r} is neither {SPLIT} nor {DIVIDEND}")
            number = _number(value)
            if action_type.upper() == SPLIT and number.is_finite():
                number = read_split_ratio(number)
            actions.append(CorporateAction(symbol, day, action_type.upper(), number))
        except ValueError as error:
            table.reject(line, symbol, day, str(error), cells)
    return actions


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        advice = ": write decimals with a point" if _DECIMAL_COMMA.fullmatch(text.strip()) else ""
        raise ValueError(f"{text!r} is not a number{advice}") from None


def _whole(text: str) -> int:
    """Read a volume: an integer, also where a spreadsheet has written 1.2e6 or 1200000.0."""
    if text.isdecimal() and len(text) < 16:
        return int(text)
    number = _number(text)
    if not abs(number) <= _LARGEST_VOLUME:
        raise ValueError(f"{text!r} is not a volume")
    return int(number)


class _Everything(frozenset[str]):
    """Every symbol."""

    def __contains__(self, symbol: object) -> bool:
        return True


class _Prices(dict[str, Decimal]):
    """Text to price. A file of prices says the same few numbers over and over: each is parsed, and kept, once."""

    def __missing__(self, text: str) -> Decimal:
        self[text] = price = as_price(_number(text))
        return price


class _Dates(dict[str, date]):
    """Text to date, each parsed once."""

    def __missing__(self, text: str) -> date:
        try:
            self[text] = day = date.fromisoformat(text.strip())
        except ValueError:
            raise ValueError(f"{text!r} is not a date (YYYY-MM-DD)") from None
        return day


def _unreadable_price(cells: Sequence[str]) -> str:
    """Say which cells of a price row cannot be read, and why."""
    problems = []
    for column, text in zip(_PRICE_COLUMNS, cells, strict=True):
        try:
            if column == "date":
                _Dates()[text]
            elif column == "volume" and text:
                _whole(text)
            elif text:
                _number(text)
            elif column == "close":
                problems.append("close: it is empty")
        except ValueError as error:
            problems.append(f"{column}: {error}")
    return "; ".join(problems)
