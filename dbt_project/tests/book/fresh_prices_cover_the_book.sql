-- Portfolios that were rolled to the same session count as one book. The test measures how much of each book, by
-- absolute value, has a price of that session. It returns the symbols without one. Private holdings and delisted shares
-- do not count, because nobody quotes them.
{{ config(
    warn_if='> 0 and min(fresh_share) < 0.99',
    error_if='> 0 and min(fresh_share) < 0.90',
) }}

with book as (
    select
        value_date,
        symbol,
        min(price_date) as price_date,
        sum(abs(market_value)) as absolute_value,
        bool_or(is_stale) as is_stale
    from {{ ref('latest_holdings') }}
    where investment_class <> 'PRIVATE' and not (is_stale and is_delisted)
    group by value_date, symbol
),

shares as (
    select
        value_date,
        symbol,
        price_date,
        is_stale,
        round(absolute_value, 2) as absolute_value,
        round(
            coalesce(sum(absolute_value) filter (where not is_stale) over one_book, 0)
            / nullif(sum(absolute_value) over one_book, 0), 6
        ) as fresh_share
    from book
    window one_book as (partition by value_date)
)

select
    symbol,
    value_date,
    price_date,
    absolute_value,
    fresh_share
from shares
where is_stale
order by absolute_value desc
