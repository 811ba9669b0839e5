"""Every lot of a portfolio on one session, and the same lots by symbol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.numeric import FloatLoader

from warehouse.market_symbol import market_symbol

# The P&L of the period and the total P&L are sums over the lot's sessions, whatever became of the lot.
_LOTS = f"""
    with earned as (
        select
            portfolio_id,
            position_id,
            sum(daily_pnl) as total_pnl,
            sum(daily_pnl) filter (where value_date >= %(first)s) as period_pnl,
            sum(dividend_income) as dividends,
            max(value_date) as last_day
        from analytics.position_values
        where portfolio_id = %(portfolio_id)s and value_date <= %(day)s
        group by portfolio_id, position_id
    )

    select
        positions.position_id::text as lot,
        coalesce(held.symbol, positions.symbol) as symbol,
        companies.name as company,
        tags.name as sector,
        companies.industry,
        positions.investment_class,
        positions.entry_date,
        case
            when held.position_id is null or held.quantity = 0
                then coalesce(least(positions.exit_date, %(day)s), earned.last_day)
        end as closed_on,
        coalesce(held.quantity, 0) as quantity,
        positions.entry_price,
        held.price,
        held.price_date,
        coalesce(held.is_stale, false) as is_stale,
        coalesce(held.market_value, 0) as market_value,
        coalesce(held.cost_basis, 0) as cost_basis,
        coalesce(held.unrealized_pnl, 0) as unrealized_pnl,
        coalesce(held.daily_pnl, 0) as daily_pnl,
        coalesce(earned.period_pnl, 0) as period_pnl,
        earned.total_pnl,
        earned.dividends,
        contributions.contribution_vol,
        contributions.contribution_share,
        positions.what_happened
    from earned
    inner join analytics.positions as positions
        on earned.portfolio_id = positions.portfolio_id and earned.position_id = positions.position_id
    left join analytics.position_values as held
        on
            earned.portfolio_id = held.portfolio_id
            and earned.position_id = held.position_id
            and held.value_date = %(day)s
    left join analytics.companies as companies
        on {market_symbol("positions")} = companies.symbol
    left join analytics.position_sector_tags as position_tags on earned.position_id = position_tags.position_id
    left join analytics.sector_tags as tags on position_tags.sector_tag_id = tags.sector_tag_id
    left join analytics.position_risk_contributions as contributions
        on
            earned.portfolio_id = contributions.portfolio_id
            and earned.position_id = contributions.position_id
            and contributions.calculation_date = %(day)s
    order by abs(coalesce(held.market_value, 0)) desc, positions.symbol, positions.entry_date, lot
"""


@dataclass(frozen=True)
class Lot:
    """A lot on one session, under its name at that time; `closed_on` is None while it is held.

    Amounts are dollars, shares decimals. `what_happened` tells of renamings, mergers and the like.
    """

    lot: str
    symbol: str
    company: str | None
    sector: str | None
    industry: str | None
    investment_class: str
    entry_date: date
    closed_on: date | None
    quantity: float
    entry_price: float | None
    price: float | None
    price_date: date | None
    is_stale: bool
    market_value: float
    cost_basis: float
    unrealized_pnl: float
    daily_pnl: float
    period_pnl: float
    total_pnl: float
    dividends: float
    contribution_vol: float | None
    contribution_share: float | None
    what_happened: str | None = None
    lots: int = 1

    @property
    def unrealized_return(self) -> float | None:
        """The unrealized P&L as a share of the cost; None where there is none."""
        return self.unrealized_pnl / abs(self.cost_basis) if self.cost_basis else None


def read_lots(conn: psycopg.Connection[Any], portfolio_id: UUID, day: date, first: date) -> list[Lot]:
    """Read all lots that a portfolio has held up to `day`, the largest first; the period's P&L is from `first` on."""
    cursor = conn.cursor(row_factory=class_row(Lot))
    cursor.adapters.register_loader("numeric", FloatLoader)
    return cursor.execute(_LOTS, {"portfolio_id": portfolio_id, "day": day, "first": first}).fetchall()


def by_symbol(lots: Sequence[Lot]) -> list[Lot]:
    """Merge the lots of each symbol into one, the largest first."""
    groups: dict[str, list[Lot]] = {}
    for lot in lots:
        groups.setdefault(lot.symbol, []).append(lot)
    netted = [_netted(group) for group in groups.values()]
    return sorted(netted, key=lambda lot: (-abs(lot.market_value), lot.symbol))


def _netted(lots: Sequence[Lot]) -> Lot:
    if len(lots) == 1:
        return lots[0]
    held = [lot for lot in lots if lot.closed_on is None] or lots
    first = held[0]
    contributions = [lot for lot in held if lot.contribution_vol is not None]
    return Lot(
        lot=first.symbol,
        symbol=first.symbol,
        company=first.company,
        sector=first.sector,
        industry=first.industry,
        investment_class=first.investment_class,
        entry_date=min(lot.entry_date for lot in held),
        closed_on=None
        if any(lot.closed_on is None for lot in lots)
        else max(lot.closed_on or date.min for lot in lots),
        quantity=sum(lot.quantity for lot in held),
        entry_price=None,
        price=first.price,
        price_date=first.price_date,
        is_stale=any(lot.is_stale for lot in held),
        market_value=sum(lot.market_value for lot in held),
        cost_basis=sum(lot.cost_basis for lot in held),
        unrealized_pnl=sum(lot.unrealized_pnl for lot in held),
        daily_pnl=sum(lot.daily_pnl for lot in lots),
        period_pnl=sum(lot.period_pnl for lot in lots),
        total_pnl=sum(lot.total_pnl for lot in lots),
        dividends=sum(lot.dividends for lot in lots),
        contribution_vol=sum(lot.contribution_vol or 0.0 for lot in contributions) if contributions else None,
        contribution_share=sum(lot.contribution_share or 0.0 for lot in contributions) if contributions else None,
        what_happened="; ".join(sorted({lot.what_happened for lot in lots if lot.what_happened})) or None,
        lots=len(lots),
    )
