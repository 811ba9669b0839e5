-- The five rooms of the database. dbt owns `staging`, `intermediate` and its part of `analytics`;
-- loaders own `raw`; the ledger, the quarantine and the change log live in `ops`.
create schema raw;
create schema staging;
create schema intermediate;
create schema analytics;
create schema ops;

comment on schema raw is 'Inputs as loaded: portfolios, positions, flows, prices, fundamentals, the calendar';
comment on schema staging is 'dbt, private: one view per raw table, renamed and typed';
comment on schema intermediate is 'dbt, private: the steps between staging and the published tables';
comment on schema analytics is 'What the frontend, the APIs and notebooks read';
comment on schema ops is 'Runs, errors, quarantine, restatements, the change log and the state of the roll-forward';

-- PostgreSQL's numeric knows NaN, which is not NULL, passes NOT NULL and sorts above every number:
-- no amount, price or ratio in `raw` may hold one.
create domain raw.amount as numeric(28, 10) check (value <> 'NaN');
create domain raw.ratio as numeric(28, 18) check (value <> 'NaN');
