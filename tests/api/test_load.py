"""The API under load, by day and while a night runs: no error, no mixed session, and memory that does not grow."""

import pytest

from benchmarks.api import failures, run
from benchmarks.http_load import Load


@pytest.mark.slow
def test_a_hundred_portfolios_under_eight_connections_for_a_minute():
    results = run(portfolios=100, positions=10, seconds=60, rate=None, say=lambda _: None)
    assert failures(results) == []
    for load in results["loads"]:
        assert set(load["statuses"]) == {200}
        assert load["requests"] > 1000


def test_what_must_not_happen_is_found():
    def told(**more):
        return {"load": "by day", "problems": {}, "megabytes": [60, 70, 71], **more}

    assert failures({"loads": [told()]}) == []
    assert failures({"loads": [told(megabytes=[60, 70, 90])]}) == ["by day: memory grew from 70 to 90 MB"]
    assert failures({"loads": [told(problems={"status 500": 3})]}) == ["by day: status 500"]
    load = Load(2.0, [float(n) for n in range(1, 101)])
    assert (load.per_second, load.quantile(50)) == (50.0, pytest.approx(50.5))
