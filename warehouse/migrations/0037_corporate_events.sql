-- What corporate events do to lots is reckoned in dbt (lot_stages). Here is what that needs.

-- The identifier of a lot that a spin-off gave birth to is a UUIDv5 (RFC 9562), as Python's uuid.uuid5 makes it. SHA-1
-- is in none of the functions that every PostgreSQL has. Operators bind alike, from left to right: hence the brackets.
create function intermediate.sha1(message bytea) returns bytea -- noqa: LT01
language plpgsql immutable strict parallel safe as $$
declare
    word_mask constant bigint := 4294967295;
    blocks bytea := message || '\x80'::bytea;
    words bigint[];
    state bigint[] := array[1732584193, 4023233417, 2562383102, 271733878, 3285377520];
    a bigint;
    b bigint;
    c bigint;
    d bigint;
    e bigint;
    mixed bigint;
begin
    while length(blocks) % 64 <> 56 loop
        blocks := blocks || '\x00'::bytea;
    end loop;
    blocks := blocks || int8send(length(message) * 8::bigint);
    for block in 0 .. length(blocks) / 64 - 1 loop
        words := array(
            select
                get_byte(blocks, place)::bigint * 16777216 + get_byte(blocks, place + 1) * 65536
                + get_byte(blocks, place + 2) * 256 + get_byte(blocks, place + 3)
            from generate_series(block * 64, block * 64 + 60, 4) as place
            order by place
        );
        a := state[1];
        b := state[2];
        c := state[3];
        d := state[4];
        e := state[5];
        for round in 1 .. 80 loop
            if round > 16 then
                mixed := ((words[round - 3] # words[round - 8]) # words[round - 14]) # words[round - 16];
                words[round] := ((mixed << 1) | (mixed >> 31)) & word_mask;
            end if;
            mixed := case
                when round <= 20 then ((b & c) | ((~ b) & d)) + 1518500249
                when round <= 40 then ((b # c) # d) + 1859775393
                when round <= 60 then (((b & c) | (b & d)) | (c & d)) + 2400959708
                else ((b # c) # d) + 3395469782
            end;
            mixed := (mixed + (((a << 5) | (a >> 27)) & word_mask) + e + words[round]) & word_mask;
            e := d;
            d := c;
            c := ((b << 30) | (b >> 2)) & word_mask;
            b := a;
            a := mixed;
        end loop;
        state := array[
            (state[1] + a) & word_mask,
            (state[2] + b) & word_mask,
            (state[3] + c) & word_mask,
            (state[4] + d) & word_mask,
            (state[5] + e) & word_mask
        ];
    end loop;
    return decode(
        (
            select string_agg(lpad(to_hex(words_of_state.word), 8, '0'), '' order by words_of_state.place)
            from unnest(state) with ordinality as words_of_state (word, place)
        ),
        'hex'
    );
end
$$;

create function intermediate.uuid_v5(namespace uuid, name text) returns uuid -- noqa: LT01
language plpgsql immutable strict parallel safe as $$
declare
    bytes bytea := substr(intermediate.sha1(uuid_send(namespace) || convert_to(name, 'UTF8')), 1, 16);
begin
    bytes := set_byte(bytes, 6, (get_byte(bytes, 6) & 15) | 80);
    bytes := set_byte(bytes, 8, (get_byte(bytes, 8) & 63) | 128);
    return encode(bytes, 'hex')::uuid;
end
$$;

-- An event concerns those who hold what it leads to as well: under the new name, or as a child.
call ops.watch_input(
    'raw.corporate_actions', 'lower(action_type::text)', 'symbol', 'ex_date', 'lasting',
    'action_type, new_symbol as symbol, case when new_symbol is not null then ex_date end as ex_date, symbol as parent,'
    ' value, cash_per_share, cost_fraction'
);

-- No row of before has handed anything over. On a new database dbt makes the table whole.
alter table if exists analytics.position_values
add column if not exists transferred_pnl numeric(28, 10) not null default 0;
alter table if exists analytics.position_values alter column transferred_pnl drop default;
