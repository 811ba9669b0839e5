-- What providers and the calendar supply.
create table raw.market_data_cache (
    symbol text not null,
    price_date date not null,
    open raw.amount check (open > 0),
    high raw.amount check (high > 0),
    low raw.amount check (low > 0),
    close raw.amount not null check (close > 0),
    volume bigint check (volume >= 0),
    source text not null,
    loaded_at timestamptz not null default now(),
    primary key (symbol, price_date)
);
create index on raw.market_data_cache (price_date);
comment on table raw.market_data_cache is
'Daily bars as traded: never adjusted for later splits or dividends; USD at 6 decimals';

create table raw.corporate_actions (
    symbol text not null,
    ex_date date not null,
    action_type text not null check (action_type in ('SPLIT', 'DIVIDEND')),
    value raw.ratio not null check (value > 0),
    source text not null,
    loaded_at timestamptz not null default now(),
    primary key (symbol, ex_date, action_type)
);
comment on column raw.corporate_actions.value is
'SPLIT: new shares per old share. DIVIDEND: USD per share, in shares of the ex-date';

create table raw.company_profiles (
    symbol text primary key,
    name text,
    sector text,
    industry text,
    country text,
    exchange text,
    currency text,
    quote_type text,
    market_cap numeric check (market_cap <> 'NaN'),
    beta double precision check (beta <> 'NaN'),
    next_earnings_date date,
    source text not null,
    loaded_at timestamptz not null default now()
);
comment on column raw.company_profiles.sector is
'As the source names it (GICS or Yahoo); sector_map brings both to one set';

create table raw.financial_statements (
    symbol text not null,
    statement text not null check (statement in ('income', 'balance', 'cash_flow')),
    frequency text not null check (frequency in ('annual', 'quarterly')),
    period_end date not null,
    first_seen_at timestamptz not null default now(),
    currency text,
    line_items jsonb not null,
    source text not null,
    primary key (symbol, statement, frequency, period_end, first_seen_at)
);
comment on table raw.financial_statements is
'One row per version: a restated statement is a new row, never an overwrite';

create table raw.analyst_estimates (
    symbol text not null,
    period_end date not null,
    as_of date not null,
    estimates jsonb not null,
    source text not null,
    loaded_at timestamptz not null default now(),
    primary key (symbol, period_end)
);

create table raw.earnings_dates (
    symbol text not null,
    earnings_date date not null,
    as_of date not null,
    eps_estimate numeric check (eps_estimate <> 'NaN'),
    eps_actual numeric check (eps_actual <> 'NaN'),
    source text not null,
    loaded_at timestamptz not null default now(),
    primary key (symbol, earnings_date)
);

create table raw.trading_sessions (
    session_date date primary key,
    opens_at timestamptz not null,
    closes_at timestamptz not null,
    source text not null,
    loaded_at timestamptz not null default now(),
    check (opens_at < closes_at)
);
comment on table raw.trading_sessions is 'NYSE sessions from 1990 to a year ahead, half days included';
