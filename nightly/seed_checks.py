"""What dbt's seeds that people edit must hold, looked at before they are loaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

from ingest.books.cells import parse_date, parse_prose, parse_text, plain, shown
from ingest.books.csv_files import Column, CsvFile, Row, read_csv
from python_models.statistics.factors import FACTORS, INTEREST_RATE, MARKET
from python_models.statistics.stress import LARGEST_RATE_CHANGE
from warehouse.errors import BadInput

REPLAY = "replay"
CATEGORIES = ("market", "rates", "rotation", "combination", REPLAY)
# What the market may do alone: the steps that results of different books and nights are compared at.
MARKET_ALONE = tuple(map(Decimal, ("-0.35", "-0.25", "-0.20", "-0.10", "-0.05", "0.05", "0.10", "0.25")))

# As dbt and PostgreSQL read them: no thousands commas, no signs of money, neither NaN nor infinity.
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SYMBOLS = re.compile(r"[A-Z0-9.\-]+( [A-Z0-9.\-]+)*")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


def check_seeds(folder: Path, root: Path) -> None:
    """Look at the seeds in a folder; messages name them by their path from `root`.

    Raises BadInput with every `file:line: column: what is wrong` of the scenarios, factors and benchmark weights that
    are there.
    """
    problems = [
        str(problem)
        for name, (columns, check) in _SEEDS.items()
        if (folder / f"{name}.csv").exists()
        for problem in _checked(folder / f"{name}.csv", root, columns, check).problems
    ]
    if problems:
        raise BadInput(problems)


def _checked(path: Path, root: Path, columns: Sequence[Column], check: Callable[[CsvFile], None]) -> CsvFile:
    read = read_csv(path, path.relative_to(root).as_posix(), columns)
    if read.complete_header:
        check(read)
        _check_layout(path, read, columns)
    read.problems.sort(key=lambda problem: problem.line)
    return read


def _check_layout(path: Path, read: CsvFile, columns: Sequence[Column]) -> None:
    """What `load` reads and dbt doesn't: comments, and columns that are not named exactly."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    for number, line in enumerate(lines, start=1):
        if line.startswith("#"):
            read.report(number, "row", "is a comment, which dbt would load as a row: remove it")
    written = {cell.strip().strip('"') for cell in lines[0].split(",")}
    for column in columns:
        if column.name not in written:
            read.report(1, column.name, "must be named exactly so in the header")


def _check_scenarios(read: CsvFile) -> None:
    scenarios: dict[str, list[Row]] = {}
    for row in read.rows:
        if "scenario_id" not in row.bad:
            scenarios.setdefault(row.cells["scenario_id"], []).append(row)
    for rows in scenarios.values():
        _check_what_repeats(read, rows)
        _report_doubles(read, rows, "factor", "is shocked twice in this scenario")
        for row in rows:
            _check_shock(read, row)
        # What a scenario does as a whole can only be judged when every shock of it could be read.
        if not any(row.bad & {"category", "factor", "shock"} for row in rows):
            _check_combination(read, rows)
    _report_doubles(read, [rows[0] for rows in scenarios.values()], "name", "is the name of another scenario too")


def _check_what_repeats(read: CsvFile, rows: Sequence[Row]) -> None:
    """The cells that each line of a scenario repeats are the same on all of them."""
    first = rows[0]
    for row in rows[1:]:
        for column in ("name", "category", "window_start", "window_end", "description"):
            if column not in row.bad | first.bad and row.cells[column] != first.cells[column]:
                read.report(row.line, column, f"is not what line {first.line} says of the same scenario")


def _check_shock(read: CsvFile, row: Row) -> None:
    if row.bad & {"category", "factor", "shock"}:
        return
    factor, shock = row.cells["factor"], row.cells["shock"]
    if factor == INTEREST_RATE and row.cells["category"] != REPLAY:
        if abs(shock) > LARGEST_RATE_CHANGE:
            limit = f"{LARGEST_RATE_CHANGE:g}"
            read.report(row.line, "shock", f"{plain(shock)} basis points is beyond -{limit} to {limit}")
        elif 0 < abs(shock) < 1:
            read.report(row.line, "shock", f"{plain(shock)} is less than a basis point: 100 is one percent")
    elif abs(shock) > 1:
        read.report(row.line, "shock", f"{plain(shock)} is beyond -1 to 1: it is a fraction, -0.2 is -20 %")
    if not shock:
        read.report(row.line, "shock", "must not be zero: leave the line out")


def _check_combination(read: CsvFile, rows: Sequence[Row]) -> None:
    first = rows[0]
    by_factor: Mapping[str, Row] = {row.cells["factor"]: row for row in rows}
    if first.cells["category"] == REPLAY:
        _check_replay(read, first, by_factor)
        return
    for column in ("window_start", "window_end"):
        if first.cells[column] is not None:
            read.report(first.line, column, "is for replays only: leave it empty")
    value, growth = by_factor.get("Value"), by_factor.get("Growth")
    if value and growth:
        if value.cells["shock"] * growth.cells["shock"] >= 0:
            message = f"Value and Growth must be shocked in opposite directions (see line {value.line})"
            read.report(growth.line, "shock", message)
    elif alone := value or growth:
        other = "Growth" if value else "Value"
        what = f"{alone.cells['factor']} must not be shocked without {other}, in the opposite direction"
        read.report(alone.line, "factor", what)
    if set(by_factor) == {MARKET} and first.cells["shock"] not in MARKET_ALONE:
        allowed = ", ".join(f"{shock:+}" for shock in MARKET_ALONE)
        read.report(first.line, "shock", f"{plain(first.cells['shock'])} of the market alone is not one of {allowed}")


def _check_replay(read: CsvFile, first: Row, by_factor: Mapping[str, Row]) -> None:
    start, end = first.cells["window_start"], first.cells["window_end"]
    for column in ("window_start", "window_end"):
        if first.cells[column] is None and column not in first.bad:
            read.report(first.line, column, "is empty: a replay needs its window")
    if start and end and start >= end:
        read.report(first.line, "window_end", f"{end} is not after the start, {start}")
    if missing := [factor for factor in FACTORS if factor not in by_factor]:
        read.report(first.line, "factor", f"a replay shocks all eight factors; missing: {', '.join(missing)}")


def _check_factors(read: CsvFile) -> None:
    _report_doubles(read, read.rows, "factor", "stands twice")
    named = {row.cells["factor"] for row in read.rows}
    missing = [factor for factor in FACTORS if factor not in named]
    if missing and not any("factor" in row.bad for row in read.rows):
        read.report(_last_line(read), "factor", f"not every factor is there; missing: {', '.join(missing)}")
    for row in read.rows:
        for column in ("duration_years", "convexity"):
            amount = row.cells[column]
            if column in row.bad:
                continue
            if row.cells["factor"] == INTEREST_RATE and (amount is None or amount <= 0):
                read.report(row.line, column, f"{INTEREST_RATE} needs one, above zero")
            elif row.cells["factor"] not in (INTEREST_RATE, None) and amount is not None:
                read.report(row.line, column, f"is for {INTEREST_RATE} only: leave it empty")


def _check_weights(read: CsvFile) -> None:
    _report_doubles(read, read.rows, "sector", "stands twice")
    for row in read.rows:
        if "weight" not in row.bad and not 0 <= row.cells["weight"] <= 1:
            read.report(row.line, "weight", f"{plain(row.cells['weight'])} is not a share, 0 to 1")
    if not any("weight" in row.bad for row in read.rows):
        total = sum((row.cells["weight"] for row in read.rows), Decimal(0))
        if total != 1:
            read.report(_last_line(read), "weight", f"the weights add up to {plain(total)}, not to 1")


def _report_doubles(read: CsvFile, rows: Iterable[Row], column: str, what: str) -> None:
    seen: dict[str, int] = {}
    for row in rows:
        if column not in row.bad:
            cell = row.cells[column]
            if cell in seen:
                read.report(row.line, column, f"{cell} {what} (see line {seen[cell]})")
            seen.setdefault(cell, row.line)


def _last_line(read: CsvFile) -> int:
    return read.rows[-1].line if read.rows else 1


def _parse_number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a finite number, written plainly like -0.05")
    return Decimal(text)


def _parse_factor(text: str) -> str:
    if text not in FACTORS:
        raise ValueError(f"{shown(text)} is no factor; there are: {', '.join(FACTORS)}")
    return text


def _parse_category(text: str) -> str:
    if text not in CATEGORIES:
        raise ValueError(f"{shown(text)} is not one of {', '.join(CATEGORIES)}")
    return text


def _matching(pattern: re.Pattern[str], example: str, text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{shown(text)} must be written like {example}")
    return text


_FACTOR = Column("factor", _parse_factor)
_SEEDS: Mapping[str, tuple[Sequence[Column], Callable[[CsvFile], None]]] = {
    "factor_definitions": (
        (
            _FACTOR,
            Column("symbols", partial(_matching, _SYMBOLS, "VTV VLUE, tickers with one space between them")),
            Column("duration_years", _parse_number, optional=True),
            Column("convexity", _parse_number, optional=True),
            Column("description", parse_prose),
        ),
        _check_factors,
    ),
    "stress_test_scenarios": (
        (
            Column("scenario_id", partial(_matching, _NAME, "market_down_20")),
            Column("name", parse_text),
            Column("category", _parse_category),
            _FACTOR,
            Column("shock", _parse_number),
            Column("window_start", parse_date, optional=True),
            Column("window_end", parse_date, optional=True),
            Column("description", parse_prose),
        ),
        _check_scenarios,
    ),
    "benchmark_sector_weights": (
        (
            Column("sector", parse_text),
            Column("weight", _parse_number),
            Column("color", partial(_matching, _COLOUR, "#2F6DB5")),
        ),
        _check_weights,
    ),
}
