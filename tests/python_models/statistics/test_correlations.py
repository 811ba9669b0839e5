"""Correlations against pandas, scipy, scikit-learn and plain loops; exclusion, repair, clusters and their names."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import pearsonr
from sklearn.cluster import AgglomerativeClustering

from python_models.statistics.conventions import Quality
from python_models.statistics.correlations import (
    PairwiseCorrelations,
    correlation_matrix,
    correlation_p_values,
    find_clusters,
    portfolio_correlations,
    repair_correlation,
)
from tests.python_models.panels import Panel, examples

seeds = st.integers(0, 2**32 - 1)


def correlations_of(matrix: np.ndarray, observations: int | np.ndarray = 90) -> PairwiseCorrelations:
    return PairwiseCorrelations(np.asarray(matrix, float), np.broadcast_to(observations, np.shape(matrix)).copy())


def test_every_pair_is_that_of_pandas(panel: Panel):
    result = correlation_matrix(panel.returns)
    window = panel.frame.iloc[-90:]
    still = window.std().to_numpy() < 1e-12
    expected = window.corr(min_periods=30).to_numpy(copy=True)
    # there pandas divides one rounding error by another
    expected[still] = expected[:, still] = np.nan
    common = window.notna().astype(int).to_numpy()
    assert_array_equal(result.observations, common.T @ common)
    assert_array_equal(np.isfinite(result.correlation), np.isfinite(expected))
    assert_allclose(result.correlation, expected, rtol=1e-8, atol=1e-10)
    assert_array_equal(np.diag(result.correlation)[np.isfinite(np.diag(result.correlation))], 1.0)
    assert_array_equal(result.correlation, result.correlation.T)
    assert np.isfinite(expected).mean() > 0.5


def test_p_values_are_those_of_scipy(panel: Panel):
    result = correlation_matrix(panel.returns)
    first, second = np.nonzero(np.triu(np.isfinite(result.correlation), 1))
    chosen = np.random.default_rng(14).choice(len(first), 300, replace=False)
    p_values = correlation_p_values(
        result.correlation[first[chosen], second[chosen]], result.observations[first[chosen], second[chosen]]
    )
    for i, j, p_value in zip(first[chosen], second[chosen], p_values, strict=True):
        both = np.isfinite(panel.returns[-90:, [i, j]]).all(axis=1)
        expected = pearsonr(panel.returns[-90:, i][both], panel.returns[-90:, j][both])
        assert_allclose(result.correlation[i, j], expected.statistic, rtol=1e-8, atol=1e-10)
        assert_allclose(p_value, expected.pvalue, rtol=1e-6, atol=1e-12)


def test_p_values_of_perfect_and_missing_correlations():
    assert_array_equal(correlation_p_values([1.0, -1.0, 0.0, np.nan], [90, 90, 90, 20]), [0.0, 0.0, 1.0, np.nan])


def test_a_pair_that_is_constant_on_its_common_sessions_has_no_correlation():
    random = np.random.default_rng(15)
    returns = 0.01 * random.standard_normal((90, 3))
    returns[:50, 1] = np.nan
    returns[50:, 0] = 0.0004  # moves only where the second has no returns
    returns[50:, 2] = 0.0004 + 1e-9 * random.standard_normal(40)  # hardly moves there, but it does
    result = correlation_matrix(returns)
    assert np.isnan(result.correlation[0, 1])
    assert np.isfinite(result.correlation[0, 2])
    assert_allclose(result.correlation[1, 2], pearsonr(returns[50:, 1], returns[50:, 2]).statistic, rtol=1e-8)


def test_infinite_values_count_as_missing():
    holed = 0.01 * np.random.default_rng(16).standard_normal((90, 4))
    holed[5, 1] = holed[6, 2] = np.nan
    broken = holed.copy()
    broken[5, 1], broken[6, 2] = np.inf, -np.inf
    assert_array_equal(correlation_matrix(broken).correlation, correlation_matrix(holed).correlation)


@pytest.mark.parametrize("n_symbols", [3, 40])
def test_blocks_of_symbols_join_without_a_seam(monkeypatch: pytest.MonkeyPatch, n_symbols: int):
    returns = 0.01 * np.random.default_rng(17).standard_normal((90, n_symbols))
    returns[:70, 2] = np.nan
    whole = correlation_matrix(returns, minimum=10)
    monkeypatch.setattr("python_models.statistics.correlations._BLOCK", 7)
    blocks = correlation_matrix(returns, minimum=10)
    assert_allclose(blocks.correlation, whole.correlation, rtol=1e-12)
    assert_array_equal(blocks.observations, whole.observations)


def naive_exclusion(observations: np.ndarray, symbols: list[str], values: np.ndarray) -> list[str]:
    left = [i for i in range(len(symbols)) if observations[i, i] >= 30]
    while True:
        bad = {i: sum(observations[i, j] < 30 for j in left if j != i) for i in left}
        worst = sorted(left, key=lambda i: (-bad[i], abs(values[i]), symbols[i]))
        if not worst or bad[worst[0]] == 0:
            return sorted(symbols[i] for i in left)
        left.remove(worst[0])


@examples
@given(seeds)
def test_symbols_go_until_every_pair_has_enough_returns(seed: int):
    random = np.random.default_rng(seed)
    returns = 0.01 * random.standard_normal((90, 12))
    for column in range(12):
        start, stop = sorted(random.integers(0, 91, 2))
        if random.random() < 0.7:
            returns[start:stop, column] = np.nan
    values = random.choice([-3.0, -2.0, 2.0, 3.0, 5.0], 12)
    symbols = [f"S{number}" for number in random.permutation(12)]
    correlations = correlation_matrix(returns)
    result = portfolio_correlations(correlations, symbols, values)
    expected = naive_exclusion(correlations.observations, symbols, values)
    assert list(result.included) == expected
    assert sorted(result.included + result.excluded) == sorted(symbols)


def test_of_equally_bad_symbols_the_smaller_goes_then_the_first_by_name():
    observations = np.full((4, 4), 90)
    observations[0, 1] = observations[1, 0] = 29
    matrix = np.where(observations < 30, np.nan, 0.2)
    np.fill_diagonal(matrix, 1.0)
    correlations = PairwiseCorrelations(matrix, observations)
    by_value = portfolio_correlations(correlations, ["A", "B", "C", "D"], [10.0, -9.0, 1.0, 1.0])
    assert by_value.excluded == ("B",)
    by_name = portfolio_correlations(correlations, ["B", "A", "C", "D"], [10.0, -10.0, 1.0, 1.0])
    assert by_name.excluded == ("A",)


def test_summary_is_the_sum_over_pairs(panel: Panel):
    random = np.random.default_rng(18)
    correlations = correlation_matrix(panel.returns)
    values = np.where(random.random(len(panel.symbols)) < 0.3, random.normal(0, 1e5, len(panel.symbols)), 0.0)
    result = portfolio_correlations(correlations, panel.symbols, values)
    kept = [panel.column(symbol) for symbol in result.included]
    assert len(kept) > 5
    assert {panel.symbols[i] for i in np.flatnonzero(values)} == {*result.included, *result.excluded}
    matrix = repair_correlation(correlations.correlation[np.ix_(kept, kept)])
    weight = np.abs(values[kept])
    above, below = 0.0, 0.0
    for i in range(len(kept)):
        for j in range(i + 1, len(kept)):
            above += weight[i] * weight[j] * matrix[i, j]
            below += weight[i] * weight[j]
    eigenvalues = np.linalg.eigvalsh(matrix)
    assert_allclose(result.overall_correlation, above / below, rtol=1e-10)
    assert_allclose(result.concentration_score, eigenvalues.max() / len(kept), rtol=1e-10)
    assert_allclose(result.effective_positions, len(kept) ** 2 / (eigenvalues**2).sum(), rtol=1e-8)


def test_clusters_are_those_of_scikit_learn(panel: Panel):
    correlations = correlation_matrix(panel.returns)
    complete = (np.diag(correlations.observations) == 90) & np.isfinite(np.diag(correlations.correlation))
    usable = np.flatnonzero(complete)[:120]
    symbols = [panel.symbols[i] for i in usable]
    values = np.random.default_rng(19).uniform(1, 100, len(usable))
    matrix = correlations.correlation[np.ix_(usable, usable)]
    clusters = find_clusters(matrix, symbols, values)
    model = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=0.3 + 1e-12
    ).fit(1 - matrix)
    expected = {
        tuple(sorted(symbols[i] for i in np.flatnonzero(model.labels_ == label)))
        for label in np.unique(model.labels_)
        if (model.labels_ == label).sum() > 1
    }
    assert expected
    assert {cluster.symbols for cluster in clusters} == expected
    assert [cluster.number for cluster in clusters] == list(range(1, len(clusters) + 1))
    totals = [sum(values[symbols.index(symbol)] for symbol in cluster.symbols) for cluster in clusters]
    assert totals == sorted(totals, reverse=True)
    for cluster, total in zip(clusters, totals, strict=True):
        pairs = [matrix[symbols.index(a), symbols.index(b)] for a in cluster.symbols for b in cluster.symbols if a < b]
        assert_allclose([cluster.avg_correlation, cluster.total_value], [np.mean(pairs), total], rtol=1e-12)


def block_matrix(*sizes: int, within: float = 0.9) -> np.ndarray:
    matrix = np.zeros((sum(sizes), sum(sizes)))
    start = 0
    for size in sizes:
        matrix[start : start + size, start : start + size] = within
        start += size
    np.fill_diagonal(matrix, 1.0)
    return matrix


def test_a_cluster_is_named_after_its_sector_or_its_largest_holding():
    sectors = dict.fromkeys("ABCDEFG", "Energy") | {"H": "Utilities", "I": "Utilities", "J": None, "K": "Energy"}
    names = list("ABCDEFGHIJ")  # seven of ten share a sector
    [cluster] = find_clusters(block_matrix(10), names, np.arange(10.0), sectors)
    assert cluster.nickname == "Energy"
    [cluster] = find_clusters(block_matrix(3), ["H", "A", "B"], [5.0, 9.0, 1.0], sectors)  # two of three
    assert cluster.nickname == "A"
    [cluster] = find_clusters(block_matrix(2), ["J", "X"], [1.0, 1.0], sectors)  # sectors unknown, equal values
    assert cluster.nickname == "J"


def test_clusters_are_numbered_by_value_and_leave_loners_out():
    matrix = block_matrix(2, 3, 1, 2)
    symbols = ["B", "C", "E", "F", "D", "Z", "A", "Y"]
    clusters = find_clusters(matrix, symbols, [1, 1, -50, -50, -50, 900, 1, 1])
    assert [cluster.symbols for cluster in clusters] == [("D", "E", "F"), ("A", "Y"), ("B", "C")]
    assert [cluster.total_value for cluster in clusters] == [150.0, 2.0, 2.0]


@pytest.mark.parametrize(("rho", "together"), [(0.7, True), (0.699, False)])
def test_a_distance_of_three_tenths_still_belongs_together(rho: float, together: bool):
    assert bool(find_clusters([[1.0, rho], [rho, 1.0]], ["A", "B"], [1.0, 1.0])) == together


@examples
@given(seeds)
def test_repair_gives_a_correlation_matrix(seed: int):
    random = np.random.default_rng(seed)
    matrix = random.uniform(-1, 1, (6, 6))
    matrix = np.triu(matrix, 1) + np.triu(matrix, 1).T + np.eye(6)
    repaired = repair_correlation(matrix)
    assert (repaired is not matrix) == (np.linalg.eigvalsh(matrix)[0] < -1e-10)
    assert np.linalg.eigvalsh(repaired)[0] > -1e-12
    assert_array_equal(np.diag(repaired), 1.0)
    assert_array_equal(repaired, repaired.T)
    assert np.abs(repaired).max() <= 1.0
    assert_array_equal(repair_correlation(repaired), repaired)


def test_a_fitting_matrix_is_left_alone_to_the_last_bit():
    matrix = np.corrcoef(np.random.default_rng(20).standard_normal((8, 50)))
    assert_array_equal(repair_correlation(matrix), matrix)


def test_repair_sets_negative_eigenvalues_to_zero():
    matrix = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    values, vectors = np.linalg.eigh(matrix)
    clipped = sum(max(value, 0.0) * np.outer(vector, vector) for value, vector in zip(values, vectors.T, strict=True))
    expected = clipped / np.sqrt(np.outer(np.diag(clipped), np.diag(clipped)))
    result = portfolio_correlations(correlations_of(matrix), ["A", "B", "C"], [1.0, 1.0, 1.0])
    assert_allclose(repair_correlation(matrix), expected, rtol=1e-12)
    assert_allclose(result.overall_correlation, expected[np.triu_indices(3, 1)].mean(), rtol=1e-12)


def test_below_two_symbols_there_is_nothing_to_correlate():
    for values in ([0.0, 0.0], [5.0, 0.0]):
        result = portfolio_correlations(correlations_of(block_matrix(2)), ["A", "B"], values)
        assert result.data_quality == Quality.INSUFFICIENT_HISTORY
        assert np.isnan([result.overall_correlation, result.concentration_score, result.effective_positions]).all()
        assert result.clusters == ()


def test_quality_of_a_portfolio_is_that_of_its_shortest_pair():
    matrix = block_matrix(3, within=0.5)
    observations = np.full((3, 3), 90)
    full = portfolio_correlations(PairwiseCorrelations(matrix, observations), ["A", "B", "C"], [1.0, 1.0, 1.0])
    assert full.data_quality == Quality.FULL_HISTORY
    observations[0, 1] = observations[1, 0] = 89
    limited = portfolio_correlations(PairwiseCorrelations(matrix, observations), ["A", "B", "C"], [1.0, 1.0, 1.0])
    assert limited.data_quality == Quality.LIMITED_HISTORY


def test_constant_symbols_are_excluded(synthetic: Panel):
    result = portfolio_correlations(
        correlation_matrix(synthetic.returns), synthetic.symbols, np.ones(len(synthetic.symbols))
    )
    assert {"HALTED", "STEADY", "NEVER", "S01", "S02", "S03"} <= set(result.excluded)
    assert {"SPY", "TWIN"} <= set(result.included)
    assert any({"SPY", "TWIN"} <= set(cluster.symbols) for cluster in result.clusters)


@examples
@given(seeds, st.randoms(use_true_random=False))
def test_the_order_of_symbols_does_not_matter(seed: int, shuffler):
    random = np.random.default_rng(seed)
    returns = 0.01 * (random.standard_normal((90, 1)) + 0.8 * random.standard_normal((90, 9)))
    returns[: random.integers(0, 70), 3] = np.nan
    symbols = [f"S{number}" for number in range(9)]
    values = random.normal(0, 100, 9)
    order = list(range(9))
    shuffler.shuffle(order)
    straight = portfolio_correlations(correlation_matrix(returns), symbols, values)
    shuffled = portfolio_correlations(correlation_matrix(returns[:, order]), [symbols[i] for i in order], values[order])
    assert shuffled.included == straight.included
    assert [c.symbols for c in shuffled.clusters] == [c.symbols for c in straight.clusters]
    assert_allclose(
        [shuffled.overall_correlation, shuffled.concentration_score, shuffled.effective_positions],
        [straight.overall_correlation, straight.concentration_score, straight.effective_positions],
        rtol=1e-10,
    )


@examples
@given(seeds)
def test_the_size_of_a_book_does_not_matter(seed: int):
    random = np.random.default_rng(seed)
    correlations = correlation_matrix(0.01 * random.standard_normal((90, 6)))
    values = random.normal(0, 100, 6)
    one = portfolio_correlations(correlations, list("ABCDEF"), values)
    ten = portfolio_correlations(correlations, list("ABCDEF"), -10 * values)
    assert_allclose(ten.overall_correlation, one.overall_correlation, rtol=1e-12)
    assert ten.effective_positions == one.effective_positions
