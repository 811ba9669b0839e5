"""Checks the seeds that people edit, before they are loaded: the form of cells here, their meaning by risk's rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

from ingest.books.cells import parse_date, parse_prose, parse_text, shown
from ingest.books.csv_files import Column, CsvFile, Row, read_csv
from python_models.definitions import (
    FactorRow,
    Fault,
    ShockRow,
    WeightRow,
    factor_faults,
    scenario_faults,
    weight_faults,
)
from warehouse.errors import BadInput

# Numbers as dbt and PostgreSQL read them: no thousands commas, no signs of money, neither NaN nor infinity.
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
    """What our reader of CSV files accepts and dbt does not: comments, and columns that are not named exactly."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    for number, line in enumerate(lines, start=1):
        if line.startswith("#"):
            read.report(number, "row", "is a comment, which dbt would load as a row: remove it")
    written = {cell.strip().strip('"') for cell in lines[0].split(",")}
    for column in columns:
        if column.name not in written:
            read.report(1, column.name, "must be named exactly so in the header")


def _check_scenarios(read: CsvFile) -> None:
    whole = [row for row in read.rows if not row.bad]
    columns = ("scenario_id", "category", "factor", "shock", "window_start", "window_end", "name")
    rows = [ShockRow(*(row.cells[column] for column in columns)) for row in whole]
    incomplete = {row.cells["scenario_id"] for row in read.rows if row.bad}
    _report(read, whole, scenario_faults(rows, incomplete=incomplete))


def _check_factors(read: CsvFile) -> None:
    whole = [row for row in read.rows if not row.bad]
    columns = ("factor", "kind", "symbols", "duration_years", "convexity")
    rows = [FactorRow(*(row.cells[column] for column in columns)) for row in whole]
    faults = factor_faults(rows)
    if len(whole) < len(read.rows):
        # a row that could not be read may be the one that is missing
        faults = [fault for fault in faults if "missing" not in fault.what]
    _report(read, whole, faults)


def _check_weights(read: CsvFile) -> None:
    whole = [row for row in read.rows if not row.bad]
    rows = [WeightRow(row.cells["effective_date"], row.cells["sector"], row.cells["weight"]) for row in whole]
    faults = weight_faults(rows)
    if len(whole) < len(read.rows):
        faults = [fault for fault in faults if "add up" not in fault.what]
    _report(read, whole, faults)


def _report(read: CsvFile, rows: Sequence[Row], faults: Iterable[Fault]) -> None:
    """Say on which lines the faults are; a fault holds the place of its row in `rows`."""
    for fault in faults:
        see = "" if fault.see is None else f" (see line {rows[fault.see].line})"
        read.report(rows[fault.place].line, fault.column, fault.what + see)


def _parse_number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a finite number, written plainly like -0.05")
    return Decimal(text)


def _matching(pattern: re.Pattern[str], example: str, text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{shown(text)} must be written like {example}")
    return text


def _parse_symbols(text: str) -> tuple[str, ...]:
    return tuple(_matching(_SYMBOLS, "VTV VLUE, tickers with one space between them", text).split())


_SEEDS: Mapping[str, tuple[Sequence[Column], Callable[[CsvFile], None]]] = {
    "factor_definitions": (
        (
            Column("factor", parse_text),
            Column("kind", parse_text),
            Column("symbols", _parse_symbols),
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
            Column("category", parse_text),
            Column("factor", parse_text),
            Column("shock", _parse_number),
            Column("window_start", parse_date, optional=True),
            Column("window_end", parse_date, optional=True),
            Column("description", parse_prose),
        ),
        _check_scenarios,
    ),
    "benchmark_sector_weights": (
        (
            Column("effective_date", parse_date),
            Column("sector", parse_text),
            Column("weight", _parse_number),
            Column("color", partial(_matching, _COLOUR, "#2F6DB5")),
        ),
        _check_weights,
    ),
}
