-- Companies in the book whose fundamentals have been due for more than three days (a long weekend), by the rule of
-- ingest/fundamentals/due.py. Nothing is overdue where no source of fundamentals was ever asked, as with a folder of
-- prices alone. A company for which every source was asked and none had an answer is not overdue either.
{{ config(severity='warn') }}

with clock as (
    select (now() at time zone 'America/New_York')::date as today
),

asked as (
    select
        symbol,
        (max(last_success_at) at time zone 'America/New_York')::date as fetched_on,
        max(next_attempt_at) as next_attempt_at,
        max(reason) as reason
    from {{ source('ops', 'fetch_state') }}
    where kind = 'fundamentals'
    group by symbol
),

companies as (
    select
        latest_holdings.market_symbol as symbol,
        profiles.next_earnings_date,
        min((lots.loaded_at at time zone 'America/New_York')::date) as loaded_on
    from {{ ref('latest_holdings') }} as latest_holdings
    inner join {{ source('raw', 'position_terms') }} as lots on latest_holdings.position_id = lots.position_id
    inner join {{ source('raw', 'company_profiles') }} as profiles
        on latest_holdings.market_symbol = profiles.symbol
    where
        upper(profiles.quote_type) = 'EQUITY'
        and exists (select 1 from asked)
    group by latest_holdings.market_symbol, profiles.next_earnings_date
),

with_statements as (
    select distinct symbol from {{ source('raw', 'financial_statements') }}
),

-- Each reason to be due, with the day from which it holds.
due as (
    select
        companies.symbol,
        companies.loaded_on as due_since,
        'none yet' as because
    from companies
    left join asked on companies.symbol = asked.symbol
    left join with_statements on companies.symbol = with_statements.symbol
    where
        (asked.fetched_on is null or with_statements.symbol is null)
        and asked.next_attempt_at is null
    union all
    select
        companies.symbol,
        asked.fetched_on + {{ var("fundamentals_stale_after_days") }},
        'fetched {{ var("fundamentals_stale_after_days") }} days ago'
    from companies
    inner join asked on companies.symbol = asked.symbol
    union all
    select
        companies.symbol,
        earnings.earnings_date + {{ var("fundamentals_settled_after_days") }},
        'reported since'
    from companies
    inner join asked on companies.symbol = asked.symbol
    inner join {{ ref('stg_earnings_dates') }} as earnings on companies.symbol = earnings.symbol
    where earnings.earnings_date >= asked.fetched_on
    union all
    select
        companies.symbol,
        companies.next_earnings_date + {{ var("fundamentals_settled_after_days") }},
        'reported since'
    from companies
    inner join asked on companies.symbol = asked.symbol
    where companies.next_earnings_date >= asked.fetched_on
),

earliest as (
    select distinct on (symbol)
        symbol,
        due_since,
        because
    from due
    order by symbol, due_since
)

select
    earliest.symbol,
    earliest.due_since,
    earliest.because,
    asked.fetched_on,
    asked.reason as last_answer,
    asked.next_attempt_at::date as next_attempt_on
from earliest
cross join clock
left join asked on earliest.symbol = asked.symbol
where earliest.due_since < clock.today - 3
order by earliest.due_since, earliest.symbol
