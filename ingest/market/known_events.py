"""`known_events.csv`: renamings, mergers and the like that are well known, for who held the symbol of one.

They are claims like those of a source, of the name `known`, behind all others: what a person or a source tells of the
same event stands in their place, and a person may dismiss them. Spin-offs are only told of unless they are asked for:
nobody but the holder knows whether the shares were kept.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from ingest.books.cells import one_of, parse_date, parse_ratio
from ingest.books.csv_files import Column, CsvFile, read_csv
from ingest.market.claims import adopt_stored, settle_stored, write_claims
from ingest.market.decisions import BadAction, check_action_of_person, describe
from ingest.market.settlement import KNOWN, Claim
from ingest.rows import DELISTING, MERGER, RENAME, SPINOFF, CorporateAction
from ingest.symbols import canonical_symbol
from warehouse.errors import BadInput
from warehouse.market_symbol import market_symbol
from warehouse.settings import KnownEvents

FILE = Path(__file__).with_name("known_events.csv")
SETTING = "AFTERCLOSE_KNOWN_EVENTS"

# Within these days of an event, a lot is more likely what the event handed out than a purchase.
DAYS_BEFORE, DAYS_AFTER = 7, 14

_HOLDER_DECIDES = "only its holder knows whether these shares were kept"

_COLUMNS = (
    Column("symbol", canonical_symbol),
    Column("ex_date", parse_date),
    Column("action_type", one_of(RENAME, MERGER, SPINOFF, DELISTING)),
    Column("value", parse_ratio, optional=True),
    Column("new_symbol", canonical_symbol, optional=True),
    Column("cash_per_share", parse_ratio, optional=True),
    Column("cost_fraction", parse_ratio, optional=True),
    Column("source", str),
)

# A lot is concerned if the event lies within its life, under one of the names that count. If a person's list has the
# new shares of the event beside it, both would count. An event that is still claimed and no longer in the list has no
# place.
_STANDING = f"""
with known as (
    select *
    from unnest(%(places)s::int[], %(symbols)s::text[], %(dates)s::date[], %(types)s::text[], %(new_symbols)s::text[])
        as known (place, symbol, ex_date, action_type, new_symbol)
),

held_as as (
    select * from unnest(%(held_places)s::int[], %(held_symbols)s::text[]) as held_as (place, symbol)
),

lots as materialized (
    select
        portfolio_id,
        {market_symbol("positions")} as symbol,
        entry_date as first_date,
        coalesce(exit_date, expiration_date, 'infinity') as last_date,
        investment_class = 'PUBLIC' as is_listed
    from raw.positions
    where
        deleted_at is null
        and (
            (investment_class = 'PUBLIC' and symbol = any(%(all_symbols)s))
            or (investment_class = 'OPTIONS' and underlying_symbol = any(%(all_symbols)s))
        )
    union all
    select
        portfolio_id,
        {market_symbol("transactions")},
        trade_date,
        'infinity',
        transaction_type = 'TRANSFER_IN'
    from raw.transactions
    where {market_symbol("transactions")} = any(%(all_symbols)s)
),

concerned as (
    select distinct known.place, lots.portfolio_id
    from known
    inner join held_as on known.place = held_as.place
    inner join lots
        on held_as.symbol = lots.symbol and lots.first_date < known.ex_date and lots.last_date >= known.ex_date
    inner join raw.portfolios on lots.portfolio_id = portfolios.portfolio_id and portfolios.deleted_at is null
),

listed_twice as (
    select distinct on (known.place) known.place, portfolios.name, lots.first_date
    from known
    inner join concerned on known.place = concerned.place
    inner join lots
        on
            concerned.portfolio_id = lots.portfolio_id
            and known.new_symbol = lots.symbol
            and lots.is_listed
            and lots.first_date <= known.ex_date + %(days_after)s
            and (known.action_type = 'SPINOFF' or lots.first_date >= known.ex_date - %(days_before)s)
    inner join raw.portfolios on lots.portfolio_id = portfolios.portfolio_id
    where known.action_type in ('SPINOFF', 'MERGER')
    order by known.place, portfolios.name, lots.first_date
)

select
    known.place,
    exists (select 1 from concerned where concerned.place = known.place),
    listed_twice.name,
    listed_twice.first_date,
    claim.symbol is not null,
    claim.value,
    claim.new_symbol,
    claim.cash_per_share,
    claim.cost_fraction,
    claim.value_pending,
    claim.refused_because,
    coalesce(known.symbol, claim.symbol),
    coalesce(known.ex_date, claim.ex_date),
    coalesce(known.action_type, claim.action_type)
from known
full join (select * from raw.corporate_action_claims where source = %(source)s) as claim
    on
        known.symbol = claim.symbol
        and known.ex_date = claim.ex_date
        and known.action_type = claim.action_type
left join listed_twice on known.place = listed_twice.place
"""


@dataclass(frozen=True)
class KnownEvent:
    """A well-known event, and where it can be read."""

    action: CorporateAction
    source: str

    @property
    def key(self) -> tuple[str, date, str]:
        """What tells it apart."""
        return self.action[:3]


def read_known_events(path: Path = FILE) -> list[KnownEvent]:
    """Read the file of well-known events.

    Raises:
        BadInput: with every `file:line: column: what is wrong`.
    """
    read = read_csv(path, path.name, _COLUMNS)
    events: dict[tuple[str, date, str], KnownEvent] = {}
    for row in read.rows:
        if row.bad:
            continue
        source = row.cells.pop("source")
        try:
            event = KnownEvent(check_action_of_person(**row.cells), source)
        except BadAction as problem:
            read.report(row.line, problem.column, str(problem))
            continue
        _check(event, events, row.line, read)
        events[event.key] = event
    if read.problems:
        raise BadInput([str(problem) for problem in read.problems])
    return list(events.values())


@cache
def known_sources() -> dict[tuple[str, date, str], str]:
    """Where each well-known event can be read, by symbol, ex-date and type."""
    return {event.key: event.source for event in read_known_events()}


def held_as(event: KnownEvent, events: Sequence[KnownEvent], *, by_later_names: bool) -> set[str]:
    """Return the symbols of lots that an event may come upon: its own, and those that others lead from to it.

    Args:
        event: the event.
        events: all events that may lead to it.
        by_later_names: whether a lot counts that was entered under a name that its company took later. Sources mostly
            keep the whole history under the latest name, and such a lot then goes well without the event.
    """
    found = {event.action.symbol}
    while True:
        before = {
            other.action.symbol
            for other in events
            if other.action.new_symbol in found
            and (other.action.ex_date, other.action.action_type != RENAME) < (event.action.ex_date, True)
        }
        later = {
            other.action.new_symbol
            for other in events
            if by_later_names and other.action.action_type == RENAME and other.action.symbol in found
            if other.action.new_symbol
        }
        if before | later <= found:
            return found
        found |= before | later


def take_known_events(
    conn: psycopg.Connection[Any],
    order: Sequence[str],
    now: datetime,
    *,
    wanted: KnownEvents,
    events: Sequence[KnownEvent] | None = None,
) -> list[tuple[str, str]]:
    """Claim the well-known events that somebody held through, and take back the others where they are not wanted.

    An event whose new shares a portfolio lists by itself, beside the lot they were handed out for, is put aside: both
    would count. One statement where nothing has changed.

    Args:
        conn: the database, migrated.
        order: the names of the sources, the first believed first.
        now: the moment of the run.
        wanted: `on` takes renamings, mergers and delistings, and tells of spin-offs; `all` takes those too, and what
            concerns lots that were entered under a later name; `off` takes none.
        events: those of the file unless given.

    Returns:
        What is new, as (scope, message).
    """
    events = read_known_events() if events is None else events
    by_place = dict(enumerate(events))
    claims, gone, symbols = [], [], set[str]()
    for place, is_held, name, first_date, is_stored, *terms, symbol, ex_date, kind in _standing(conn, by_place, wanted):
        event = by_place.get(place) if wanted != "off" else None
        *stored, refused_before = terms
        if event is None:
            if is_stored:
                gone.append((symbol, ex_date, kind))
                symbols.add(symbol)
            continue
        refused = None
        if name:
            refused = f"{name} lists {event.action.new_symbol} of {first_date} itself"
        elif event.action.action_type == SPINOFF and wanted != "all":
            refused = _HOLDER_DECIDES
        if not is_held and not is_stored:
            continue
        if not is_stored or [refused_before, *stored] != [refused, *event.action[3:]]:
            gone.append(event.key)
            claims.append((event, refused))
            symbols.add(symbol)
    if not symbols:
        return []
    with conn.transaction():
        adopt_stored(conn, sorted(symbols))
        _forget(conn, gone)
        write_claims(conn, [Claim(KNOWN, event.action, refused_because=why) for event, why in claims], now)
        settle_stored(conn, sorted(symbols), order, now, "from the list of well-known events")
        used = _used(conn)
    return [(event.action.symbol, _told(event, refused)) for event, refused in claims if refused or event.key in used]


def _check(event: KnownEvent, others: Collection[tuple[str, date, str]], line: int, read: CsvFile) -> None:
    if not event.source.strip():
        read.report(line, "source", "is empty: say where the event can be read")
    if event.key in others:
        read.report(
            line, "symbol", f"another {event.action.action_type} of {event.action.symbol} has this day: keep one"
        )


def _standing(
    conn: psycopg.Connection[Any], events: dict[int, KnownEvent], wanted: KnownEvents
) -> list[tuple[Any, ...]]:
    everything = list(events.values())
    holders = [
        (place, symbol)
        for place, event in events.items()
        for symbol in held_as(event, everything, by_later_names=wanted == "all")
    ]
    actions = [event.action for event in events.values()]
    children = {action.new_symbol for action in actions if action.new_symbol}
    return conn.execute(
        _STANDING,
        {
            "places": list(events),
            "symbols": [action.symbol for action in actions],
            "dates": [action.ex_date for action in actions],
            "types": [action.action_type for action in actions],
            "new_symbols": [action.new_symbol for action in actions],
            "held_places": [place for place, _ in holders],
            "held_symbols": [symbol for _, symbol in holders],
            "all_symbols": sorted(children.union(symbol for _, symbol in holders)),
            "days_before": DAYS_BEFORE,
            "days_after": DAYS_AFTER,
            "source": KNOWN,
        },
    ).fetchall()


def _forget(conn: psycopg.Connection[Any], keys: Sequence[tuple[str, date, str]]) -> None:
    conn.execute(
        "delete from raw.corporate_action_claims as claim"
        " using unnest(%s::text[], %s::date[], %s::text[]) as gone (symbol, ex_date, action_type)"
        " where claim.source = %s and claim.symbol = gone.symbol and claim.ex_date = gone.ex_date"
        " and claim.action_type = gone.action_type",
        [*(list(each) for each in zip(*keys, strict=True)), KNOWN],
    )


def _used(conn: psycopg.Connection[Any]) -> set[tuple[str, date, str]]:
    rows = conn.execute("select symbol, ex_date, action_type from raw.corporate_actions where source = %s", [KNOWN])
    return {(symbol, ex_date, kind) for symbol, ex_date, kind in rows}


def _told(event: KnownEvent, refused: str | None) -> str:
    action = event.action
    command = f"{action.symbol} {action.ex_date} {action.action_type}"
    if refused:
        terms = f" {action.value.normalize():f} --new-symbol {action.new_symbol}"
        terms += f" --cash-per-share {action.cash_per_share.normalize():f}" if action.cash_per_share else ""
        put_aside = f"the well-known event {describe(action)} is put aside, since {refused}"
        take = f"`python run_nightly.py actions add {command}{terms}`"
        if refused == _HOLDER_DECIDES:
            return f"{put_aside}: without it that day counts as a fall; {take} takes it, and {SETTING}=all takes all"
        return (
            f"{put_aside}, and the lots it acts on would have these shares twice: delete that lot, or say that it was"
            f" bought in addition, with {take}"
        )
    return (
        f"{describe(action)}: taken from the list of well-known events ({event.source}), since it was held then; if"
        f" that is wrong, `python run_nightly.py actions dismiss {command}`, and {SETTING}=off for all of them"
    )
