-- The planner lists the most common values of a column, and takes one that is not listed for one that hardly occurs.
-- Of the session that a night has just added it then expects one row, and loops over all there are, thousands of times.
-- With one value to list, sessions that are equally long are not listed at all, and each counts as one of so many.
alter table analytics.symbol_factor_exposures alter column calculation_date set statistics 1;
alter table analytics.symbol_market_betas alter column calculation_date set statistics 1;
alter table analytics.symbol_interest_rate_betas alter column calculation_date set statistics 1;
alter table analytics.symbol_volatility alter column calculation_date set statistics 1;
alter table analytics.pairwise_correlations alter column calculation_date set statistics 1;
