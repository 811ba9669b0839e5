"""The standard errors of the studies against what is known of means."""

import numpy as np
import pytest

from benchmarks.studies.errors import figure


def mean(sample: np.ndarray) -> float:
    return float(sample.mean())


@pytest.mark.parametrize(("persistence", "block"), [(0.0, 1), (0.9, 63)])
def test_the_error_of_a_mean_is_that_of_its_times_also_when_they_are_alike(persistence: float, block: int):
    """One series: its mean varies by sigma/(1 - persistence)/sqrt(n)."""
    random = np.random.default_rng(3)
    shocks, series = random.standard_normal(3000), np.empty(3000)
    series[0] = shocks[0]
    for place in range(1, 3000):
        series[place] = persistence * series[place - 1] + shocks[place]
    found = figure(mean, series[:, None], block=block, draws=400)
    assert found.value == series.mean()
    assert found.error == pytest.approx(1 / (1 - persistence) / np.sqrt(3000), rel=0.25)


def test_the_error_of_what_happened_once_is_that_of_its_members():
    members = np.random.default_rng(4).standard_normal((1, 400))
    assert figure(mean, members, block=None, draws=400).error == pytest.approx(1 / 20, rel=0.2)


def test_two_samples_are_drawn_together():
    sample = np.random.default_rng(5).standard_normal((300, 20)) + 5
    found = figure(lambda one, other: float(one.sum() / other.sum()), sample, 2 * sample)
    assert found.value == pytest.approx(0.5)
    assert found.error < 1e-12
