"""A load's warnings about cash: more is spent than there is."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg

from ingest.books.csv_files import FileProblem
from ingest.books.files import PortfolioFiles
from ingest.books.transactions import TransactionFile

# The tolerance between entries at their prices and an equity that was rounded.
_CASH_TOLERANCE = Decimal("0.001")
# The largest holdings of a margin account, as a multiple of its equity.
_MARGIN = 2


def costs_beyond_equity(
    conn: psycopg.Connection[Any], files: PortfolioFiles, portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Portfolios whose lots, held at the same time, cost more than equity, deposits and a margin loan can pay."""
    rows = conn.execute(
        """
        with lots as (
            select *, entry_price * case investment_class when 'OPTIONS' then 100 else 1 end as unit_cost
            from raw.positions
            where portfolio_id = any(%(ids)s) and deleted_at is null
        ),

        moves as (
            select portfolio_id, entry_date as moved_on, quantity * unit_cost as cost
            from lots
            union all
            select portfolio_id, exit_date, -quantity * unit_cost
            from lots
            where exit_date is not null
            union all
            select
                portfolio_id,
                event.trade_date,
                -sign(quantity) * least(event.quantity_closed, abs(quantity)) * unit_cost
            from lots
            inner join raw.position_realized_events as event using (position_id)
            where exit_date is null
        ),

        peaks as (
            select distinct on (portfolio_id) portfolio_id, moved_on, cost
            from (
                select portfolio_id, moved_on, sum(sum(cost)) over (partition by portfolio_id order by moved_on) as cost
                from moves
                group by portfolio_id, moved_on
            ) as by_day
            order by portfolio_id, cost desc
        )

        select
            portfolios.name,
            peaks.moved_on,
            peaks.cost,
            portfolios.starting_equity
            + coalesce((
                select sum(amount) from raw.equity_changes as flow
                where flow.portfolio_id = peaks.portfolio_id and flow.change_type = 'CONTRIBUTION'
                and flow.change_date <= greatest(peaks.moved_on, portfolios.inception_date)
            ), 0)
        from peaks
        inner join raw.portfolios using (portfolio_id)
        order by portfolios.name
        """,
        {"ids": sorted(portfolio_ids.values())},
    ).fetchall()
    found = []
    for name, day, cost, money in rows:
        if cost <= _MARGIN * money:
            continue
        line = next((row.line for row in files.portfolios.rows if row.cells["name"] == name), 1)
        what = f"lots of {name!r} have cost {cost:,.2f} by {day}, and its equity and deposits are {money:,.2f}"
        cure = "starting_equity is cash and holdings at market; or is a price or quantity wrong?"
        found.append(FileProblem(files.portfolios.name, line, "starting_equity", f"{what}: {cure}"))
    return found


def cash_at_inception(
    conn: psycopg.Connection[Any], files: PortfolioFiles, portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Portfolios whose holdings at inception exceed their equity, where the lots have prices then."""
    rows = conn.execute(
        """
        with held as (
            select
                portfolio_id,
                sum(
                    lot.quantity * case lot.investment_class when 'OPTIONS' then 100 else 1 end
                    * case when lot.entry_date < portfolio.inception_date then bar.close else lot.entry_price end
                ) as value,
                bool_and(lot.entry_date >= portfolio.inception_date or bar.close is not null) as is_priced
            from raw.positions as lot
            inner join raw.portfolios as portfolio using (portfolio_id)
            left join lateral (
                select close from raw.market_data_cache as bar
                where
                    bar.symbol = lot.symbol
                    and bar.price_date < portfolio.inception_date
                    and bar.price_date >= portfolio.inception_date - 10
                order by bar.price_date desc
                limit 1
            ) as bar on lot.shares_as_of is null
            where
                portfolio_id = any(%(ids)s)
                and lot.deleted_at is null
                and lot.entry_date <= portfolio.inception_date
                and coalesce(lot.exit_date, lot.expiration_date, 'infinity') >= portfolio.inception_date
            group by portfolio_id
        )

        select
            portfolio.name,
            portfolio.inception_date,
            held.value,
            portfolio.starting_equity
            + coalesce((
                select sum(flow.amount) from raw.equity_changes as flow
                where
                    flow.portfolio_id = portfolio.portfolio_id
                    and flow.change_type = 'CONTRIBUTION'
                    and flow.change_date = portfolio.inception_date
            ), 0)
        from held
        inner join raw.portfolios as portfolio using (portfolio_id)
        where held.is_priced
        order by portfolio.name
        """,
        {"ids": sorted(portfolio_ids.values())},
    )
    found = []
    for name, day, value, money in rows.fetchall():
        if value <= money + max(Decimal(1), _CASH_TOLERANCE * money):
            continue
        line = next((row.line for row in files.portfolios.rows if row.cells["name"] == name), 1)
        what = f"{name!r} begins on {day} with {money:,.2f} and holds {value:,.2f}, so its cash is {money - value:,.2f}"
        cure = "starting_equity is cash and holdings at market; a margin loan is fine"
        found.append(FileProblem(files.portfolios.name, line, "starting_equity", f"{what}: {cure}"))
    return found


def cash_below_zero(
    conn: psycopg.Connection[Any], files: Sequence[TransactionFile], portfolio_ids: Mapping[str, UUID]
) -> list[FileProblem]:
    """Portfolios that spend more than they have: a deposit or the starting equity is missing."""
    rows = conn.execute(
        """
        with moved as (
            select portfolio_id, trade_date, sum(cash) as cash
            from raw.transactions
            where portfolio_id = any(%s)
            group by portfolio_id, trade_date
        ),

        balances as (
            select
                portfolios.name,
                moved.trade_date,
                portfolios.starting_equity
                + sum(moved.cash) over (partition by moved.portfolio_id order by moved.trade_date) as balance
            from moved
            inner join raw.portfolios using (portfolio_id)
        )

        select distinct on (name) name, trade_date, balance from balances where balance < -1 order by name, trade_date
        """,
        [sorted(portfolio_ids.values())],
    )
    first = {(line.portfolio, line.trade_date): line for file in reversed(files) for line in reversed(file.lines)}
    of_any_day = {line.portfolio: line for file in files for line in file.lines}
    return [
        FileProblem(
            first.get((name, day), of_any_day[name]).file,
            first.get((name, day), of_any_day[name]).number,
            "amount",
            f"cash of {name!r} is {balance:,.2f} after {day}: enter its deposits, or what it begins with by --equity;"
            " a margin loan is fine",
        )
        for name, day, balance in rows
    ]
