"""The content of a page about one portfolio on one session: plain values, as stored.

Amounts are dollars. Returns, weights and volatilities are decimals (0.01 is one percent), volatilities annual. Losses
are negative, but values at risk and expected shortfalls are positive losses. None means unknown.
"""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, cast
from uuid import UUID

from reports.drawdowns import falls
from reports.history import History
from reports.performance import Performance, calendar


@dataclass(frozen=True)
class Snapshot:
    """The portfolio's balance at the session's close; columns of `portfolio_snapshots`."""

    snapshot_date: date
    equity_balance: float
    cash_value: float
    long_value: float
    short_value: float
    gross_exposure: float
    net_exposure: float
    daily_pnl: float
    daily_return: float | None
    mtd_pnl: float
    mtd_return: float | None
    ytd_pnl: float
    ytd_return: float | None
    cumulative_pnl: float
    cumulative_return: float | None
    cumulative_capital_flow: float
    num_positions: int
    num_long_positions: int
    num_short_positions: int
    num_stale_positions: int
    effective_num_positions: float | None
    top_10_concentration: float | None


@dataclass(frozen=True)
class Session:
    """One session of the history; `drawdown` is the fall from the peak since inception, without the effect of flows."""

    session_date: date
    equity_balance: float
    daily_pnl: float
    daily_return: float | None
    daily_capital_flow: float
    drawdown: float | None


@dataclass(frozen=True)
class Exposure:
    """A row of `portfolio_factor_exposures`."""

    model: str
    factor: str
    exposure_value: float | None
    exposure_dollar: float | None
    positions_covered: int
    positions_without: int
    reason: str | None


@dataclass(frozen=True)
class Risk:
    """A row of `portfolio_risk_metrics`."""

    realized_vol_21d: float | None
    realized_vol_63d: float | None
    expected_vol_21d: float | None
    vol_trend: str | None
    vol_percentile: float | None
    observations: int
    quality_flag: str
    factor_variance: float | None
    specific_variance: float | None
    ex_ante_vol: float | None
    var_95_1d: float | None
    es_95_1d: float | None
    scaled_var_95_1d: float | None
    scaled_es_95_1d: float | None
    max_drawdown: float | None
    beta_portfolio_regression: float | None
    positions_without: int
    reason: str | None

    @property
    def value_at_risk(self) -> float | None:
        """The value at risk to watch: scaled to today's volatility, or the plain one where that is not known."""
        return self.var_95_1d if self.scaled_var_95_1d is None else self.scaled_var_95_1d

    @property
    def expected_shortfall(self) -> float | None:
        """The method of `value_at_risk`."""
        return self.es_95_1d if self.scaled_var_95_1d is None else self.scaled_es_95_1d


@dataclass(frozen=True)
class Backtest:
    """A row of `risk_backtest`: the forecasts of the last year against the outcomes."""

    observations: int
    bias_statistic: float | None
    scaled_var_breaches: int | None
    scaled_kupiec_p_value: float | None
    scaled_christoffersen_p_value: float | None

    @property
    def share_right(self) -> float | None:
        """The share of days that lost no more than the value at risk of the night before; 0.95 is expected."""
        if self.scaled_var_breaches is None:
            return None
        return 1 - self.scaled_var_breaches / self.observations


@dataclass(frozen=True)
class Holding:
    """All lots of one symbol; an option has a symbol of its own.

    Statistics belong to `market_symbol`, which is the underlying of an option. A fund that `is_looked_through` has the
    sectors of its holdings and none of its own. `quantity` and `cost_basis` are negative for a short position.
    Contributions are parts of `ex_ante_vol`; `quality_flag` describes the factor betas. `what_happened` tells of
    renamings, mergers and the like; `earlier_names` are the symbols under which its lots were entered.
    """

    symbol: str
    market_symbol: str
    investment_class: str
    sector: str | None
    is_looked_through: bool
    lots: int
    quantity: float
    price: float
    cost_basis: float
    market_value: float
    unrealized_pnl: float
    daily_pnl: float
    is_stale: bool
    price_date: date | None
    contribution_vol: float | None
    contribution_share: float | None
    quality_flag: str | None
    what_happened: str | None
    earlier_names: str | None

    @property
    def unrealized_return(self) -> float | None:
        """The unrealized P&L as a share of the cost; None where there is none."""
        return self.unrealized_pnl / abs(self.cost_basis) if self.cost_basis else None


@dataclass(frozen=True)
class ScenarioResult:
    """A row of `stress_test_results` with the scenario's name."""

    scenario_id: str
    name: str
    category: str
    description: str | None
    direct_pnl: float | None
    correlated_pnl: float | None
    positions_excluded: int
    reason: str | None

    @property
    def pnl(self) -> float | None:
        """The P&L to rank by: the correlated one, or the direct one where there is none."""
        return self.direct_pnl if self.correlated_pnl is None else self.correlated_pnl


@dataclass(frozen=True)
class Sector:
    """A row of `portfolio_sector_exposures`."""

    sector: str
    market_value: float
    weight: float | None
    benchmark_weight: float
    active_weight: float | None
    num_positions: int
    through_funds: float


@dataclass(frozen=True)
class CorrelationSummary:
    """A row of `correlation_calculations`."""

    window_days: int
    overall_correlation: float | None
    correlation_concentration_score: float | None
    effective_positions: float | None
    positions_included: int
    positions_excluded: int
    data_quality: str


@dataclass(frozen=True)
class HoldingCluster:
    """A group of holdings that move together, and its symbols."""

    cluster_number: int
    nickname: str
    avg_correlation: float | None
    total_value: float
    weight: float | None
    symbols: list[str]


@dataclass(frozen=True)
class Pair:
    """The correlation of two symbols of the book."""

    symbol_1: str
    symbol_2: str
    correlation: float


@dataclass(frozen=True)
class RiskView:
    """Everything on the page.

    `history` has all sessions, oldest first. `performance` covers all time, where it was asked for. `holdings` are the
    largest first, `scenarios` the worst first, `exposures` by model in the order of `reading.FACTORS`; `pairs` are
    those of the largest symbols only. `risk_from` and `risk_to` span the sessions with risk results of this portfolio,
    and `rolled_to` is the last with P&L. `stale_because` names the inputs that changed since the risk was computed.
    `demo` is set where the page comes from the demo's database.
    """

    portfolio_id: UUID
    name: str
    snapshot: Snapshot
    history: History
    exposures: list[Exposure]
    risk: Risk | None
    backtest: Backtest | None
    holdings: list[Holding]
    scenarios: list[ScenarioResult]
    sectors: list[Sector]
    correlations: CorrelationSummary | None
    clusters: list[HoldingCluster]
    pairs: list[Pair]
    risk_from: date | None
    risk_to: date | None
    rolled_to: date
    stale_because: str | None = None
    weights_of: date | None = None
    performance: Performance | None = None
    benchmark: str = "SPY"
    demo: bool = False

    @property
    def day(self) -> date:
        """The session."""
        return self.snapshot.snapshot_date

    @property
    def sessions(self) -> list[Session]:
        """The sessions of the history, one by one."""
        of = self.history
        return [Session(*row) for row in zip(of.days, of.equity, of.pnl, of.returns, of.flow, of.drawdown, strict=True)]

    def weight(self, amount: float | None) -> float | None:
        """An amount as a share of equity; None where there is none, or equity is not positive."""
        equity = self.snapshot.equity_balance
        return amount / equity if amount is not None and equity > 0 else None

    def exposures_of(self, model: str) -> list[Exposure]:
        """The exposures by one model."""
        return [exposure for exposure in self.exposures if exposure.model == model]

    def contributors(self) -> list[Holding]:
        """The holdings that the factor model covers, those that add most to volatility first."""
        known = [holding for holding in self.holdings if holding.contribution_vol is not None]
        return sorted(known, key=lambda holding: (-(holding.contribution_vol or 0.0), holding.symbol))

    def ranked_scenarios(self) -> list[ScenarioResult]:
        """The scenarios with a P&L, the worst first; none where nothing is held that could be shocked."""
        return [scenario for scenario in self.scenarios if scenario.pnl is not None] if self.holdings else []

    @property
    def analytics_command(self) -> str:
        """The command that computes the risk results of this session."""
        words = ["python", "run_nightly.py", "analytics", "--date", self.day.isoformat(), "--portfolio", self.name]
        return shlex.join(words)

    def as_json(self, notes: list[str]) -> dict[str, Any]:
        """The page's data as plain JSON values, with the notes on missing numbers."""
        plain = _plain(asdict(self))
        own, other = self.history.own_growth(), self.history.benchmark_growth()
        plain["sessions"] = _plain([asdict(session) for session in self.sessions])
        plain["index"] = [
            {
                "session_date": day.isoformat(),
                "portfolio": 100 * (1 + grown),
                "benchmark": None if against is None else 100 * (1 + against),
            }
            for day, grown, against in zip(self.history.days, own, other, strict=True)
        ]
        plain["calendar"] = _plain([asdict(year) for year in calendar(self.history)])
        plain["drawdowns"] = _plain([asdict(fall) for fall in falls(self.history)])
        return {**plain, "notes": notes}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_plain(each) for each in cast("list[Any]", value)]
    return str(value) if isinstance(value, date | UUID) else value
