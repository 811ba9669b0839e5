"""The command `quarantine`: list, accept and dismiss refused rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import click

from ingest.books.cells import parse_ratio
from ingest.market.quarantine import Rejection, SpinOff, accept_rejected, dismiss_rejected, list_rejected
from ingest.symbols import canonical_symbol
from nightly.command_group import CommandGroup
from nightly.commands.options import Cell, choose_settings, demo_option, open_chosen
from nightly.output.terminal import echo, print_table
from warehouse.errors import UserError
from warehouse.locks import run_lock
from warehouse.migrate import migrate

SHOWN = 50


@click.group(cls=CommandGroup, invoke_without_command=True)
@click.option("--symbol", metavar="SYMBOL", help="Only rows of this symbol.")
@click.option("--source", metavar="NAME", help="Only rows from this source: yahoo, fmp, polygon, files.")
@click.option(
    "--all", "everything", is_flag=True, help=f"All of them, dismissed ones too; the latest {SHOWN} otherwise."
)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@demo_option
@click.pass_context
def quarantine(
    ctx: click.Context, symbol: str | None, source: str | None, everything: bool, as_json: bool, demo: bool
) -> int:
    """List the rows that were refused on the way in, the newest first, with the reason.

    `quarantine accept ID…` declares rows right, `quarantine dismiss ID…` wrong: they are not listed again.

    "stored" is the value in the row's place now: another source may have filled it. Times are UTC.
    """
    ctx.obj = demo
    if ctx.invoked_subcommand:
        return 0
    try:
        wanted = canonical_symbol(symbol) if symbol else None
    except ValueError as error:
        raise UserError(f"--symbol: {error}") from None
    limit = None if everything or as_json else SHOWN + 1
    with open_chosen(choose_settings(demo), demo) as database, database.connect() as conn:
        migrate(conn)
        rejected = list_rejected(
            conn, symbol=wanted, source=source and source.lower(), limit=limit, dismissed=everything
        )
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rejected], indent=2, default=str))
    else:
        _print(rejected[:SHOWN] if limit else rejected, limit is not None and len(rejected) > SHOWN)
    return 0


@quarantine.command()
@click.argument("ids", metavar="ID…", type=int, nargs=-1, required=True)
@click.option(
    "--as-spin-off",
    "child",
    type=Cell("symbol", canonical_symbol),
    metavar="CHILD",
    help="The symbol whose shares were handed out.",
)
@click.option("--shares", type=Cell("number", parse_ratio), metavar="NUMBER", help="Shares of CHILD for each share.")
@click.option(
    "--cost-fraction",
    type=Cell("number", parse_ratio),
    metavar="NUMBER",
    help="The share of the cost, 0 to 1, that goes to CHILD; by default by the first closes.",
)
@demo_option
@click.pass_obj
def accept(of_group: bool, ids: tuple[int, ...], demo: bool, **terms: Any) -> int:
    """Accept refused rows as right: they are stored with their source, and not refused again.

    A split that looks like a spin-off (1281:1000) is accepted as one, and gives no shares of the symbol itself:
    quarantine accept 12 --as-spin-off GEHC --shares 0.333333333333333333

    The next night computes the P&L that depends on them again, and fetches again any whole history that was put aside.
    """
    demo |= of_group
    spin_off = _read_spin_off(**terms)
    with open_chosen(choose_settings(demo), demo) as database, database.connect("afterclose quarantine") as conn:
        migrate(conn)
        with run_lock(conn, "quarantine accept"):
            click.echo("\n".join(accept_rejected(conn, ids, spin_off)))
    return 0


@quarantine.command()
@click.argument("ids", metavar="ID…", type=int, nargs=-1, required=True)
@demo_option
@click.pass_obj
def dismiss(of_group: bool, ids: tuple[int, ...], demo: bool) -> int:
    """Dismiss refused rows as wrong, for good: they stay refused, and are neither listed nor warned of again.

    For a wrong split or dividend that is in use, see `actions dismiss`.
    """
    demo |= of_group
    with (
        open_chosen(choose_settings(demo), demo) as database,
        database.connect("afterclose quarantine") as conn,
    ):
        migrate(conn)
        with run_lock(conn, "quarantine dismiss"):
            click.echo("\n".join(dismiss_rejected(conn, ids)))
    return 0


def _read_spin_off(child: str | None, shares: Decimal | None, cost_fraction: Decimal | None) -> SpinOff | None:
    if child is not None and shares is not None:
        return SpinOff(child, shares, cost_fraction)
    if child is not None or shares is not None or cost_fraction is not None:
        raise UserError("a spin-off needs --as-spin-off CHILD and --shares NUMBER, with --cost-fraction or without")
    return None


def _print(rejected: Sequence[Rejection], more: bool) -> None:
    if not rejected:
        click.echo("nothing was refused")
        return
    records = [
        {
            "id": row.id,
            "symbol": row.symbol,
            "date": row.row_date,
            "source": row.source,
            "offered": row.offered,
            "stored": None if row.stored is None else f"{row.stored.normalize():f}",
            "reason": f"{row.reason}{' (accepted)' if row.accepted else ' (dismissed)' if row.dismissed else ''}",
            "last seen": row.last_rejected_at,
        }
        for row in rejected
    ]
    print_table("Quarantine", records)
    if more:
        click.echo(f"the latest {SHOWN}: --all shows the others")
    echo("one that is right after all: python run_nightly.py quarantine accept ID; one that is wrong: dismiss ID")
    if any("looks like a spin-off" in row.reason for row in rejected):
        echo("a spin-off that is reported as a split: quarantine accept ID --as-spin-off CHILD --shares PER_SHARE")
