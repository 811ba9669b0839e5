"""What a period's row says where there is no number, of portfolios made by hand."""

from datetime import date, timedelta
from uuid import UUID

import numpy as np
import pytest

from python_models.performance.histories import Benchmark, Flows, Histories
from python_models.performance.table import performance_block

START = date(2024, 3, 1)
MARKET = [0.01, -0.01, 0.02, -0.005]


def row_of(returns: list[float], equity: list[float]) -> dict[str, object]:
    """The row since inception of one portfolio against a market that rises and falls."""
    sessions = tuple(START + timedelta(days=place) for place in range(1 + len(returns)))
    market = np.array([np.nan, *MARKET])
    nothing = np.empty(0)
    histories = Histories(
        sessions=sessions,
        portfolios=(UUID(int=1),),
        returns=np.array([np.nan, *returns])[:, None],
        equity=np.array(equity)[:, None],
        inception=np.array([1]),
        flows=Flows(nothing.astype(int), nothing.astype(int), nothing, nothing),
        benchmark_of=("SPY",),
        benchmarks={"SPY": Benchmark(market, market, np.full(len(market), fill_value=True))},
    )
    block = performance_block(histories, {sessions[-1]: [UUID(int=1)]}, 0.0)
    place = [period.decode() for period in block.columns["period"].tolist()].index("SI")
    return {name: values[place] for name, values in block.columns.items()}


@pytest.mark.parametrize("worst", [-1.0, -2.5, -40.0])
def test_where_more_is_lost_than_there_was_nothing_is_said_of_the_benchmark(worst: float):
    """A thousand that lost 2,500 on a day: no growth a year, and the fall and the benchmark's rises are there."""
    left = 1_000 * (1 + worst)
    row = row_of([0.0, worst, np.nan, np.nan], [1_000, 1_000, left, left, left])
    assert row["twr"] == pytest.approx(worst)
    assert row["max_drawdown"] == pytest.approx(worst)
    assert np.isnan(float(row["calmar"]))
    assert np.isnan(float(row["down_capture"]))
    assert not float(row["alpha"]) > 0
    reason = str(row["reason"])
    assert "everything was lost on a session" in reason
    assert "no fall" not in reason
    assert "never" not in reason


def test_a_book_that_only_rises_has_no_fall():
    row = row_of([0.01, 0.02, 0.01, 0.03], [100, 101, 103, 104, 107])
    assert "no fall: no Calmar ratio" in str(row["reason"])
    assert "lost" not in str(row["reason"])
