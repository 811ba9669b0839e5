"""The claims about corporate actions in the database, and what is believed of them: read, written, kept in step."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg

from ingest.market.settlement import (
    ONE_EVENT_SESSIONS,
    PERSON,
    Claim,
    Decision,
    Settled,
    same_value,
    settle,
)
from ingest.rows import CorporateAction
from warehouse.bulk import MergeCounts, merge_rows
from warehouse.sessions import FIRST_DAY, sessions_between

_ACTION_COLUMNS = CorporateAction._fields
_CLAIM_COLUMNS = (
    "source",
    *_ACTION_COLUMNS,
    "first_seen_at",
    "last_seen_at",
    "moved_to",
    "refused_because",
    "decision",
    "decided_by",
    "decided_at",
    "decided_because",
    "from_file",
    "took_place",
)
# The same value with other digits is no news.
_SAME_DIGITS = Decimal("1e-9")


class ActionRestatement(NamedTuple):
    """A believed action that has changed: moved, corrected, or gone (`new` is None)."""

    old: CorporateAction
    old_source: str
    new: CorporateAction | None
    new_source: str | None
    reason: str

    def __str__(self) -> str:
        kind = self.old.action_type.lower()
        was = f"{self.old.symbol}: the {kind} {self.old.value_text} of {self.old.ex_date}"
        if self.new is None:
            return f"{was} is no longer believed ({self.reason})"
        if self.new.ex_date != self.old.ex_date:
            return f"{was} is of {self.new.ex_date} now ({self.reason})"
        return f"{was} is {self.new.value_text} now ({self.reason})"


@dataclass
class ActionChanges:
    """What became of the stored actions of some symbols."""

    counts: MergeCounts = field(default_factory=MergeCounts)
    restated: list[ActionRestatement] = field(default_factory=list)


def adopt_stored(conn: psycopg.Connection[Any], symbols: Sequence[str]) -> None:
    """Make a claim of each stored action of these symbols that nobody claims: its source has said it."""
    conn.execute(
        f"""
        insert into raw.corporate_action_claims (source, {", ".join(_ACTION_COLUMNS)}, first_seen_at, last_seen_at)
        select case source when %(person)s then 'stored' else source end, {", ".join(_ACTION_COLUMNS)},
            loaded_at, loaded_at
        from raw.corporate_actions as action
        where
            symbol = any(%(symbols)s)
            and not exists (
                select 1 from raw.corporate_action_claims as claim
                where
                    claim.symbol = action.symbol
                    and claim.ex_date = action.ex_date
                    and claim.action_type = action.action_type
            )
        """,
        {"symbols": list(symbols), "person": PERSON},
    )


def read_claims(conn: psycopg.Connection[Any], symbols: Sequence[str] | None = None) -> dict[str, list[Claim]]:
    """Return the claims about these symbols, or about all, by symbol."""
    found: dict[str, list[Claim]] = {symbol: [] for symbol in symbols or ()}
    rows = conn.execute(
        f"select {', '.join(_CLAIM_COLUMNS)} from raw.corporate_action_claims"
        " where %(symbols)s::text[] is null or symbol = any(%(symbols)s) order by symbol, ex_date, action_type, source",
        {"symbols": None if symbols is None else list(symbols)},
    )
    width = 1 + len(_ACTION_COLUMNS)
    for row in rows:
        first_seen_at, last_seen_at, moved_to, refused, kind, by, at, because, from_file, took_place = row[width:]
        decision = Decision(kind, by, at, because, from_file) if kind else None
        action = CorporateAction(*row[1:width])
        found.setdefault(action.symbol, []).append(
            Claim(row[0], action, first_seen_at, last_seen_at, moved_to, refused, decision, took_place)
        )
    return found


def write_claims(conn: psycopg.Connection[Any], claims: Iterable[Claim], now: datetime) -> None:
    """Store claims as they are; one that was never seen before is first and last seen now."""
    rows = []
    for claim in claims:
        decision = claim.decision or (None, None, None, None, False)
        seen = (claim.first_seen_at or now, claim.last_seen_at or now)
        known = (claim.moved_to, claim.refused_because, *decision, claim.took_place)
        rows.append((claim.source, *claim.action, *seen, *known))
    if rows:
        key = ["symbol", "ex_date", "action_type", "source", "value"]
        merge_rows(conn, "raw.corporate_action_claims", key, _CLAIM_COLUMNS, rows)


def settle_stored(
    conn: psycopg.Connection[Any], symbols: Sequence[str], order: Sequence[str], now: datetime, reason: str
) -> ActionChanges:
    """Settle the stored claims about these symbols once more, and store what is believed of them."""
    calendar = sessions_between(conn, FIRST_DAY, date.max)
    claims = read_claims(conn, symbols)
    settled = {symbol: settle(claims[symbol], order, calendar) for symbol in symbols}
    return store_settled(conn, settled, calendar, now, reason)


def store_settled(
    conn: psycopg.Connection[Any],
    settled: Mapping[str, Settled],
    calendar: Sequence[date],
    now: datetime,
    reason: str = "as its source tells it now",
) -> ActionChanges:
    """Make `raw.corporate_actions` hold what is believed of these symbols, and keep what it replaces.

    Call it in a transaction with what wrote the claims.
    """
    stored: dict[str, dict[tuple[date, str], tuple[CorporateAction, str]]] = {symbol: {} for symbol in settled}
    columns = ", ".join(_ACTION_COLUMNS)
    for row in conn.execute(
        f"select {columns}, source from raw.corporate_actions where symbol = any(%s)", [list(settled)]
    ):
        action = CorporateAction(*row[:-1])
        stored[action.symbol][action.ex_date, action.action_type] = (action, row[-1])
    changed, gone, restated, unchanged = [], [], [], 0
    for symbol, believed in settled.items():
        before = stored[symbol]
        restated += _restatements(before, believed.actions, calendar, reason)
        gone += [before[key][0] for key in before.keys() - believed.actions.keys()]
        for key, (action, source) in believed.actions.items():
            old = before.get(key)
            if old and _same_action(old[0], action) and old[1] == source:
                unchanged += 1
            elif old and _same_action(old[0], action):
                changed.append((old[0], source))
            else:
                changed.append((action, source))
    if gone:
        conn.execute(
            "delete from raw.corporate_actions using unnest(%s::text[], %s::date[], %s::text[]) as gone (s, d, t)"
            " where symbol = gone.s and ex_date = gone.d and action_type = gone.t",
            [list(each) for each in zip(*((row.symbol, row.ex_date, row.action_type) for row in gone), strict=True)],
        )
    counts = MergeCounts()
    if changed:
        counts = merge_rows(
            conn,
            "raw.corporate_actions",
            ["symbol", "ex_date", "action_type"],
            [*_ACTION_COLUMNS, "source", "loaded_at"],
            ((*action, source, now) for action, source in changed),
            compare=[*_ACTION_COLUMNS[3:], "source"],
        )
    _write_restatements(conn, restated, now)
    counts = MergeCounts(
        counts.inserted + counts.updated + unchanged, counts.inserted, counts.updated, unchanged, len(gone)
    )
    return ActionChanges(counts, restated)


def _restatements(
    before: Mapping[tuple[date, str], tuple[CorporateAction, str]],
    after: Mapping[tuple[date, str], tuple[CorporateAction, str]],
    calendar: Sequence[date],
    reason: str,
) -> list[ActionRestatement]:
    restated = []
    new = {key: found for key, found in after.items() if key not in before}
    for key, (old, source) in before.items():
        if key in after:
            action, now_from = after[key]
            if not _same_action(old, action):
                restated.append(ActionRestatement(old, source, action, now_from, _said_by(now_from, reason)))
            continue
        moved = [
            (abs(bisect_left(calendar, action.ex_date) - bisect_left(calendar, old.ex_date)), other)
            for other, (action, _) in new.items()
            if action.action_type == old.action_type and same_value(old.action_type, action.value, old.value)
        ]
        distance, other = min(moved, default=(ONE_EVENT_SESSIONS + 1, None))
        if other is not None and distance <= ONE_EVENT_SESSIONS:
            action, now_from = new.pop(other)
            restated.append(ActionRestatement(old, source, action, now_from, _said_by(now_from, reason)))
        else:
            restated.append(ActionRestatement(old, source, None, None, reason))
    return restated


def _said_by(source: str, reason: str) -> str:
    return "by a person" if source == PERSON else reason


def _same_action(old: CorporateAction, new: CorporateAction) -> bool:
    return abs(old.value - new.value) <= _SAME_DIGITS * abs(old.value) and old[4:] == new[4:]


def _write_restatements(conn: psycopg.Connection[Any], restated: Sequence[ActionRestatement], now: datetime) -> None:
    if not restated:
        return
    columns = (
        "symbol, action_type, old_ex_date, new_ex_date, old_value, new_value, old_source, new_source, reason,"
        " restated_at"
    )
    with conn.cursor().copy(f"copy ops.action_restatements ({columns}) from stdin") as copy:
        for old, old_source, new, new_source, reason in restated:
            copy.write_row(
                (
                    old.symbol,
                    old.action_type,
                    old.ex_date,
                    new and new.ex_date,
                    old.value,
                    new and new.value,
                    old_source,
                    new_source,
                    reason,
                    now,
                )
            )
