"""Options that several commands share, and the settings and databases that they choose."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import click

from nightly.demo_database import DATABASE_NAME, demo_settings
from warehouse.database import Database, open_database
from warehouse.settings import Settings, load_settings

Command = Callable[..., Any]


class _Day(click.ParamType):
    name = "date"

    def convert(self, value: str | date, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date: write it like 2023-12-29", param, ctx)


DAY = _Day()


class Cell(click.ParamType):
    """An argument or option in the same notation as a cell of the files for `load`.

    `parse` takes the stripped text and raises ValueError where it cannot read it.
    """

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the text of an argument, as click asks."""
        try:
            return self._parse(value.strip()) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


@dataclass(frozen=True)
class Output:
    """How a command reports its progress and its results."""

    as_json: bool
    verbose: bool
    quiet: bool


def scope_options(command: Command) -> Command:
    """The options of every command that runs phases; those about output come as one `Output`."""

    @functools.wraps(command)
    def with_output(as_json: bool, verbose: bool, quiet: bool, **given: Any) -> Any:
        return command(output=Output(as_json, verbose, quiet), **given)

    call: Command = with_output

    options = (
        click.option("--portfolio", "portfolios", multiple=True, metavar="NAME|ID", help="Only this one; repeatable."),
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
        click.option("--verbose", "-v", is_flag=True, help="Log lines with details, on a terminal as well."),
        click.option("--quiet", "-q", is_flag=True, help="No log, and no summary if all went well."),
        demo_option,
    )
    for option in reversed(options):
        call = option(call)
    return call


def phase_options(command: Command) -> Command:
    """The options that choose phases."""
    phase = click.option("--phase", "phases", multiple=True, metavar="N", help="Only this phase; repeatable.")
    return phase(click.option("--from-phase", metavar="N", help="Only this phase and those after it.")(command))


def demo_option(command: Command) -> Command:
    """The option that chooses the demo's database instead of one's own."""
    return click.option("--demo", is_flag=True, help="On the demo's database.")(command)


def choose_settings(demo: bool) -> Settings:
    """One's own settings, or the demo's."""
    settings = load_settings()
    return demo_settings(settings) if demo else settings


@contextmanager
def open_chosen(settings: Settings, demo: bool, *, leave_running: bool = False) -> Iterator[Database]:
    """Open the database of these settings, or the demo's; raises UserError where that can't be done."""
    with open_database(settings, leave_running=leave_running, name=DATABASE_NAME if demo else None) as database:
        yield database
