"""Undo a source's restatement for splits: prices and dividends as they were on their day, which never change again.

After a split of r new shares per old one a source divides every earlier price and dividend by r and multiplies every
earlier volume by it. With the splits s that the same source reports, the day t as it was is

    price_t = shown_t * R_t,    dividend_t = shown_t * R_t,    volume_t = shown_t / R_t,    R_t = product of r_s, s > t

A split of the day itself is in that day's shares already. The splits must reach to the day on which the source was
asked: it restates for a split that is after the last session wanted as well.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import accumulate
from operator import mul

from ingest.rows import DIVIDEND, CorporateAction, PriceBar, as_price

_ONE = Decimal(1)


def later_splits(splits: Iterable[tuple[date, Decimal]]) -> Callable[[date], Decimal]:
    """Return the function t -> product of the ratios (new shares per old) of the splits after t."""
    ordered = sorted(splits)
    dates = [ex_date for ex_date, _ in ordered]
    from_here_on = list(accumulate((ratio for _, ratio in reversed(ordered)), mul, initial=_ONE))[::-1]
    return lambda day: from_here_on[bisect_right(dates, day)]


def as_traded_bar(bar: PriceBar, ratio: Decimal) -> PriceBar:
    """Return a split-adjusted bar as traded: prices at 6 decimals, volume in whole shares of its day.

    `ratio` is that of the splits since. What is None stays None, and prices that are not finite stay what they are, for
    the row checks to refuse.
    """
    prices = [None if price is None else as_price(price * ratio) for price in bar[2:6]]
    volume = bar.volume
    if volume is not None and ratio != _ONE:
        volume = int((volume / ratio).to_integral_value(ROUND_HALF_EVEN))
    return PriceBar._make((bar.symbol, bar.price_date, *prices, volume))


def as_traded_action(action: CorporateAction, ratio: Decimal) -> CorporateAction:
    """Return a split-adjusted dividend in shares of its ex-date, with all its digits; a split is never restated."""
    return action._replace(value=action.value * ratio) if action.action_type == DIVIDEND else action
