-- A company may leave its exchange before anybody knows what its shares are worth.
alter table raw.corporate_actions
add column value_pending boolean not null default false,
add constraint corporate_actions_value_pending_check
check (not value_pending or (action_type = 'DELISTING' and value = 0));
comment on column raw.corporate_actions.value_pending is
'DELISTING: what a share is worth is not told yet, and value says nothing; lots stay at their last price until it is';

alter table raw.corporate_action_claims
add column value_pending boolean not null default false,
add constraint corporate_action_claims_value_pending_check
check (not value_pending or (action_type = 'DELISTING' and value = 0));
comment on column raw.corporate_action_claims.value_pending is
'DELISTING: what a share is worth is not told yet, and value says nothing';

-- The columns that matter to the change log have become more.
drop trigger log_loweraction_type_insert on raw.corporate_actions;
drop trigger log_loweraction_type_update on raw.corporate_actions;
drop trigger log_loweraction_type_delete on raw.corporate_actions;
call ops.watch_input(
    'raw.corporate_actions', 'lower(action_type)', 'symbol', 'ex_date', 'dated',
    'symbol, ex_date, action_type, value, new_symbol, cash_per_share, cost_fraction, value_pending'
);
