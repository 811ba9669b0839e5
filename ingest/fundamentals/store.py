"""What the loader of fundamentals reads from and writes to `raw`: each a constant number of statements."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from ingest.rows import EarningsDate, Estimate, Statement
from ingest.sources.fetch_state import FUNDAMENTALS
from warehouse.bulk import MergeCounts, merge_rows


class Candidate(NamedTuple):
    """What is known of a symbol that may have fundamentals; dates are New York's.

    `half_filled_since`: when the newest quarter was first seen, where it or one of its statements lacks half the items
    of the one before.
    """

    symbol: str
    quote_type: str | None
    has_statements: bool
    fetched_on: date | None
    earnings_dates: list[date]
    half_filled_since: date | None = None


class StatementCounts(NamedTuple):
    """What became of statements: periods never seen before, new versions, the same as stored.

    `outranked` ones were left out, since an earlier source in the chain has that period. `restated` names the symbols
    with new versions.
    """

    new: int = 0
    versions: int = 0
    unchanged: int = 0
    outranked: int = 0
    restated: tuple[str, ...] = ()

    def __add__(self, other: "StatementCounts") -> "StatementCounts":  # type: ignore[override]
        return StatementCounts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def read_candidates(conn: psycopg.Connection[Any], symbols: Sequence[str], today: date) -> list[Candidate]:
    """Return what is known of these symbols, in their order; earnings dates are those up to today.

    The profile's counts too: it is asked for more often, and may know of a report that was moved forward.
    """
    query = """
        select
            wanted.symbol,
            profile.quote_type,
            exists (select 1 from raw.financial_statements as statement where statement.symbol = wanted.symbol),
            (
                select (max(state.last_success_at) at time zone 'America/New_York')::date
                from ops.fetch_state as state
                where state.symbol = wanted.symbol and state.kind = %(kind)s
            ),
            array(
                select earnings.earnings_date from raw.earnings_dates as earnings
                where earnings.symbol = wanted.symbol and earnings.earnings_date <= %(today)s
                union
                select profile.next_earnings_date where profile.next_earnings_date <= %(today)s
            ),
            half_filled.since
        from unnest(%(symbols)s::text[]) with ordinality as wanted (symbol, place)
        left join raw.company_profiles as profile on profile.symbol = wanted.symbol
        cross join lateral (
            with statements as (
                select
                    statement,
                    dense_rank() over (order by period_end desc) as quarters_back,
                    min(first_seen_at) as seen_at,
                    (
                        array_agg(
                            (select count(*) from jsonb_each(line_items) as item where item.value <> 'null')
                            order by first_seen_at desc
                        )
                    )[1] as items
                from raw.financial_statements as version
                where version.symbol = wanted.symbol and version.frequency = 'quarterly'
                group by statement, period_end
            )

            select (min(newest.seen_at) at time zone 'America/New_York')::date as since
            from statements as newest
            where
                newest.quarters_back = 1
                and (
                    exists (
                        select 1 from statements as before
                        where
                            before.quarters_back = 2
                            and before.statement = newest.statement
                            and 2 * newest.items < before.items
                    )
                    or 2 * (select sum(items) from statements where quarters_back = 1)
                    < (select sum(items) from statements where quarters_back = 2)
                )
        ) as half_filled
        order by wanted.place
    """
    parameters = {"symbols": list(symbols), "today": today, "kind": FUNDAMENTALS}
    return [Candidate(*row) for row in conn.execute(query, parameters)]


def write_statements(
    conn: psycopg.Connection[Any], rows: Iterable[tuple[Statement, str]], now: datetime, sources: Sequence[str]
) -> StatementCounts:
    """Store statements, each with its source: a version of its own where it differs from the latest one stored.

    Two sources name their items differently, so that one's words for another's would look like a restatement: a period
    that an earlier one of `sources` has is left to it, and one of a later one, or of none of them, is replaced. An item
    that is None keeps the value it has.
    """
    distinct = {row[:4]: (row, source) for row, source in rows}
    if not distinct:
        return StatementCounts()
    columns = "symbol, statement, frequency, period_end, currency, line_items, source"
    with conn.transaction():
        conn.execute(
            f"create temp table incoming_statements on commit drop as"
            f" select {columns} from raw.financial_statements with no data"
        )
        with conn.cursor().copy(f"copy pg_temp.incoming_statements ({columns}) from stdin") as copy:
            for row, source in distinct.values():
                copy.write_row((*row[:5], Jsonb(row.line_items), source))
        # Equal numbers are equal in jsonb however they are written: 1.0 is 1. A clock that was set back must not
        # put a new version before the one that it replaces.
        counts = conn.execute(
            f"""
            with compared as (
                select
                    incoming.symbol,
                    incoming.statement,
                    incoming.frequency,
                    incoming.period_end,
                    incoming.currency,
                    completed.line_items,
                    incoming.source,
                    latest.first_seen_at,
                    (incoming.currency, completed.line_items)
                    is distinct from (latest.currency, latest.line_items) as is_different,
                    coalesce(array_position(%(sources)s::text[], incoming.source), %(last)s)
                    > coalesce(array_position(%(sources)s::text[], latest.source), %(last)s) as is_outranked
                from pg_temp.incoming_statements as incoming
                left join lateral (
                    select version.first_seen_at, version.currency, version.line_items, version.source
                    from raw.financial_statements as version
                    where
                        version.symbol = incoming.symbol
                        and version.statement = incoming.statement
                        and version.frequency = incoming.frequency
                        and version.period_end = incoming.period_end
                    order by version.first_seen_at desc
                    limit 1
                ) as latest on true
                cross join lateral (
                    select
                        jsonb_strip_nulls(incoming.line_items)
                        || coalesce(jsonb_object_agg(item.key, latest.line_items -> item.key), '{{}}') as line_items
                    from jsonb_each(incoming.line_items) as item
                    where item.value = 'null' and latest.line_items ? item.key
                ) as completed
            ),

            written as (
                insert into raw.financial_statements ({columns}, first_seen_at)
                select {columns}, greatest(%(now)s, first_seen_at + interval '1 microsecond')
                from compared
                where first_seen_at is null or (is_different and not is_outranked)
            )

            select
                count(*) filter (where first_seen_at is null),
                count(*) filter (where is_different and not is_outranked and first_seen_at is not null),
                count(*) filter (where not is_different and not is_outranked),
                count(*) filter (where is_outranked and first_seen_at is not null),
                coalesce(
                    array_agg(distinct symbol)
                    filter (where is_different and not is_outranked and first_seen_at is not null),
                    array[]::text[]
                )
            from compared
            """,
            {"sources": list(sources), "last": len(sources) + 1, "now": now},
        ).fetchone()
        conn.execute("drop table pg_temp.incoming_statements")
    return StatementCounts(*counts[:4], tuple(counts[4]))


def write_estimates(conn: psycopg.Connection[Any], rows: Iterable[tuple[Estimate, str]], today: date) -> MergeCounts:
    """Store estimates, each with its source; `as_of` is the day on which they last changed."""
    distinct = {(row.symbol, row.period_end): (row, source) for row, source in rows}
    if not distinct:
        return MergeCounts()
    return merge_rows(
        conn,
        "raw.analyst_estimates",
        ["symbol", "period_end"],
        ["symbol", "period_end", "estimates", "as_of", "source"],
        ((row.symbol, row.period_end, Jsonb(row.estimates), today, source) for row, source in distinct.values()),
        compare=["estimates"],
    )


def write_earnings(conn: psycopg.Connection[Any], rows: Iterable[tuple[EarningsDate, str]], today: date) -> MergeCounts:
    """Make the stored earnings dates of the symbols in `rows` those of `rows`, as far back as these go.

    A date that is not among them any more has been moved: an expected one, or a past one in the span that they cover.
    Today's stays: a source may already tell of the next. `company_profiles.next_earnings_date` is kept in step.
    """
    distinct = {(row.symbol, row.earnings_date): (row, source) for row, source in rows}
    if not distinct:
        return MergeCounts()
    first: dict[str, date] = {}
    for symbol, day in distinct:
        first[symbol] = min(day, first.get(symbol, day))
    within = """
        exists (
            select 1 from unnest(%(symbols)s::text[], %(first)s::date[]) as told (symbol, first_date)
            where
                told.symbol = target.symbol
                and (target.earnings_date > %(today)s or target.earnings_date >= told.first_date)
        )
    """
    with conn.transaction():
        counts = merge_rows(
            conn,
            "raw.earnings_dates",
            ["symbol", "earnings_date"],
            ["symbol", "earnings_date", "eps_estimate", "eps_actual", "as_of", "source"],
            ((*row, today, source) for row, source in distinct.values()),
            compare=["eps_estimate", "eps_actual"],
            within=within,
            parameters={"symbols": list(first), "first": list(first.values()), "today": today},
        )
        _keep_profiles_in_step(conn, first.keys(), today)
    return counts


def _keep_profiles_in_step(conn: psycopg.Connection[Any], symbols: Collection[str], today: date) -> None:
    conn.execute(
        """
        update raw.company_profiles as profile
        set next_earnings_date = upcoming.earnings_date
        from (
            select wanted.symbol, min(earnings.earnings_date) as earnings_date
            from unnest(%(symbols)s::text[]) as wanted (symbol)
            left join raw.earnings_dates as earnings
                on earnings.symbol = wanted.symbol and earnings.earnings_date >= %(today)s
            group by wanted.symbol
        ) as upcoming
        where
            profile.symbol = upcoming.symbol
            and profile.next_earnings_date is distinct from upcoming.earnings_date
            and (upcoming.earnings_date is not null or profile.next_earnings_date < %(today)s)
        """,
        {"symbols": list(symbols), "today": today},
    )
