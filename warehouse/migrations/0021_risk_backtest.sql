-- How the forecasts of the last year came out, by portfolio and session.
create table analytics.risk_backtest (
    calculation_date date not null,
    portfolio_id uuid not null,
    observations integer not null,
    bias_statistic analytics.statistic,
    qlike analytics.statistic,
    var_breaches integer,
    kupiec_p_value analytics.statistic,
    christoffersen_p_value analytics.statistic,
    scaled_var_breaches integer,
    scaled_kupiec_p_value analytics.statistic,
    scaled_christoffersen_p_value analytics.statistic,
    reason text check (reason <> ''),
    primary key (portfolio_id, calculation_date)
);
create index on analytics.risk_backtest (calculation_date);
