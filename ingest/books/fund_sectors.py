"""fund_sectors.csv: the holdings of funds by sector, from people."""

from datetime import date

from ingest.books.csv_files import CsvFile
from ingest.market.fund_sectors import SectorSet, problem_of, sets_of
from ingest.market.settlement import PERSON
from ingest.rows import SectorWeight


def read_fund_sectors(file: CsvFile, today: date) -> list[SectorSet]:
    """Return the file's sets; duplicate sectors and sets that cannot be true go to its problems."""
    first_lines: dict[tuple[str, date, str], int] = {}
    lines: dict[tuple[str, date], int] = {}
    weights = []
    for row in file.rows:
        if row.bad:
            continue
        symbol, sector, as_of = (row.cells[column] for column in ("symbol", "sector", "as_of"))
        first = first_lines.setdefault((symbol, as_of, sector.lower()), row.line)
        if first != row.line:
            file.report(row.line, "sector", f"repeats what line {first} says: keep one")
            continue
        if as_of > today:
            file.report(row.line, "as_of", f"{as_of} lies in the future")
        lines.setdefault((symbol, as_of), row.line)
        weights.append(SectorWeight(symbol, sector, row.cells["weight"], as_of))
    sets = sets_of(weights, PERSON)
    for each in sets:
        if each.as_of and (problem := problem_of(each.weights)):
            file.report(lines[each.symbol, each.as_of], "weight", f"{each.symbol} as of {each.as_of}: {problem}")
    return sets
