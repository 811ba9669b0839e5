"""The command line of the benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import click

from benchmarks.bench import CommandFailed
from benchmarks.market import TooSmall
from benchmarks.report import comparison_table, results_table, tables_table, yardstick_lines
from benchmarks.scenarios import Size, run_scenarios

_WIDTH = 170


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Measure what nights, reruns and backfills cost, through the ordinary commands, on a database of their own."""


@cli.command()
@click.option("--portfolios", default=20, show_default=True, type=click.IntRange(1))
@click.option("--positions", default=30, show_default=True, type=click.IntRange(1), help="Lots in each portfolio.")
@click.option("--symbols", default=200, show_default=True, type=click.IntRange(1), help="Symbols in the market.")
@click.option("--sessions", default=20, show_default=True, type=click.IntRange(0), help="Of the backfill; 0: none.")
@click.option(
    "--market",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of real prices, as `files:DIR` reads it. Default: an invented market.",
)
@click.option(
    "--loop", default=20, show_default=True, type=click.IntRange(0), help="Portfolios of the pandas loop; 0: none."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes that compute risk.")
@click.option("--seed", default=1, show_default=True, help="Of the books, and of the invented market.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the results here.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), help="A new folder to work in, and to leave there."
)
def run(
    portfolios: int,
    positions: int,
    symbols: int,
    sessions: int,
    market: Path | None,
    loop: int,
    workers: int,
    seed: int,
    json_file: Path | None,
    keep: Path | None,
) -> None:
    """Build a market and books, run them, and print what each step costs."""
    size = Size(portfolios, positions, symbols, sessions, seed, loop, "real" if market else "invented", workers)
    if keep and keep.exists() and any(keep.iterdir()):
        raise click.UsageError(f"--keep {keep}: it is not empty; name a new folder")
    try:
        results = run_scenarios(size, market, keep, lambda text: click.echo(text, err=True)).as_json()
    except (CommandFailed, TooSmall) as error:
        raise click.ClickException(str(error)) from error
    if json_file:
        json_file.write_text(json.dumps(results, indent=1, default=str) + "\n")
    _print(results_table(results))
    for line in yardstick_lines(results):
        click.echo(line)
    _print(tables_table(results))


@cli.command()
@click.argument("before", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("after", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def compare(before: Path, after: Path) -> None:
    """Print two results of `run --json` beside each other."""
    _print(comparison_table(json.loads(before.read_text()), json.loads(after.read_text())))


@cli.command()
@click.option(
    "--market",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of real prices from 2018 on, as `files:DIR` reads it.",
)
def study(market: Path) -> None:
    """Hold the risk models' forecasts of five years against what came: no database, about a minute."""
    from threadpoolctl import threadpool_limits

    from benchmarks.studies.report import study_tables

    with threadpool_limits(limits=1, user_api="blas"):
        for table in study_tables(market):
            _print(table)


def _print(table: object) -> None:
    from rich.console import Console

    Console(width=_WIDTH, highlight=False).print(table)


if __name__ == "__main__":
    cli(prog_name="python -m benchmarks")
