"""What people say of splits, dividends and events: it holds against every source until it is taken back."""

import getpass
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg

from ingest.market.claims import (
    ActionChanges,
    adopt_stored,
    read_claims,
    settle_stored,
    write_claims,
)
from ingest.market.ratios import read_split_ratio
from ingest.market.settlement import ADDED, DISMISSED, KNOWN, PERSON, Claim, Decision, settle
from ingest.rows import (
    ACTION_TYPES,
    DELISTING,
    DIVIDEND,
    MERGER,
    RENAME,
    SPINOFF,
    SPLIT,
    CorporateAction,
)
from warehouse.errors import UserError
from warehouse.sessions import FIRST_DAY, sessions_between

_LARGEST = Decimal(10) ** 9
_MEANING_OF_VALUE = {
    SPLIT: "the new shares per old share",
    DIVIDEND: "the USD per share",
    MERGER: "the new shares per old share",
    SPINOFF: "the shares of the child per share",
    DELISTING: "the USD that a share still brings, or 0",
}


class BadAction(ValueError):  # noqa: N818 - it is a finding about what a person wrote
    """What is wrong with an action, and with which of its columns."""

    def __init__(self, column: str, what: str) -> None:
        super().__init__(what)
        self.column = column


class StandingAction(NamedTuple):
    """A claim, whether it is believed, and what else is to be said of it."""

    symbol: str
    ex_date: date
    action_type: str
    value: Decimal | None  # None for a delisting whose value is not known yet
    new_symbol: str | None
    cash_per_share: Decimal | None
    cost_fraction: Decimal | None
    source: str
    believed: bool
    note: str


@dataclass(frozen=True)
class Saying:
    """Who says something, when and why; `order` is the order in which sources are believed."""

    by: str
    at: datetime
    because: str | None
    order: Sequence[str]

    def decision(self, kind: str, *, from_file: bool = False) -> Decision:
        """Return the decision that goes with it."""
        return Decision(kind, self.by, self.at, self.because, from_file)


def check_action_of_person(
    symbol: str,
    ex_date: date,
    action_type: str,
    value: Decimal | None,
    new_symbol: str | None = None,
    cash_per_share: Decimal | None = None,
    cost_fraction: Decimal | None = None,
) -> CorporateAction:
    """Return the action that a person has written, with what its type leaves open filled in.

    A split's ratio is read as a fraction where it is written with four decimals or more. A renaming has the value 1, a
    merger for cash alone the value 0. Of a delisting the value may be told later.

    Raises:
        BadAction: it makes no sense as a whole; `column` says where.
    """
    if action_type not in ACTION_TYPES:
        raise BadAction("action_type", f"{action_type!r} is not one of {', '.join(ACTION_TYPES)}")
    if new_symbol == symbol:
        raise BadAction("new_symbol", f"{symbol} is the symbol itself: name the other one")
    for column, given, types in (
        ("new_symbol", new_symbol, (RENAME, MERGER, SPINOFF)),
        ("cash_per_share", cash_per_share, (MERGER,)),
        ("cost_fraction", cost_fraction, (SPINOFF,)),
    ):
        if given is not None and action_type not in types:
            raise BadAction(column, f"must be empty for {action_type}: leave it out")
    if new_symbol is None and action_type in (RENAME, SPINOFF):
        raise BadAction("new_symbol", f"is empty, and {action_type} needs it: name what shares become or get")
    if cash_per_share is not None and not 0 < cash_per_share < _LARGEST:
        raise BadAction("cash_per_share", f"must be above zero, not {cash_per_share}: give the USD per old share")
    if cost_fraction is not None and not 0 <= cost_fraction <= 1:
        raise BadAction("cost_fraction", f"must be between 0 and 1, not {cost_fraction}: give the share of the cost")
    if action_type == RENAME:
        if value not in (None, 1):
            raise BadAction(
                "value", "a renaming leaves the number of shares: leave it empty, and add a SPLIT if needed"
            )
        value = Decimal(1)
    elif action_type == MERGER and new_symbol is None:
        if cash_per_share is None:
            raise BadAction("new_symbol", "is empty: a merger needs new_symbol with value, or cash_per_share")
        if value not in (None, 0):
            raise BadAction("value", "a merger for cash alone gives no shares: leave it empty, or name new_symbol")
        value = Decimal(0)
    elif value is None and action_type == DELISTING:
        return CorporateAction(symbol, ex_date, action_type, Decimal(0), value_pending=True)
    elif value is None:
        raise BadAction("value", f"is empty, and {action_type} needs it: give {_MEANING_OF_VALUE[action_type]}")
    elif not (0 < value < _LARGEST or (value == 0 and action_type == DELISTING)):
        raise BadAction("value", f"{value} is no {action_type.lower()}: give {_MEANING_OF_VALUE[action_type]}")
    if action_type == SPLIT:
        value = read_split_ratio(value)
    return CorporateAction(symbol, ex_date, action_type, value, new_symbol, cash_per_share, cost_fraction)


def add_actions(
    conn: psycopg.Connection[Any], actions: Iterable[CorporateAction], saying: Saying
) -> tuple[list[str], ActionChanges]:
    """Say that these hold, whatever any source says; returns a line for each, and what changed."""
    actions = list(actions)
    with conn.transaction():
        symbols = sorted({action.symbol for action in actions})
        adopt_stored(conn, symbols)
        for action in actions:
            _forget_word(conn, action.symbol, action.ex_date, action.action_type, keep_added=True)
            if action.action_type != DIVIDEND:
                _forget_word(conn, action.symbol, action.ex_date, action.action_type)
        write_claims(conn, [Claim(PERSON, action, decision=saying.decision(ADDED)) for action in actions], saying.at)
        changes = settle_stored(conn, symbols, saying.order, saying.at, f"by {saying.by}")
    return [f"{describe(action)}: holds from now on, whatever the sources say" for action in actions], changes


def dismiss_actions(
    conn: psycopg.Connection[Any], symbol: str, ex_date: date, action_type: str, saying: Saying
) -> tuple[list[str], ActionChanges]:
    """Say that nothing of this type holds on this date.

    Raises:
        UserError: nobody says so.
    """
    with conn.transaction():
        adopt_stored(conn, [symbol])
        claims = read_claims(conn, [symbol])[symbol]
        told = [
            claim
            for claim in claims
            if (claim.action.ex_date, claim.action.action_type) == (ex_date, action_type)
            and not (claim.decision and claim.decision.kind == DISMISSED)
        ]
        if not told:
            there = ", ".join(
                sorted({f"{claim.action.ex_date}" for claim in claims if claim.action.action_type == action_type})
            )
            hint = f"; there are those of {there}" if there else ""
            raise UserError(f"no {action_type} of {symbol} on {ex_date} is reported: nothing to dismiss{hint}")
        _forget_word(conn, symbol, ex_date, action_type)
        dismissed = {claim.action.value: claim.action for claim in told}.values()
        words = [Claim(PERSON, action, decision=saying.decision(DISMISSED)) for action in dismissed]
        write_claims(conn, words, saying.at)
        changes = settle_stored(conn, [symbol], saying.order, saying.at, f"dismissed by {saying.by}")
    return [f"{describe(action)}: dismissed, in every later fetch too" for action in dismissed], changes


def restore_actions(
    conn: psycopg.Connection[Any], symbol: str, ex_date: date, action_type: str, saying: Saying
) -> tuple[list[str], ActionChanges]:
    """Take back what people said of this date and type: the sources are believed again.

    Raises:
        UserError: nobody has decided anything about it.
    """
    with conn.transaction():
        words = _forget_word(conn, symbol, ex_date, action_type)
        if not words:
            raise UserError(
                f"no person has said anything of a {action_type} of {symbol} on {ex_date}: "
                f"`python run_nightly.py actions list {symbol}` shows what there is"
            )
        changes = settle_stored(conn, [symbol], saying.order, saying.at, f"taken back by {saying.by}")
    return [f"{symbol} {action_type} of {ex_date}: the sources are believed again"], changes


def replace_file_actions(
    conn: psycopg.Connection[Any], actions: Sequence[CorporateAction], saying: Saying
) -> ActionChanges:
    """Make people's word hold what a file says of the symbols in it; what the file said before and not now is gone."""
    symbols = sorted({action.symbol for action in actions})
    adopt_stored(conn, symbols)
    words = [claim for claims in read_claims(conn, symbols).values() for claim in claims if claim.decision]
    filed = {claim.action: claim for claim in words if claim.decision and claim.decision.from_file}
    # If a person has given a value, a file that does not know it yet does not take it back.
    told = {
        claim.action[:3]
        for claim in words
        if claim.decision and claim.decision.kind == ADDED and not claim.decision.from_file
    }
    for action in filed.keys() - set(actions):
        _forget_filed(conn, action)
    # An action that the file contained before keeps its first author. So loading the file again changes nothing.
    new = [
        Claim(PERSON, action, decision=saying.decision(ADDED, from_file=True))
        for action in actions
        if action not in filed and not (action.value_pending and action[:3] in told)
    ]
    for claim in new:
        _forget_word(conn, claim.action.symbol, claim.action.ex_date, claim.action.action_type, keep_added=True)
    write_claims(conn, new, saying.at)
    return settle_stored(conn, symbols, saying.order, saying.at, f"by {saying.by}")


def list_actions(
    conn: psycopg.Connection[Any],
    symbol: str | None,
    order: Sequence[str],
    known: Mapping[tuple[str, date, str], str],
) -> list[StandingAction]:
    """Return the claims about a symbol, by date, and what became of each; of all symbols, what people decided.

    `known` says where well-known events can be read.
    """
    calendar = sessions_between(conn, FIRST_DAY, date.max)
    if symbol:
        with conn.transaction():
            adopt_stored(conn, [symbol])
    listed = []
    for claims in read_claims(conn, [symbol] if symbol else None).values():
        settled = settle(claims, order, calendar)
        for claim in claims:
            note = settled.notes.get(claim.key, "")
            decision = claim.decision
            if decision:
                because = f": {decision.because}" if decision.because else ""
                note = f"{decision.kind} by {decision.by} on {decision.at:%Y-%m-%d}{because}"
            elif claim.source == KNOWN and not note:
                note = f"well known: {known.get(claim.action[:3], 'no longer in the list')}"
            key = (claim.action.ex_date, claim.action.action_type)
            believed = claim.key not in settled.notes and key in settled.actions
            believed &= not (decision and decision.kind == DISMISSED)
            if symbol or decision or (note and claim.action.action_type != DIVIDEND):
                action = claim.action
                terms = (action.told_value, action.new_symbol, action.cash_per_share, action.cost_fraction)
                listed.append(StandingAction(*action[:3], *terms, claim.source, believed, note))
    return listed


def user_name() -> str:
    """Return the name under which the person at the keyboard is known to the system."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in some containers
        return "somebody"


def describe(action: CorporateAction) -> str:
    """Write an action in one line, as it is typed."""
    parts = [action.symbol, action.action_type, action.value_text, "of", f"{action.ex_date}"]
    if action.new_symbol:
        parts += ["into" if action.action_type != SPINOFF else "of child", action.new_symbol]
    if action.cash_per_share is not None:
        parts += ["and", f"{action.cash_per_share.normalize():f}", "USD"]
    return " ".join(parts)


def _forget_word(
    conn: psycopg.Connection[Any], symbol: str, ex_date: date, action_type: str, *, keep_added: bool = False
) -> int:
    return conn.execute(
        "delete from raw.corporate_action_claims where source = %s and symbol = %s and ex_date = %s"
        " and action_type = %s and (decision = %s or not %s)",
        [PERSON, symbol, ex_date, action_type, DISMISSED, keep_added],
    ).rowcount


def _forget_filed(conn: psycopg.Connection[Any], action: CorporateAction) -> None:
    conn.execute(
        "delete from raw.corporate_action_claims where from_file"
        " and symbol = %s and ex_date = %s and action_type = %s and value = %s",
        [action.symbol, action.ex_date, action.action_type, action.value],
    )
