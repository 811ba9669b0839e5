"""Contributions that add up to linked returns."""

import numpy as np
from numpy.testing import assert_allclose

from python_models.statistics.attribution import log_per_return, return_per_log


def test_the_parts_of_all_days_add_up_to_the_linked_return():
    random = np.random.default_rng(3)
    parts = random.normal(0, 0.02, (250, 7))
    parts[17] = 0.0
    returns = parts.sum(axis=1)
    linked = np.prod(1 + returns) - 1
    logs = (parts * log_per_return(returns)[:, None]).sum(axis=0)
    assert_allclose(logs.sum(), np.log1p(linked))
    assert_allclose((logs * return_per_log(logs.sum())).sum(), linked)


def test_one_day_is_its_own_parts():
    assert_allclose(log_per_return(0.1) * return_per_log(np.log1p(0.1)), 1)
    assert_allclose([log_per_return(0.0), return_per_log(0.0)], 1)


def test_nothing_left_cannot_be_linked():
    assert np.isnan(log_per_return([-1.0, -1.5, np.nan])).all()
