-- Cash that earns and costs: what a portfolio is paid and pays without a position standing behind it.
create table raw.cash_items (
    item_id uuid primary key,
    portfolio_id uuid not null references raw.portfolios on delete cascade,
    item_date date not null,
    item_type text not null check (item_type in ('INTEREST', 'FEE', 'TAX', 'BORROW', 'OTHER')),
    amount raw.amount not null check (amount <> 0),
    source text not null,
    loaded_at timestamptz not null default now()
);
create index on raw.cash_items (portfolio_id);
comment on column raw.cash_items.amount is 'USD as it moves the cash: income is positive, a cost is negative';

-- What a portfolio is compared with.
alter table raw.portfolios add column benchmark text not null default 'SPY' check (benchmark <> '');
comment on column raw.portfolios.benchmark is 'The symbol whose total return the portfolio is compared with';

alter table ops.input_changes drop constraint input_changes_input_check;
alter table ops.input_changes add constraint input_changes_input_check check (
    input in (
        'portfolio', 'position', 'close', 'flow', 'cash item', 'mark', 'price', 'split', 'dividend', 'rename', 'merger',
        'spinoff', 'delisting', 'sector', 'session'
    )
);

call ops.watch_input(
    'raw.cash_items', '''cash item''', 'portfolio_id', 'item_date', 'lasting',
    'item_id, portfolio_id, item_date, item_type, amount'
);

-- A portfolio's benchmark is a fact of it like its inception.
drop trigger log_portfolio_insert on raw.portfolios;
drop trigger log_portfolio_update on raw.portfolios;
drop trigger log_portfolio_delete on raw.portfolios;
call ops.watch_input(
    'raw.portfolios', '''portfolio''', 'portfolio_id', 'inception_date', 'lasting',
    'portfolio_id, inception_date, starting_equity, benchmark, deleted_at'
);

-- Withdrawals count at the end of their day now, and snapshots have new columns: every portfolio is rolled anew.
insert into ops.input_changes (input, portfolio_id, from_date, what)
select
    'portfolio',
    portfolio_id,
    inception_date,
    'restated'
from raw.portfolios;
