-- Only changes that returns are made from are looked up here. The index also held every position, close and flow.
drop index ops.input_changes_to_returns;
create index input_changes_to_returns on ops.input_changes (symbol)
where returns_taken_at is null
and input in ('price', 'split', 'dividend', 'rename', 'merger', 'spinoff', 'delisting', 'session');
