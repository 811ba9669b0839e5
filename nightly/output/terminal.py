"""Tables for people, the same on a terminal and in a mail from cron."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from nightly.invocation import as_typed, on_demo

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH_WITHOUT_TERMINAL = 140


def echo(text: str, *, err: bool = False) -> None:
    """Print a text; the commands in it as they would be typed here, and with --demo where this one was."""
    context = click.get_current_context(silent=True)
    about_demo = context is not None and context.params.get("demo", False)
    click.echo(as_typed(on_demo(text) if about_demo else text), err=err)


def width_of_output(without_terminal: int) -> int | None:
    """The columns to write in: at least these where standard output is no terminal, more if COLUMNS says so.

    None: there is a terminal, and rich finds out.
    """
    if sys.stdout.isatty():
        return None
    columns = os.environ.get("COLUMNS", "")
    return max(without_terminal, int(columns)) if columns.isdigit() else without_terminal


def print_table(title: str, records: Sequence[dict[str, Any]], right: Sequence[str] = ()) -> None:
    """Print records that share their keys, which head the columns; numbers and the columns in `right` to the right."""
    _print(_table(title, records, right))


def print_side_by_side(left: Sequence[Sequence[dict[str, Any]]], right: Sequence[dict[str, Any]]) -> None:
    """Print short tables one above the other and a long one beside them, or below where the terminal is too narrow.

    Each is given by its records, as `print_table` takes them, and has all columns but the first to the right; one
    without records is left out.
    """
    from rich.columns import Columns
    from rich.console import Group

    short = Group(*(_table("", records, [*records[0]][1:]) for records in left if records))
    long = [_table("", right, [*right[0]][1:])] if right else []
    _print(Columns([short, *long], padding=(0, 3)))


def _table(title: str, records: Sequence[dict[str, Any]], right: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=as_typed(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, value in records[0].items():
        is_number = name in right or isinstance(value, int | float)
        table.add_column(name.replace("_", " "), justify="right" if is_number else "left", overflow="fold")
    for record in records:
        table.add_row(*map(_cell, record.values()))
    return table


def _print(what: Any) -> None:
    from rich.console import Console

    Console(width=width_of_output(_WIDTH_WITHOUT_TERMINAL), highlight=False).print(what)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(value) if isinstance(value, list) else as_typed(str(value))
