"""Contributions to linked returns: the part of a period's growth that each component added (Carino 1999).

The return of a day is the sum of its parts. The return of a period is not, because days are linked, but the logarithm
of growth does add up, over parts and days. Each part of a day is multiplied by ln(1 + R) / R, with the day's return R.
The sum over the days, divided by the same ratio of the period, is the part's contribution to the period's return.
"""

import numpy as np
from numpy.typing import ArrayLike

from python_models.statistics.conventions import Floats, divide


def log_per_return(returns: ArrayLike) -> Floats:
    """ln(1 + R) / R, and 1 where R is 0; NaN where nothing is left (R ≤ −1) or there is no return."""
    returns = np.asarray(returns, dtype=np.float64)
    left = np.where(returns > -1, returns, np.nan)
    return np.where(returns == 0, 1.0, divide(np.log1p(left), returns))


def return_per_log(log_growth: ArrayLike) -> Floats:
    """R / ln(1 + R) of a period that grew by this logarithm; 1 where it is 0."""
    log_growth = np.asarray(log_growth, dtype=np.float64)
    return np.where(log_growth == 0, 1.0, divide(np.expm1(log_growth), log_growth))
