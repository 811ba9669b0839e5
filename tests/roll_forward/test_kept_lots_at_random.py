"""Random changes of every input that lots are made from: what a run keeps is what it would make anew."""

from collections.abc import Iterator
from datetime import date
from random import Random

import psycopg
import pytest

from tests.roll_forward.books import LOTS, Warehouse, load_market, load_portfolios
from tests.roll_forward.test_random_events import Chains
from tests.roll_forward.test_random_transactions import World

TOLD = (*LOTS, "positions")


def _one(key: str, table: str, where: str = "true") -> str:
    return f"(select {key} from raw.{table} where {where} order by md5(concat_ws('|', {key}, %(salt)s::text)) limit 1)"


_ACTION = "symbol, ex_date, action_type"
# of shares: an option's symbol cannot be theirs
_SYMBOL = _one("symbol", "market_data_cache", "symbol ~ '^[FS][0-9.]+$'")
_NEW = "'NEW' || abs(hashtext(%(salt)s::text))"
_DAY = _one("price_date", "market_data_cache")
_PRICE = f"where symbol = {_SYMBOL} and price_date"
_LOT = f"where position_id = {_one('position_id', 'positions')}"
_CALL = "where position_id = " + _one("position_id", "positions", "investment_class = 'OPTIONS'")
_BOOK = f"where portfolio_id = {_one('portfolio_id', 'portfolios')}"
_LINE = f"where transaction_id = {_one('transaction_id', 'transactions')}"
_SPLIT = f"where ({_ACTION}) = " + _one(_ACTION, "corporate_actions", "action_type = 'SPLIT'")
_EVENT = f"where ({_ACTION}) = " + _one(_ACTION, "corporate_actions", "action_type not in ('SPLIT', 'DIVIDEND')")


def _act(action_type: str, value: str, new_symbol: str = "null") -> str:
    return (
        "insert into raw.corporate_actions (symbol, ex_date, action_type, value, new_symbol, source)"
        f" values ({_SYMBOL}, {_DAY}, '{action_type}', {value}, {new_symbol}, 'test') on conflict do nothing"
    )


# One is drawn for each change; what a constraint refuses is no change. Events concern everybody, so they are rare.
CHANGES = (
    f"update raw.market_data_cache set close = close + 1 {_PRICE} = {_DAY}",
    f"delete from raw.market_data_cache {_PRICE} = {_DAY}",
    f"delete from raw.market_data_cache {_PRICE} > {_DAY}",
    "insert into raw.market_data_cache (symbol, price_date, close, source)"
    f" select underlying_symbol, expiration_date, 77, 'test' from raw.positions {_CALL}"
    " on conflict (symbol, price_date) do update set close = excluded.close",
    "insert into raw.market_data_cache (symbol, price_date, close, source)"
    f" select symbol, trade_date, 78, 'test' from raw.transactions {_LINE} and symbol is not null"
    " on conflict (symbol, price_date) do update set close = excluded.close",
    _act("SPLIT", "2"),
    _act("DIVIDEND", "1"),
    f"update raw.corporate_actions set value = value * 3 {_SPLIT}",
    f"update raw.corporate_actions set ex_date = ex_date + 9 {_SPLIT}",
    f"delete from raw.corporate_actions {_SPLIT}",
    f"update raw.positions set entry_price = entry_price + 1 {_LOT}",
    f"update raw.positions set quantity = quantity * 2 {_LOT}",
    f"update raw.positions set exit_date = {_DAY}, exit_price = 9 {_LOT}",
    f"update raw.positions set strike_price = strike_price + 1 {_CALL}",
    f"update raw.positions set expiration_date = {_DAY} {_CALL}",
    f"update raw.positions set underlying_symbol = {_SYMBOL} {_CALL}",
    f"update raw.positions set deleted_at = now() {_LOT}",
    f"delete from raw.positions {_LOT}",
    "insert into raw.position_realized_events"
    " (event_id, position_id, trade_date, sequence, quantity_closed, close_price, fees, source)"
    f" select gen_random_uuid(), position_id, {_DAY}, 9, abs(quantity) / 3, 50, 1, 'test' from raw.positions {_LOT}",
    f"update raw.position_realized_events set named_symbol = {_SYMBOL}"
    f" where event_id = {_one('event_id', 'position_realized_events')}",
    f"delete from raw.position_realized_events where event_id = {_one('event_id', 'position_realized_events')}",
    f"update raw.portfolios set inception_date = inception_date + 5 {_BOOK}",
    f"update raw.portfolios set lot_matching = 'lifo' {_BOOK}",
    f"update raw.portfolios set deleted_at = case when deleted_at is null then now() end {_BOOK}",
    f"update raw.transactions set unit_price = unit_price + 1 {_LINE}",
    f"update raw.transactions set trade_date = {_DAY} {_LINE}",
    f"update raw.transactions set lot_date = {_DAY} {_LINE}",
    f"update raw.transactions set symbol = {_SYMBOL} {_LINE} and investment_class = 'PUBLIC'",
    "update raw.transactions set transaction_type = 'TRANSFER_IN', effect = 'open', side = 1, unit_price = null"
    f" {_LINE} and transaction_type = 'BUY'",
    f"delete from raw.transactions {_LINE}",
)
EVENTS = (
    _act("RENAME", "1", _NEW),
    _act("SPINOFF", "0.5", _NEW),
    _act("MERGER", "2", "'SPY'"),
    _act("DELISTING", "3"),
    f"update raw.corporate_actions set value = value + 1 {_EVENT} and action_type <> 'RENAME'",
    f"delete from raw.corporate_actions {_EVENT}",
)


@pytest.fixture(scope="module")
def warehouse(copies, sessions: list[date], tmp_path_factory) -> Iterator[Warehouse]:
    """Lots, transactions and options on one market, and families of symbols that events link."""
    world, chains = World(21, 3, sessions), Chains(21, 10, sessions)
    books = {f"book {number}": world.maker.make_book(number) for number in range(20)}
    with copies() as warehouse:
        with warehouse.database.connect() as conn:
            world.load(conn, tmp_path_factory.mktemp("histories"))
            load_market(conn, chains.prices, chains.actions)
            load_portfolios(conn, books | chains.portfolios)
            # options on symbols that events touch
            conn.execute(
                "update raw.positions set underlying_symbol = 'F' || extract(day from entry_date)::int %% 10"
                " where investment_class = 'OPTIONS' and quantity > 1",
                [],
            )
        warehouse.roll()
        yield warehouse


@pytest.mark.parametrize("nights", [pytest.param(3, id="3 nights")])
def test_what_is_kept_is_what_would_be_made(warehouse: Warehouse, nights: int):
    random = Random(nights)  # noqa: S311
    for night in range(nights):
        drawn = [random.choice(CHANGES) for _ in range(random.choice((1, 2, 4)))]
        if night % 5 == 2:
            drawn.append(random.choice(EVENTS))
        for number, statement in enumerate(drawn):
            with warehouse.database.connect() as conn:
                try:
                    conn.execute(statement, {"salt": f"{nights} {night} {number}"})
                except psycopg.IntegrityError:
                    continue
        warehouse.roll()
        kept = warehouse.content(TOLD)
        warehouse.execute(
            "insert into ops.changed_books select portfolio_id from raw.portfolios"
            " on conflict (portfolio_id) do update set is_rolled = false"
        )
        warehouse.roll(*LOTS, tables_fit=True)
        warehouse.roll("positions")
        assert warehouse.content(TOLD) == kept, drawn
        warehouse.execute("delete from ops.changed_books")
