"""Which sessions are rolled and why, from the dbt models roll_forward_window and roll_forward_causes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from warehouse.phrases import count, span_of
from warehouse.queries import fetch_one

if TYPE_CHECKING:
    from nightly.context import Context

WINDOW_MODEL = "roll_forward_window"
_NEXT = "next session"
_LINES = 12
_NAMES = 3


def read_window(conn: psycopg.Connection, context: Context) -> dict[str, Any]:
    """What the window now in force says, in plain JSON values.

    `causes`: why anything is rolled, with the number of portfolios and the first session; a portfolio may have several.
    `rolled`: each portfolio with its sessions, how many of them lie before those asked for and how many after.
    `idle`: how many portfolios are not rolled, and how far they are; None: there are none.
    """
    rows = conn.cursor(row_factory=dict_row)
    causes = rows.execute(
        """
        select
            causes.cause,
            count(distinct causes.portfolio_id) as portfolios,
            min(portfolios.name) as portfolio,
            to_char(min(sessions.session_date), 'YYYY-MM-DD') as first_session
        from ops.roll_forward_causes as causes
        inner join ops.roll_forward_window as due
            on causes.portfolio_id = due.portfolio_id and causes.first_session_number <= due.last_session_number
        inner join intermediate.sessions as sessions on causes.first_session_number = sessions.session_number
        inner join raw.portfolios as portfolios on causes.portfolio_id = portfolios.portfolio_id
        group by causes.cause
        order by first_session, causes.cause
        """
    ).fetchall()
    rolled = rows.execute(
        """
        with asked as (
            select
                min(session_number) filter (where session_date >= %(start)s) as first_number,
                max(session_number) filter (where session_date <= %(end)s) as last_number
            from intermediate.sessions
        )
        select
            coalesce(portfolios.name, due.portfolio_id::text) as portfolio,
            to_char(due.first_session, 'YYYY-MM-DD') as first_session,
            to_char(due.last_session, 'YYYY-MM-DD') as last_session,
            due.last_session_number - due.first_session_number + 1 as sessions,
            greatest(least(asked.first_number, due.last_session_number + 1) - due.first_session_number, 0)
                as sessions_before,
            greatest(due.last_session_number - greatest(asked.last_number, due.first_session_number - 1), 0)
                as sessions_after,
            due.is_withdrawn,
            due.reason
        from ops.roll_forward_window as due
        cross join asked
        left join raw.portfolios as portfolios on due.portfolio_id = portfolios.portfolio_id
        order by due.is_withdrawn desc, due.first_session, due.last_session, due.reason, portfolio
        """,
        {"start": context.recompute_from or context.trade_date.min, "end": context.trade_date},
    ).fetchall()
    (idle, rolled_to) = fetch_one(
        conn.execute(
            """
        select count(*), to_char(min(last_session), 'YYYY-MM-DD') from ops.roll_forward_state
        where portfolio_id = any(%s) and portfolio_id not in (select portfolio_id from ops.roll_forward_window)
        """,
            (context.portfolio_ids,),
        )
    )
    return {
        "causes": causes,
        "rolled": rolled,
        "idle": {"portfolios": idle, "rolled_to": rolled_to} if idle else None,
    }


def describe(
    causes: Sequence[Mapping[str, Any]], rolled: Sequence[Mapping[str, Any]], idle: Mapping[str, Any] | None
) -> list[str]:
    """Lines that say why, then who over which sessions; or that nothing is due."""
    lines = [_cause(each) for each in causes[:_LINES]]
    if rest := causes[_LINES:]:
        lines.append(f"and {len(rest):,} more causes, the earliest from {rest[0]['first_session']}")
    windows = [list(members) for _, members in groupby(rolled, key=_span)]
    lines += [_window(members) for members in windows[:_LINES]]
    if rest := [each for members in windows[_LINES:] for each in members]:
        lines.append(f"and {count(len(rest), 'portfolio')} more, the earliest from {rest[0]['first_session']}")
    if idle:
        who = count(idle["portfolios"], "portfolio") + (" is" if idle["portfolios"] == 1 else " are")
        prefix = "" if rolled else "nothing due: "
        lines.append(f"{prefix}{who} rolled to {idle['rolled_to']}" + (" already" if rolled else ""))
    return lines or ["nothing due: no portfolio has begun yet"]


def _cause(each: Mapping[str, Any]) -> str:
    who = each["portfolio"] if each["portfolios"] == 1 else count(each["portfolios"], "portfolio")
    return f"{each['cause']}: {who} from {each['first_session']}"


def _span(each: Mapping[str, Any]) -> tuple[Any, ...]:
    reason = each["reason"] if each["sessions_before"] else None
    return each["is_withdrawn"], each["first_session"], each["last_session"], reason


def _window(members: Sequence[Mapping[str, Any]]) -> str:
    """Portfolios that are rolled over the same sessions, and why over more than was asked for."""
    each = members[0]
    names = [member["portfolio"] for member in members]
    who = ", ".join(names) if len(names) <= _NAMES else count(len(members), "portfolio")
    if each["is_withdrawn"]:
        return f"{who}: removed from every session ({each['reason']})"
    line = f"{who}: {span_of(each['sessions'], each['first_session'], each['last_session'])}"
    beyond = []
    if each["sessions_before"]:
        why = "not rolled yet" if each["reason"] == _NEXT else each["reason"]
        beyond.append(f"{each['sessions_before']:,} before those asked for: {why}")
    if each["sessions_after"]:
        beyond.append(f"{each['sessions_after']:,} after those asked for: the chain goes on to its end")
    return f"{line} ({'; '.join(beyond)})" if beyond else line
