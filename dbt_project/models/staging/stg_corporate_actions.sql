with corporate_actions as (
    select * from {{ source('raw', 'corporate_actions') }}
),

final as (
    select
        actions.symbol,
        actions.ex_date,
        -- Only one company has a name at a time. A company that takes a name which another has taken and not given up
        -- has merged into that one.
        case
            when
                actions.action_type = 'RENAME'
                and exists (
                    select 1 from corporate_actions as earlier
                    where
                        earlier.action_type = 'RENAME'
                        and earlier.new_symbol = actions.new_symbol
                        and (earlier.ex_date, earlier.symbol) < (actions.ex_date, actions.symbol)
                        and not exists (
                            select 1 from corporate_actions as given_up
                            where
                                given_up.action_type = 'RENAME'
                                and given_up.symbol = actions.new_symbol
                                and given_up.ex_date > earlier.ex_date
                                and given_up.ex_date <= actions.ex_date
                        )
                )
                then 'MERGER'
            else actions.action_type
        end as action_type,
        case when not actions.value_pending then actions.value end as value,
        actions.new_symbol,
        actions.cash_per_share,
        actions.cost_fraction
    from corporate_actions as actions
)

select * from final
