"""Contributions to linked returns: what each part added to the growth of a period (Carino 1999).

The return of a day is the sum of its parts, that of a period is not: days are linked. The logarithm of growth does add
up, over parts and days. Each part of a day counts ln(1 + R) / R of the day's return R per unit; the sum over the days,
turned back by the same ratio of the period, is its contribution to the return of the period.
"""

import numpy as np
from numpy.typing import ArrayLike

from python_models.statistics.conventions import Floats, divide


def log_per_return(returns: ArrayLike) -> Floats:
    """ln(1 + R) / R, and 1 where R is 0; NaN where nothing is left (R of −1 and below) or there is no return."""
    returns = np.asarray(returns, dtype=np.float64)
    left = np.where(returns > -1, returns, np.nan)
    return np.where(returns == 0, 1.0, divide(np.log1p(left), returns))


def return_per_log(log_growth: ArrayLike) -> Floats:
    """R / ln(1 + R) of a period that grew by this logarithm; 1 where it is 0."""
    log_growth = np.asarray(log_growth, dtype=np.float64)
    return np.where(log_growth == 0, 1.0, divide(np.expm1(log_growth), log_growth))
