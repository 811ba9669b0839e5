-- As match_lots, for symbols that corporate events link: lines may say that lots of one symbol become lots of another
-- ('convert'), that they give birth to lots of another ('bear') and that they end ('end'), among the trades of all of
-- them. `ratios` are shares of the new symbol per share of the old one, both before any split; `names` make the
-- identifiers of born lots, as lot_stages does. What is returned is in shares of the symbol of the line.
create function intermediate.match_lots_through_events( -- noqa: LT01
    rule text,
    ids uuid[],
    effects text[],
    sides smallint[],
    quantities numeric[],
    prices numeric[],
    held_since date[],
    named date[],
    symbols text[],
    new_symbols text[],
    ratios numeric[],
    names text[]
) returns table (opening_id uuid, closing_id uuid, base_shares numeric)
language plpgsql immutable parallel safe as $$
declare
    next_to_nothing constant numeric := 0.000000001;
    lot_ids uuid[] := '{}';
    lot_symbols text[] := '{}';
    lot_sides smallint[] := '{}';
    lot_prices numeric[] := '{}';
    lot_dates date[] := '{}';
    lefts numeric[] := '{}';
    wanted numeric;
    taken numeric;
    reached numeric;
    share numeric;
    held numeric;
    before numeric;
    lot integer;
begin
    for line in 1 .. coalesce(cardinality(ids), 0) loop
        if effects[line] in ('convert', 'bear', 'end') then
            for lot in 1 .. cardinality(lot_ids) loop
                if lefts[lot] > 0 and lot_symbols[lot] = symbols[line] then
                    if effects[line] = 'end' then
                        lefts[lot] := 0;
                    elsif effects[line] = 'convert' then
                        lot_symbols[lot] := new_symbols[line];
                        lefts[lot] := round(lefts[lot] * ratios[line], 18);
                        lot_prices[lot] := lot_prices[lot] / ratios[line];
                    else
                        lot_ids := lot_ids || intermediate.uuid_v5(lot_ids[lot], names[line]);
                        lot_symbols := lot_symbols || new_symbols[line];
                        lot_sides := lot_sides || lot_sides[lot];
                        lot_prices := lot_prices || lot_prices[lot] / ratios[line];
                        lot_dates := lot_dates || lot_dates[lot];
                        lefts := lefts || round(lefts[lot] * ratios[line], 18);
                    end if;
                end if;
            end loop;
            continue;
        end if;
        wanted := quantities[line];
        if effects[line] <> 'open' then
            select coalesce(sum(lefts[place]), 0) into held
            from generate_subscripts(lot_ids, 1) as place
            where
                lot_symbols[place] = symbols[line]
                and (effects[line] = 'expire' or lot_sides[place] = -sides[line]);
            share := least(wanted, held);
            reached := 0;
            before := 0;
            for lot in
                select place
                from generate_subscripts(lot_ids, 1) as place
                where
                    lefts[place] > 0
                    and lot_symbols[place] = symbols[line]
                    and (effects[line] = 'expire' or lot_sides[place] = -sides[line])
                    and (rule <> 'named' or named[line] is null or lot_dates[place] = named[line])
                order by
                    case when rule = 'hifo' then -lot_prices[place] end,
                    case when rule = 'lifo' then date '2200-01-01' - lot_dates[place] end,
                    case when rule = 'lifo' then -place end,
                    lot_dates[place],
                    place
            loop
                if rule = 'average' then
                    before := before + lefts[lot];
                    taken := round(share * before / held, 18) - reached;
                    reached := reached + taken;
                else
                    taken := least(lefts[lot], wanted);
                end if;
                if lefts[lot] - taken < next_to_nothing then
                    taken := lefts[lot];
                end if;
                if taken > 0 then
                    lefts[lot] := lefts[lot] - taken;
                    wanted := wanted - taken;
                    opening_id := lot_ids[lot];
                    closing_id := ids[line];
                    base_shares := taken;
                    return next;
                end if;
                exit when wanted <= 0;
            end loop;
        end if;
        if wanted > next_to_nothing then
            if effects[line] in ('open', 'flip') then
                lot_ids := lot_ids || ids[line];
                lot_symbols := lot_symbols || symbols[line];
                lot_sides := lot_sides || sides[line];
                lot_prices := lot_prices || coalesce(prices[line], 0);
                lot_dates := lot_dates || held_since[line];
                lefts := lefts || wanted;
                opening_id := ids[line];
                closing_id := null;
            else
                opening_id := null;
                closing_id := ids[line];
            end if;
            base_shares := wanted;
            return next;
        end if;
    end loop;
end
$$;
