-- What python_models writes: the statistics of symbols, factors and portfolios as of each session. All of it follows
-- from daily_returns, position_values and portfolio_snapshots and can be computed again.
--
-- Keys begin with what readers and the writer ask for: a date for symbols and factors, a portfolio and a date for
-- portfolios.

-- A statistic that is not known is null, never NaN or infinite: those would sort above every number and spoil sums.
create domain analytics.statistic as double precision
check (value not in ('NaN', 'Infinity', '-Infinity'));

create domain analytics.quality_flag as text
check (value in ('full_history', 'limited_history', 'insufficient_history', 'zero_variance', 'no_benchmark'));

create table analytics.symbol_market_betas (
    calculation_date date not null,
    symbol text not null,
    beta analytics.statistic,
    raw_beta analytics.statistic,
    alpha analytics.statistic,
    r_squared analytics.statistic,
    std_error analytics.statistic,
    p_value analytics.statistic,
    observations integer not null,
    window_days integer not null,
    quality_flag analytics.quality_flag not null,
    primary key (calculation_date, symbol)
);
comment on table analytics.symbol_market_betas is
'Beta of each symbol to the stock market: least squares on the daily returns of SPY';
comment on column analytics.symbol_market_betas.beta is
'raw_beta limited to -5 to 5: what exposures use';
comment on column analytics.symbol_market_betas.raw_beta is
'Return of the symbol per unit of return of the benchmark';
comment on column analytics.symbol_market_betas.alpha is
'Intercept, a daily return as a decimal';
comment on column analytics.symbol_market_betas.r_squared is
'Share of variance explained, 0 to 1';
comment on column analytics.symbol_market_betas.std_error is
'Standard error of raw_beta';
comment on column analytics.symbol_market_betas.p_value is
'Two-sided p-value of raw_beta (Student t)';
comment on column analytics.symbol_market_betas.observations is
'Sessions of the window on which symbol and benchmark both have a return';
comment on column analytics.symbol_market_betas.window_days is
'Sessions looked at, ending with calculation_date';
comment on column analytics.symbol_market_betas.quality_flag is
'How far the row can be trusted; only full_history and limited_history come with numbers';

create table analytics.symbol_interest_rate_betas (
    calculation_date date not null,
    symbol text not null,
    beta analytics.statistic,
    raw_beta analytics.statistic,
    alpha analytics.statistic,
    r_squared analytics.statistic,
    std_error analytics.statistic,
    p_value analytics.statistic,
    observations integer not null,
    window_days integer not null,
    quality_flag analytics.quality_flag not null,
    primary key (calculation_date, symbol)
);
comment on table analytics.symbol_interest_rate_betas is
'Beta of each symbol to long Treasury bonds, so as yields fall: least squares on the daily returns of TLT';
comment on column analytics.symbol_interest_rate_betas.beta is
'raw_beta limited to -5 to 5: what exposures use';
comment on column analytics.symbol_interest_rate_betas.raw_beta is
'Return of the symbol per unit of return of the benchmark';
comment on column analytics.symbol_interest_rate_betas.alpha is
'Intercept, a daily return as a decimal';
comment on column analytics.symbol_interest_rate_betas.r_squared is
'Share of variance explained, 0 to 1';
comment on column analytics.symbol_interest_rate_betas.std_error is
'Standard error of raw_beta';
comment on column analytics.symbol_interest_rate_betas.p_value is
'Two-sided p-value of raw_beta (Student t)';
comment on column analytics.symbol_interest_rate_betas.observations is
'Sessions of the window on which symbol and benchmark both have a return';
comment on column analytics.symbol_interest_rate_betas.window_days is
'Sessions looked at, ending with calculation_date';
comment on column analytics.symbol_interest_rate_betas.quality_flag is
'How far the row can be trusted; only full_history and limited_history come with numbers';

create table analytics.symbol_factor_exposures (
    calculation_date date not null,
    symbol text not null,
    model text not null check (model in ('ridge', 'spread')),
    factor text not null,
    beta analytics.statistic,
    r_squared analytics.statistic,
    observations integer not null,
    regularization_alpha analytics.statistic,
    quality_flag analytics.quality_flag not null,
    primary key (calculation_date, symbol, model, factor)
);
comment on table analytics.symbol_factor_exposures is
'Exposure of each symbol to each factor, by model: ridge (all factors jointly) and spread (one at a time)';
comment on column analytics.symbol_factor_exposures.factor is
'A factor of factor_definitions, or for model spread Growth-Value, Momentum, Size, Quality';
comment on column analytics.symbol_factor_exposures.beta is
'Return of the symbol per unit of return of the factor';
comment on column analytics.symbol_factor_exposures.r_squared is
'Share of variance explained, 0 to 1; of the whole joint regression for model ridge';
comment on column analytics.symbol_factor_exposures.observations is
'Sessions of the window on which the symbol and the factors of the regression have returns';
comment on column analytics.symbol_factor_exposures.regularization_alpha is
'Ridge penalty on standardised factors; null for model spread';
comment on column analytics.symbol_factor_exposures.quality_flag is
'How far the row can be trusted; only full_history and limited_history come with numbers';

create table analytics.symbol_volatility (
    calculation_date date not null,
    symbol text not null,
    realized_vol_21d analytics.statistic,
    realized_vol_63d analytics.statistic,
    expected_vol_21d analytics.statistic,
    vol_trend text check (vol_trend in ('increasing', 'decreasing', 'stable')),
    vol_trend_strength analytics.statistic,
    vol_percentile analytics.statistic,
    observations integer not null,
    model_r_squared analytics.statistic,
    quality_flag analytics.quality_flag not null,
    primary key (calculation_date, symbol)
);
comment on table analytics.symbol_volatility is
'Realized and expected volatility of each symbol';
comment on column analytics.symbol_volatility.realized_vol_21d is
'Sample standard deviation of the daily returns of 21 sessions, annual, as a decimal';
comment on column analytics.symbol_volatility.realized_vol_63d is
'Sample standard deviation of the daily returns of 63 sessions, annual, as a decimal';
comment on column analytics.symbol_volatility.expected_vol_21d is
'Forecast for the 21 sessions ahead, annual, as a decimal';
comment on column analytics.symbol_volatility.vol_trend is
'Direction of the 21-session volatility over the last 21 sessions';
comment on column analytics.symbol_volatility.vol_trend_strength is
'R squared of that trend, 0 to 1';
comment on column analytics.symbol_volatility.vol_percentile is
'Share (0 to 1) of the year before whose 21-session volatility was lower';
comment on column analytics.symbol_volatility.observations is
'Returns in the last 252 sessions';
comment on column analytics.symbol_volatility.model_r_squared is
'Squared correlation of past forecasts with what followed, 0 to 1';
comment on column analytics.symbol_volatility.quality_flag is
'How far the row can be trusted; only full_history and limited_history come with numbers';

create table analytics.factor_correlations (
    calculation_date date not null,
    factor_1 text not null,
    factor_2 text not null,
    correlation analytics.statistic,
    primary key (calculation_date, factor_1, factor_2)
);
comment on table analytics.factor_correlations is
'Correlation of the factors with each other, equally weighted over 252 sessions, as stress tests use it';
comment on column analytics.factor_correlations.factor_2 is
'Every ordered pair has a row, a factor with itself too';

create table analytics.pairwise_correlations (
    calculation_date date not null,
    symbol_1 text collate "C" not null,
    symbol_2 text collate "C" not null,
    correlation analytics.statistic,
    observations integer not null,
    p_value analytics.statistic,
    primary key (calculation_date, symbol_1, symbol_2),
    check (symbol_1 < symbol_2)
);
comment on table analytics.pairwise_correlations is
'Correlation of each pair of symbols that some portfolio holds together, as measured (not repaired)';
comment on column analytics.pairwise_correlations.correlation is
'Pearson, -1 to 1; null below 30 common returns or where a symbol does not move';
comment on column analytics.pairwise_correlations.observations is
'Sessions of the last 90 on which both have a return';
comment on column analytics.pairwise_correlations.p_value is
'Two-sided, under no correlation';

create table analytics.portfolio_factor_exposures (
    calculation_date date not null,
    portfolio_id uuid not null,
    model text not null check (model in ('market', 'interest_rate', 'spread', 'ridge')),
    factor text not null,
    exposure_value analytics.statistic,
    exposure_dollar analytics.statistic,
    positions_covered integer not null,
    positions_without integer not null,
    reason text check (reason <> ''),
    primary key (portfolio_id, calculation_date, model, factor)
);
comment on table analytics.portfolio_factor_exposures is
'Exposure of each portfolio to each factor, by model: market, interest_rate, spread and ridge';
comment on column analytics.portfolio_factor_exposures.exposure_value is
'exposure_dollar / equity: the beta of the portfolio';
comment on column analytics.portfolio_factor_exposures.exposure_dollar is
'Sum of market value x beta over positions that have one; options at their delta-equivalent value';
comment on column analytics.portfolio_factor_exposures.positions_covered is
'Positions with a beta';
comment on column analytics.portfolio_factor_exposures.positions_without is
'Positions without a beta: private ones, short histories';
comment on column analytics.portfolio_factor_exposures.reason is
'Why a number is missing, in words; null where none is';

create table analytics.portfolio_risk_metrics (
    calculation_date date not null,
    portfolio_id uuid not null,
    realized_vol_21d analytics.statistic,
    realized_vol_63d analytics.statistic,
    expected_vol_21d analytics.statistic,
    vol_trend text check (vol_trend in ('increasing', 'decreasing', 'stable')),
    vol_trend_strength analytics.statistic,
    vol_percentile analytics.statistic,
    observations integer not null,
    model_r_squared analytics.statistic,
    quality_flag analytics.quality_flag not null,
    factor_variance analytics.statistic,
    specific_variance analytics.statistic,
    ex_ante_vol analytics.statistic,
    var_95_1d analytics.statistic,
    es_95_1d analytics.statistic,
    max_drawdown analytics.statistic,
    beta_portfolio_regression analytics.statistic,
    positions_without integer not null,
    reason text check (reason <> ''),
    primary key (portfolio_id, calculation_date)
);
comment on table analytics.portfolio_risk_metrics is
'Risk of each portfolio: of the holdings and equity of the session, over the returns up to it';
comment on column analytics.portfolio_risk_metrics.realized_vol_21d is
'Sample standard deviation of the daily returns of 21 sessions, annual, as a decimal';
comment on column analytics.portfolio_risk_metrics.realized_vol_63d is
'Sample standard deviation of the daily returns of 63 sessions, annual, as a decimal';
comment on column analytics.portfolio_risk_metrics.expected_vol_21d is
'Forecast for the 21 sessions ahead, annual, as a decimal';
comment on column analytics.portfolio_risk_metrics.observations is
'Sessions of the last 252 on which all holdings have a return or a stand-in';
comment on column analytics.portfolio_risk_metrics.quality_flag is
'How far the volatilities can be trusted';
comment on column analytics.portfolio_risk_metrics.factor_variance is
'Annual variance from factors, as a decimal of equity squared';
comment on column analytics.portfolio_risk_metrics.specific_variance is
'Annual variance of what factors do not explain; with factor_variance it adds up to ex_ante_vol squared';
comment on column analytics.portfolio_risk_metrics.ex_ante_vol is
'Volatility that the factor model expects, annual, as a decimal of equity';
comment on column analytics.portfolio_risk_metrics.var_95_1d is
'Historical one-day value at risk at 95 % of these holdings, dollars; a loss is positive';
comment on column analytics.portfolio_risk_metrics.es_95_1d is
'Mean loss of the days at or beyond var_95_1d, dollars; a loss is positive';
comment on column analytics.portfolio_risk_metrics.max_drawdown is
'Deepest fall from a peak of chain-linked daily returns since inception, a decimal, 0 or negative';
comment on column analytics.portfolio_risk_metrics.beta_portfolio_regression is
'Beta of the own daily returns of the portfolio to the market';
comment on column analytics.portfolio_risk_metrics.positions_without is
'Positions that the factor model leaves out for want of a beta';
comment on column analytics.portfolio_risk_metrics.reason is
'Why a number is missing, in words; null where none is';

create table analytics.position_risk_contributions (
    calculation_date date not null,
    portfolio_id uuid not null,
    position_id uuid not null,
    marginal_vol analytics.statistic,
    contribution_vol analytics.statistic,
    contribution_share analytics.statistic,
    primary key (position_id, calculation_date)
);
comment on table analytics.position_risk_contributions is
'What each position adds to the ex-ante volatility of its portfolio';
comment on column analytics.position_risk_contributions.marginal_vol is
'Change of ex_ante_vol per unit of weight; null for positions without a beta';
comment on column analytics.position_risk_contributions.contribution_vol is
'weight x marginal_vol: adds up to ex_ante_vol';
comment on column analytics.position_risk_contributions.contribution_share is
'contribution_vol / ex_ante_vol: adds up to 1';
create index on analytics.position_risk_contributions (portfolio_id, calculation_date);

create table analytics.correlation_calculations (
    calculation_date date not null,
    portfolio_id uuid not null,
    window_days integer not null,
    overall_correlation analytics.statistic,
    correlation_concentration_score analytics.statistic,
    effective_positions analytics.statistic,
    positions_included integer not null,
    positions_excluded integer not null,
    data_quality analytics.quality_flag not null,
    primary key (portfolio_id, calculation_date)
);
comment on table analytics.correlation_calculations is
'What correlations say of each portfolio: how much its holdings move together';
comment on column analytics.correlation_calculations.overall_correlation is
'Mean correlation of pairs, weighted by the product of their absolute net values';
comment on column analytics.correlation_calculations.correlation_concentration_score is
'Largest eigenvalue / number of symbols: 1 when all move as one';
comment on column analytics.correlation_calculations.effective_positions is
'Symbols squared / sum of squared eigenvalues: 1 when all move as one';
comment on column analytics.correlation_calculations.positions_included is
'Symbols (positions netted) that the numbers rest on';
comment on column analytics.correlation_calculations.positions_excluded is
'Symbols (positions netted) with too little common history';

create table analytics.correlation_clusters (
    calculation_date date not null,
    portfolio_id uuid not null,
    cluster_number integer not null check (cluster_number > 0),
    nickname text not null,
    avg_correlation analytics.statistic,
    total_value analytics.statistic,
    weight analytics.statistic,
    primary key (portfolio_id, calculation_date, cluster_number)
);
comment on table analytics.correlation_clusters is
'Groups of holdings of one portfolio that move together (average linkage, correlation 0.7)';
comment on column analytics.correlation_clusters.cluster_number is
'By total_value, the largest first';
comment on column analytics.correlation_clusters.nickname is
'The sector that 70 % of the members share, else the largest holding';
comment on column analytics.correlation_clusters.avg_correlation is
'Mean over the pairs of members';
comment on column analytics.correlation_clusters.total_value is
'Sum of the absolute net values of the members, dollars';
comment on column analytics.correlation_clusters.weight is
'total_value / equity; null where equity is not positive';

create table analytics.correlation_cluster_positions (
    calculation_date date not null,
    portfolio_id uuid not null,
    cluster_number integer not null,
    symbol text not null,
    primary key (portfolio_id, calculation_date, cluster_number, symbol)
);
comment on table analytics.correlation_cluster_positions is
'The symbols of each cluster';

create table analytics.stress_test_results (
    calculation_date date not null,
    portfolio_id uuid not null,
    scenario_id text not null,
    direct_pnl analytics.statistic,
    correlated_pnl analytics.statistic,
    correlation_effect analytics.statistic,
    stressed_equity analytics.statistic,
    factor_impacts jsonb,
    positions_excluded integer not null,
    reason text check (reason <> ''),
    primary key (portfolio_id, calculation_date, scenario_id)
);
comment on table analytics.stress_test_results is
'What each scenario of stress_test_scenarios would do to each portfolio, dollars; losses are negative';
comment on column analytics.stress_test_results.direct_pnl is
'From the shocked factors alone';
comment on column analytics.stress_test_results.correlated_pnl is
'With the other factors moving as they are expected to, given the shocked ones';
comment on column analytics.stress_test_results.correlation_effect is
'correlated_pnl - direct_pnl';
comment on column analytics.stress_test_results.stressed_equity is
'Equity + correlated_pnl';
comment on column analytics.stress_test_results.factor_impacts is
'Dollars by factor, and nonlinear (the floor at -100 %, options): adds up to correlated_pnl';
comment on column analytics.stress_test_results.positions_excluded is
'Positions not shocked: private ones and those without exposures';
comment on column analytics.stress_test_results.reason is
'Why a number is missing, in words; null where none is';

-- The results of other portfolios of a session, and all of them.
create index on analytics.portfolio_factor_exposures (calculation_date);
create index on analytics.portfolio_risk_metrics (calculation_date);
create index on analytics.correlation_calculations (calculation_date);
create index on analytics.stress_test_results (calculation_date);

-- What each set of results was computed from, so that only what changed is computed again.
create table ops.risk_state (
    calculation_date date not null,
    portfolio_id uuid,
    inputs text not null,
    method text not null,
    calculated_at timestamptz not null default now(),
    unique nulls not distinct (calculation_date, portfolio_id)
);
comment on table ops.risk_state is
'One row per session and portfolio with results in analytics, and one per session for symbols, factors and pairs';
comment on column ops.risk_state.portfolio_id is
'Null for what concerns no single portfolio: symbols, factors and pairs';
comment on column ops.risk_state.inputs is
'Fingerprint of the returns, holdings, equity and definitions that the results rest on';
comment on column ops.risk_state.method is
'Fingerprint of the programs that computed them';
create index on ops.risk_state (portfolio_id);
