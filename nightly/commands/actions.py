"""The command `actions`: list, add and dismiss corporate actions."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import click
import psycopg

from ingest.books.cells import one_of, parse_date, parse_ratio
from ingest.market.claims import ActionChanges
from ingest.market.decisions import (
    BadAction,
    Saying,
    add_actions,
    check_action_of_person,
    dismiss_actions,
    list_actions,
    restore_actions,
    user_name,
)
from ingest.market.known_events import known_sources, take_known_events
from ingest.rows import ACTION_TYPES
from ingest.sources.chain import source_order
from ingest.symbols import canonical_symbol
from nightly.commands.options import Cell, choose_settings, demo_option, open_chosen
from nightly.output.terminal import echo, print_table
from warehouse.errors import Busy, UserError
from warehouse.locks import run_lock
from warehouse.migrate import migrate
from warehouse.settings import Settings

_SYMBOL = Cell("symbol", canonical_symbol)
_DAY = Cell("date", parse_date)
_TYPE = Cell("type", one_of(*ACTION_TYPES))
_NUMBER = Cell("number", parse_ratio)

# Carries out a command's decision. Its arguments are a connection and the name of the person who decides.
Decision = Callable[[Any, Saying], tuple[list[str], ActionChanges]]


@click.group(no_args_is_help=True)
@demo_option
@click.pass_context
def actions(ctx: click.Context, demo: bool) -> None:
    """Splits, dividends and other events: see which are used and who reported them, and overrule the sources.

    Your decision outranks every source, now and in every later fetch, until `restore` takes it back. The next night
    computes again everything that depends on it.

    \b
    TYPE is one of
      SPLIT      VALUE: new shares per old share (4, or 0.1 for 1:10)
      DIVIDEND   VALUE: USD per share, in shares of the ex-date
      RENAME     --new-symbol
      MERGER     --new-symbol with VALUE, its shares per old share;
                 --cash-per-share, with or without it
      SPINOFF    VALUE: shares of the child --new-symbol per share;
                 --cost-fraction that goes with it
      DELISTING  VALUE: USD per share, 0 for nothing; without it lots
                 stay at their last price, until you add it with one
    """
    ctx.obj = demo


def _decides(command: Callable[..., Decision]) -> Callable[..., int]:
    """Give a command the arguments that name an action and its decider, and carry out the decision."""

    @click.pass_obj
    @functools.wraps(command)
    def decide(of_group: bool, by: str | None, because: str | None, demo: bool, **action: Any) -> int:
        return _carry_out(command(**action), command.__name__, by, because, of_group or demo)

    decorated: Any = decide
    for parameter in (
        demo_option,
        click.option("--by", metavar="NAME", help="Who says so; by default the account's name."),
        click.option("--because", metavar="TEXT", help="The reason, which is kept and shown."),
        click.argument("action_type", metavar="TYPE", type=_TYPE),
        click.argument("ex_date", metavar="EX_DATE", type=_DAY),
        click.argument("symbol", type=_SYMBOL),
    ):
        decorated = parameter(decorated)
    return decorated


@actions.command("list")
@click.argument("symbol", type=_SYMBOL, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@demo_option
@click.pass_obj
def list_(of_group: bool, symbol: str | None, as_json: bool, demo: bool) -> int:
    """List the actions of SYMBOL by source and person, and say which are used.

    Without SYMBOL: all decisions by people, the well-known events in use, and the splits and events that are not used
    as they were reported.
    """
    demo |= of_group
    settings = choose_settings(demo)
    with open_chosen(settings, demo) as database, database.connect("afterclose actions") as conn:
        migrate(conn)
        with suppress(Busy), run_lock(conn, "actions list"):  # a run that is going on has taken them itself
            _take_known(conn, settings, datetime.now(UTC))
        listed = list_actions(conn, symbol, source_order(settings), known_sources())
    if as_json:
        click.echo(json.dumps([row._asdict() for row in listed], indent=2, default=str))
    elif not listed:
        of = f" of {symbol}" if symbol else ""
        click.echo(f"nothing is reported{of}" if symbol else "nobody has decided anything, and nothing is in doubt")
    else:
        print_table(
            "Corporate actions",
            [
                {
                    "symbol": row.symbol,
                    "ex-date": row.ex_date,
                    "type": row.action_type,
                    "value": "not told yet" if row.value is None else f"{row.value.normalize():f}",
                    **({"new symbol": row.new_symbol or ""} if any(each.new_symbol for each in listed) else {}),
                    "source": row.source,
                    "believed": "yes" if row.believed else "no",
                    "note": row.note,
                }
                for row in listed
            ],
        )
    return 0


@actions.command()
@_decides
@click.argument("value", type=_NUMBER, required=False)
@click.option("--new-symbol", type=_SYMBOL, help="RENAME, MERGER, SPINOFF: the symbol that shares become, or get.")
@click.option("--cash-per-share", type=_NUMBER, help="MERGER: USD per old share.")
@click.option("--cost-fraction", type=_NUMBER, help="SPINOFF: the share of the cost, 0 to 1, that goes with the child.")
def add(symbol: str, ex_date: date, action_type: str, **terms: Any) -> Decision:
    """Add an action, whatever the sources say: actions add XYZ 2025-06-10 SPLIT 4."""
    try:
        action = check_action_of_person(symbol, ex_date, action_type, **terms)
    except BadAction as error:
        raise UserError(f"{error.column}: {error}") from None
    return lambda conn, saying: add_actions(conn, [action], saying)


@actions.command()
@_decides
def dismiss(symbol: str, ex_date: date, action_type: str) -> Decision:
    """Declare that there was no such action on that day, whatever the sources say, now and later."""
    return lambda conn, saying: dismiss_actions(conn, symbol, ex_date, action_type, saying)


@actions.command()
@_decides
def restore(symbol: str, ex_date: date, action_type: str) -> Decision:
    """Take back an earlier `add` or `dismiss`: the sources are believed again."""
    return lambda conn, saying: restore_actions(conn, symbol, ex_date, action_type, saying)


def _take_known(conn: psycopg.Connection[Any], settings: Settings, now: datetime) -> None:
    """Take the well-known events as a night does, and tell what is new: the next night will not say it again."""
    for symbol, message in take_known_events(conn, source_order(settings), now, wanted=settings.known_events):
        echo(f"warning: {symbol}: {message}", err=True)


def _carry_out(decision: Decision, what: str, by: str | None, because: str | None, demo: bool) -> int:
    settings = choose_settings(demo)
    saying = Saying(by or user_name(), datetime.now(UTC), because, source_order(settings))
    with open_chosen(settings, demo) as database, database.connect("afterclose actions") as conn:
        migrate(conn)
        with run_lock(conn, f"actions {what}"):
            _take_known(conn, settings, saying.at)
            lines, changes = decision(conn, saying)
    changed = changes.counts.inserted + changes.counts.updated + changes.counts.deleted
    lines += [str(restated) for restated in changes.restated]
    lines.append(
        "the next run computes again what depends on it" if changed else "nothing that is believed has changed"
    )
    click.echo("\n".join(lines))
    return 0
