"""Correlations of symbols, and their summary for one portfolio: average, concentration, clusters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from python_models.statistics.conventions import (
    Booleans,
    Floats,
    Integers,
    Objects,
    Quality,
    as_columns,
    divide,
    is_constant,
)
from python_models.statistics.regression import t_test_p_value

CORRELATION_WINDOW = 90
CORRELATION_MINIMUM = 30
NEGATIVE_EIGENVALUE = -1e-10
CLUSTER_DISTANCE = 0.3 + 1e-12  # a correlation of 0.7 belongs in, and 1 − 0.7 is a last digit above 0.3
NICKNAME_SHARE = 0.7

_BLOCK = 1024


@dataclass(frozen=True)
class PairwiseCorrelations:
    """Pairwise-complete correlations of a panel's symbols, as measured (not repaired).

    `correlation` (n_symbols, n_symbols), NaN where a pair has fewer than the minimum of common returns or one of
    the two is constant on them, and on the diagonal of symbols that have no correlation with anything;
    `observations` the common returns of each pair, on the diagonal each symbol's own.
    """

    correlation: Floats
    observations: Integers


@dataclass(frozen=True)
class Cluster:
    """Symbols of one portfolio that move together.

    `number` counts from 1, the largest `total_value` (Σ|net value|, dollars) first; `avg_correlation` is the plain
    mean over the cluster's pairs; `symbols` are sorted.
    """

    number: int
    symbols: tuple[str, ...]
    nickname: str
    avg_correlation: float
    total_value: float


@dataclass(frozen=True)
class PortfolioCorrelations:
    """The summary of one portfolio's correlations on one date; NaN and no clusters below two symbols.

    `included` are the sorted symbols that the numbers rest on and `excluded` those with too little common history;
    `overall_correlation` in [−1, 1], `concentration_score` in (0, 1], `effective_positions` in [1, n]. `data_quality`:
    `full_history` where every pair has the whole window, `limited_history` otherwise, `insufficient_history` below two
    symbols.
    """

    included: tuple[str, ...]
    excluded: tuple[str, ...]
    overall_correlation: float
    concentration_score: float
    effective_positions: float
    clusters: tuple[Cluster, ...]
    data_quality: Quality


def correlation_matrix(
    returns: ArrayLike, *, window: int = CORRELATION_WINDOW, minimum: int = CORRELATION_MINIMUM
) -> PairwiseCorrelations:
    """Pearson correlation of every pair of symbols (Pearson 1895), each on the sessions that both have.

    ρ_ij = Σ(r_i − r̄_i)(r_j − r̄_j) / √(Σ(r_i − r̄_i)²·Σ(r_j − r̄_j)²), means taken over the common sessions.

    Args:
        returns: daily returns (n_sessions, n_symbols) up to the date.
        window: sessions looked at.
        minimum: common returns below which a pair has no correlation, at least 3.

    NaN policy: pairwise complete, as `pandas.DataFrame.corr(min_periods=minimum)`.
    """
    if minimum < 3:
        raise ValueError(f"a correlation needs at least 3 observations, not {minimum}")
    returns = as_columns(returns, window)
    n_symbols = returns.shape[1]
    present = np.isfinite(returns)
    own_mean = divide(np.where(present, returns, 0.0).sum(axis=0), present.sum(axis=0))
    # Centred on each symbol's own mean, so that what is left to correct for a pair's own sessions is small.
    centred = np.where(present, returns - own_mean, 0.0)
    squares = centred * centred
    weight = present.astype(np.float64)

    correlation = np.empty((n_symbols, n_symbols))
    observations = np.empty((n_symbols, n_symbols), dtype=np.int64)
    for start in range(0, n_symbols, _BLOCK):
        block = slice(start, start + _BLOCK)
        n = weight[:, block].T @ weight
        per_pair = np.maximum(n, 1.0)
        sum_i = centred[:, block].T @ weight
        sum_j = weight[:, block].T @ centred
        about_zero_i = squares[:, block].T @ weight
        about_zero_j = weight[:, block].T @ squares
        squares_i = about_zero_i - sum_i * sum_i / per_pair
        squares_j = about_zero_j - sum_j * sum_j / per_pair
        rho = divide(centred[:, block].T @ centred - sum_i * sum_j / per_pair, np.sqrt(np.abs(squares_i * squares_j)))
        # Where most digits went in the subtraction (a symbol that hardly moves on the common sessions), ask again
        # directly.
        enough = n >= minimum
        doubtful = enough & ((squares_i < 1e-6 * about_zero_i) | (squares_j < 1e-6 * about_zero_j))
        still = is_constant(squares_i, n) | is_constant(squares_j, n)
        rho[~enough | still] = np.nan
        first, second = np.nonzero(doubtful)
        rho[first, second] = _direct_correlations(returns[:, first + start], returns[:, second])
        correlation[block] = np.clip(rho, -1.0, 1.0)
        observations[block] = np.rint(n)
    correlation = (correlation + correlation.T) / 2.0
    own_squares = squares.sum(axis=0)
    own = np.diag(observations)
    moves = (own >= minimum) & ~is_constant(own_squares, own, own_mean)
    correlation[~moves] = np.nan
    correlation[:, ~moves] = np.nan
    np.fill_diagonal(correlation, np.where(moves, 1.0, np.nan))
    return PairwiseCorrelations(correlation, observations)


def correlation_p_values(correlation: ArrayLike, observations: ArrayLike) -> Floats:
    """Two-sided p-value of correlations under no correlation: t = ρ·√((n − 2) / (1 − ρ²)), n − 2 degrees of freedom.

    (Fisher 1915.) Meant for the pairs that portfolios hold: any shape, elementwise. A perfect correlation has 0;
    NaN stays NaN.
    """
    correlation = np.asarray(correlation, float)
    freedom = np.asarray(observations, float) - 2.0
    with np.errstate(divide="ignore", invalid="ignore"):
        t = correlation * np.sqrt(freedom / ((1.0 - correlation) * (1.0 + correlation)))
    return t_test_p_value(t, freedom)


def repair_correlation(correlation: ArrayLike) -> Floats:
    """Make a correlation matrix positive semi-definite where it is not.

    Pairwise samples need not fit together. Where the smallest eigenvalue is below −1e-10, negative eigenvalues are
    set to zero and rows and columns rescaled to a unit diagonal (Rebonato and Jäckel 1999). Shape (n, n), without
    NaN.
    """
    correlation = np.asarray(correlation, float)
    if len(correlation) == 0 or np.linalg.eigvalsh(correlation)[0] >= NEGATIVE_EIGENVALUE:
        return correlation
    eigenvalues, vectors = np.linalg.eigh(correlation)
    clipped = (vectors * np.maximum(eigenvalues, 0.0)) @ vectors.T
    scale = np.sqrt(np.diag(clipped))
    repaired = clipped / (scale[:, None] * scale[None, :])
    repaired = np.clip((repaired + repaired.T) / 2.0, -1.0, 1.0)
    np.fill_diagonal(repaired, 1.0)
    return repaired


def portfolio_correlations(
    correlations: PairwiseCorrelations,
    symbols: Sequence[str],
    net_values: ArrayLike,
    sectors: Mapping[str, str | None] | None = None,
    *,
    window: int = CORRELATION_WINDOW,
    minimum: int = CORRELATION_MINIMUM,
) -> PortfolioCorrelations:
    """Summarise the correlations among one portfolio's holdings.

    A symbol with fewer than `minimum` returns, or constant ones, is excluded; then, while some pair has no
    correlation, the symbol with most such pairs goes (of equals the one of smaller |value|, then the first by
    name). The matrix of those that stay is repaired. With w = |net value|:

    - overall: Σ w_i w_j ρ_ij / Σ w_i w_j over i < j;
    - concentration score: largest eigenvalue / n;
    - effective positions: n² / Σλ² (λ the eigenvalues; Σλ² = Σ_ij ρ_ij²);
    - clusters: `find_clusters`.

    Args:
        correlations: of the symbols given, in their order.
        symbols: the portfolio's symbols, options already counted in their underlyings.
        net_values: net dollars of each symbol (n_symbols,); one that nets to zero is no holding and plays no part.
        sectors: symbol to sector, for the clusters' nicknames.
        window: the window of `correlations`.
        minimum: the minimum of `correlations`.
    """
    names = np.asarray(symbols, dtype=object)
    weights = np.abs(np.asarray(net_values, float))
    held = np.flatnonzero(weights > 0)
    held = held[np.argsort(names[held])]
    usable = _usable(correlations, held, weights, minimum)
    kept = held[usable]
    included = tuple(names[kept])
    excluded = tuple(names[held[~usable]])
    if len(kept) < 2:
        nothing = float("nan")
        return PortfolioCorrelations(included, excluded, nothing, nothing, nothing, (), Quality.INSUFFICIENT_HISTORY)

    matrix = repair_correlation(correlations.correlation[np.ix_(kept, kept)])
    weights = weights[kept]
    others = matrix - np.eye(len(kept))
    together = np.ones_like(matrix) - np.eye(len(kept))
    complete = (correlations.observations[np.ix_(kept, kept)] >= window).all()
    return PortfolioCorrelations(
        included=included,
        excluded=excluded,
        overall_correlation=float(weights @ others @ weights / (weights @ together @ weights)),
        concentration_score=float(np.linalg.eigvalsh(matrix)[-1] / len(kept)),
        effective_positions=float(len(kept) ** 2 / (matrix * matrix).sum()),
        clusters=find_clusters(matrix, included, weights, sectors),
        data_quality=Quality.FULL_HISTORY if complete else Quality.LIMITED_HISTORY,
    )


def find_clusters(
    correlation: ArrayLike,
    symbols: Sequence[str],
    values: ArrayLike,
    sectors: Mapping[str, str | None] | None = None,
) -> tuple[Cluster, ...]:
    """Group symbols by average linkage on the distance 1 − ρ (Sokal and Michener 1958), cut at 0.3, two or more.

    The nickname is the sector that at least 70 % of the members share, else the member of largest value. Numbered
    by value, largest first (of equals the one whose first symbol comes first).

    Args:
        correlation: (n_symbols, n_symbols) without NaN.
        symbols: names; they are sorted first, so that their order does not decide ties.
        values: |net value| of each symbol, dollars (n_symbols,).
        sectors: symbol to sector; missing or None means unknown.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    names = np.asarray(symbols, dtype=object)
    if len(names) < 2:
        return ()
    order = np.argsort(names)
    names = names[order]
    values = np.abs(np.asarray(values, float))[order]
    correlation = np.asarray(correlation, float)[np.ix_(order, order)]
    distance = np.maximum(1.0 - correlation, 0.0)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), method="average")

    groups = _cut(tree, CLUSTER_DISTANCE)
    groups.sort(key=lambda members: (-values[members].sum(), names[members[0]]))
    return tuple(
        Cluster(
            number=number,
            symbols=tuple(names[members]),
            nickname=_nickname(names[members], values[members], sectors or {}),
            avg_correlation=_mean_off_diagonal(correlation[np.ix_(members, members)]),
            total_value=float(values[members].sum()),
        )
        for number, members in enumerate(groups, start=1)
    )


def _cut(tree: Floats, distance: float) -> list[list[int]]:
    """The members, ascending, of each group of two or more that a linkage makes up to a distance."""
    groups: list[list[int]] = [[leaf] for leaf in range(len(tree) + 1)]
    for one, other, height, _ in tree.tolist():
        if height > distance:  # they ascend
            break
        groups.append(sorted(groups[int(one)] + groups[int(other)]))
        groups[int(one)] = groups[int(other)] = []
    return [group for group in groups if len(group) > 1]


def _usable(correlations: PairwiseCorrelations, held: Integers, weights: Floats, minimum: int) -> Booleans:
    """Return which of `held` (sorted by name) stay, so that every remaining pair has a correlation."""
    correlation = correlations.correlation[np.ix_(held, held)]
    keep = np.isfinite(np.diag(correlation)) & (np.diag(correlations.observations)[held] >= minimum)
    missing = np.isnan(correlation)
    while True:
        pairs = np.where(keep, (missing & keep).sum(axis=1), 0)
        worst = np.flatnonzero(keep & (pairs == pairs.max(initial=0)))
        if len(worst) == 0 or pairs[worst[0]] == 0:
            return keep
        # `held` is sorted by name and argmin takes the first of equals
        keep[worst[np.argmin(weights[held[worst]])]] = False


def _direct_correlations(first: Floats, second: Floats) -> Floats:
    """Correlation of each column of `first` with the same column of `second`, in two passes over their common rows."""
    both = np.isfinite(first) & np.isfinite(second)
    n = both.sum(axis=0)

    def centred(values: Floats) -> tuple[Floats, Booleans]:
        mean = divide(np.where(both, values, 0.0).sum(axis=0), n)
        around = np.where(both, values - mean, 0.0)
        return around, is_constant((around * around).sum(axis=0), n, mean)

    x, still_x = centred(first)
    y, still_y = centred(second)
    scale = np.sqrt((x * x).sum(axis=0) * (y * y).sum(axis=0))
    return divide((x * y).sum(axis=0), np.where(still_x | still_y, np.nan, scale))


def _mean_off_diagonal(correlation: Floats) -> float:
    n = len(correlation)
    return float((correlation.sum() - np.trace(correlation)) / (n * (n - 1)))


def _nickname(names: Objects, values: Floats, sectors: Mapping[str, str | None]) -> str:
    known = [sectors.get(name) for name in names]
    for sector in sorted({sector for sector in known if sector}):
        if known.count(sector) >= NICKNAME_SHARE * len(names):
            return sector
    return str(names[np.argmax(values)])
