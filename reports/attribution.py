"""The sources of a period's P&L and active return: the stored results of its sessions, added up and linked.

P&L adds up over sessions; effects on returns do not, since returns are linked. Carino (1999): an effect of a session
counts (ln(1 + R) − ln(1 + B)) / (R − B) per unit, R being the portfolio's return and B the benchmark's; the sum over
the sessions, divided by the same ratio of the period's R and B, is its part of the period's R − B, to which all add up.

The queries here are the part after `select`; `show`, the pages and the API share them. They cover `%(portfolio_id)s`
and the sessions from `%(first)s` to `%(day)s`. `sessions` of the `of_sessions` sessions have an attribution.
"""

from __future__ import annotations

from datetime import date
from typing import LiteralString

# Contributions of positions are stored for these periods only, so attribution is shown for the same ones.
ATTRIBUTED = ("MTD", "YTD", "SI")

_SPAN = "portfolio_id = %(portfolio_id)s and calculation_date between %(first)s and %(day)s"
_REASON = """
    case
        when sessions < of_sessions
            then sessions || ' of ' || of_sessions || ' sessions have an attribution: the others are not in here'
    end
"""


def _log_per_difference(own: LiteralString, other: LiteralString) -> LiteralString:
    """(ln(1 + R) − ln(1 + B)) / (R − B) in SQL; by its series where R and B are close, so that no digit is lost."""
    x = f"(({own} - {other}) / (1 + {other}))"
    series = f"1 - {x} / 2 + {x} * {x} / 3 - {x} * {x} * {x} / 4"
    return f"(case when abs({x}) < 1e-4 then {series} else ln(1 + {x}) / {x} end / (1 + {other}))"


SOURCES_OF_PERIOD = f"""
from (
    select sources.*, counted.*, {_REASON} as reason
    from (
        select
            source,
            sum(pnl order by calculation_date) as pnl,
            sum(pnl) filter (where calculation_date = %(day)s) as day_pnl
        from analytics.portfolio_pnl_attribution
        where {_SPAN}
        group by source
    ) as sources
    cross join (
        select
            count(*) filter (
                where exists (
                    select 1 from analytics.portfolio_pnl_attribution as attributed
                    where
                        attributed.portfolio_id = snapshots.portfolio_id
                        and attributed.calculation_date = snapshots.snapshot_date
                )
            )::integer as sessions,
            count(*)::integer as of_sessions
        from analytics.portfolio_snapshots as snapshots
        where portfolio_id = %(portfolio_id)s and snapshot_date between %(first)s and %(day)s
    ) as counted
) as period
order by period.source
"""

# On a session without a close of the benchmark its return counts as 0, as in portfolio_performance. The row Benchmark
# then contains what the other rows leave over.
SECTORS_OF_PERIOD = f"""
from (
    with stored as (
        select * from analytics.portfolio_sector_attribution where {_SPAN}
    ),

    sessions as (
        select
            snapshots.snapshot_date as day,
            snapshots.daily_return::float8 as own,
            coalesce(snapshots.benchmark_return, 0)::float8 as other,
            snapshots.snapshot_date in (select calculation_date from stored) as is_attributed,
            snapshots.daily_return <= -1 or snapshots.benchmark_return <= -1 as is_end
        from analytics.portfolio_snapshots as snapshots
        where
            snapshots.portfolio_id = %(portfolio_id)s
            and snapshots.snapshot_date between %(first)s and %(day)s
            and snapshots.daily_return is not null
    ),

    totals as (
        select
            count(*) filter (where is_attributed)::integer as sessions,
            count(*)::integer as of_sessions,
            coalesce(bool_or(is_end) filter (where is_attributed), false) as is_lost,
            exp(sum(case when is_end then 0 else ln(1 + own) end order by day) filter (where is_attributed)) - 1
                as own,
            exp(sum(case when is_end then 0 else ln(1 + other) end order by day) filter (where is_attributed)) - 1
                as other
        from sessions
    ),

    weighed as (
        select
            stored.sector,
            stored.calculation_date as day,
            stored.portfolio_weight,
            stored.benchmark_weight,
            coalesce(stored.allocation, 0) as allocation,
            coalesce(stored.selection, 0) as selection,
            coalesce(stored.interaction, left_over.total) as interaction,
            coalesce(stored.total, left_over.total) as total,
            case when not totals.is_lost then
                {_log_per_difference("sessions.own", "sessions.other")}
                / {_log_per_difference("totals.own", "totals.other")}
            end as share
        from stored
        inner join sessions on stored.calculation_date = sessions.day
        cross join totals
        inner join (
            select calculation_date, sum(total) as total from stored group by calculation_date
        ) as told on stored.calculation_date = told.calculation_date
        cross join lateral (
            select sessions.own - sessions.other - coalesce(told.total, 0) as total
        ) as left_over
    )

    select
        linked.*,
        totals.sessions,
        totals.of_sessions,
        case
            when totals.is_lost then 'everything was lost on a session: nothing can be linked'
            else {_REASON}
        end as reason
    from (
        select
            weighed.sector,
            sum(portfolio_weight order by day) / max(totals.sessions) as portfolio_weight,
            sum(benchmark_weight order by day) / max(totals.sessions) as benchmark_weight,
            sum(share * allocation order by day) + 0 as allocation,
            sum(share * selection order by day) + 0 as selection,
            sum(share * interaction order by day) + 0 as interaction,
            sum(share * total order by day) + 0 as total
        from weighed
        cross join totals
        group by weighed.sector
    ) as linked
    cross join totals
) as period
order by period.sector in ('Cash', 'Unclassified', 'Trading', 'Benchmark'), period.sector
"""


def first_of_period(period: str, day: date) -> date:
    """The first day of the month, of the year, or of all time (MTD, YTD, SI), as of a session."""
    return {"MTD": day.replace(day=1), "YTD": day.replace(month=1, day=1), "SI": date.min}[period]
