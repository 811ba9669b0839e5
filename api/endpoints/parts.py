"""The common parts of a portfolio's endpoints."""

from __future__ import annotations

from collections.abc import Mapping

from api import queries
from api.asking import Ask, Selection
from api.encode import Rows
from api.missing import Missing, missing_of, not_there
from api.tables import Table, own

KEYS = "portfolio_id calculation_date"

WEIGHT = own(
    "weight",
    "case when snapshots.equity_balance > 0 then round(held.market_value / snapshots.equity_balance, 18) end",
    "numeric",
    "Market value as a share of equity; null where equity is not positive",
)


def sections(parts: Mapping[str, str]) -> str:
    """An object in JSON, of JSON texts by name."""
    return "{" + ",".join(f'"{name}":{text}' for name, text in parts.items()) + "}"


def risk_missing(ask: Ask, rows: Rows, table: Table, what: str) -> Missing:
    """The missing numbers of a section of risk; without results on the session, the whole section."""
    if rows.values:
        return missing_of(rows, table, what)
    assert ask.portfolio  # noqa: S101
    reach = f", results reach to {ask.portfolio.risk_to}" if ask.portfolio.risk_to else ""
    return not_there(what, f"no risk has been computed for {ask.day}{reach}")


def models_of(ask: Ask) -> dict[str, list[str]]:
    """The requested models as a parameter of the query; empty where the request cannot choose any."""
    query = ask.query
    if isinstance(query, queries.Factors):
        return {"models": [query.model]}
    if isinstance(query, queries.Betas):
        return {"models": [query.model] if query.model else ["market", "interest_rate"]}
    return {}


def at_level(portfolio: Table, positions: Table, ask: Ask) -> Selection:
    """The table of the portfolio or of its positions, whichever was requested."""
    query = ask.query
    assert isinstance(query, queries.Models)  # noqa: S101
    return Selection(portfolio if query.level == "portfolio" else positions, {**ask.parameters, **models_of(ask)})
