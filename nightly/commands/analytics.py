"""The command `analytics`: run the risk models alone."""

from __future__ import annotations

from datetime import date
from typing import Any

import click

from nightly.commands.options import DAY, Output, scope_options
from nightly.commands.perform import perform
from nightly.context import Request
from warehouse.errors import UserError


@click.command()
@click.option("--date", "trade_date", type=DAY, metavar="D", help="The session. Default: the last one rolled.")
@click.option("--start", type=DAY, metavar="D", help="The first session of a span, instead of --date.")
@click.option("--end", type=DAY, metavar="D", help="Its last session. Default: the last one rolled.")
@click.option("--force", is_flag=True, help="Compute results again that are current, too.")
@scope_options
def analytics(
    trade_date: date | None, start: date | None, end: date | None, force: bool, output: Output, **scope: Any
) -> int:
    """Run the risk models alone (phase 3), for one session or for each session of a span.

    Prices and positions are taken as they are. Results whose inputs have not changed are left alone. --portfolio
    limits the results of portfolios; the statistics of symbols are always computed for all holdings.
    """
    if trade_date and (start or end):
        raise UserError("give --date, or --start and --end, not both")
    if end and not start:
        raise UserError("--end needs --start; for one session give --date")
    return perform(Request("analytics", trade_date=trade_date, start=start, end=end, force=force, **scope), output)
