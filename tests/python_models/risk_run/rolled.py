"""Five years of real books through the risk models: what the tests of the run share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import psycopg
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from python_models.write import PORTFOLIO_TABLES, SYMBOL_TABLES
from tests.python_models.risk_book import (
    CRASH,
    END,
    ENTRY_DAYS,
    ETFS,
)
from tests.real_book import SYMBOLS
from warehouse.database import Database

# Before the first of these days no history reaches back two years. COIN was listed nine weeks before the third.
DAYS = (date(2019, 6, 28), CRASH, date(2021, 6, 15), date(2022, 6, 16), END)
TABLES = (*SYMBOL_TABLES, *PORTFOLIO_TABLES)
EXACT = {"rtol": 1e-8, "atol": 1e-8}
FACTOR_ETFS = {
    "Market": "SPY",
    "Interest Rate": "TLT",
    "Value": "VTV",
    "Growth": "VUG",
    "Momentum": "MTUM",
    "Quality": "QUAL",
    "Size": "IWM",
    "Low Volatility": "USMV",
    "Communication Services": "XLC",
    "Consumer Discretionary": "XLY",
    "Consumer Staples": "XLP",
    "Energy": "XLE",
    "Financials": "XLF",
    "Health Care": "XLV",
    "Industrials": "XLI",
    "Information Technology": "XLK",
    "Materials": "XLB",
    "Real Estate": "XLRE",
    "Utilities": "XLU",
}


@dataclass(frozen=True)
class Rolled:
    """The rolled database, the market's own files, and the rows that the night of the crash gave."""

    database: Database
    returns: pd.DataFrame
    closes: pd.DataFrame
    rows_that_night: dict[str, list[tuple[Any, ...]]]


def frame(conn: psycopg.Connection[Any], query: str, *parameters: Any) -> pd.DataFrame:
    """The answer to a query, nulls as NaN."""
    cursor = conn.execute(query, parameters)
    return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])


def content(conn: psycopg.Connection[Any], day: date) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a session, digits and all, in a fixed order."""
    return {
        table: conn.execute(
            f"select t::text from analytics.{table} as t where calculation_date = %s order by t::text", [day]
        ).fetchall()
        for table in TABLES
    }


def versions(conn: psycopg.Connection[Any], table: str, where: str = "true") -> set[str]:
    """Which transactions wrote the rows of a table."""
    return {row[0] for row in conn.execute(f"select xmin::text from analytics.{table} where {where}")}


def portfolio(conn: psycopg.Connection[Any], name: str) -> UUID:
    return conn.execute("select portfolio_id from raw.portfolios where name = %s", [name]).fetchone()[0]


@contextmanager
def taken_back(conn: psycopg.Connection[Any]) -> Iterator[None]:
    """Whatever is done inside is undone."""
    with conn.transaction(force_rollback=True):
        yield


def factors_of(rolled: Rolled, day: date) -> pd.DataFrame:
    """Returns of the factors over 252 sessions; Communication Services is one when XLC has its year."""
    window = rolled.returns.loc[: day.isoformat()].iloc[-252:]
    return pd.DataFrame(
        {
            factor: window[etf] - (0.0 if factor in ("Market", "Interest Rate") else window["SPY"])
            for factor, etf in FACTOR_ETFS.items()
            if window[etf].notna().sum() >= 240
        }
    )


@dataclass(frozen=True)
class RidgeFit:
    """What scikit-learn finds: on rows added for the penalties, of which the market's is zero."""

    betas: np.ndarray
    residuals: np.ndarray
    r_squared: float

    @staticmethod
    def of(factors: pd.DataFrame, returns: pd.Series) -> "RidgeFit":
        target = returns.to_numpy()
        scaler = StandardScaler().fit(factors.to_numpy())
        scaled = scaler.transform(factors.to_numpy())
        more = np.diag(np.sqrt([0.0 if factor == "Market" else 10.0 for factor in factors]))
        fit = LinearRegression(fit_intercept=False).fit(
            np.vstack([scaled, more]), np.append(target - target.mean(), np.zeros(len(more)))
        )
        residuals = target - target.mean() - scaled @ fit.coef_
        explained = 1 - (residuals**2).sum() / ((target - target.mean()) ** 2).sum()
        return RidgeFit(fit.coef_ / scaler.scale_, residuals, explained)


def held_symbols(rolled: Rolled, day: date) -> list[str]:
    """Of the sixty, those that had been entered by the day, and the factors' ETFs."""
    entered = (
        rolled.closes.loc[[entry for entry in ENTRY_DAYS if entry <= day.isoformat()], list(SYMBOLS)].notna().any()
    )
    return sorted({*entered.index[entered], *ETFS})
