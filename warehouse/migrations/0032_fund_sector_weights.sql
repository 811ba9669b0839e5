-- What funds hold, by sector. A set is all rows of a symbol and a date; it holds until the next one's date, and the
-- earliest one before it, too.
create table raw.fund_sector_weights (
    symbol text not null check (symbol <> ''),
    sector text not null check (sector <> ''),
    as_of date not null,
    weight raw.ratio not null check (weight >= 0),
    source text not null,
    loaded_at timestamptz not null default now(),
    primary key (symbol, as_of, sector)
);
comment on table raw.fund_sector_weights is
'The share of each sector in a fund. A set (symbol, as_of) is of one source, and a symbol''s sets are of a person or of'
' sources, never of both';
comment on column raw.fund_sector_weights.sector is
'As the source names it; sector_map brings all names to one set';
comment on column raw.fund_sector_weights.as_of is
'The day the weights are of; where the source does not say, the day on which it told them';
comment on column raw.fund_sector_weights.weight is
'0 to 1 of the whole fund; what is left of 1 is in no sector (cash, bonds). All 0: the fund is not looked through';
comment on column raw.fund_sector_weights.source is
'person: of a fund_sectors.csv that was loaded; else the source of market data';

-- A set touches what comes after it, and the earliest one all that was before.
call ops.watch_input(
    'raw.fund_sector_weights', '''sector''', 'symbol', 'holds_from', 'lasting',
    'symbol, sector, weight, case when exists ('
    'select from raw.fund_sector_weights as earlier (of_symbol, of_sector, since)'
    ' where earlier.of_symbol = symbol and earlier.since < as_of'
    ') then as_of else ''-infinity''::date end as holds_from'
);

-- What each source was asked of a fund.
alter table ops.fetch_state drop constraint fetch_state_kind_check;
alter table ops.fetch_state add constraint fetch_state_kind_check
check (kind in ('prices', 'profile', 'fundamentals', 'fund sectors'));

-- The new column through_funds is filled for every session: every portfolio is rolled anew.
insert into ops.input_changes (input, portfolio_id, from_date, what)
select
    'portfolio',
    portfolio_id,
    inception_date,
    'restated'
from raw.portfolios;
