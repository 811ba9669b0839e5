-- What a position has contributed, its periods beside each other: a third of the rows, and of the keys, to write each
-- night. Readers see them one below the other, as before.
create table ops.position_contribution_sums (
    calculation_date date not null,
    portfolio_id uuid not null,
    position_id uuid not null,
    symbol text not null,
    mtd_pnl analytics.statistic,
    mtd_contribution analytics.statistic,
    mtd_log_contribution analytics.statistic,
    ytd_pnl analytics.statistic,
    ytd_contribution analytics.statistic,
    ytd_log_contribution analytics.statistic,
    si_pnl analytics.statistic not null,
    si_contribution analytics.statistic,
    si_log_contribution analytics.statistic,
    primary key (portfolio_id, calculation_date, position_id)
);
comment on table ops.position_contribution_sums is
'What analytics.position_contributions shows, periods side by side; a position without P&L in a period has none of it';

insert into ops.position_contribution_sums
select
    calculation_date,
    portfolio_id,
    position_id,
    min(symbol),
    max(pnl) filter (where period = 'MTD'),
    max(contribution) filter (where period = 'MTD'),
    max(log_contribution) filter (where period = 'MTD'),
    max(pnl) filter (where period = 'YTD'),
    max(contribution) filter (where period = 'YTD'),
    max(log_contribution) filter (where period = 'YTD'),
    max(pnl) filter (where period = 'SI'),
    max(contribution) filter (where period = 'SI'),
    max(log_contribution) filter (where period = 'SI')
from analytics.position_contributions
group by calculation_date, portfolio_id, position_id;

drop table analytics.position_contributions;

create view analytics.position_contributions as
select
    sums.calculation_date,
    sums.portfolio_id,
    sums.position_id,
    sums.symbol,
    periods.period,
    periods.pnl,
    periods.contribution,
    periods.log_contribution
from ops.position_contribution_sums as sums
cross join
    lateral (
        values
        ('MTD', sums.mtd_pnl, sums.mtd_contribution, sums.mtd_log_contribution),
        ('YTD', sums.ytd_pnl, sums.ytd_contribution, sums.ytd_log_contribution),
        ('SI', sums.si_pnl, sums.si_contribution, sums.si_log_contribution)
    ) as periods (period, pnl, contribution, log_contribution)
where periods.pnl is not null;
