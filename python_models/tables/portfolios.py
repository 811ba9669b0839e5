"""The rows of all portfolios on one session."""

import json
from collections.abc import Sequence

import numpy as np

from python_models.books import Books
from python_models.statistics.betas import benchmark_betas
from python_models.statistics.conventions import Floats, as_columns, divide
from python_models.statistics.correlations import CORRELATION_WINDOW, PortfolioCorrelations, portfolio_correlations
from python_models.statistics.factors import INTEREST_RATE, MARKET
from python_models.statistics.portfolio_risk import (
    book_history,
    drawdowns,
    ex_ante_risk,
    portfolio_exposures,
    scale_to_volatility,
    tail_risk,
)
from python_models.statistics.stress import FactorShocks, stress_test
from python_models.statistics.symbols import SymbolStatistics
from python_models.statistics.volatility import volatility
from python_models.tables.symbols import volatility_columns
from python_models.write import Block
from warehouse.binary_copy import JsonText


def portfolio_blocks(books: Books, statistics: SymbolStatistics, shocks: FactorShocks) -> list[Block]:
    """The rows of all portfolio tables."""
    return [
        *_exposure_blocks(books, statistics),
        *_risk_blocks(books, statistics),
        *_correlation_blocks(books, statistics),
        _stress_block(books, statistics, shocks),
    ]


def _exposure_blocks(books: Books, statistics: SymbolStatistics) -> list[Block]:
    models = {
        "market": ((MARKET,), as_columns(statistics.market.beta)),
        "interest_rate": ((INTEREST_RATE,), as_columns(statistics.interest_rate.beta)),
        "ridge": (statistics.factors.names, statistics.ridge.beta),
    }
    if statistics.spreads:
        spread_betas = np.column_stack([fit.beta for fit in statistics.spreads.values()])
        models["spread"] = (tuple(statistics.spreads), spread_betas)
    blocks = []
    for model, (factors, betas) in models.items():
        exposures = portfolio_exposures(books.holdings, betas)
        n_portfolios, n_factors = exposures.value.shape
        blocks.append(
            Block(
                "portfolio_factor_exposures",
                {
                    "calculation_date": books.day,
                    "portfolio_id": np.repeat(books.ids, n_factors),
                    "model": model,
                    "factor": np.tile([factor.encode() for factor in factors], n_portfolios),
                    "exposure_value": exposures.value.ravel(),
                    "exposure_dollar": exposures.dollar.ravel(),
                    "positions_covered": exposures.covered.ravel(),
                    "positions_without": exposures.without.ravel(),
                    "reason": _reasons(exposures.reason.ravel()),
                },
            )
        )
    return blocks


def _risk_blocks(books: Books, statistics: SymbolStatistics) -> list[Block]:
    holdings = books.holdings
    risk = ex_ante_risk(
        holdings, statistics.ridge.beta, statistics.ridge.residual_variance, statistics.risk_covariance.matrix
    )
    history = book_history(holdings, statistics.filled, statistics.has_beta, books.options)
    tail, scaled = tail_risk(history.revalued), tail_risk(scale_to_volatility(history.revalued))
    equity = np.where(holdings.has_equity, holdings.equity, np.nan)
    own_beta = benchmark_betas(books.daily_returns, books.benchmark)
    metrics = Block(
        "portfolio_risk_metrics",
        {
            "calculation_date": books.day,
            "portfolio_id": books.ids,
            **volatility_columns(volatility(divide(history.linear, equity))),
            "factor_variance": risk.factor_variance,
            "specific_variance": risk.specific_variance,
            "ex_ante_vol": risk.ex_ante_vol,
            "var_95_1d": tail.var,
            "es_95_1d": tail.es,
            "scaled_var_95_1d": scaled.var,
            "scaled_es_95_1d": scaled.es,
            "max_drawdown": drawdowns(books.daily_returns)[-1],
            "beta_portfolio_regression": own_beta.raw_beta,
            "positions_without": risk.positions_without,
            "reason": _reasons(risk.reason, tail.reason, scaled.reason),
        },
    )
    contributions = Block(
        "position_risk_contributions",
        {
            "calculation_date": books.day,
            "portfolio_id": books.ids[books.holdings.portfolio],
            "position_id": [position.position_id for position in books.positions],
            "exposure": books.holdings.value,
            "marginal_vol": risk.marginal_vol,
            "contribution_vol": risk.contribution_vol,
            "contribution_share": risk.contribution_share,
        },
    )
    return [metrics, contributions]


def _correlation_blocks(books: Books, statistics: SymbolStatistics) -> list[Block]:
    net = books.holdings.net_values().toarray()
    symbols = np.array(statistics.symbols, dtype=object)
    sectors: list[dict[str, str | None]] = [{} for _ in books.portfolios]
    for position, place in zip(books.positions, books.holdings.portfolio, strict=True):
        if position.symbol is not None:
            sectors[place].setdefault(position.symbol, position.sector)
    summaries = [
        portfolio_correlations(statistics.correlations, symbols, *of_portfolio)
        for of_portfolio in zip(net, sectors, strict=True)
    ]
    blocks = [
        Block(
            "correlation_calculations",
            {
                "calculation_date": books.day,
                "portfolio_id": books.ids,
                "window_days": CORRELATION_WINDOW,
                "overall_correlation": [summary.overall_correlation for summary in summaries],
                "correlation_concentration_score": [summary.concentration_score for summary in summaries],
                "effective_positions": [summary.effective_positions for summary in summaries],
                "positions_included": [len(summary.included) for summary in summaries],
                "positions_excluded": [len(summary.excluded) for summary in summaries],
                "data_quality": [str(summary.data_quality) for summary in summaries],
            },
        )
    ]
    return [*blocks, *_cluster_blocks(books, summaries)]


def _cluster_blocks(books: Books, summaries: Sequence[PortfolioCorrelations]) -> list[Block]:
    equity = books.holdings.equity
    clusters = [(place, cluster) for place, summary in enumerate(summaries) for cluster in summary.clusters]
    members = [(place, cluster.number, symbol) for place, cluster in clusters for symbol in cluster.symbols]
    return [
        Block(
            "correlation_clusters",
            {
                "calculation_date": books.day,
                "portfolio_id": books.ids[[place for place, _ in clusters]],
                "cluster_number": [cluster.number for _, cluster in clusters],
                "nickname": [cluster.nickname for _, cluster in clusters],
                "avg_correlation": [cluster.avg_correlation for _, cluster in clusters],
                "total_value": [cluster.total_value for _, cluster in clusters],
                "weight": [
                    cluster.total_value / equity[place] if equity[place] > 0 else None for place, cluster in clusters
                ],
            },
        ),
        Block(
            "correlation_cluster_positions",
            {
                "calculation_date": books.day,
                "portfolio_id": books.ids[[place for place, _, _ in members]],
                "cluster_number": [number for _, number, _ in members],
                "symbol": [symbol for _, _, symbol in members],
            },
        ),
    ]


def _stress_block(books: Books, statistics: SymbolStatistics, shocks: FactorShocks) -> Block:
    results = stress_test(books.holdings, statistics.ridge.beta, shocks, books.options)
    shape = results.direct_pnl.shape
    portfolio, scenario = (places.ravel() for places in np.indices(shape))
    return Block(
        "stress_test_results",
        {
            "calculation_date": books.day,
            "portfolio_id": books.ids[portfolio],
            "scenario_id": np.array([each.encode() for each in shocks.scenario_ids])[scenario],
            "direct_pnl": results.direct_pnl.ravel(),
            "correlated_pnl": results.correlated_pnl.ravel(),
            "correlation_effect": results.correlation_effect.ravel(),
            "stressed_equity": results.stressed_equity.ravel(),
            "factor_impacts": _impacts(
                shocks.factors,
                np.dstack([results.factor_impacts, results.nonlinear]).reshape(portfolio.size, -1),
            ),
            "positions_excluded": results.positions_excluded[portfolio],
            "reason": _reasons(results.reason.ravel()),
        },
    )


def _impacts(factors: Sequence[str], impacts: Floats) -> list[JsonText | None]:
    """The dollars of each row by factor, and the nonlinear rest; None where there is no P&L to divide."""
    fields = (f"{json.dumps(name).replace('%', '%%')}: %r" for name in (*factors, "nonlinear"))
    document = f"{{{', '.join(fields)}}}"
    return [
        JsonText(document % tuple(row)) if known else None
        for row, known in zip(impacts.tolist(), np.isfinite(impacts).all(axis=1), strict=True)
    ]


def _reasons(*several: np.ndarray) -> list[str | None]:
    """The reasons of each row in one text, each once; None where there is none."""
    return ["; ".join(dict.fromkeys(filter(None, reasons))) or None for reasons in zip(*several, strict=True)]
