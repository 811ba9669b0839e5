"""The command `check`: check the setup and the data."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ingest.providers.limits import Deadline
from ingest.sources.chain import left_out, provider_chain
from ingest.sources.source import make_sources
from nightly.commands.options import choose_settings, demo_option, open_chosen
from nightly.context import new_york_date
from nightly.dbt.results import Finding, drop_settled, explain
from nightly.dbt.runner import Dbt, DbtError, NodeResult
from nightly.output.terminal import echo
from nightly.prepare import prepare_database
from nightly.readiness import check_contents, check_environment
from warehouse.distribution import is_spread
from warehouse.locks import check_lock
from warehouse.phrases import count
from warehouse.preparations import read_preparations
from warehouse.settings import PROJECT_ROOT

LIVE_SECONDS = 120

_INDENT = " " * 12
_COLOURS = {"ok": "green", "warning": "yellow", "none": "yellow", "broken": "red", "failed": "red"}


@click.command()
@click.option("--fast", is_flag=True, help="Only the environment, which every night checks before it begins.")
@click.option("--live", is_flag=True, help="Ask each source of market data for one symbol instead, and say what works.")
@demo_option
def check(fast: bool, live: bool, demo: bool) -> int:
    """Check the setup, then the data (dbt test).

    The setup is the database, migrations, the calendar, the sources of market data and their keys, the disk, the clock,
    and the data loaded and computed so far. A night does not begin on a broken setup. Rows that fail a check of the
    book stay in schema failed_checks until that check passes.

    Exit status: 0 all is well, warnings or not; 1 a data check failed, or a source with --live; 2 the setup is broken,
    and the data were not checked.
    """
    if live:
        return _check_sources(demo)
    settings = choose_settings(demo)
    now = datetime.now(UTC)
    with open_chosen(settings, demo) as database:
        with database.connect() as conn:
            warnings = prepare_database(conn, new_york_date(now))
            checks = check_environment(conn, settings, now)
            if not fast:
                checks += check_contents(conn, settings, now)
        for each in checks:
            _print(each.verdict, each.name, each.finding)
        for warning in warnings:
            _print("warning", warning.scope, warning.message)
        if any(each.verdict == "broken" for each in checks):
            return 2
        if fast:
            return 0
        try:
            with database.connect() as conn, check_lock(conn):
                project = Dbt(database, settings.home / "dbt")
                project.tell_spread(is_spread=is_spread(read_preparations(conn)))
                results = project.test().results
                drop_settled(conn, results)
                findings = explain(conn, results)
        except DbtError as error:
            click.echo(f"error: {error}", err=True)
            return 2
    return _report(results, findings)


def _check_sources(demo: bool) -> int:
    """Probe each configured source, and print a line for each; returns the exit status."""
    settings = choose_settings(demo)
    today = new_york_date(datetime.now(UTC))
    chain = provider_chain(settings, today=today, deadline=Deadline.after(LIVE_SECONDS), relative_to=PROJECT_ROOT)
    works = True
    for source in make_sources(chain):
        answer, well = source.standing(), source.is_up
        works &= well
        finding = (answer.detail or "it answers") if well else str(answer)
        _print("ok" if well else "failed", source.label, finding)
    for line in left_out(settings):
        _print("none", *line.split(": ", 1))
    return 0 if works else 1


def _report(results: list[NodeResult], findings: list[Finding]) -> int:
    """Print the findings of the data checks; returns the exit status."""
    for finding in findings:
        _print("failed" if finding.failed else "warning", finding.name, finding.what)
        if finding.rows:
            such_as = f", such as {finding.example}" if finding.example else ""
            click.echo(f"{_INDENT}{count(finding.rows, 'row')}{such_as}")
            echo(f"{_INDENT}see them: {finding.where}")
    failed = sum(finding.failed for finding in findings)
    passed = len(results) - len(findings)
    click.echo(f"data checks: {passed} passed, {len(findings) - failed} warned, {failed} failed")
    if not results:
        click.echo("error: dbt ran no test: is dbt_project complete?", err=True)
        return 2
    return 1 if failed else 0


def _print(verdict: str, name: str, finding: str) -> None:
    echo(f"  {click.style(verdict, fg=_COLOURS[verdict])}{' ' * (8 - len(verdict))}  {name}: {finding}")
