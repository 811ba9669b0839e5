"""What is committed while a run works, and days that are sessions no more: nothing is taken in without being used."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from time import sleep

import pytest

from tests.accounting_replay import Action, Flow, Lot, Portfolio
from tests.roll_forward.books import TABLES, Warehouse, load_market, load_portfolios
from warehouse.sessions import sessions_between

INCEPTION, LAST = date(2024, 1, 2), date(2024, 1, 19)
# A Saturday that an old calendar counts as a session.
PHANTOM = date(2024, 1, 13)


@pytest.fixture
def book(copies) -> Iterator[Warehouse]:
    """One portfolio that holds ten shares of A, rolled to LAST; closes of 100, 101, …"""
    with copies() as warehouse:
        with warehouse.database.connect() as conn:
            days = sessions_between(conn, date(2023, 12, 15), LAST)
            load_market(conn, {"A": {day: Decimal(100 + number) for number, day in enumerate(days)}}, [])
            lots = (Lot("A", date(2024, 1, 4), Decimal(10), Decimal(100)),)
            flows = (Flow(PHANTOM, Decimal(500)),)
            load_portfolios(conn, {"one": Portfolio(INCEPTION, Decimal(10_000), lots, (), flows, ())})
        warehouse.roll()
        yield warehouse


@contextmanager
def held_at(warehouse: Warehouse, relation: str) -> Iterator[None]:
    """A run that has come as far as to fill this relation, and goes on when the block ends."""
    with ThreadPoolExecutor(1) as pool, warehouse.database.connect() as holder, warehouse.database.connect() as looking:
        with holder.transaction():
            holder.execute(f"lock table {relation} in access share mode")
            run = pool.submit(warehouse.roll, tables_fit=True)
            while not looking.execute(
                "select 1 from pg_locks where not granted and relation = %s::regclass", [relation]
            ).fetchone():
                assert not run.done(), run.result()
                sleep(0.05)
            yield
        run.result()


@pytest.mark.parametrize("relation", ["ops.roll_forward_changes", "ops.returns_window"])
def test_what_is_committed_during_a_run_is_taken_in_by_the_next(book: Warehouse, relation: str):
    book.execute("update raw.positions set entry_price = 99")  # gives the run something to do
    with held_at(book, relation), book.database.connect() as conn:
        conn.execute("update raw.positions set quantity = 100")
        load_market(conn, {}, [Action("A", date(2024, 1, 9), "SPLIT", Decimal(2))])
    book.roll()
    rolled = book.content()
    assert book.rows("select quantity from analytics.position_values where value_date = %s", LAST) == [(Decimal(200),)]
    book.rebuild()
    assert book.content() == rolled
    assert book.rows(
        "select count(*) from ops.input_changes where rolled_at is null or returns_taken_at is null"
        " and input in ('price', 'split', 'dividend')"
    ) == [(0,)]


def test_a_split_that_comes_before_lots_are_kept_or_made_is_in_both_their_units(book: Warehouse):
    """A split of before the lot changes none of its rows, so no later run would mend what this one writes."""
    monday = date(2024, 1, 22)
    with book.database.connect() as conn:
        load_market(conn, {"A": {monday: Decimal(150)}}, [])
    with held_at(book, "intermediate.symbol_names"), book.database.connect() as conn:
        load_market(conn, {}, [Action("A", date(2023, 12, 20), "SPLIT", Decimal(2))])
    assert book.rows("select quantity from analytics.position_values where value_date = %s", monday) == [(Decimal(10),)]
    book.roll()
    rolled = book.content()
    book.rebuild()
    assert book.content() == rolled


def test_a_run_of_a_part_of_the_chain_takes_nothing_in(book: Warehouse):
    book.execute("update raw.positions set quantity = 100")
    book.roll("open_changes", "roll_forward_changes", "roll_forward_causes", "roll_forward_window", *TABLES)
    assert book.rows("select count(*) from ops.input_changes where rolled_at is null") == [(1,)]
    book.roll()
    assert book.rows("select count(*) from ops.input_changes where rolled_at is null") == [(0,)]
    assert book.rows("select quantity from analytics.position_values where value_date = %s", LAST) == [(Decimal(100),)]


def test_every_model_that_reads_an_input_is_built_after_the_changes_are_noted(copies):
    with copies() as warehouse:
        named = {node.unique_id: node.name for node in warehouse.dbt.nodes("model") if "phase_2" in node.tags}
        behind = {name: warehouse.dbt.models_behind(name) for name in named.values()}
        assert [name for name in behind if "open_changes" not in behind[name]] == []


@pytest.mark.parametrize("last", [LAST, PHANTOM])
def test_a_day_that_is_a_session_no_more_leaves_every_table(copies, last: date):
    with copies() as warehouse:
        with warehouse.database.connect() as conn:
            conn.execute(
                "insert into raw.trading_sessions values (%s, %s::date + time '14:30', %s::date + time '21:00', 'old')",
                [PHANTOM] * 3,
            )
            days = sessions_between(conn, date(2023, 12, 15), last)
            load_market(
                conn,
                {"A": {day: Decimal(100 + number) for number, day in enumerate(days)}},
                [Action("A", PHANTOM, "DIVIDEND", Decimal("1.5"))],
            )
            lots = (Lot("A", date(2024, 1, 4), Decimal(10), Decimal(100)),)
            flows = (Flow(PHANTOM, Decimal(500)),)
            load_portfolios(conn, {"one": Portfolio(INCEPTION, Decimal(10_000), lots, (), flows, ())})
        warehouse.roll("tag:views", "tag:phase_2", "tag:phase_2_5", "tag:phase_2_75")
        dated = {
            "position_values": "value_date",
            "portfolio_snapshots": "snapshot_date",
            "portfolio_sector_exposures": "value_date",
            "daily_returns": "value_date",
        }
        counts = {
            t: warehouse.rows(f"select count(*) from analytics.{t} where {d} = %s", PHANTOM)[0][0]
            for t, d in dated.items()
        }
        assert all(counts.values()), counts
        warehouse.execute("delete from raw.trading_sessions where session_date = %s", [PHANTOM])
        warehouse.roll("tag:views", "tag:phase_2", "tag:phase_2_5", "tag:phase_2_75")
        for table, day in dated.items():
            assert warehouse.rows(f"select count(*) from analytics.{table} where {day} = %s", PHANTOM) == [(0,)], table
        if last == LAST:
            # once, on the Tuesday after the weekend and the holiday: 500 paid in, and 10 shares x 1.50
            assert warehouse.rows(
                "select snapshot_date, daily_capital_flow, daily_dividend_income from analytics.portfolio_snapshots"
                " where daily_capital_flow <> 0 or daily_dividend_income <> 0"
            ) == [(date(2024, 1, 16), Decimal(500), Decimal(15))]
        rolled = warehouse.content()
        warehouse.rebuild()
        assert warehouse.content() == rolled
        assert warehouse.rows("select last_session from ops.roll_forward_state") == [
            (last if last == LAST else date(2024, 1, 12),)
        ]


def test_a_price_of_a_day_that_is_no_session_is_in_the_shares_of_that_day(book: Warehouse):
    """It stands from a session that the calendar has withdrawn; splits before it are in it already."""
    saturday, monday = date(2024, 1, 20), date(2024, 1, 22)
    with book.database.connect() as conn:
        load_market(
            conn,
            {"A": {saturday: Decimal(77)}, "Z": {monday: Decimal(1)}},
            [Action("A", date(2024, 1, 9), "SPLIT", Decimal(2))],
        )
    book.roll()
    assert book.rows(
        "select quantity, price, price_date, is_stale from analytics.position_values where value_date = %s", monday
    ) == [(Decimal(20), Decimal(77), saturday, True)]
