"""What the loader of market data reads from and writes to `raw` and `ops`: each a constant number of statements."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import psycopg
from psycopg.types.json import Jsonb

from ingest.providers.base import Want
from ingest.rows import PriceBar, Profile, RejectedRow
from warehouse.bulk import MergeCounts, merge_rows

_KEPT = ("open", "high", "low", "close", "volume", "source")
_PROFILE_COLUMNS = (*Profile._fields, "source")


# A close that was stored within this many days of its session is as traded: no later split is in it.
_OWN_DAYS = 7
_NEW_YORK = ZoneInfo("America/New_York")


class StoredBar(NamedTuple):
    """A bar as stored, the source it came from, when it came, and whether that was within a week of its session."""

    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal
    volume: int | None
    source: str
    own_day: bool = False
    loaded_at: datetime = datetime(1, 1, 2, tzinfo=UTC)

    @property
    def came_on(self) -> date:
        """The day in New York on which it came."""
        return self.loaded_at.astimezone(_NEW_YORK).date()


class Restatement(NamedTuple):
    """A stored bar that a source now shows differently; `reason` where the whole history was fetched again."""

    bar: PriceBar
    source: str
    replaced: StoredBar
    reason: str | None = None


class AcceptedRow(NamedTuple):
    """A refused row that a person has said is right."""

    source: str
    relation: str
    symbol: str
    row_date: date | None
    reason: str
    payload: dict[str, Any]


def read_bars(conn: psycopg.Connection[Any], wants: Sequence[Want]) -> dict[str, dict[date, StoredBar]]:
    """Return the stored bars of each symbol's range, by symbol and session."""
    found: dict[str, dict[date, StoredBar]] = {want.symbol: {} for want in wants}
    query = (
        "select bar.symbol, bar.price_date, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.source,"
        f" bar.loaded_at < bar.price_date + {_OWN_DAYS + 1}, bar.loaded_at"
        " from unnest(%s::text[], %s::date[], %s::date[]) as want (symbol, first, last)"
        " inner join raw.market_data_cache as bar"
        " on bar.symbol = want.symbol and bar.price_date between want.first and want.last"
    )
    with conn.cursor(binary=True) as cursor:
        for symbol, day, *values in cursor.execute(query, _columns(wants)).fetchall():
            found[symbol][day] = StoredBar(*values)
    return found


def read_history(conn: psycopg.Connection[Any], symbols: Sequence[str]) -> dict[str, dict[date, StoredBar]]:
    """Return all bars that are stored of these symbols, by session."""
    return read_bars(conn, [Want(symbol, date.min, date.max) for symbol in symbols])


def read_profiles(conn: psycopg.Connection[Any], symbols: Sequence[str]) -> dict[str, tuple[Profile, str]]:
    """Return the stored profiles of these symbols, each with its source."""
    query = f"select {', '.join(_PROFILE_COLUMNS)} from raw.company_profiles where symbol = any(%s)"
    return {row[0]: (Profile(*row[:-1]), row[-1]) for row in conn.execute(query, [list(symbols)])}


def write_bars(conn: psycopg.Connection[Any], rows: Sequence[tuple[PriceBar, str, datetime]]) -> MergeCounts:
    """Store bars, each with its source and when its close came."""
    if not rows:
        return MergeCounts()
    return merge_rows(
        conn,
        "raw.market_data_cache",
        ["symbol", "price_date"],
        [*PriceBar._fields, "source", "loaded_at"],
        ((*bar, source, loaded_at) for bar, source, loaded_at in rows),
    )


def write_profiles(conn: psycopg.Connection[Any], rows: Sequence[tuple[Profile, str]]) -> MergeCounts:
    """Store profiles, each with its source."""
    if not rows:
        return MergeCounts()
    return merge_rows(
        conn, "raw.company_profiles", ["symbol"], _PROFILE_COLUMNS, ((*profile, source) for profile, source in rows)
    )


def write_restatements(conn: psycopg.Connection[Any], restatements: Iterable[Restatement]) -> None:
    """Keep what is being replaced, in `ops.price_restatements`."""
    columns = "symbol, price_date, old_source, new_source, old_close, new_close, old_row, reason"
    with conn.cursor().copy(f"copy ops.price_restatements ({columns}) from stdin") as copy:
        for bar, source, old, reason in restatements:
            replaced = Jsonb(json_ready(dict(zip(_KEPT, old, strict=False))))
            copy.write_row((bar.symbol, bar.price_date, old.source, source, old.close, bar.close, replaced, reason))


def read_accepted(conn: psycopg.Connection[Any], symbols: Sequence[str]) -> list[AcceptedRow]:
    """Return the refused rows of these symbols that a person has accepted."""
    query = (
        f"select {', '.join(AcceptedRow._fields)} from ops.rejected_rows"
        " where symbol = any(%s) and accepted_at is not null"
    )
    return [AcceptedRow(*row) for row in conn.execute(query, [list(symbols)])]


def read_dismissed(
    conn: psycopg.Connection[Any], symbols: Sequence[str]
) -> set[tuple[str, str, str, date | None, str]]:
    """Return (source, relation, symbol, date, reason) of the refused rows that a person does not want to be told of."""
    query = (
        "select source, relation, symbol, row_date, reason from ops.rejected_rows"
        " where symbol = any(%s) and dismissed_at is not null"
    )
    return {(row[0], row[1], row[2], row[3], row[4]) for row in conn.execute(query, [list(symbols)])}


def forget_used_acceptances(conn: psycopg.Connection[Any], rows: Sequence[AcceptedRow]) -> None:
    """Forget that these were accepted: they held for one fetch of a whole history, which is done."""
    conn.execute(
        "delete from ops.rejected_rows using unnest(%s::text[], %s::text[]) as used (source, symbol)"
        " where rejected_rows.source = used.source and rejected_rows.symbol = used.symbol"
        " and payload ? 'history' and accepted_at is not null",
        [[row.source for row in rows], [row.symbol for row in rows]],
    )


def write_rejected(conn: psycopg.Connection[Any], rows: Iterable[RejectedRow]) -> int:
    """Put rows into the quarantine, and return how many are new there: one that fails again is not listed twice."""
    # By hand and not by merge_rows: the date in the key may be null here, and null equals null in this key alone.
    distinct = {(row.source, row.relation, row.symbol, row.row_date, row.reason): row.payload for row in rows}
    if not distinct:
        return 0
    columns = "source, relation, symbol, row_date, reason, payload"
    with conn.transaction():
        conn.execute(
            f"create temp table refused_rows on commit drop as select {columns} from ops.rejected_rows with no data"
        )
        with conn.cursor().copy(f"copy pg_temp.refused_rows ({columns}) from stdin") as copy:
            for key, payload in distinct.items():
                copy.write_row((*key, Jsonb(payload)))
        new = conn.execute(
            f"with merged as (insert into ops.rejected_rows ({columns}) select {columns} from pg_temp.refused_rows"
            " on conflict (source, relation, symbol, row_date, reason)"
            " do update set payload = excluded.payload, last_rejected_at = now(), accepted_at = null"
            " returning first_rejected_at = now() as is_new)"
            " select count(*) filter (where is_new) from merged"
        ).fetchone()[0]
        conn.execute("drop table pg_temp.refused_rows")
    return new


def json_ready(values: dict[str, Any]) -> dict[str, object]:
    """Write decimals and dates as text, as JSON knows neither."""
    return {name: str(value) if isinstance(value, Decimal | date) else value for name, value in values.items()}


def _columns(wants: Sequence[Want]) -> list[list[Any]]:
    return [[want.symbol for want in wants], [want.first for want in wants], [want.last for want in wants]]
