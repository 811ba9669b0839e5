-- What readers may know of the batch: how the last runs went, how far each table is, what was missed, refused and
-- decided. They see nothing of `ops` and `raw` themselves.
create function analytics.batch_status(run_limit integer default 20)
returns jsonb
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select jsonb_build_object(
        'trade_date',
        (select max(session_date) from raw.trading_sessions where closes_at <= now() - interval '30 minutes'),
        'runs',
        (
            select coalesce(jsonb_agg(to_jsonb(recent) order by recent.run_id desc), '[]')
            from (
                select
                    runs.run_id,
                    runs.command,
                    runs.trade_date,
                    runs.status,
                    runs.started_at,
                    runs.finished_at,
                    runs.version,
                    (
                        select coalesce(jsonb_agg(to_jsonb(phases) - 'run_id' - 'counts' order by phases.phase), '[]')
                        from ops.batch_phases as phases where phases.run_id = runs.run_id
                    ) as phases,
                    (
                        select coalesce(jsonb_agg(to_jsonb(told) - 'run_id' order by told.error_id), '[]')
                        from (
                            select * from ops.batch_errors as errors
                            where errors.run_id = runs.run_id
                            order by errors.error_id
                            limit 20
                        ) as told
                    ) as messages,
                    (
                        select count(*) from ops.batch_errors as errors
                        where errors.run_id = runs.run_id and errors.severity = 'error'
                    ) as errors,
                    (
                        select count(*) from ops.batch_errors as errors
                        where errors.run_id = runs.run_id and errors.severity = 'warning'
                    ) as warnings
                from ops.batch_runs as runs
                order by runs.run_id desc
                limit run_limit
            ) as recent
        ),
        'prices_to',
        (select max(price_date) from raw.market_data_cache),
        'missed',
        (
            select coalesce(jsonb_agg(to_jsonb(missed) order by missed.failures desc, missed.symbol), '[]')
            from (
                select
                    states.symbol,
                    states.source,
                    states.kind,
                    states.consecutive_failures as failures,
                    states.last_success_at,
                    states.next_attempt_at,
                    states.reason
                from ops.fetch_state as states
                where
                    states.consecutive_failures > 0
                    and exists (
                        select from raw.positions as held
                        where states.symbol in (held.symbol, held.underlying_symbol) and held.deleted_at is null
                    )
                order by states.consecutive_failures desc, states.symbol
                limit 200
            ) as missed
        ),
        'quarantine',
        (
            select coalesce(jsonb_agg(to_jsonb(refused) order by refused.rows desc, refused.reason), '[]')
            from (
                select
                    rejected.source,
                    rejected.relation,
                    rejected.reason,
                    count(*) as rows,
                    count(distinct rejected.symbol) as symbols,
                    (array_agg(distinct rejected.symbol))[1:12] as examples,
                    max(rejected.last_rejected_at) as last_seen
                from ops.rejected_rows as rejected
                where rejected.accepted_at is null
                group by rejected.source, rejected.relation, rejected.reason
            ) as refused
        ),
        'decisions',
        (
            select coalesce(jsonb_agg(to_jsonb(decided) order by decided.decided_at desc, decided.symbol), '[]')
            from (
                select
                    claims.symbol,
                    claims.ex_date,
                    claims.action_type,
                    claims.value,
                    claims.decision,
                    claims.decided_by,
                    claims.decided_at,
                    claims.decided_because
                from raw.corporate_action_claims as claims
                where claims.decision is not null
                order by claims.decided_at desc, claims.symbol
                limit 200
            ) as decided
        ),
        'doubted',
        (
            select coalesce(jsonb_agg(to_jsonb(doubted) order by doubted.symbol, doubted.ex_date), '[]')
            from (
                select claims.symbol, claims.ex_date, claims.action_type, claims.value, claims.source,
                    claims.refused_because
                from raw.corporate_action_claims as claims
                where claims.refused_because is not null
                order by claims.symbol, claims.ex_date
                limit 200
            ) as doubted
        )
    )
$$;
comment on function analytics.batch_status(integer) is
'The last runs of the batch with their phases and messages, what sources missed, what was refused and what people have'
' decided, as JSON';

revoke execute on function analytics.batch_status(integer) from public;
