{{ config(tags=['phase_2'], meta={'is_computed_in_shards': true}) }}

with position_values as (
    {{ rows_in_window(ref('position_values'), 'value_date') }}
),

by_position as (
    select
        portfolio_id,
        value_date,
        sum(market_value) as market_value,
        sum(market_value) filter (where market_value > 0) as long_value,
        sum(market_value) filter (where market_value < 0) as short_value,
        sum(daily_pnl) as daily_pnl,
        sum(realized_pnl) as realized_pnl,
        sum(dividend_income) as dividend_income,
        sum(fees) as fees,
        count(*) filter (where quantity <> 0) as num_positions,
        count(*) filter (where quantity > 0) as num_long_positions,
        count(*) filter (where quantity < 0) as num_short_positions,
        count(*) filter (where quantity <> 0 and is_stale) as num_stale_positions
    from position_values
    group by portfolio_id, value_date
),

-- Lots of one symbol are one holding, because splitting a lot does not concentrate a portfolio.
net_holdings as (
    select
        portfolio_id,
        value_date,
        abs(sum(market_value)) as net_value
    from position_values
    group by portfolio_id, value_date, symbol
),

concentrations as (
    select
        portfolio_id,
        value_date,
        sum(net_value) as total_net_value,
        sum(net_value * net_value) as sum_of_squares,
        (array_agg(net_value order by net_value desc))[1:10] as largest
    from net_holdings
    group by portfolio_id, value_date
),

final as (
    select
        by_position.*,
        round(10000 * concentrations.sum_of_squares / nullif(concentrations.total_net_value ^ 2, 0), 10) as hhi,
        round(concentrations.total_net_value ^ 2 / nullif(concentrations.sum_of_squares, 0), 10)
            as effective_num_positions,
        round(
            (select sum(net_value) from unnest(concentrations.largest[1:3]) as net_value)
            / nullif(concentrations.total_net_value, 0),
            18
        ) as top_3_concentration,
        round(
            (select sum(net_value) from unnest(concentrations.largest) as net_value)
            / nullif(concentrations.total_net_value, 0),
            18
        ) as top_10_concentration
    from by_position
    inner join concentrations
        on
            by_position.portfolio_id = concentrations.portfolio_id
            and by_position.value_date = concentrations.value_date
)

select * from final
