"""The tables of the studies: before the models of today, and with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.studies.books import BOOKS_OF_A_KIND, KINDS, make_books, read_market
from benchmarks.studies.models import FactorModel, study_betas, study_factors, study_stand_ins, study_tails

if TYPE_CHECKING:
    from rich.table import Table

# Before: eight factors, and a penalty that the market bears too. Last: what the data at hand would choose.
MODELS = {
    "8 factors, alpha 1": FactorModel(with_sectors=False, alpha=1.0, market_is_free=False),
    "sectors, alpha 10, market free": FactorModel(with_sectors=True, alpha=10.0, market_is_free=True),
    "sectors, alpha 30, market free": FactorModel(with_sectors=True, alpha=30.0, market_is_free=True),
    "sectors, alpha cross-validated": FactorModel(with_sectors=True, alpha=None, market_is_free=False),
}


def study_tables(folder: Path) -> Iterator[Table]:
    """Run the studies on a `files:` folder of real prices, and give each table when it is known."""
    market = read_market(folder)
    books = make_books(market)
    yield _table(
        f"Factor models ({len(KINDS) * BOOKS_OF_A_KIND} books, 2019 to 2024-03; out of sample, refitted each month)",
        ["model", "R² stocks", "R² books", "bias one sector", "COVID", "2022", "rally", "monthly move of style betas"],
        [
            [
                name,
                _number(found.r_squared_stocks),
                _number(found.r_squared_books),
                _number(found.bias["one sector"]),
                *(_number(error) for error in found.replay_errors.values()),
                _number(found.beta_moves),
            ]
            for name, found in ((name, study_factors(market, books, model)) for name, model in MODELS.items())
        ],
    )
    tails = {"plain": study_tails(market, books, scaled=False), "scaled": study_tails(market, books, scaled=True)}
    years = list(tails["plain"].breaches)
    yield _table(
        "Breaches of the one-day VaR at 95 %, by year; 5 % is right",
        ["VaR", *years, "independence rejected"],
        [
            [
                name,
                *(f"{found.breaches[year]:.1%}" for year in years),
                f"{found.independence_rejected:.0%}",
            ]
            for name, found in tails.items()
        ],
    )
    yield _table(
        "Expected shortfall: Z2 of Acerbi and Szekely, by year; 0 is right, below it losses were worse than forecast",
        ["ES", *years],
        [[name, *(f"{found.z2[year]:.2f}" for year in years)] for name, found in tails.items()],
    )
    yield _table(
        "Betas against those of the next 63 sessions (root mean square error)",
        ["beta", "error"],
        [[name, _number(error)] for name, error in study_betas(market).items()],
    )
    yield _table(
        "VaR of stocks with 60 own returns, over their true one",
        ["stand-in", "share"],
        [[name, f"{share:.2f}"] for name, share in study_stand_ins(market).items()],
    )


def _number(value: float) -> str:
    return f"{value:.3f}"


def _table(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    return table
