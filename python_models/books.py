"""The portfolios of one session as input of the models: positions as arrays, options at their delta."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

import numpy as np

from python_models.read import Position, Underlyings
from python_models.statistics.conventions import Floats
from python_models.statistics.options import (
    OptionPositions,
    black_scholes,
    delta_equivalent_value,
    implied_volatility,
    option_volatility,
)
from python_models.statistics.portfolio_risk import Holdings
from python_models.statistics.symbols import SymbolStatistics
from warehouse.binary_copy import uuid_array

_DAYS_PER_YEAR = 365.0


class UnderlyingFacts(NamedTuple):
    """The inputs of an option's value: prices in dollars per share, in the strike's shares, and a yearly yield.

    `spot` is the underlying's last close as of the session, `spot_when_priced` as of the day of the option's own last
    price.
    """

    spot: float
    spot_when_priced: float
    dividend_yield: float


@dataclass(frozen=True)
class Books:
    """The portfolios of one session: positions in the order of `holdings`, whose rows are `portfolios`.

    `daily_returns` (n_sessions, n_portfolios) are the portfolios' own, from inception up to the day, and
    `benchmark` (n_sessions,) the market's on the same sessions.
    """

    day: date
    portfolios: tuple[UUID, ...]
    positions: Sequence[Position]
    holdings: Holdings
    options: OptionPositions | None
    daily_returns: Floats
    benchmark: Floats

    @cached_property
    def ids(self) -> np.ndarray:
        """The portfolios' ids in the form for the tables (n_portfolios,)."""
        return uuid_array(self.portfolios)


@dataclass(frozen=True)
class OptionTerms:
    """The interest rate that options are valued at, and a dividend yield for all (None: each underlying's own)."""

    rate: float = 0.0
    dividend_yield: float | None = None


def make_books(
    statistics: SymbolStatistics,
    equity: Mapping[UUID, float],
    holdings: Mapping[UUID, Sequence[Position]],
    underlyings: Underlyings,
    terms: OptionTerms,
    daily_returns: Floats,
) -> Books:
    """Turn the portfolios of one session into the input of the models; options become delta equivalents.

    Args:
        statistics: the session's statistics of symbols.
        equity: dollars of each requested portfolio.
        holdings: the positions of these portfolios.
        underlyings: the prices, splits and dividends of their options' underlyings.
        terms: the interest rate and dividend yield for options.
        daily_returns: as in `Books`, columns in the order of `equity`.
    """
    portfolios = tuple(equity)
    positions = [position for portfolio in portfolios for position in holdings[portfolio]]
    columns = {symbol: column for column, symbol in enumerate(statistics.symbols)}
    symbol = np.array([columns.get(position.symbol, -1) for position in positions], dtype=np.intp)
    value = np.array([position.market_value for position in positions], dtype=np.float64)
    options, delta_values = _value_options(statistics, positions, symbol, underlyings, terms)
    if options is not None:
        value[options.position] = delta_values
    of_books = Holdings(
        portfolio=np.repeat(np.arange(len(portfolios)), [len(holdings[portfolio]) for portfolio in portfolios]),
        symbol=symbol,
        value=value,
        equity=np.array(list(equity.values()), dtype=np.float64),
        n_symbols=len(columns),
    )
    benchmark = _last_rows(statistics.benchmark, len(daily_returns))
    return Books(statistics.day, portfolios, positions, of_books, options, daily_returns, benchmark)


def underlying_facts(option: Position, underlyings: Underlyings, day: date) -> UnderlyingFacts:
    """Look up the inputs of an option's value; prices are in shares of `share_date`, as the strike is."""
    base = option.share_date or day
    return UnderlyingFacts(
        underlyings.spot(option.symbol, day, base),
        underlyings.spot(option.symbol, option.price_date or day, base),
        underlyings.dividend_yield(option.symbol, day),
    )


def _value_options(
    statistics: SymbolStatistics,
    positions: Sequence[Position],
    symbol: np.ndarray,
    underlyings: Underlyings,
    terms: OptionTerms,
) -> tuple[OptionPositions | None, Floats]:
    """The options among the positions, and their delta-equivalent values."""
    places = np.array([place for place, position in enumerate(positions) if position.is_option], dtype=np.intp)
    if not len(places):
        return None, np.empty(0)
    day = statistics.day
    options = [positions[place] for place in places]
    facts = [underlying_facts(option, underlyings, day) for option in options]
    spot, spot_when_priced, own_yield = np.array(facts, dtype=np.float64).T
    strike = np.array([option.strike for option in options], dtype=np.float64)
    is_call = np.array([option.is_call for option in options])
    units = np.array([option.units for option in options])
    years = np.array([(option.expiration - day).days / _DAYS_PER_YEAR for option in options])
    dividend_yield = own_yield if terms.dividend_yield is None else np.full(len(options), terms.dividend_yield)
    # A last price may be old: it is compared with the underlying and the time to expiry of its own day.
    priced = [option.price_date or day for option in options]
    last_price = np.array([option.price if option.price_date else np.nan for option in options])
    known = symbol[places] >= 0
    realized = np.where(known, statistics.volatility.realized_vol_63d[symbol[places]], np.nan)
    implied = implied_volatility(
        last_price,
        spot_when_priced,
        strike,
        np.array(
            [(option.expiration - then).days / _DAYS_PER_YEAR for option, then in zip(options, priced, strict=True)]
        ),
        is_call=is_call,
        rate=terms.rate,
        dividend_yield=dividend_yield,
    )
    volatility = option_volatility(implied, realized)
    today = black_scholes(
        spot, strike, years, volatility, is_call=is_call, rate=terms.rate, dividend_yield=dividend_yield
    )
    return (
        OptionPositions(
            position=places,
            units=units,
            spot=spot,
            strike=strike,
            years=years,
            volatility=volatility,
            is_call=is_call,
            rate=terms.rate,
            dividend_yield=dividend_yield,
        ),
        delta_equivalent_value(today.delta, spot, units),
    )


def _last_rows(series: Floats, length: int) -> Floats:
    """The last values of a series, this many; NaN where the series does not reach back so far."""
    missing = max(length - len(series), 0)
    return np.concatenate([np.full(missing, np.nan), series[max(len(series) - length, 0) :]])
