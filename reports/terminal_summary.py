"""A portfolio in a few lines and short tables for a terminal: the first look in the morning."""

from __future__ import annotations

from typing import Any

from reports import words
from reports.view import RiskView

_POSITIONS_SHOWN = 5
_SCENARIOS_SHOWN = 3
_WITH_CENTS = 0.0


def headline(view: RiskView) -> list[str]:
    """A portfolio's money and risk in a few lines."""
    snapshot, risk = view.snapshot, view.risk
    changes = {
        "day": _change(snapshot.daily_pnl, snapshot.daily_return),
        "month": _change(snapshot.mtd_pnl, snapshot.mtd_return),
        "year": _change(snapshot.ytd_pnl, snapshot.ytd_return),
    }
    beta = next((exposure.exposure_value for exposure in view.exposures_of("market")), None)
    expected, realized = (risk.expected_vol_21d, risk.realized_vol_21d) if risk else (None, None)
    risks = {
        "beta": words.number(beta),
        "volatility": f"{words.percent(expected)} expected, {words.percent(realized)} in the last month",
        "one day of twenty loses": _money(risk.value_at_risk if risk else None),
    }
    lines = {
        "equity": f"{_money(snapshot.equity_balance)}, of it cash {_money(snapshot.cash_value)}",
        "P&L": " · ".join(f"{period} {change}" for period, change in changes.items()),
        "risk": " · ".join(f"{name} {value}" for name, value in risks.items()),
    }
    if risk and risk.reason:
        lines["but"] = risk.reason
    return [f"  {name:<8}{line}" for name, line in lines.items()]


def top_positions(view: RiskView) -> list[dict[str, Any]]:
    """The largest positions by |market value|, lots of one symbol together, as records of a table."""
    return [
        {
            "largest position": holding.symbol,
            "market value": _money(holding.market_value),
            "of equity": words.percent(view.weight(holding.market_value)),
            "unrealized P&L": _money(holding.unrealized_pnl, "+"),
        }
        for holding in view.holdings[:_POSITIONS_SHOWN]
    ]


def worst_scenarios(view: RiskView) -> list[dict[str, Any]]:
    """The stress scenarios in which the portfolio loses most, as records of a table."""
    return [
        {
            "worst scenario": scenario.name,
            "P&L": _money(scenario.pnl, "+"),
            "of equity": words.percent(view.weight(scenario.pnl), "+"),
        }
        for scenario in view.ranked_scenarios()[:_SCENARIOS_SHOWN]
    ]


def sector_weights(view: RiskView) -> list[dict[str, Any]]:
    """The sector weights beside the benchmark's, the largest first, as records of a table."""
    return [
        {
            "sector": sector.sector,
            "of equity": words.percent(sector.weight),
            "benchmark": words.percent(sector.benchmark_weight),
            "difference": words.percent(sector.active_weight, "+"),
        }
        for sector in view.sectors
    ]


def _money(amount: float | None, sign: str = "") -> str:
    return words.money(amount, _WITH_CENTS, sign)


def _change(pnl: float, earned: float | None) -> str:
    return _money(pnl, "+") + (f" ({words.percent(earned, '+', 2)})" if earned is not None else "")
