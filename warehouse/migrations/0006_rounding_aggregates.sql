-- Products that keep a declared scale. A plain product of numerics grows in digits without bound, and exp(sum(ln(x)))
-- is off in the last ones: these round at every step, so that the result does not depend on who computes it.
-- 30 decimals: after many reverse splits the product is a ten-millionth, and it is its quotients that are used.
create function intermediate.multiply_ratio(product numeric, ratio numeric) returns numeric -- noqa: LT01
language sql immutable parallel safe
return round(product * coalesce(ratio, 1), 30);

create aggregate intermediate.product_of_ratios(numeric) ( -- noqa: LT01
    sfunc = intermediate.multiply_ratio, stype = numeric, initcond = '1'
);

create function intermediate.link_return(growth numeric, period_return numeric) returns numeric -- noqa: LT01
language sql immutable parallel safe
return round(growth * (1 + coalesce(period_return, 0)), 18);

create aggregate intermediate.linked_growth(numeric) ( -- noqa: LT01
    sfunc = intermediate.link_return, stype = numeric, initcond = '1'
);
comment on aggregate intermediate.linked_growth(numeric) is -- noqa: LT01
'Growth of 1 through returns in order; a null return counts as 0. Minus 1, it is the chain-linked return';
