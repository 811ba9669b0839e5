{{ config(materialized='ephemeral') }}

with recursive corporate_actions as (
    select * from {{ ref('stg_corporate_actions') }}
    where action_type in ('RENAME', 'MERGER', 'SPINOFF', 'DELISTING')
),

linked as (
    select
        symbol,
        new_symbol as other_symbol
    from corporate_actions
    where new_symbol is not null
    union
    select
        new_symbol,
        symbol
    from corporate_actions
    where new_symbol is not null
),

families as (
    select
        symbol,
        symbol as member
    from corporate_actions
    union
    select
        new_symbol,
        new_symbol as member
    from corporate_actions
    where new_symbol is not null
    union
    select
        families.symbol,
        linked.other_symbol
    from families
    inner join linked on families.member = linked.symbol
)

select
    symbol,
    member
from families
