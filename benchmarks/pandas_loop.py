"""The yardstick: the same night as one writes it first, a loop over portfolios and positions with pandas.

Each portfolio asks for its own positions, and each position for its closes, prices, splits, dividends and returns; P&L
and risk are computed with pandas, numpy and scikit-learn, and inserted row by row. Stress tests, clusters, trends and
risk contributions are left out, to the loop's advantage; so are options, private holdings and gaps in prices, of which
benchmarks have none.

    python -m benchmarks.pandas_loop DATABASE_URL DATE PORTFOLIOS FILE

Loops over so many portfolios. FILE is given how many there were, the seconds of work (imports apart), how many numbers
were held against the stored ones, and how far apart the farthest are (relative, or absolute below 1). More than 1e-8
ends it with an error.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.measure import OWN_NAME

YEAR, QUARTER, SPREAD_WINDOW = 252, 90, 180
TOLERANCE = 1e-8
# The factor models regress on these: name, long ETF, short ETF (None: the ETF's own return).
FACTORS = {
    "Market": ("SPY", None),
    "Interest Rate": ("TLT", None),
    "Value": ("VTV", "SPY"),
    "Growth": ("VUG", "SPY"),
    "Momentum": ("MTUM", "SPY"),
    "Quality": ("QUAL", "SPY"),
    "Size": ("IWM", "SPY"),
    "Low Volatility": ("USMV", "SPY"),
    "Communication Services": ("XLC", "SPY"),
    "Consumer Discretionary": ("XLY", "SPY"),
    "Consumer Staples": ("XLP", "SPY"),
    "Energy": ("XLE", "SPY"),
    "Financials": ("XLF", "SPY"),
    "Health Care": ("XLV", "SPY"),
    "Industrials": ("XLI", "SPY"),
    "Information Technology": ("XLK", "SPY"),
    "Materials": ("XLB", "SPY"),
    "Real Estate": ("XLRE", "SPY"),
    "Utilities": ("XLU", "SPY"),
}
PENALTY, MARKET = 10.0, "Market"
SPREADS = {
    "Growth-Value": ("VUG", "VTV"),
    "Momentum": ("MTUM", "SPY"),
    "Size": ("IWM", "SPY"),
    "Quality": ("QUAL", "SPY"),
}


@dataclass(frozen=True)
class Night:
    """One session and the one before it, and a database to ask about them."""

    conn: psycopg.Connection
    day: date
    day_before: date

    def ask(self, query: str, **parameters: Any) -> pd.DataFrame:
        """The rows of a query with the values of its placeholders; numbers as floats."""
        cursor = self.conn.execute(query, {"day": self.day, "day_before": self.day_before, **parameters})
        frame = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])
        return frame

    def returns(self, symbol: str) -> pd.Series:
        """The daily returns of a symbol over the last 504 sessions."""
        rows = self.ask(
            "select session_date, case when gap_sessions = 1 then total_return::float8 end as total_return"
            " from (select session_date from raw.trading_sessions where session_date <= %(day)s"
            "  order by session_date desc limit 504) as sessions"
            " left join analytics.daily_returns on value_date = session_date and symbol = %(symbol)s"
            " order by session_date",
            symbol=symbol,
        )
        return rows.set_index("session_date")["total_return"].astype(float)


def compute_portfolio(night: Night, portfolio: str) -> dict[str, Any]:
    """Everything about one portfolio: `positions` by id, `pairs` of symbols, and the `book` as a whole."""
    positions = night.ask(
        "select position_id::text, symbol, quantity::float8, entry_price::float8,"
        " greatest(entry_date, (select inception_date from raw.portfolios where portfolio_id = %(portfolio)s)) as since"
        " from raw.positions where portfolio_id = %(portfolio)s and deleted_at is null",
        portfolio=portfolio,
    )
    etfs = {etf: night.returns(etf).tail(YEAR) for legs in FACTORS.values() for etf in legs if etf}
    factors = pd.DataFrame({name: _difference(etfs, *legs) for name, legs in FACTORS.items()})
    spreads = {name: _difference(etfs, *legs) for name, legs in SPREADS.items()}
    found = {}
    histories = {}
    for position in positions.itertuples():
        values = _position(night, position)
        if values["quantity"] == 0 and values["daily_pnl"] == 0:
            continue
        histories[position.symbol] = night.returns(position.symbol)
        returns = histories[position.symbol].tail(YEAR)
        found[position.position_id] = values | _statistics(returns, etfs, factors, spreads)
    held = pd.DataFrame(found.values())
    pairs = pd.DataFrame(histories).tail(QUARTER).corr(min_periods=30)
    return {
        "positions": found,
        "pairs": {(one, other): pairs.loc[one, other] for one in pairs for other in pairs.columns if one < other},
        "book": _book(night, portfolio, held, pd.DataFrame(histories), factors, pairs),
    }


def _position(night: Night, position: Any) -> dict[str, Any]:
    """P&L and value of one lot that was carried in."""
    splits = night.ask(
        "select ex_date, value::float8 from raw.corporate_actions where symbol = %(symbol)s"
        " and action_type = 'SPLIT' and ex_date > %(since)s and ex_date <= %(day)s",
        symbol=position.symbol,
        since=position.since,
    )

    def growth(day: date) -> float:
        return float(np.prod([split.value for split in splits.itertuples() if split.ex_date <= day]))

    closes = night.ask(
        "select trade_date, quantity_closed::float8, close_price::float8, fees::float8"
        " from raw.position_realized_events where position_id = %(position)s and trade_date <= %(day)s",
        position=position.position_id,
    )
    prices = night.ask(
        "select price_date, close::float8 from raw.market_data_cache"
        " where symbol = %(symbol)s and price_date <= %(day)s order by price_date",
        symbol=position.symbol,
    ).set_index("price_date")["close"]
    dividends = night.ask(
        "select coalesce(sum(value), 0)::float8 as value from raw.corporate_actions where symbol = %(symbol)s"
        " and action_type = 'DIVIDEND' and ex_date > %(day_before)s and ex_date <= %(day)s",
        symbol=position.symbol,
    )["value"].iloc[0]
    side, base = np.sign(position.quantity), abs(position.quantity)
    opening, proceeds, fees, closed = base, 0.0, 0.0, 0.0
    for close in closes.itertuples():
        if close.trade_date <= night.day_before:
            opening -= close.quantity_closed / growth(close.trade_date)
        else:
            closed += close.quantity_closed / growth(close.trade_date)
            proceeds += side * close.quantity_closed * close.close_price
            fees += close.fees
    now, then = growth(night.day), growth(night.day_before)
    quantity = side * (opening - closed) * now
    market_value = quantity * prices.iloc[-1]
    dividend_income = side * opening * now * dividends
    cost_basis = side * (opening - closed) * position.entry_price
    return {
        "symbol": position.symbol,
        "quantity": quantity,
        "market_value": market_value,
        "unrealized_pnl": market_value - cost_basis,
        "realized_pnl": proceeds - side * closed * position.entry_price - fees,
        "dividend_income": dividend_income,
        "daily_pnl": market_value - side * opening * then * prices.iloc[-2] + proceeds + dividend_income - fees,
    }


def _statistics(
    returns: pd.Series, etfs: dict[str, pd.Series], factors: pd.DataFrame, spreads: dict[str, pd.Series]
) -> dict[str, Any]:
    """Betas, factor exposures and volatilities of one symbol."""
    squares = returns**2
    forecast = 0.3 * squares.tail(5).mean() + 0.4 * squares.tail(21).mean() + 0.3 * squares.tail(YEAR).mean()
    scaler = StandardScaler().fit(factors.to_numpy())
    scaled = scaler.transform(factors.to_numpy())
    # this row shrinks a factor: it is zero except for the root of the factor's penalty; the market has none
    penalties = np.diag([0.0 if factor == MARKET else PENALTY**0.5 for factor in factors.columns])
    centred = (returns - returns.mean()).to_numpy()
    ridge = LinearRegression(fit_intercept=False).fit(
        np.vstack([scaled, penalties]), np.concatenate([centred, np.zeros(len(penalties))])
    )
    residual = centred - ridge.predict(scaled)
    return {
        "market_beta": _slope(returns, etfs["SPY"], QUARTER),
        "forecast_beta": _slope(returns, etfs["SPY"], YEAR, half_life=63),
        "interest_rate_beta": _slope(returns, etfs["TLT"], QUARTER),
        **{f"spread {name}": _slope(returns, spread, SPREAD_WINDOW) for name, spread in spreads.items()},
        "ridge": dict(zip(factors.columns, ridge.coef_ / scaler.scale_, strict=True)),
        "residual_variance": (residual**2).sum() / (len(returns) - 1 - len(factors.columns)),
        "realized_vol_21d": returns.tail(21).std() * np.sqrt(YEAR),
        "realized_vol_63d": returns.tail(63).std() * np.sqrt(YEAR),
        "expected_vol_21d": np.sqrt(YEAR * forecast),
    }


def _book(
    night: Night,
    portfolio: str,
    held: pd.DataFrame,
    returns: pd.DataFrame,
    factors: pd.DataFrame,
    correlation: pd.DataFrame,
) -> dict[str, float]:
    """The portfolio as a whole: balance, exposures, volatilities, losses and correlations."""
    before = night.ask(
        "select equity_balance::float8 from analytics.portfolio_snapshots"
        " where portfolio_id = %(portfolio)s and snapshot_date = %(day_before)s",
        portfolio=portfolio,
    )["equity_balance"].iloc[0]
    flow = night.ask(
        "select coalesce(sum(case change_type when 'CONTRIBUTION' then amount else -amount end), 0)::float8 as flow"
        " from raw.equity_changes where portfolio_id = %(portfolio)s"
        " and change_date > %(day_before)s and change_date <= %(day)s",
        portfolio=portfolio,
    )["flow"].iloc[0]
    pnl = held["daily_pnl"].sum()
    equity = before + flow + pnl
    value = held["market_value"].to_numpy()
    weight = value / equity
    ridge = pd.DataFrame(list(held["ridge"])).to_numpy()
    age = np.arange(len(factors))[::-1]
    decay = 0.94**age / (0.94**age).sum()
    covariance = (factors.to_numpy() * decay[:, None]).T @ factors.to_numpy()
    exposure = weight @ ridge
    specific = (weight**2 * held["residual_variance"].to_numpy()).sum()
    long_history = (returns.to_numpy() * value).sum(axis=1)
    history = long_history[-YEAR:]
    quantile = np.quantile(history, 0.05)
    scaled = _scaled(long_history)[-YEAR:]
    scaled_quantile = np.quantile(scaled, 0.05)
    held_values, rho = np.abs(value), correlation.to_numpy()
    apart = np.ones_like(rho) - np.eye(len(rho))
    return {
        "equity_balance": equity,
        "daily_pnl": pnl,
        "daily_return": pnl / (before + flow),
        "long_value": value[value > 0].sum(),
        "short_value": value[value < 0].sum(),
        "hhi": 1e4 * (held_values**2).sum() / held_values.sum() ** 2,
        "market exposure": (weight * held["market_beta"].to_numpy()).sum(),
        "ridge exposures": dict(zip(factors.columns, exposure, strict=True)),
        "ex_ante_vol": np.sqrt(YEAR * (exposure @ covariance @ exposure + specific)),
        "realized_vol_21d": pd.Series(history / equity).tail(21).std() * np.sqrt(YEAR),
        "var_95_1d": -quantile,
        "es_95_1d": -history[history <= quantile].mean(),
        "scaled_var_95_1d": -scaled_quantile,
        "scaled_es_95_1d": -scaled[scaled <= scaled_quantile].mean(),
        "overall_correlation": held_values @ (rho * apart) @ held_values / (held_values @ apart @ held_values),
        "effective_positions": len(rho) ** 2 / (rho**2).sum(),
    }


def _difference(etfs: dict[str, pd.Series], long: str, short: str | None) -> pd.Series:
    return etfs[long] - etfs[short] if short else etfs[long]


def _slope(y: pd.Series, x: pd.Series, window: int, half_life: float = np.inf) -> float:
    y, x = y.tail(window), x.tail(window)
    weights = 0.5 ** (np.arange(len(x))[::-1] / half_life)
    cov = np.cov(y, x, aweights=weights)
    return cov[0, 1] / cov[1, 1]


def _scaled(history: np.ndarray) -> np.ndarray:
    """Each day's P&L times today's volatility over that day's, of the days before it (at least 21); NaN without."""
    squares = pd.Series(history**2)
    volatility = np.sqrt(squares.ewm(alpha=0.06, min_periods=21).mean())
    return history * volatility.iloc[-1] / volatility.shift(1).to_numpy()


def write(conn: psycopg.Connection, portfolio: str, found: dict[str, Any]) -> None:
    """Insert what was found, row by row, in one transaction."""
    with conn.transaction():
        for position, values in found["positions"].items():
            conn.execute("insert into benchmark.positions values (%s, %s)", (position, json.dumps(values)))
        for (one, other), correlation in found["pairs"].items():
            conn.execute("insert into benchmark.pairs values (%s, %s, %s)", (one, other, correlation))
        conn.execute("insert into benchmark.portfolios values (%s, %s)", (portfolio, json.dumps(found["book"])))


class Comparison:
    """Numbers held against the stored ones: how many, and how far apart the farthest are."""

    def __init__(self) -> None:
        self.count, self.largest = 0, 0.0

    def hold(self, what: str, ours: float, stored: Any) -> None:
        """Take in a number; ends the program where it is not the stored one."""
        difference = abs(ours - float(stored)) / max(1.0, abs(float(stored)))
        if not difference <= TOLERANCE:
            sys.exit(f"{what}: the loop says {ours!r}, stored is {stored!r}")
        self.count, self.largest = self.count + 1, max(self.largest, difference)


def compare(night: Night, portfolio: str, found: dict[str, Any], comparison: Comparison) -> None:
    """Hold a portfolio's numbers against the stored ones."""
    stored = night.ask(
        """
        select
            held.position_id::text, held.quantity, held.market_value, held.unrealized_pnl, held.realized_pnl,
            held.dividend_income, held.daily_pnl, market.raw_beta as market_beta, market.forecast_beta,
            rate.raw_beta as interest_rate_beta,
            volatility.realized_vol_21d, volatility.realized_vol_63d, volatility.expected_vol_21d
        from analytics.position_values as held
        inner join analytics.symbol_market_betas as market
            on held.symbol = market.symbol and held.value_date = market.calculation_date
        inner join analytics.symbol_interest_rate_betas as rate
            on held.symbol = rate.symbol and held.value_date = rate.calculation_date
        inner join analytics.symbol_volatility as volatility
            on held.symbol = volatility.symbol and held.value_date = volatility.calculation_date
        where held.portfolio_id = %(portfolio)s and held.value_date = %(day)s
        """,
        portfolio=portfolio,
    ).set_index("position_id")
    exposures = night.ask(
        "select symbol, model, factor, beta from analytics.symbol_factor_exposures"
        " where calculation_date = %(day)s and symbol = any(%(symbols)s)",
        symbols=[values["symbol"] for values in found["positions"].values()],
    ).set_index(["symbol", "model", "factor"])["beta"]
    for position, values in found["positions"].items():
        for column in stored.columns:
            comparison.hold(f"{values['symbol']} {column}", values[column], stored.loc[position, column])
        for name in SPREADS:
            stored_beta = exposures[values["symbol"], "spread", name]
            comparison.hold(f"{values['symbol']} {name}", values[f"spread {name}"], stored_beta)
        for name, beta in values["ridge"].items():
            comparison.hold(f"{values['symbol']} {name}", beta, exposures[values["symbol"], "ridge", name])
    pairs = night.ask(
        "select symbol_1, symbol_2, correlation from analytics.pairwise_correlations where calculation_date = %(day)s"
        " and symbol_1 = any(%(symbols)s) and symbol_2 = any(%(symbols)s)",
        symbols=[values["symbol"] for values in found["positions"].values()],
    ).set_index(["symbol_1", "symbol_2"])["correlation"]
    for pair, correlation in found["pairs"].items():
        comparison.hold(" and ".join(pair), correlation, pairs[pair])
    book = night.ask(
        """
        select
            snapshots.equity_balance, snapshots.daily_pnl, snapshots.daily_return, snapshots.long_value,
            snapshots.short_value, snapshots.hhi, metrics.ex_ante_vol, metrics.realized_vol_21d, metrics.var_95_1d,
            metrics.es_95_1d, metrics.scaled_var_95_1d, metrics.scaled_es_95_1d,
            correlations.overall_correlation, correlations.effective_positions
        from analytics.portfolio_snapshots as snapshots
        inner join analytics.portfolio_risk_metrics as metrics
            on snapshots.portfolio_id = metrics.portfolio_id and snapshots.snapshot_date = metrics.calculation_date
        inner join analytics.correlation_calculations as correlations
            on
                snapshots.portfolio_id = correlations.portfolio_id
                and snapshots.snapshot_date = correlations.calculation_date
        where snapshots.portfolio_id = %(portfolio)s and snapshots.snapshot_date = %(day)s
        """,
        portfolio=portfolio,
    ).iloc[0]
    for column, value in book.items():
        comparison.hold(f"{portfolio} {column}", found["book"][column], value)
    portfolio_exposures = night.ask(
        "select model, factor, exposure_value from analytics.portfolio_factor_exposures"
        " where portfolio_id = %(portfolio)s and calculation_date = %(day)s",
        portfolio=portfolio,
    ).set_index(["model", "factor"])["exposure_value"]
    comparison.hold(f"{portfolio} beta", found["book"]["market exposure"], portfolio_exposures["market", "Market"])
    for name, exposure in found["book"]["ridge exposures"].items():
        comparison.hold(f"{portfolio} {name}", exposure, portfolio_exposures["ridge", name])


def main(url: str, day: str, most: str, file: str) -> None:
    """Run the loop, then hold its numbers against the stored ones."""
    with psycopg.connect(url, autocommit=True, application_name="pandas loop") as conn:
        conn.execute("drop schema if exists benchmark cascade")
        conn.execute("create schema benchmark")
        conn.execute("create table benchmark.positions (position_id text primary key, results jsonb)")
        conn.execute("create table benchmark.pairs (symbol_1 text, symbol_2 text, correlation float8)")
        conn.execute("create table benchmark.portfolios (portfolio_id text primary key, results jsonb)")
        began = time.perf_counter()
        (day_before,) = conn.execute(
            "select max(session_date) from raw.trading_sessions where session_date < %s", (day,)
        ).fetchone()
        night = Night(conn, date.fromisoformat(day), day_before)
        portfolios = night.ask(
            "select portfolio_id::text from raw.portfolios where deleted_at is null order by name limit %(most)s",
            most=int(most),
        )
        results = {}
        for portfolio in portfolios["portfolio_id"]:
            results[portfolio] = compute_portfolio(night, portfolio)
            write(conn, portfolio, results[portfolio])
        seconds = time.perf_counter() - began
        conn.execute("drop schema benchmark cascade")
    comparison = Comparison()
    with psycopg.connect(url, autocommit=True, application_name=OWN_NAME) as conn:
        for portfolio, found in results.items():
            compare(Night(conn, night.day, day_before), portfolio, found, comparison)
    Path(file).write_text(
        json.dumps(
            {
                "portfolios": len(results),
                "seconds": seconds,
                "compared": comparison.count,
                "largest_difference": comparison.largest,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
