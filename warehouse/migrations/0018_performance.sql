-- Performance and attribution of portfolios as of each session with risk results, written after these by python_models.
create table analytics.portfolio_performance (
    calculation_date date not null,
    portfolio_id uuid not null,
    period text not null check (period in ('MTD', 'QTD', 'YTD', '1Y', '3Y', '5Y', 'SI')),
    start_date date,
    sessions integer,
    twr analytics.statistic,
    twr_annual analytics.statistic,
    mwr analytics.statistic,
    mwr_annual analytics.statistic,
    benchmark_return analytics.statistic,
    benchmark_return_annual analytics.statistic,
    active_return analytics.statistic,
    volatility analytics.statistic,
    downside_deviation analytics.statistic,
    sharpe analytics.statistic,
    sortino analytics.statistic,
    calmar analytics.statistic,
    max_drawdown analytics.statistic,
    drawdown_start date,
    drawdown_trough date,
    drawdown_end date,
    tracking_error analytics.statistic,
    information_ratio analytics.statistic,
    beta analytics.statistic,
    alpha analytics.statistic,
    up_capture analytics.statistic,
    down_capture analytics.statistic,
    best_day analytics.statistic,
    worst_day analytics.statistic,
    positive_days analytics.statistic,
    reason text check (reason <> ''),
    primary key (portfolio_id, calculation_date, period)
);

create table analytics.portfolio_pnl_attribution (
    calculation_date date not null,
    portfolio_id uuid not null,
    source text not null,
    pnl analytics.statistic,
    reason text check (reason <> ''),
    primary key (portfolio_id, calculation_date, source)
);

create table analytics.portfolio_sector_attribution (
    calculation_date date not null,
    portfolio_id uuid not null,
    sector text not null,
    portfolio_weight analytics.statistic,
    benchmark_weight analytics.statistic,
    portfolio_return analytics.statistic,
    benchmark_return analytics.statistic,
    allocation analytics.statistic,
    selection analytics.statistic,
    interaction analytics.statistic,
    total analytics.statistic,
    reason text check (reason <> ''),
    primary key (portfolio_id, calculation_date, sector)
);

create table analytics.position_contributions (
    calculation_date date not null,
    portfolio_id uuid not null,
    position_id uuid not null,
    symbol text not null,
    period text not null check (period in ('MTD', 'YTD', 'SI')),
    pnl analytics.statistic not null,
    contribution analytics.statistic,
    log_contribution analytics.statistic,
    primary key (portfolio_id, calculation_date, period, position_id)
);

create index on analytics.portfolio_performance (calculation_date);

-- What an option is worth to its underlying's moves, at the close: attribution of the next session asks for it.
alter table analytics.position_risk_contributions add column exposure analytics.statistic;

alter table ops.risk_state add column performance_at timestamptz;
comment on column ops.risk_state.performance_at is
'When performance and attribution were computed from the results; null while they have to be';
create index risk_state_without_performance on ops.risk_state (calculation_date) where performance_at is null;

-- Position values and snapshots have further columns: every portfolio is rolled anew.
insert into ops.input_changes (input, portfolio_id, from_date, what)
select
    'portfolio',
    portfolio_id,
    inception_date,
    'restated'
from raw.portfolios;
