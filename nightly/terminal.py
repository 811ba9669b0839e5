"""Tables for people, the same on a terminal and in a mail from cron."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

_WIDTH_WITHOUT_TERMINAL = 140


def print_table(title: str, records: Sequence[dict[str, Any]], right: Sequence[str] = ()) -> None:
    """Print records that share their keys, which head the columns; numbers and the columns in `right` to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, value in records[0].items():
        is_number = name in right or isinstance(value, int | float)
        table.add_column(name.replace("_", " "), justify="right" if is_number else "left", overflow="fold")
    for record in records:
        table.add_row(*map(_cell, record.values()))
    Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(value) if isinstance(value, list) else str(value)
