{#
    Lots are made anew for the portfolios that something may have changed for, and kept for all others. `ops.changed_books`
    lists those portfolios. It may list more than need be, never fewer: it is made from all changes that are not taken in
    yet, and a portfolio stays on it until `finish_roll_forward` takes them in. So it holds after a run that died. After
    that it stays there until `positions` has been written, which may be before and then is once more.

    The list is made right before `lots`, and from the log of that moment. What has come in during the run, and is in the
    tables that lots are made from and valued with (splits, names, events), would else be met by lots of before.

    All lots are made anew with --full-refresh, and where the night has not found that tables fit (the variable
    `tables_fit`): then a file of the project, a migration or a session of the calendar has changed, or somebody ran dbt
    by hand.
#}
{% macro run_keeps_books() -%}
    {{- return(execute and var("tables_fit", false) and not flags.FULL_REFRESH) -}}
{%- endmacro %}

{# Whether this model keeps its rows: not if its table is gone. #}
{% macro keeps_books() -%}
    {{- return(run_keeps_books() and load_cached_relation(this) is not none) -}}
{%- endmacro %}

{# A condition on the rows that a table of lots is made from; such a model has `kept_by_book` in its meta. #}
{% macro is_of_changed_book() -%}
    {%- if keeps_books() -%}
        portfolio_id in (
            select changed_books.portfolio_id
            from {{ source("ops", "changed_books") }} as changed_books
            where not changed_books.is_rolled
        )
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{# For the materialization: whether the rows of other portfolios stay. #}
{% macro is_kept_by_book() -%}
    {{- return(model.config.meta.get("kept_by_book", false) and keeps_books()) -}}
{%- endmacro %}

{# The rows of changed portfolios go; all at once where there are no others. #}
{% macro empty_changed_books() -%}
    if exists (select 1 from {{ this }} where not {{ is_of_changed_book() }}) then
        delete from {{ this }} where {{ is_of_changed_book() }};
    else
        truncate {{ this }};
    end if;
{%- endmacro %}

{# Statistics are taken anew once a tenth of the rows is new, as autovacuum would. #}
{% macro analyze_changed_books() -%}
    do $analyze$
    begin
        if (select count(*) from {{ this }} where {{ is_of_changed_book() }})
            > 1000 + 0.1 * (select reltuples from pg_class where oid = '{{ this.include(database=false) }}'::regclass)
        then
            analyze {{ this.include(database=false) }};
        end if;
    end
    $analyze$
{%- endmacro %}

{#
    Pre-hook of lots, in its transaction: lists the portfolios whose lots the changes may concern. Whom a change of the
    market concerns is read from the lots as the last run left them; what has changed in these since is a change of its own.
#}
{% macro list_changed_books() -%}
    {%- if run_keeps_books() -%}
        {%- set made = {} -%}
        {%- for name in ["lots", "lot_closings", "option_settlements", "symbol_names", "corporate_events"] -%}
            {%- do made.update({name: adapter.get_relation(database=target.database, schema="intermediate", identifier=name)}) -%}
        {%- endfor -%}
        {%- set books = source("ops", "changed_books") -%}
        insert into {{ books }} (portfolio_id)
        {% if made.values() | select("none") | list -%}
            select portfolio_id from {{ ref("stg_portfolios") }}
            union
            select portfolio_id from {{ ref("stg_input_changes") }}
            where rolled_at is null and portfolio_id is not null
        {%- else -%}
            {{ books_of_changes(made) }}
        {%- endif %}
        on conflict (portfolio_id) do update set is_rolled = false;

        analyze {{ books }}
    {%- endif -%}
{%- endmacro %}

{% macro books_of_changes(made) -%}
    with unrolled as (
        select
            input,
            symbol,
            portfolio_id,
            position_id,
            from_date
        from {{ ref("open_changes") }}
        where is_to_roll
        union
        select
            input,
            symbol,
            portfolio_id,
            position_id,
            from_date
        from {{ ref("stg_input_changes") }}
        where rolled_at is null
    ),

    changes as materialized (
        select * from unrolled
        where input not in ('dividend', 'flow', 'cash item', 'mark', 'sector')
    ),

    -- the symbols that events touch: what becomes of their lots hangs on each other's prices and splits
    linked as materialized (
        select named.symbol
        from {{ made.symbol_names }} as symbol_names
        cross join lateral (values (symbol_names.symbol), (symbol_names.price_key)) as named (symbol)
        union
        select named.symbol
        from {{ made.corporate_events }} as corporate_events
        cross join
            lateral (
                values
                (corporate_events.symbol),
                (corporate_events.price_key),
                (corporate_events.new_symbol),
                (corporate_events.new_price_key)
            ) as named (symbol)
        where named.symbol is not null
    ),

    -- Events and splits read prices up to their own session.
    linked_changes as materialized (
        select changes.*
        from changes
        where
            changes.symbol in (select linked.symbol from linked)
            and (
                changes.input = 'split'
                or changes.from_date <= (
                    select max(sessions.session_date)
                    from {{ ref("stg_corporate_actions") }} as corporate_actions
                    inner join {{ ref("calendar_days") }} as calendar_days
                        on corporate_actions.ex_date = calendar_days.calendar_date
                    inner join {{ ref("sessions") }} as sessions
                        on calendar_days.next_session_number = sessions.session_number
                    where
                        corporate_actions.action_type <> 'DIVIDEND'
                        and corporate_actions.symbol in (select linked.symbol from linked)
                )
            )
    ),

    -- a settled option, with what it may have been settled at
    settled_options as (
        select
            lots.portfolio_id,
            lots.symbol,
            lots.underlying_symbol,
            sessions.session_date as expiry
        from {{ made.option_settlements }} as option_settlements
        inner join {{ made.lots }} as lots on option_settlements.position_id = lots.position_id
        inner join {{ ref("sessions") }} as sessions
            on option_settlements.expiry_session_number = sessions.session_number
        where option_settlements.settlement_price is not null
    )

    select portfolio_id from changes
    where portfolio_id is not null
    union
    -- a close names its lot
    select positions.portfolio_id
    from changes
    inner join {{ ref("stg_positions") }} as positions on changes.position_id = positions.position_id
    where changes.portfolio_id is null
    union
    -- Events may give any symbol another name, also where one was taken back.
    select portfolios.portfolio_id
    from {{ ref("stg_portfolios") }} as portfolios
    where
        exists (
            select 1 from changes
            where changes.input in ('session', 'rename', 'merger', 'spinoff', 'delisting')
        )
    union
    -- quantities and strikes are in shares of a day
    select lots.portfolio_id
    from changes
    inner join {{ made.lots }} as lots on changes.symbol = lots.price_key
    where changes.input = 'split'
    union
    select lots.portfolio_id
    from changes
    inner join {{ made.lots }} as lots on changes.symbol = lots.underlying_symbol
    where changes.input = 'split'
    union
    select positions.portfolio_id
    from {{ ref("stg_positions") }} as positions
    where
        exists (select 1 from linked_changes)
        and (
            positions.symbol in (select linked.symbol from linked)
            or positions.underlying_symbol in (select linked.symbol from linked)
        )
    union
    select transactions.portfolio_id
    from {{ ref("stg_transactions") }} as transactions
    where
        exists (select 1 from linked_changes)
        and (
            transactions.symbol in (select linked.symbol from linked)
            or transactions.underlying_symbol in (select linked.symbol from linked)
        )
    union
    -- An expiry that was written without its settlement gets one soon. It is listed a day before that, because time goes
    -- on until the settlements are made.
    select lot_closings.portfolio_id
    from {{ made.lot_closings }} as lot_closings
    inner join {{ ref("sessions") }} as sessions on lot_closings.session_number = sessions.session_number
    where
        lot_closings.kind = 'expiry'
        and lot_closings.proceeds is null
        and {{ is_settled_soon("sessions.closes_at", days=3) }}
    union
    -- an option settles at the last price of its underlying, under any name, else at its own
    select settled_options.portfolio_id
    from settled_options
    cross join lateral (values (settled_options.symbol), (settled_options.underlying_symbol)) as named (symbol)
    inner join changes on named.symbol = changes.symbol and settled_options.expiry >= changes.from_date
    where changes.input = 'price'
    union
    select settled_options.portfolio_id
    from settled_options
    where
        settled_options.underlying_symbol in (select linked.symbol from linked)
        and settled_options.expiry >= (
            select min(changes.from_date)
            from changes
            where changes.input = 'price' and changes.symbol in (select linked.symbol from linked)
        )
    union
    -- what is transferred in or out counts at the close of its session
    select transactions.portfolio_id
    from {{ ref("stg_transactions") }} as transactions
    inner join {{ ref("calendar_days") }} as calendar_days on transactions.trade_date = calendar_days.calendar_date
    inner join {{ ref("sessions") }} as sessions on calendar_days.next_session_number = sessions.session_number
    inner join changes on transactions.symbol = changes.symbol and sessions.session_date >= changes.from_date
    where changes.input in ('price', 'split') and transactions.transaction_type in ('TRANSFER_IN', 'TRANSFER_OUT')
{%- endmacro %}

{#
    Whether an option that expires at this close is given its settlement. Before, it would change with every price. No
    run takes two days, so none rolls over an expiry that was not settled when it began.
#}
{% macro is_settled_soon(closes_at, days=2) -%}
    {{ closes_at }} <= now() + interval '{{ days }} days'
{%- endmacro %}

{#
    Whether `positions` is written for a window directly after it was written for the window before. Then its other rows
    are as they were: those of lots that ended before the window, in portfolios that nothing has changed for.
#}
{% macro follows_last_listing() -%}
    {%- if var("tables_fit", false) and is_incremental() and not is_spread() -%}
        -- the window's own record has the run that built the window before it
        (
            select written.window_id = windows.window_id
            from {{ source("ops", "incremental_writes") }} as written
            inner join {{ source("ops", "incremental_writes") }} as windows on windows.model = 'roll_forward_window'
            where written.model = 'positions'
        ) is true
    {%- else -%}
        false
    {%- endif -%}
{%- endmacro %}

{# In the transaction that writes `positions`, before: what is listed after it may not be seen. #}
{% macro note_listed_books() -%}
    update {{ source("ops", "changed_books") }} set is_listed = true
{%- endmacro %}

{# After. #}
{% macro forget_listed_books() -%}
    delete from {{ source("ops", "changed_books") }} where is_rolled and is_listed
{%- endmacro %}
