-- What portfolio owners load. Identifiers are UUIDv5 of the natural key, so that loading a file twice changes nothing.
create table raw.portfolios (
    portfolio_id uuid primary key,
    name text not null unique check (name <> ''),
    inception_date date not null,
    starting_equity raw.amount not null,
    currency text not null default 'USD' check (currency = 'USD'),
    deleted_at timestamptz,
    source text not null,
    loaded_at timestamptz not null default now()
);
comment on column raw.portfolios.starting_equity is 'USD, measured at the close of the session before inception';

create table raw.positions (
    position_id uuid primary key,
    portfolio_id uuid not null references raw.portfolios on delete cascade,
    symbol text not null check (symbol <> ''),
    position_type text not null check (position_type in ('LONG', 'SHORT', 'LC', 'LP', 'SC', 'SP')),
    quantity raw.amount not null check (quantity <> 0),
    entry_price raw.amount not null check (entry_price >= 0),
    entry_date date not null,
    exit_price raw.amount check (exit_price >= 0),
    exit_date date,
    underlying_symbol text,
    option_type text check (option_type in ('CALL', 'PUT')),
    strike_price raw.amount check (strike_price > 0),
    expiration_date date,
    investment_class text not null check (investment_class in ('PUBLIC', 'OPTIONS', 'PRIVATE')),
    investment_subtype text,
    deleted_at timestamptz,
    source text not null,
    loaded_at timestamptz not null default now(),
    unique (portfolio_id, symbol, entry_date),
    check ((exit_price is null) = (exit_date is null)),
    check (exit_date >= entry_date),
    check (
        investment_class <> 'OPTIONS'
        or (
            underlying_symbol is not null and option_type is not null
            and strike_price is not null and expiration_date is not null
        )
    )
);
comment on table raw.positions is 'Lots: one row per portfolio, symbol and entry date';
comment on column raw.positions.quantity is
'Signed, shares or contracts: in shares of the inception date for a lot carried in, of its entry date for any other';

create table raw.position_realized_events (
    event_id uuid primary key,
    position_id uuid not null references raw.positions on delete cascade,
    trade_date date not null,
    sequence integer not null,
    quantity_closed raw.amount not null check (quantity_closed > 0),
    close_price raw.amount not null check (close_price >= 0),
    fees raw.amount not null default 0 check (fees >= 0),
    source text not null,
    loaded_at timestamptz not null default now()
);
create index on raw.position_realized_events (position_id);
comment on column raw.position_realized_events.quantity_closed is
'Shares (or contracts) of the trade date, without a sign';
comment on column raw.position_realized_events.sequence is
'The close''s place in its file: closes of one session happen in this order';

create table raw.equity_changes (
    change_id uuid primary key,
    portfolio_id uuid not null references raw.portfolios on delete cascade,
    change_date date not null,
    change_type text not null check (change_type in ('CONTRIBUTION', 'WITHDRAWAL')),
    amount raw.amount not null check (amount > 0),
    source text not null,
    loaded_at timestamptz not null default now()
);
create index on raw.equity_changes (portfolio_id);

create table raw.manual_prices (
    position_id uuid not null references raw.positions on delete cascade,
    price_date date not null,
    price raw.amount not null check (price >= 0),
    source text not null,
    loaded_at timestamptz not null default now(),
    primary key (position_id, price_date)
);
comment on table raw.manual_prices is 'Marks for private positions, USD per unit';

create table raw.manual_sector_tags (
    position_id uuid primary key references raw.positions on delete cascade,
    sector text not null check (sector <> ''),
    source text not null,
    loaded_at timestamptz not null default now()
);
comment on table raw.manual_sector_tags is 'The sector that a person chose for a position; it wins over the profile''s';
