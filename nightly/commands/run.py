"""The command `run`: tonight's run."""

from __future__ import annotations

from datetime import date
from typing import Any

import click

from nightly.commands.options import DAY, Output, phase_options, scope_options
from nightly.commands.perform import PhasedCommand, perform
from nightly.context import Request


@click.command(cls=PhasedCommand)
@click.option("--date", "trade_date", type=DAY, metavar="D", help="The session to roll to. Default: the latest.")
@phase_options
@scope_options
def run(trade_date: date | None, output: Output, **scope: Any) -> int:
    """Tonight's run: prices in, P&L rolled forward, risk computed, summary out.

    The trade date is the latest NYSE session that closed half an hour ago or earlier. Sessions that were missed before
    it are caught up, and risk results whose inputs have changed are computed again. A phase that fails does not stop
    the next one; the summary says what failed and the command that repeats just that.
    """
    return perform(Request("run", trade_date=trade_date, **scope), output)
