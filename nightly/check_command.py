"""`check`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nightly.dbt_runner import NodeResult


LIVE_SECONDS = 120


@click.command()
@click.option("--live", is_flag=True, help="Ask each source of market data for one symbol instead, and say what works.")
def check(live: bool) -> int:
    """Check the setup, then the data (dbt test).

    Exit status: 0 all is well, warnings or not; 1 a data check failed, or with --live a source; 2 the setup is broken,
    and nobody looked at the data.
    """
    if live:
        return _check_sources()
    from nightly.checks import check_setup
    from nightly.context import new_york_date
    from nightly.dbt_runner import Dbt, DbtError
    from nightly.prepare import prepare_database
    from warehouse.database import open_database
    from warehouse.settings import load_settings

    settings = load_settings()
    today = new_york_date(datetime.now(UTC))
    with open_database(settings) as database:
        with database.connect() as conn:
            warnings = prepare_database(conn, today)
            checks = check_setup(conn, settings, today)
        for each in checks:
            _print(each.well, each.name, each.finding)
        for warning in warnings:
            click.echo(f"  {click.style('warning', fg='yellow')}  {warning.message}")
        if not all(each.well for each in checks):
            return 2
        try:
            results = Dbt(database, settings.home / "dbt").test().results
        except DbtError as error:
            click.echo(f"error: {error}", err=True)
            return 2
    return _report(results)


def _check_sources() -> int:
    """Probe each configured source, and print a line for each; returns the exit status."""
    from ingest.provider_chain import left_out, provider_chain
    from ingest.providers.base import Outcome
    from ingest.providers.limits import Deadline
    from nightly.context import new_york_date
    from warehouse.settings import PROJECT_ROOT, load_settings

    settings = load_settings()
    today = new_york_date(datetime.now(UTC))
    chain = provider_chain(settings, today=today, deadline=Deadline.after(LIVE_SECONDS), relative_to=PROJECT_ROOT)
    works = True
    for provider in chain:
        answer = provider.probe()
        well = answer.outcome == Outcome.OK
        works &= well
        _print(well, provider.label, (answer.detail or "it answers") if well else str(answer))
    for line in left_out(settings):
        _print(True, *line.split(": ", 1), good="none")
    return 0 if works else 1


def _report(results: list[NodeResult]) -> int:
    """Print what the data checks found; returns the exit status."""
    for result in results:
        if result.status != "pass":
            _print(result.well, result.name, _finding(result), good="warning")
    failed = [result for result in results if not result.well]
    passed = sum(result.status == "pass" for result in results)
    click.echo(f"data checks: {passed} passed, {len(results) - passed - len(failed)} warned, {len(failed)} failed")
    if not results:
        click.echo("error: dbt ran no test: is dbt_project complete?", err=True)
        return 2
    return 1 if failed else 0


def _finding(result: NodeResult) -> str:
    """What a data check found, how many rows, and how to see them; or why it could not look."""
    if not result.failures:
        return result.message or result.status
    rows = f"{result.failures:,} row{'s' if result.failures > 1 else ''}"
    what = f"{result.description} " if result.description else ""
    return f"{what}{rows}: look at them with `python run_nightly.py dbt -- show --select {result.name}`"


def _print(well: bool, name: str, finding: str, good: str = "ok") -> None:
    word, colour = (good, "green" if good == "ok" else "yellow") if well else ("failed", "red")
    click.echo(f"  {click.style(word, fg=colour)}{' ' * (8 - len(word))}  {name}: {finding}")
