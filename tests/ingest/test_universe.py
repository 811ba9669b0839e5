import pytest

from ingest.universe import ActiveSymbol, Role, active_symbols
from tests.ingest.market_book import Book, day, define_factors
from warehouse.errors import UserError
from warehouse.sessions import FIRST_DAY, session_before, sessions_between

# The run's sessions: a Monday to a Friday.
START, END = day("2021-03-01"), day("2021-03-05")


@pytest.fixture
def book(conn):
    define_factors(conn, "MTUM")
    return Book(conn)


@pytest.fixture
def universe(conn):
    def ask(start=START, end=END, history_sessions=400):
        calendar = sessions_between(conn, FIRST_DAY, end)
        symbols = active_symbols(conn, start, end, calendar=calendar, history_sessions=history_sessions)
        return {active.symbol: active for active in symbols}

    return ask


def test_benchmark_and_factors_are_needed_without_a_book(conn, universe):
    define_factors(conn, "MTUM", "MTUM", "SPY", "TLT")
    history = session_before(conn, START, 400)
    assert universe() == {
        "MTUM": ActiveSymbol("MTUM", Role.FACTOR, history, END),
        "SPY": ActiveSymbol("SPY", Role.BENCHMARK, history, END),
        "TLT": ActiveSymbol("TLT", Role.FACTOR, history, END),
    }


def test_without_the_seed_it_says_how_to_load_it(universe):
    with pytest.raises(UserError, match=r"analytics\.factor_definitions is not there: load the seeds with"):
        universe()


def test_a_holding_needs_the_history_of_the_analytics_or_its_own_life_whichever_is_longer(conn, book, universe):
    book.lot("AAPL", "2020-06-01")
    assert universe(history_sessions=400)["AAPL"] == ActiveSymbol(
        "AAPL", Role.HOLDING, session_before(conn, START, 400), END
    )
    # some sessions before the entry, where the entry's own has no price
    assert universe(history_sessions=20)["AAPL"].first == session_before(conn, day("2020-06-01"), 10)


def test_a_lot_that_was_carried_in_is_valued_at_the_close_before_inception(conn, book, universe):
    book.lot("AAPL", "2012-06-01")
    assert universe(history_sessions=0)["AAPL"].first == session_before(conn, day("2019-12-31"), 10)


def test_private_holdings_are_never_asked_for(book, universe):
    book.lot("Maple Street Partners LP", investment_class="PRIVATE")
    assert set(universe()) == {"SPY", "MTUM"}


def test_deleted_positions_and_portfolios_are_not_needed(conn, book, universe):
    book.lot("AAPL", deleted_at="2021-01-01")
    another = Book(conn)
    another.lot("MSFT")
    conn.execute("update raw.portfolios set deleted_at = now() where portfolio_id = %s", [another.portfolio_id])
    assert set(universe()) == {"SPY", "MTUM"}


def test_what_begins_after_the_run_is_not_needed_yet(conn, book, universe):
    book.lot("AAPL", "2021-03-08")
    book.lot("MSFT", "2021-03-05")
    Book(conn, inception="2021-03-08").lot("JNJ", "2020-01-02")
    assert set(universe()) == {"SPY", "MTUM", "MSFT"}


def test_an_exit_ends_the_need_at_its_session(book, universe):
    book.lot("AAPL", exit_date="2021-03-02", exit_price=10)
    book.lot("MSFT", exit_date="2021-02-27", exit_price=10)  # a Saturday: Monday's session
    assert universe()["AAPL"].last == day("2021-03-02")
    assert universe()["MSFT"].last == START


def test_what_ended_before_the_run_is_needed_until_it_has_been_rolled(book, universe):
    book.lot("AAPL", exit_date="2020-02-03", exit_price=10)
    needed = universe()["AAPL"]
    # only its own life: no history for the analytics of the run
    assert (needed.first, needed.last) == (day("2019-12-17"), day("2020-02-03"))
    book.rolled_through("2020-02-03")
    assert "AAPL" not in universe()


def test_a_corrected_exit_brings_a_lot_back(conn, book, universe):
    position = book.lot("AAPL", exit_date="2020-02-03", exit_price=10)
    book.rolled_through("2021-02-26")
    assert "AAPL" not in universe()
    conn.execute("update raw.positions set exit_date = '2020-05-04' where position_id = %s", [position])
    assert universe()["AAPL"].last == day("2020-05-04")


def test_an_option_lives_until_it_expires_and_needs_its_underlying(conn, book, universe):
    contract = "AAPL210320C00120000"
    book.option(contract, "AAPL", "2021-03-20", entry_date="2021-03-02")  # a Saturday: Friday's session
    active = universe()
    # no history is asked for an option, but for its underlying
    first, settled = session_before(conn, day("2021-03-02"), 10), day("2021-03-19")
    assert active[contract] == ActiveSymbol(contract, Role.OPTION, first, END, expires=settled)
    assert active["AAPL"] == ActiveSymbol("AAPL", Role.UNDERLYING, session_before(conn, START, 400), END)
    later = universe(start=day("2021-03-15"), end=day("2021-04-01"))
    assert later[contract].last == later["AAPL"].last == later[contract].expires == settled
    assert later["AAPL"].expires is None


def test_a_symbol_needed_for_several_reasons_is_asked_for_once(conn, book, universe):
    book.lot("SPY", "2020-02-03", exit_date="2021-03-03", exit_price=10)
    book.lot("MTUM", "2020-02-03")
    book.option("SPY210319C00400000", "SPY", "2021-03-19", entry_date="2020-01-02")
    active = universe(history_sessions=5)
    # as the benchmark it is needed from the close before inception
    assert active["SPY"] == ActiveSymbol("SPY", Role.UNDERLYING, session_before(conn, day("2019-12-31"), 10), END)
    assert active["MTUM"].role == Role.HOLDING


def add_price(conn, symbol, price_date):
    conn.execute(
        "insert into raw.market_data_cache (symbol, price_date, close, source) values (%s, %s, 10, 'test')",
        [symbol, price_date],
    )


def test_closes_that_leave_nothing_end_the_need(conn, book, universe):
    whole, part = book.lot("AAPL"), book.lot("MSFT", quantity=-100)
    book.close(whole, "2020-02-03", 40)
    book.close(whole, "2020-02-04", 60)
    book.close(part, "2020-02-03", 99)
    book.rolled_through("2021-02-26")
    # only when prices, and with them splits, are known up to then
    assert {"AAPL", "MSFT"} < set(universe())
    add_price(conn, "AAPL", "2020-02-04")
    add_price(conn, "MSFT", "2020-02-04")
    assert "AAPL" not in universe()
    assert "MSFT" in universe()


def test_closes_are_counted_in_shares_of_the_lots_first_day(conn, book, universe):
    # 100 shares are 400 after the split: closing 150 of them leaves 250, closing 400 leaves none
    position = book.lot("AAPL")
    book.close(position, "2020-09-15", 150)
    conn.execute(
        "insert into raw.corporate_actions (symbol, ex_date, action_type, value, source)"
        " values ('AAPL', '2020-08-31', 'SPLIT', 4, 'test')"
    )
    add_price(conn, "AAPL", "2020-10-01")
    book.rolled_through("2021-02-26")
    assert "AAPL" in universe()
    book.close(position, "2020-09-16", 250)
    book.conn.execute("update ops.input_changes set rolled_at = now()")
    assert "AAPL" not in universe()


def test_a_portfolio_needs_its_benchmark_from_the_close_before_its_inception(conn, book, universe):
    book.lot("AAPL", "2020-06-01")
    conn.execute("update raw.portfolios set benchmark = 'QQQ'")
    first = session_before(conn, day("2019-12-31"), 10)
    assert universe(history_sessions=5)["QQQ"] == ActiveSymbol("QQQ", Role.BENCHMARK, first, END)
    conn.execute("update raw.portfolios set deleted_at = now()")
    assert "QQQ" not in universe()


def test_a_name_is_not_asked_for_after_its_delisting(conn, book, universe):
    book.lot("GONE")
    book.lot("OLD")
    conn.execute(
        "insert into raw.corporate_actions (symbol, ex_date, action_type, value, new_symbol, value_pending, source)"
        " values ('GONE', '2021-03-03', 'DELISTING', 0, null, true, 'person'),"
        " ('OLD', '2021-02-01', 'RENAME', 1, 'NEW', false, 'person'),"
        " ('NEW', '2021-03-03', 'DELISTING', 0, null, true, 'person')"
    )
    needed = universe()
    assert (needed["GONE"].last, needed["NEW"].last) == (day("2021-03-02"), day("2021-03-02"))
    book.rolled_through("2021-03-02")
    assert "GONE" not in universe(START.replace(day=3))
    # if it is bought later, it is another company's; if it has another name, it is quoted again
    book.lot("GONE", "2021-03-04")
    assert universe(START.replace(day=3))["GONE"].last == END
    conn.execute(
        "insert into raw.corporate_actions (symbol, ex_date, action_type, value, new_symbol, source)"
        " values ('NEW', '2021-03-04', 'RENAME', 1, 'NEWQ', 'person')"
    )
    assert universe()["NEWQ"].last == END
