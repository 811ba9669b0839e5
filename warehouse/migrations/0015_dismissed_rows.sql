-- A person may say of a refused row that it is wrong, and that this is known.
alter table ops.rejected_rows add column dismissed_at timestamptz;
comment on column ops.rejected_rows.dismissed_at is
'When a person said that it is wrong: it stays refused, and is not told again';
