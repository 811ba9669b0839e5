"""The rows of `risk_backtest`."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np

from python_models.statistics.backtest import BACKTEST_MINIMUM, BACKTEST_WINDOW, tail_backtest, volatility_backtest
from python_models.statistics.conventions import Booleans, Floats, Integers

TOO_FEW_FORECASTS = f"fewer than {BACKTEST_MINIMUM} sessions with a forecast of the session before"


@dataclass(frozen=True)
class Outcomes:
    """Outcomes and forecasts of portfolios, arrays (n_sessions, n_portfolios).

    `returns` and `pnl` belong to the session itself, forecasts to the session after it: daily volatility as a decimal,
    VaR in dollars. `is_computed` says where there are risk results.
    """

    returns: Floats
    pnl: Floats
    is_computed: Booleans
    volatility: Floats
    var: Floats
    scaled_var: Floats

    def up_to(self, session: int, portfolios: Integers) -> "Outcomes":
        """Some portfolios' year up to a session, each outcome beside the forecast that was made for it."""
        after = slice(max(session - BACKTEST_WINDOW + 1, 1), session + 1)
        before = slice(after.start - 1, session)
        spans = {"returns": after, "pnl": after}
        parts = {each.name: spans.get(each.name, before) for each in fields(self)}
        return Outcomes(**{name: getattr(self, name)[rows][:, portfolios] for name, rows in parts.items()})


def backtest_columns(day: date, portfolios: Sequence[UUID], outcomes: Outcomes) -> dict[str, Any]:
    """The rows of one session; `outcomes` as `Outcomes.up_to` gives them."""
    volatility = volatility_backtest(outcomes.returns, outcomes.volatility)
    plain, scaled = (tail_backtest(outcomes.pnl, var) for var in (outcomes.var, outcomes.scaled_var))
    counts = [volatility.observations, plain.observations, scaled.observations]
    return {
        "calculation_date": day,
        "portfolio_id": list(portfolios),
        "observations": np.maximum.reduce(counts),
        "bias_statistic": volatility.bias_statistic,
        "qlike": volatility.qlike,
        "var_breaches": _counts(plain.breaches, plain.observations),
        "kupiec_p_value": plain.kupiec_p_value,
        "christoffersen_p_value": plain.christoffersen_p_value,
        "scaled_var_breaches": _counts(scaled.breaches, scaled.observations),
        "scaled_kupiec_p_value": scaled.kupiec_p_value,
        "scaled_christoffersen_p_value": scaled.christoffersen_p_value,
        "reason": [None if least >= BACKTEST_MINIMUM else TOO_FEW_FORECASTS for least in np.minimum.reduce(counts)],
    }


def _counts(breaches: np.ndarray, observations: np.ndarray) -> list[int | None]:
    return [
        int(count) if enough else None for count, enough in zip(breaches, observations >= BACKTEST_MINIMUM, strict=True)
    ]
