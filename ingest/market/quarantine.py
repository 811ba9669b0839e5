"""The quarantine: rows that were refused on the way in, and a person's word that one of them is right."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import psycopg

from ingest.market.decisions import BadAction, Saying, add_actions, check_action_of_person, describe, user_name
from ingest.market.row_rules import check_action
from ingest.market.store import (
    Restatement,
    read_bars,
    write_bars,
    write_restatements,
)
from ingest.providers.base import Want
from ingest.rows import SPINOFF, SPLIT, CorporateAction, PriceBar
from ingest.sources.chain import source_order
from warehouse.errors import UserError
from warehouse.settings import load_settings

BARS, ACTIONS = "market_data_cache", "corporate_actions"
ACCEPTED = "accepted by a person"


class Rejection(NamedTuple):
    """A refused row; `offered` is its close or value, `stored` what is in its place now, None for nothing."""

    id: int
    source: str
    relation: str
    symbol: str
    row_date: date | None
    reason: str
    offered: str | None
    stored: Decimal | None
    last_rejected_at: str
    accepted: bool
    dismissed: bool


def list_rejected(
    conn: psycopg.Connection[Any],
    *,
    symbol: str | None = None,
    source: str | None = None,
    limit: int | None = None,
    dismissed: bool = False,
) -> list[Rejection]:
    """Return what was refused, the newest first, with what a person has `dismissed` or without; times are UTC."""
    rows = conn.execute(
        """
        select
            rejected.rejection_id, rejected.source, rejected.relation, rejected.symbol, rejected.row_date,
            rejected.reason,
            coalesce(rejected.payload ->> 'close', rejected.payload ->> 'value'),
            case rejected.relation
                when 'market_data_cache' then bar.close
                when 'corporate_actions' then action.value
            end,
            to_char(rejected.last_rejected_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
            rejected.accepted_at is not null,
            rejected.dismissed_at is not null
        from ops.rejected_rows as rejected
        left join raw.market_data_cache as bar
            on rejected.symbol = bar.symbol and rejected.row_date = bar.price_date
        left join raw.corporate_actions as action
            on
                rejected.symbol = action.symbol
                and rejected.row_date = action.ex_date
                and rejected.payload ->> 'action_type' = action.action_type
        where
            (%(symbol)s::text is null or rejected.symbol = %(symbol)s)
            and (%(source)s::text is null or rejected.source = %(source)s)
            and (%(dismissed)s or rejected.dismissed_at is null)
        order by rejected.last_rejected_at desc, rejected.rejection_id desc
        limit %(limit)s
        """,
        {"symbol": symbol, "source": source, "limit": limit, "dismissed": dismissed},
    )
    return [Rejection(*row) for row in rows]


def dismiss_rejected(conn: psycopg.Connection[Any], ids: Sequence[int]) -> list[str]:
    """Take refused rows for wrong, for good: they are refused as before, and not told again.

    Raises:
        UserError: an id is not there; nothing was done.
    """
    known = {
        row[0]: row[1:]
        for row in conn.execute(
            "select rejection_id, symbol, row_date, reason from ops.rejected_rows where rejection_id = any(%s)",
            [list(ids)],
        )
    }
    if missing := [str(number) for number in dict.fromkeys(ids) if number not in known]:
        raise UserError(f"{', '.join(missing)}: there is no such row; `python run_nightly.py quarantine` lists them")
    conn.execute(
        "update ops.rejected_rows set dismissed_at = now(), accepted_at = null where rejection_id = any(%s)",
        [list(ids)],
    )
    return [
        f"{number}: {symbol}{f' {day}' if day else ''}: dismissed, not reported again ({reason})"
        for number, (symbol, day, reason) in known.items()
    ]


class SpinOff(NamedTuple):
    """What a spin-off that a source wrote as a split handed out per share of its parent."""

    child: str
    shares: Decimal
    cost_fraction: Decimal | None = None


def accept_rejected(conn: psycopg.Connection[Any], ids: Sequence[int], spin_off: SpinOff | None = None) -> list[str]:
    """Take refused rows for right, all of them or none, and return a line for each that says what was done.

    A bar is stored with its source, and what it replaces goes to `ops.price_restatements`; the same values are not
    refused again. An action holds by the person's word: as it was told, or as `spin_off` says that a split was meant.
    A history that was put aside is taken by the next night.

    Raises:
        UserError: an id is not there, or a row cannot be stored; nothing was done.
    """
    rows = {
        row[0]: row[1:]
        for row in conn.execute(
            "select rejection_id, source, relation, symbol, row_date, payload, accepted_at is not null"
            " from ops.rejected_rows where rejection_id = any(%s)",
            [list(ids)],
        )
    }
    problems, bars, actions, done = [], [], [], []
    for number in dict.fromkeys(ids):
        if number not in rows:
            problems.append(f"{number}: there is no such row")
            continue
        source, relation, symbol, row_date, payload, accepted = rows[number]
        if accepted:
            problems.append(f"{number}: it was accepted before")
            continue
        try:
            if spin_off:
                actions.append(_spin_off(relation, symbol, row_date, payload, spin_off))
                done.append(f"{number}: {describe(actions[-1])}: holds from now on, in place of {source}'s split")
            elif "history" in payload:
                done.append(f"{number}: {symbol}: the next night takes what {source} has of it, as a whole")
            elif relation == BARS:
                bars.append((_bar(symbol, row_date, payload), source))
                done.append(f"{number}: {symbol} {row_date}: stored the close {payload['close']} from {source}")
            elif relation == ACTIONS:
                actions.append(_action(symbol, row_date, payload))
                kind = payload["action_type"].lower()
                done.append(f"{number}: {symbol} {row_date}: the {kind} {payload['value']} from {source} holds")
            else:
                raise ValueError(f"a row of {relation} cannot be accepted: correct it at its source")
        except ValueError as error:
            problems.append(f"{number}: {symbol}: {error}")
    days = [(bar.symbol, bar.price_date) for bar, _ in bars]
    twice = sorted({key for key in days if days.count(key) > 1})
    problems += [f"{symbol} {day}: two of the rows are of that session" for symbol, day in twice]
    problems += _no_sessions(conn, {day for _, day in days})
    if problems:
        raise UserError("; ".join(problems))
    saying = Saying(user_name(), datetime.now(UTC), ACCEPTED, source_order(load_settings()))
    with conn.transaction():
        _store_bars(conn, bars, saying.at)
        if actions:
            add_actions(conn, actions, saying)
        conn.execute(
            "update ops.rejected_rows set accepted_at = now(), dismissed_at = null where rejection_id = any(%s)",
            [list(ids)],
        )
    return done


def _store_bars(conn: psycopg.Connection[Any], bars: Sequence[tuple[PriceBar, str]], now: datetime) -> None:
    replaced = []
    for bar, source in bars:
        stored = read_bars(conn, [Want(bar.symbol, bar.price_date, bar.price_date)])[bar.symbol]
        replaced += [Restatement(bar, source, old, ACCEPTED) for old in stored.values() if old[:5] != bar[2:]]
    if replaced:
        write_restatements(conn, replaced)
    write_bars(conn, [(bar, source, now) for bar, source in bars])


def _bar(symbol: str, session: date | None, payload: dict[str, Any]) -> PriceBar:
    if session is None or "close" not in payload:
        raise ValueError("it could not be read: correct it at its source")
    numbers = {
        name: None if payload.get(name) is None else _number(payload[name])
        for name in ("open", "high", "low", "close", "volume")
    }
    volume = numbers.pop("volume")
    for name, price in numbers.items():
        if price is not None and not (price.is_finite() and price > 0):
            raise ValueError(f"{name}: {price} is no price, and cannot be stored")
    if numbers["close"] is None:
        raise ValueError("it has no close")
    return PriceBar(symbol, session, **numbers, volume=int(volume) if volume is not None and volume >= 0 else None)


def _action(symbol: str, ex_date: date | None, payload: dict[str, Any]) -> CorporateAction:
    if ex_date is None or not {"action_type", "value"} <= payload.keys():
        raise ValueError("it could not be read: correct it at its source")
    action = CorporateAction(symbol, ex_date, payload["action_type"], _number(payload["value"]))
    if reason := check_action(action):
        raise ValueError(f"{reason}, and cannot be stored")
    return action


def _spin_off(
    relation: str, symbol: str, ex_date: date | None, payload: dict[str, Any], spin_off: SpinOff
) -> CorporateAction:
    if relation != ACTIONS or ex_date is None or payload.get("action_type") != SPLIT:
        raise ValueError("it is no split, and only a split can be a spin-off")
    try:
        return check_action_of_person(
            symbol, ex_date, SPINOFF, spin_off.shares, spin_off.child, None, spin_off.cost_fraction
        )
    except BadAction as error:
        raise ValueError(f"{error.column}: {error}") from None


def _number(text: object) -> Decimal:
    try:
        return Decimal(str(text))
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number, and cannot be stored") from None


def _no_sessions(conn: psycopg.Connection[Any], days: set[date]) -> list[str]:
    rows = conn.execute(
        "select day from unnest(%s::date[]) as day"
        " where not exists (select 1 from raw.trading_sessions where session_date = day and closes_at <= now())"
        " order by day",
        [list(days)],
    )
    return [f"{day}: not a session that has closed" for (day,) in rows]
