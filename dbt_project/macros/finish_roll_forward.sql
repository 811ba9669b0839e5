{#
    Post-hook of the last incremental model of the roll-forward, in its transaction: mark the changes that were read as
    rolled, only for the portfolios that were rolled, and advance the state. It does nothing unless every model of the
    chain has replaced the current window, and that window was made from these changes: so running a part of the chain
    by hand does not count as the whole. Lots that these changes may concern have been made anew by then.
#}
{% macro finish_roll_forward(chain=["position_values", "portfolio_snapshots"]) -%}
    {%- set changes = ref("roll_forward_changes") -%}
    {%- set window = ref("roll_forward_window") -%}
    {%- set input_changes = source("ops", "input_changes") -%}
    {%- set outstanding = source("ops", "input_changes_outstanding") -%}
    {%- set state = source("ops", "roll_forward_state") -%}
    {%- set chain_is_complete -%}
        (
            select count(*) = {{ chain | length }}
            from {{ source("ops", "incremental_writes") }}
            where model in ('{{ chain | join("', '") }}') and window_id = {{ current_window_id() }}
        )
        and not exists (select 1 from {{ changes }} where invocation_id <> {{ current_window_id() }})
    {%- endset -%}

    insert into {{ outstanding }} (change_id, portfolio_id)
    select changes.change_id, changes.portfolio_id
    from {{ changes }} as changes
    inner join {{ state }} as state on changes.portfolio_id = state.portfolio_id
    where
        not exists (select 1 from {{ window }} as due where due.portfolio_id = changes.portfolio_id)
        and {{ chain_is_complete }}
    on conflict do nothing;

    delete from {{ outstanding }} as outstanding
    using {{ window }} as due
    where outstanding.portfolio_id = due.portfolio_id
        and outstanding.change_id in (select change_id from {{ changes }})
        and {{ chain_is_complete }};

    update {{ input_changes }} as input_changes
    set rolled_at = clock_timestamp()
    where input_changes.rolled_at is null
        and input_changes.change_id in (select change_id from {{ changes }})
        and {{ chain_is_complete }};

    update {{ source("ops", "changed_books") }} as changed_books
    set is_rolled = true
    where
        not exists (select 1 from {{ outstanding }} as outstanding where outstanding.portfolio_id = changed_books.portfolio_id)
        and {{ chain_is_complete }};

    delete from {{ state }} as state
    using {{ window }} as due
    where state.portfolio_id = due.portfolio_id and due.is_withdrawn and {{ chain_is_complete }};

    insert into {{ state }} as state (portfolio_id, last_session, sector_seeds_fingerprint, rolled_at)
    select portfolio_id, last_session, sector_seeds_fingerprint, clock_timestamp()
    from {{ window }}
    where not is_withdrawn and {{ chain_is_complete }}
    on conflict (portfolio_id) do update set
        last_session = excluded.last_session,
        sector_seeds_fingerprint = excluded.sector_seeds_fingerprint,
        rolled_at = excluded.rolled_at
{%- endmacro %}

{#
    For the model that finds the changes to take in: the run that listed them, or another word if this run does not
    build all of the models in between. Such a run may have read older inputs than the listed changes, and takes in
    nothing.
#}
{% macro whole_chain(noted_by) -%}
    {%- set left_out = [] -%}
    {%- set behind = [model.unique_id] -%}
    {%- if execute and flags.WHICH in ("run", "build") -%}
        {#- this list grows while it is walked, and contains each node once -#}
        {%- for unique_id in behind -%}
            {%- set node = graph.nodes.get(unique_id) -%}
            {%- if node and node.resource_type == "model" and "phase_2" in node.tags -%}
                {%- if node.config.materialized != "ephemeral" and unique_id not in selected_resources -%}
                    {%- do left_out.append(unique_id) -%}
                {%- endif -%}
                {%- do behind.extend(node.depends_on.nodes | reject("in", behind) | list) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ "'a part of the chain'" if left_out else noted_by }}
{%- endmacro %}
