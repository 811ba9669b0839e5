-- Risk that forecasts: the beta ahead, and losses scaled to the volatility of today.
alter table analytics.symbol_market_betas add column forecast_beta analytics.statistic;
alter table analytics.symbol_interest_rate_betas add column forecast_beta analytics.statistic;
alter table analytics.portfolio_risk_metrics
add column scaled_var_95_1d analytics.statistic,
add column scaled_es_95_1d analytics.statistic;
