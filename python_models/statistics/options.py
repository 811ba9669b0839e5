"""European options: Black–Scholes value and delta, implied volatility, and the stock that an option counts as."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from python_models.statistics.conventions import Booleans, Floats, Integers

LOWEST_VOLATILITY = 1e-4
HIGHEST_VOLATILITY = 10.0

# Time value, as a share of the spot price, below which a price says nothing about volatility.
LEAST_TIME_VALUE = 1e-10

# Halvings of the range [LOWEST_VOLATILITY, HIGHEST_VOLATILITY]: enough for the last bit of a double.
_HALVINGS = 60


class OptionValue(NamedTuple):
    """Value in dollars per share, and delta: its change per dollar of the underlying (call 0 to 1, put −1 to 0)."""

    value: Floats
    delta: Floats


@dataclass(frozen=True)
class OptionPositions:
    """Options among holdings: parallel arrays (n_options,).

    Attributes:
        position: index of each in the arrays of `Holdings`, whose `value` is its delta-equivalent value.
        units: signed shares controlled, contracts × multiplier, in the shares that the strike is quoted in.
        spot: price of one such share of the underlying, dollars.
        strike: dollars.
        years: calendar days to expiry / 365.
        volatility: annual, as `option_volatility` gives it.
        is_call: True for calls.
        rate: continuous annual rate, one number or (n_options,).
        dividend_yield: continuous annual yield, one number or (n_options,).
    """

    position: Integers
    units: Floats
    spot: Floats
    strike: Floats
    years: Floats
    volatility: Floats
    is_call: Booleans
    rate: Floats | float = 0.0
    dividend_yield: Floats | float = 0.0

    @cached_property
    def is_valued(self) -> Booleans:
        """Which of them have a model value now."""
        return np.isfinite(self._value(self.spot))

    def revalued(self, underlying_returns: Floats) -> Floats:
        """P&L in dollars when each underlying returns so much at once: (n_options, n_scenarios), and so the result.

        units × (model value then − model value now); volatility and time stay as they are.
        """
        then = self._value(self.spot * (1.0 + underlying_returns.T))
        return (self.units * (then - self._value(self.spot))).T

    def _value(self, spot: ArrayLike) -> Floats:
        return black_scholes(
            spot,
            self.strike,
            self.years,
            self.volatility,
            is_call=self.is_call,
            rate=self.rate,
            dividend_yield=self.dividend_yield,
        ).value


def black_scholes(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    volatility: ArrayLike,
    *,
    is_call: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend_yield: ArrayLike = 0.0,
) -> OptionValue:
    """Value and delta of European options (Black and Scholes 1973; continuous dividend yield: Merton 1973).

    value = φ·(S·e^(−qT)·N(φ·d₁) − K·e^(−rT)·N(φ·d₂)), φ = 1 for a call and −1 for a put,
    d₁ = ln(S·e^(−qT) / K·e^(−rT)) / (σ√T) + σ√T / 2, d₂ = d₁ − σ√T; delta = φ·e^(−qT)·N(φ·d₁).

    Args:
        spot: price of the underlying, dollars, zero or more.
        strike: dollars, above zero.
        years: time to expiry, calendar days / 365; zero or less is expired, and the value is intrinsic.
        volatility: annual σ as a decimal; zero is the limit.
        is_call: True for calls.
        rate: continuous annual rate r.
        dividend_yield: continuous annual yield q.

    All broadcast against each other. NaN in, NaN out, but that an expired option needs no volatility.
    """
    spot, strike, years, volatility, rate, dividend_yield = (
        np.asarray(each, float) for each in (spot, strike, years, volatility, rate, dividend_yield)
    )
    years = np.maximum(years, 0.0)
    sign = np.where(is_call, 1.0, -1.0)
    carry = np.exp(-dividend_yield * years)
    held = spot * carry
    owed = strike * np.exp(-rate * years)
    deviation = np.where(years > 0, volatility, 0.0) * np.sqrt(years)
    with np.errstate(divide="ignore", invalid="ignore"):
        d1 = np.log(held / owed) / deviation + deviation / 2.0
    random = sign * (held * ndtr(sign * d1) - owed * ndtr(sign * (d1 - deviation)))
    certain = np.maximum(sign * (held - owed), 0.0)
    in_the_money = np.where(sign * (held - owed) > 0, 1.0, 0.0)
    return OptionValue(
        value=np.where(deviation == 0, certain, random),
        delta=sign * carry * np.where(deviation == 0, in_the_money, ndtr(sign * d1)),
    )


def implied_volatility(
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    *,
    is_call: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend_yield: ArrayLike = 0.0,
) -> Floats:
    """Annual volatility at which `black_scholes` gives the price, by bisection (the value rises with volatility).

    Solved on the time value, which by put-call parity is the value of the option that is out of the money: a price
    deep in the money keeps the digits that matter. Arguments as for `black_scholes`, `price` in dollars per share.

    NaN where there is no such volatility between 0.01 % and 1000 %: an expired option, a price at or below what
    exercise at expiry is worth today (to 1e-10 of the spot) or above the most the option can be worth, or a missing
    input.
    """
    price, spot, strike, years, rate, dividend_yield, is_call = np.broadcast_arrays(
        *(np.asarray(each, float) for each in (price, spot, strike, years, rate, dividend_yield)),
        np.asarray(is_call, bool),
    )
    forward_gain = spot * np.exp(-dividend_yield * years) - strike * np.exp(-rate * years)
    time_value = price - np.maximum(np.where(is_call, forward_gain, -forward_gain), 0.0)

    def out_of_the_money(volatility: Floats) -> Floats:
        return black_scholes(
            spot, strike, years, volatility, is_call=forward_gain <= 0, rate=rate, dividend_yield=dividend_yield
        ).value

    low = np.full(price.shape, LOWEST_VOLATILITY)
    high = np.full(price.shape, HIGHEST_VOLATILITY)
    solvable = (
        (years > 0)
        & (time_value > LEAST_TIME_VALUE * spot)
        & (time_value >= out_of_the_money(low))
        & (time_value <= out_of_the_money(high))
    )
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        too_low = out_of_the_money(middle) < time_value
        low = np.where(too_low, middle, low)
        high = np.where(too_low, high, middle)
    return np.where(solvable, (low + high) / 2.0, np.nan)


def option_volatility(implied: Floats, realized: Floats) -> Floats:
    """Annual volatility to value an option at: implied by its last price, else the underlying's realized one.

    Arrays (n_options,); NaN where neither is known.
    """
    return np.where(np.isfinite(implied), implied, realized)


def delta_equivalent_value(delta: ArrayLike, spot: ArrayLike, units: ArrayLike) -> Floats:
    """Dollars of the underlying that move like the option: delta × spot × units.

    `units` are signed shares controlled (contracts × multiplier, negative when sold); a long put counts as a short
    underlying.
    """
    return np.asarray(delta, float) * np.asarray(spot, float) * np.asarray(units, float)
