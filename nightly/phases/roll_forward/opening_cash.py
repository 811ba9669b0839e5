"""The cash that a portfolio begins with. If it is below zero, the starting equity is usually wrong."""

from __future__ import annotations

import psycopg

from nightly.record import RunProblem


def find_problems(conn: psycopg.Connection) -> list[RunProblem]:
    """A warning for each portfolio rolled from its inception whose lots carried in are worth more than all of it.

    The starting equity includes them, at the market value of the close before inception. If only the cash was
    given, or lots at cost, cash becomes negative and the base of every return too small; borrowed money looks the same.
    """
    rows = conn.execute(
        """
        with carried_in as (
            select
                lots.portfolio_id,
                sum(
                    lots.side * lots.quantity * lots.entry_price * first_rows.multiplier
                    + first_rows.opening_unrealized_pnl
                ) as value
            from ops.roll_forward_window as due
            inner join intermediate.lots as lots on due.portfolio_id = lots.portfolio_id and lots.is_carried_in
            inner join intermediate.sessions as first_held on lots.first_session_number = first_held.session_number
            inner join analytics.position_values as first_rows
                on lots.position_id = first_rows.position_id and first_held.session_date = first_rows.value_date
            where due.first_session_number <= lots.first_session_number
            group by lots.portfolio_id
        )
        select portfolios.name, portfolios.inception_date, portfolios.starting_equity, carried_in.value
        from carried_in
        inner join raw.portfolios as portfolios on carried_in.portfolio_id = portfolios.portfolio_id
        where portfolios.starting_equity < carried_in.value
        order by portfolios.name
        """
    )
    return [
        RunProblem(
            f"{name}, starting equity",
            f"{equity:,.2f} is less than the {value:,.2f} that the lots carried in are worth at the close before"
            f" {inception}, which leaves a cash of {equity - value:,.2f}: it must include them, at market; if"
            f" {equity:,.2f} is the cash alone, load {equity + value:,.2f}",
            "warning",
            "2",
        )
        for name, inception, equity, value in rows
    ]
