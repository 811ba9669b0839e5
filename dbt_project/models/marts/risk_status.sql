{{ config(materialized='view', tags=['views']) }}

{% set query %}
with risk_state as (
    select * from {{ ref('stg_risk_state') }}
),

-- Changes that P&L has taken in and risk has not seen yet. This lasts a few minutes of a night, or longer if phase 3
-- fails.
waiting as (
    select * from {{ ref('stg_input_changes') }}
    where risk_taken_at is null and rolled_at is not null
),

positions as (
    select * from {{ ref('stg_positions') }}
),

factor_definitions as (
    select * from {{ ref('factor_definitions') }}
),

final as (
    select
        risk_state.portfolio_id,
        risk_state.calculation_date,
        risk_state.calculated_at,
        coalesce(risk_state.stale_because, changed.cause) as stale_because
    from risk_state
    left join lateral (
        select concat_ws(' ', waiting.symbol, waiting.input, 'of', waiting.from_date, waiting.what) as cause
        from waiting
        where
            risk_state.stale_because is null
            and waiting.from_date <= risk_state.calculation_date
            and (
                waiting.portfolio_id = risk_state.portfolio_id
                or waiting.input = 'session'
                or exists (
                    select 1 from positions
                    where
                        positions.portfolio_id = risk_state.portfolio_id
                        and (
                            positions.position_id = waiting.position_id
                            or waiting.symbol in (positions.symbol, positions.underlying_symbol)
                        )
                )
                or exists (
                    select 1 from factor_definitions
                    where waiting.symbol = any(string_to_array(factor_definitions.symbols, ' '))
                )
            )
        order by waiting.change_id
        limit 1
    ) as changed on true
)

select * from final
{% endset %}

{{ shown_by_owner(query) }}
