-- The change log: every insert, real update and delete of an input that P&L depends on, with the dates it touches.
-- The roll-forward reads it to know what it must compute again (see roll_forward_changes and roll_forward_window in
-- dbt_project). It is consumed by change_id, never by time: a deletion leaves no timestamp behind, and a transaction
-- that commits late would be overlooked by a watermark.
create table ops.input_changes (
    change_id bigint generated always as identity primary key,
    input text not null check (
        input in ('portfolio', 'position', 'close', 'flow', 'mark', 'price', 'split', 'dividend', 'sector', 'session')
    ),
    symbol text,
    portfolio_id uuid,
    position_id uuid,
    from_date date not null,
    through_date date not null default 'infinity',
    what text not null check (what in ('new', 'restated', 'withdrawn')),
    changed_at timestamptz not null default clock_timestamp(),
    rolled_at timestamptz,
    returns_taken_at timestamptz
);
create index input_changes_to_roll on ops.input_changes (change_id) where rolled_at is null;
create index input_changes_to_returns on ops.input_changes (symbol) where returns_taken_at is null;
comment on column ops.input_changes.from_date is
'The first date touched; consecutive sessions of one symbol changed by one statement share a row';
comment on column ops.input_changes.through_date is
'The last date it touches itself: infinity where everything after it hangs on it';
comment on column ops.input_changes.rolled_at is
'When the roll-forward took it in (for the portfolios in input_changes_outstanding: not yet)';
comment on column ops.input_changes.returns_taken_at is
'When daily_returns took it in';

-- A change that was rolled for some portfolios and still has to be for these.
create table ops.input_changes_outstanding (
    change_id bigint not null references ops.input_changes on delete cascade,
    portfolio_id uuid not null,
    primary key (change_id, portfolio_id)
);

-- How far each portfolio is rolled, and with which version of the sector seeds.
create table ops.roll_forward_state (
    portfolio_id uuid primary key,
    last_session date not null,
    sector_seeds_fingerprint text,
    rolled_at timestamptz not null default now()
);

-- What each incremental model of dbt last wrote, in the transaction that wrote it. `window_id` is the run that built
-- the roll_forward_window whose rows were replaced: the state above moves on only when every model has replaced it.
create table ops.incremental_writes (
    model text primary key,
    invocation_id text not null,
    window_id text,
    inserted bigint,
    updated bigint,
    deleted bigint,
    unchanged bigint,
    written_at timestamptz not null default clock_timestamp()
);
comment on column ops.incremental_writes.inserted is
'Rows; all four counts are null after a model was built whole';

-- One trigger function for all inputs. Its arguments, all fixed in this file:
--   0  the input's name, as an SQL expression over the changed rows
--   1  the columns that say whom it concerns (columns of input_changes by the same names)
--   2  the column that dates it
--   3  'dated': it touches the dates themselves, and consecutive sessions become one change;
--      'lasting': everything from the earliest date on hangs on it
--   4  the columns that matter: an update that leaves all of them as they were is no change
create function ops.log_input_changes() returns trigger language plpgsql as $$
declare
    input_name constant text := tg_argv[0];
    concerned constant text := tg_argv[1];
    changed_on constant text := tg_argv[2];
    what constant text := case tg_op when 'INSERT' then 'new' when 'UPDATE' then 'restated' else 'withdrawn' end;
    changed constant text := format(
        case tg_op
            when 'INSERT' then 'select %1$s from new_rows'
            when 'DELETE' then 'select %1$s from old_rows'
            else
                '(select %1$s from old_rows except select %1$s from new_rows)'
                ' union all (select %1$s from new_rows except select %1$s from old_rows)'
        end,
        tg_argv[4]
    );
begin
    if tg_argv[3] = 'lasting' then
        execute format(
            $sql$
            insert into ops.input_changes (input, %2$s, from_date, what)
            select input, %2$s, min(%3$s), %5$L
            from (select %1$s as input, changed.* from (%4$s) as changed) as named
            where %3$s is not null
            group by input, %2$s
            order by min(%3$s), %2$s
            $sql$,
            input_name, concerned, changed_on, changed, what
        );
    else
        execute format(
            $sql$
            insert into ops.input_changes (input, %2$s, from_date, through_date, what)
            select input, %2$s, min(changed_on), max(changed_on), %5$L
            from (
                select
                    %1$s as input,
                    %2$s,
                    %3$s as changed_on,
                    -- equal along a run of consecutive sessions; a date that is no session stands alone
                    coalesce(session_number, date '1900-01-01' - %3$s)
                    - dense_rank() over (partition by %1$s, %2$s order by %3$s) as run
                from (%4$s) as changed
                left join (
                    select session_date, row_number() over (order by session_date) as session_number
                    from raw.trading_sessions
                ) as calendar on calendar.session_date = changed.%3$s
            ) as numbered
            group by input, %2$s, run
            order by min(changed_on), %2$s
            $sql$,
            input_name, concerned, changed_on, changed, what
        );
    end if;
    return null;
end
$$;

-- TRUNCATE passes statement triggers with transition tables by, and the roll-forward would never learn of it.
create function ops.refuse_truncate() returns trigger language plpgsql as $$
begin
    raise exception 'truncate on %.% would escape the change log: use delete', tg_table_schema, tg_table_name;
end
$$;

-- A trigger with transition tables serves one kind of statement only: three for each watched fact.
create procedure ops.watch_input(
    watched regclass, input_name text, concerned text, changed_on text, reach text, compared text
) language plpgsql as $$
declare
    operation text;
    suffix constant text := regexp_replace(input_name, '\W', '', 'g');
begin
    foreach operation in array array['insert', 'update', 'delete'] loop
        execute format(
            'create trigger %I after %s on %s referencing %s for each statement'
            ' execute function ops.log_input_changes(%L, %L, %L, %L, %L)',
            'log_' || suffix || '_' || operation,
            operation,
            watched,
            case operation
                when 'insert' then 'new table as new_rows'
                when 'delete' then 'old table as old_rows'
                else 'old table as old_rows new table as new_rows'
            end,
            input_name, concerned, changed_on, reach, compared
        );
    end loop;
    execute format(
        'create or replace trigger refuse_truncate before truncate on %s execute function ops.refuse_truncate()', watched
    );
end
$$;

call ops.watch_input(
    'raw.portfolios', '''portfolio''', 'portfolio_id', 'inception_date', 'lasting',
    'portfolio_id, inception_date, starting_equity, deleted_at'
);
call ops.watch_input(
    'raw.positions', '''position''', 'portfolio_id, position_id, symbol', 'entry_date', 'lasting',
    'position_id, portfolio_id, symbol, quantity, entry_price, entry_date, underlying_symbol, option_type,'
    ' strike_price, expiration_date, investment_class, deleted_at'
);
-- A position's exit is a fact of its own, dated by the exit: correcting it leaves the days before it alone.
call ops.watch_input(
    'raw.positions', '''close''', 'portfolio_id, position_id, symbol', 'exit_date', 'lasting',
    'position_id, portfolio_id, symbol, exit_date, exit_price'
);
call ops.watch_input(
    'raw.position_realized_events', '''close''', 'position_id', 'trade_date', 'lasting',
    'event_id, position_id, trade_date, sequence, quantity_closed, close_price, fees'
);
call ops.watch_input(
    'raw.equity_changes', '''flow''', 'portfolio_id', 'change_date', 'lasting',
    'change_id, portfolio_id, change_date, change_type, amount'
);
call ops.watch_input(
    'raw.manual_prices', '''mark''', 'position_id', 'price_date', 'dated',
    'position_id, price_date, price'
);
call ops.watch_input(
    'raw.market_data_cache', '''price''', 'symbol', 'price_date', 'dated',
    'symbol, price_date, close'
);
call ops.watch_input(
    'raw.corporate_actions', 'lower(action_type)', 'symbol', 'ex_date', 'dated',
    'symbol, ex_date, action_type, value'
);
-- A sector has no date: it holds for a position's whole life. A profile without one is no news.
call ops.watch_input(
    'raw.company_profiles', '''sector''', 'symbol', 'dated_from', 'lasting',
    'symbol, sector, case when sector is not null then ''-infinity''::date end as dated_from'
);
call ops.watch_input(
    'raw.manual_sector_tags', '''sector''', 'position_id', 'dated_from', 'lasting',
    'position_id, sector, ''-infinity''::date as dated_from'
);
call ops.watch_input(
    'raw.trading_sessions', '''session''', 'symbol', 'session_date', 'lasting',
    'null::text as symbol, session_date'
);
