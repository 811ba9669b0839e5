"""The tables of the studies: before the models of today, and with them; each figure with its standard error.

Under the models stand the figures that they were chosen by, from other books of the same market: they are within
sampling error where the two lie within two standard errors of their difference, about three of those printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.studies.books import BOOKS_OF_A_KIND, KINDS, make_books, read_market
from benchmarks.studies.errors import Figure
from benchmarks.studies.models import (
    FactorModel,
    FactorStudy,
    TailStudy,
    study_betas,
    study_factors,
    study_stand_ins,
    study_tails,
)

if TYPE_CHECKING:
    from rich.table import Table

# The first model is the one used before: eight factors, and a penalty for the market too. The last has the penalty that
# cross-validation chooses.
MODELS = {
    "8 factors, alpha 1": FactorModel(with_sectors=False, alpha=1.0, market_is_free=False),
    "sectors, alpha 10, market free": FactorModel(with_sectors=True, alpha=10.0, market_is_free=True),
    "sectors, alpha 30, market free": FactorModel(with_sectors=True, alpha=30.0, market_is_free=True),
    "sectors, alpha cross-validated": FactorModel(with_sectors=True, alpha=None, market_is_free=False),
}
# What was measured when the models were chosen, on 240 books of another draw; the bias with an equally weighted
# factor covariance. None: not measured.
CHOSEN_BY: dict[str, tuple[float | None, ...]] = {
    "8 factors, alpha 1": (0.457, 0.815, None, 1.16, 0.108, 0.232, 0.270, 0.45),
    "sectors, alpha 10, market free": (0.514, 0.871, None, 1.10, 0.064, 0.078, 0.125, None),
    "sectors, alpha 30, market free": (None, None, None, None, None, None, None, 0.13),
    "sectors, alpha cross-validated": (None,) * 8,
}
TAILS_CHOSEN_BY = {"plain": ({"2020": 0.083, "2023": 0.023}, 0.71), "scaled": ({"2020": 0.055, "2023": 0.054}, 0.11)}
Z2_CHOSEN_BY = {"plain": {"2020": -1.15}, "scaled": {"2020": -0.16}}
BETAS_CHOSEN_BY = {"beta (90 sessions)": 0.395, "forecast_beta": 0.357}
# Betas alone were the stand-ins of the eight factors; the residuals came with the sectors.
STAND_INS_CHOSEN_BY = {
    ("8 factors, alpha 1", "betas alone"): 0.81,
    ("sectors, alpha 10, market free", "betas alone"): None,
    ("sectors, alpha 10, market free", "with residual draws"): 1.02,
}
_CHOSEN = "  chosen by"


def study_tables(folder: Path) -> Iterator[Table]:
    """Run the studies on a `files:` folder of real prices, and give each table when it is known."""
    market = read_market(folder)
    books = make_books(market)
    columns = ["model", "R² stocks", "R² books", "bias", "bias, equal weights", "COVID", "2022", "rally", "style betas"]
    yield _table(
        f"Factor models ({len(KINDS) * BOOKS_OF_A_KIND} books, 2019 to 2024-03; out of sample, refitted each month);"
        " bias and replays of one-sector books, style betas: their monthly move",
        columns,
        [
            row
            for name, model in MODELS.items()
            for row in (
                [name, *map(_number, _figures(study_factors(market, books, model)))],
                [_CHOSEN, *("" if each is None else f"{each:.3f}" for each in CHOSEN_BY[name])],
            )
        ],
    )
    tails = {"plain": study_tails(market, books, scaled=False), "scaled": study_tails(market, books, scaled=True)}
    years = list(tails["plain"].breaches)
    yield _table(
        "Breaches of the one-day VaR at 95 %, by year; 5 % is right",
        ["VaR", *years, "independence rejected"],
        [row for name, found in tails.items() for row in _breach_rows(name, found, years)],
    )
    yield _table(
        "Expected shortfall: Z2 of Acerbi and Szekely, by year; 0 is right, below it losses were worse than forecast",
        ["ES", *years],
        [
            row
            for name, found in tails.items()
            for row in (
                [name, *(f"{found.z2[year].value:.2f} ± {found.z2[year].error:.2f}" for year in years)],
                [_CHOSEN, *(f"{Z2_CHOSEN_BY[name][year]:.2f}" if year in Z2_CHOSEN_BY[name] else "" for year in years)],
            )
        ],
    )
    yield _table(
        "Betas against those of the next 63 sessions (root mean square error)",
        ["beta", "error", "chosen by"],
        [[name, _number(found), f"{BETAS_CHOSEN_BY[name]:.3f}"] for name, found in study_betas(market).items()],
    )
    stand_ins = {name: study_stand_ins(market, MODELS[name]) for name, _ in STAND_INS_CHOSEN_BY}
    yield _table(
        "VaR of stocks with 60 own returns, over their true one",
        ["model", "stand-in", "share", "chosen by"],
        [
            [name, stand_in, _number(stand_ins[name][stand_in]), "" if chosen is None else f"{chosen:.3f}"]
            for (name, stand_in), chosen in STAND_INS_CHOSEN_BY.items()
        ],
    )


def _figures(study: FactorStudy) -> list[Figure]:
    return [
        study.r_squared_stocks,
        study.r_squared_books,
        study.bias,
        study.bias_equal,
        *study.replay_errors.values(),
        study.beta_moves,
    ]


def _breach_rows(name: str, found: TailStudy, years: Sequence[str]) -> list[list[str]]:
    chosen, rejected = TAILS_CHOSEN_BY[name]
    return [
        [name, *map(_percent, (*(found.breaches[year] for year in years), found.independence_rejected))],
        [_CHOSEN, *(f"{chosen[year]:.1%}" if year in chosen else "" for year in years), f"{rejected:.0%}"],
    ]


def _number(figure: Figure) -> str:
    return f"{figure.value:.3f} ± {figure.error:.3f}"


def _percent(figure: Figure) -> str:
    return f"{figure.value:.1%} ± {figure.error:.1%}"


def _table(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    return table
