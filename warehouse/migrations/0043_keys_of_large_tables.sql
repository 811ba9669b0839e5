-- Every key of a table that has a portfolio in its rows, and grows with the books, holds the portfolio: such tables can
-- be spread over servers by it. The portfolio comes last where rows are looked up by position: a narrow index is one on
-- the portfolio and the day, whose many equal entries PostgreSQL stores once.
alter table analytics.position_risk_contributions
drop constraint position_risk_contributions_pkey,
add primary key (position_id, calculation_date, portfolio_id);

-- What dbt has built already; elsewhere it builds them so.
do $$
declare
    table_name text;
    key_columns text;
    narrower record;
begin
    for table_name, key_columns in
        values
        ('position_values', 'position_id, value_date, portfolio_id'),
        ('positions', 'position_id, portfolio_id')
    loop
        if to_regclass('analytics.' || table_name) is null then
            continue;
        end if;
        execute format('create unique index on analytics.%I (%s)', table_name, key_columns);
        for narrower in
            select indexes.indexrelid::regclass as name
            from pg_index as indexes
            where
                indexes.indrelid = to_regclass('analytics.' || table_name)
                and indexes.indisunique
                and not exists (
                    select 1 from pg_attribute
                    where
                        pg_attribute.attrelid = indexes.indrelid
                        and pg_attribute.attnum = any (indexes.indkey)
                        and pg_attribute.attname = 'portfolio_id'
                )
        loop
            execute format('drop index %s', narrower.name);
        end loop;
    end loop;
end
$$;
