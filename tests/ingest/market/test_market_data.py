import json
import tempfile
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ingest.market import collection as market_data
from ingest.market.collection import collect_market_data
from ingest.providers.files import FilesProvider
from tests.ingest.market_book import Book, day, define_factors, write_folder
from warehouse.sessions import session_before, sessions_between

# Monday to Friday
START, END = day("2021-03-01"), day("2021-03-05")
PRICES = "symbol,date,open,high,low,close,volume\n"
ACTIONS = "symbol,ex_date,action_type,value\n"


@pytest.fixture
def book(conn):
    define_factors(conn)
    book = Book(conn, inception="2021-02-26")
    book.lot("AAPL", "2021-02-26")
    return book


@pytest.fixture
def collect(conn):
    def run(*providers, start=START, end=END, history_sessions=5, **arguments):
        return collect_market_data(
            conn, providers, start, end, history_sessions=history_sessions, today=day("2021-03-06"), **arguments
        )

    return run


def closes(symbol, first, *values):
    """Rows of prices.csv with a close each, on consecutive weekdays' dates of one week; None leaves a day out."""
    return "".join(
        f"{symbol},{date.fromordinal(day(first).toordinal() + n)},,,,{close},\n"
        for n, close in enumerate(values)
        if close is not None
    )


def stored_closes(conn, symbol="AAPL"):
    query = "select price_date, close from raw.market_data_cache where symbol = %s order by price_date"
    return {str(price_date): float(close) for price_date, close in conn.execute(query, [symbol])}


def all_rows(conn):
    """Every row of raw with the transaction that wrote it, and how many changes are logged."""
    return [
        conn.execute(f"select xmin::text, {table}::text from raw.{table} order by 2").fetchall()
        for table in ("market_data_cache", "corporate_actions", "company_profiles")
    ] + conn.execute(
        "select count(*) from ops.input_changes union all select count(*) from ops.price_restatements"
    ).fetchall()


def test_what_is_needed_is_stored_and_nothing_later(conn, book, collect, tmp_path):
    provider = write_folder(
        tmp_path,
        prices=PRICES
        # long before, in and after the run's sessions
        + closes("AAPL", "2021-02-01", 10, 11, 12, 13, 14)
        + closes("AAPL", "2021-03-01", 20, 21, 22, 23, 24, None, None, 30)
        + closes("SPY", "2021-03-01", 380, 381, 382, 383, 384, None, None, 390)
        + closes("MSFT", "2021-03-04", 230),
        actions=ACTIONS + "AAPL,2021-03-02,DIVIDEND,0.2\nAAPL,2021-03-08,SPLIT,4\nMSFT,2021-03-02,DIVIDEND,0.5\n",
        profiles="symbol,name,sector\nAAPL,Apple Inc.,Technology\nMSFT,Microsoft,Technology",
    )
    report = collect(provider)
    assert list(stored_closes(conn)) == [f"2021-03-0{n}" for n in range(1, 6)]
    assert list(stored_closes(conn, "SPY")) == [f"2021-03-0{n}" for n in range(1, 6)]
    assert conn.execute("select distinct symbol, source from raw.market_data_cache order by 1").fetchall() == [
        ("AAPL", "files"),
        ("SPY", "files"),
    ]
    assert conn.execute("select symbol, ex_date, action_type, value from raw.corporate_actions").fetchall() == [
        ("AAPL", day("2021-03-02"), "DIVIDEND", Decimal("0.2"))
    ]
    assert conn.execute("select symbol, name, sector, quote_type, source from raw.company_profiles").fetchall() == [
        ("AAPL", "Apple Inc.", "Technology", None, "files")
    ]
    assert (report.prices.fetched, report.prices.inserted, report.actions.inserted, report.profiles.inserted) == (
        10,
        10,
        1,
        1,
    )
    assert report.missed == report.warnings() == []
    assert report.coverage() == 1


def test_history_reaches_back_as_far_as_asked(conn, book, collect, tmp_path):
    sessions = [session_before(conn, END, n) for n in range(40)]
    rows = "".join(f"SPY,{session},,,,380,\n" for session in sessions)
    collect(write_folder(tmp_path, prices=PRICES + rows), history_sessions=20)
    assert min(stored_closes(conn, "SPY")) == str(session_before(conn, START, 20))


def test_a_second_night_with_nothing_new_writes_nothing(conn, book, collect, tmp_path):
    provider = write_folder(
        tmp_path,
        prices=PRICES + "AAPL,2021-03-01,20,21.5,19.5,21,1000\n" + closes("AAPL", "2021-03-02", 63, 66, 69, 72, 75.5),
        actions=ACTIONS + "AAPL,2021-03-02,DIVIDEND,0.123456789\nAAPL,2021-03-02,SPLIT,0.333333333333\n",
        profiles="symbol,name\nAAPL,Apple Inc.",
    )
    collect(provider)
    before = all_rows(conn)
    report = collect(provider)
    assert all_rows(conn) == before
    assert (report.prices.unchanged, report.actions.unchanged, report.profiles.unchanged) == (5, 2, 1)
    assert report.prices.inserted == report.prices.updated == report.actions.updated == report.profiles.updated == 0


def test_each_night_adds_its_session(conn, book, collect, tmp_path):
    provider = write_folder(tmp_path, prices=PRICES + closes("AAPL", "2021-03-01", 20, 21, 22, 23, 24))
    for n in range(1, 4):
        session = day(f"2021-03-0{n}")
        assert collect(provider, start=session, end=session).prices.inserted == 1
        assert max(stored_closes(conn)) == str(session)


def test_what_one_folder_misses_the_next_is_asked_for_by_symbol_and_session(conn, book, collect, tmp_path):
    book.lot("MSFT")
    first = write_folder(
        tmp_path / "first",
        prices=PRICES + closes("AAPL", "2021-03-01", 20, None, 22, 23, 24),
        actions=ACTIONS + "AAPL,2021-03-04,DIVIDEND,0.2\n",
    )
    second = write_folder(
        tmp_path / "second",
        prices=PRICES
        + closes("AAPL", "2021-03-01", 99, 21, 99, 99, 99)
        + closes("MSFT", "2021-03-01", 50, 51, 26, 27, 28),
        # one row of a session that the first source has answered for, and one of the session that it lacks
        actions=ACTIONS + "AAPL,2021-03-03,DIVIDEND,0.3\nAAPL,2021-03-02,DIVIDEND,0.4\nMSFT,2021-03-03,SPLIT,2\n",
    )
    report = collect(first, second)
    assert list(stored_closes(conn).values()) == [20, 21, 22, 23, 24]
    assert list(stored_closes(conn, "MSFT").values()) == [50, 51, 26, 27, 28]
    actions = conn.execute(
        "select symbol, ex_date::text, value::float from raw.corporate_actions order by 1, 2"
    ).fetchall()
    assert actions == [("AAPL", "2021-03-02", 0.4), ("AAPL", "2021-03-04", 0.2), ("MSFT", "2021-03-03", 2.0)]
    # errors of the second source in sessions that the first has answered for do not matter
    assert report.rejected == []
    # AAPL, MSFT and SPY, which neither has
    assert [(tally.asked, tally.got, tally.missed) for tally in report.providers] == [(3, 1, 2), (3, 2, 1)]
    before = all_rows(conn)
    collect(first, second)
    assert all_rows(conn) == before


class Talkative(FilesProvider):
    """A folder that also tells what it was not asked for."""

    def fetch_prices(self, wants):
        return super().fetch_prices([want._replace(first=date.min, last=date.max) for want in wants])


def test_a_source_that_tells_more_than_it_was_asked_leaks_nothing_from_after_the_end(conn, book, collect, tmp_path):
    folder = write_folder(
        tmp_path,
        prices=PRICES + closes("AAPL", "2021-03-01", 20, 21, 22, 23, 24, None, None, 6),
        actions=ACTIONS + "AAPL,2021-03-08,SPLIT,4\nAAPL,2021-03-06,DIVIDEND,1\n",
    ).folder
    collect(Talkative(folder), end=day("2021-03-04"))
    assert list(stored_closes(conn)) == [f"2021-03-0{n}" for n in range(1, 5)]
    assert conn.execute("select count(*) from raw.corporate_actions").fetchone() == (0,)


class Renamed(FilesProvider):
    """A folder under another source's name."""

    def __init__(self, folder, name):
        super().__init__(folder)
        self.name = name


def test_a_later_source_does_not_restate_what_an_earlier_one_has_given(conn, book, collect, tmp_path):
    first = Renamed(
        write_folder(tmp_path / "first", prices=PRICES + closes("AAPL", "2021-03-01", 20, 21)).folder,
        "first",
    )
    second = Renamed(
        write_folder(tmp_path / "second", prices=PRICES + closes("AAPL", "2021-03-01", 20.1, 21.1, 22.1)).folder,
        "second",
    )
    collect(first, second)
    silent = Renamed(write_folder(tmp_path / "silent").folder, "first")
    assert list(stored_closes(conn).values()) == [20, 21, 22.1]
    collect(silent, second)
    assert list(stored_closes(conn).values()) == [20, 21, 22.1]
    # a source that is alone in the chain decides
    collect(second)
    assert list(stored_closes(conn).values()) == [20.1, 21.1, 22.1]


def test_profiles_come_from_the_first_and_are_completed_by_the_others(conn, book, collect, tmp_path):
    first = Renamed(write_folder(tmp_path / "first", profiles="symbol,name,sector\nAAPL,Apple Inc.,").folder, "first")
    second = Renamed(
        write_folder(
            tmp_path / "second", profiles="symbol,name,sector,industry\nAAPL,Apple Computer,Technology,Phones"
        ).folder,
        "second",
    )
    silent = Renamed(write_folder(tmp_path / "silent").folder, "first")

    def profile():
        return conn.execute("select name, sector, industry, source from raw.company_profiles").fetchone()

    collect(first, second)
    assert profile() == ("Apple Inc.", "Technology", "Phones", "first")
    collect(silent, second)
    assert profile() == ("Apple Inc.", "Technology", "Phones", "first")
    write_folder(tmp_path / "first", profiles="symbol,name,sector\nAAPL,Apple,Information Technology")
    assert collect(first, second).profiles.updated == 1
    assert profile() == ("Apple", "Information Technology", "Phones", "first")
    # a source that reports nothing takes nothing away
    collect(silent)
    assert profile() == ("Apple", "Information Technology", "Phones", "first")


def test_rows_that_cannot_be_true_go_to_the_quarantine_once(conn, book, collect, tmp_path):
    provider = write_folder(
        tmp_path,
        prices=PRICES
        + closes("AAPL", "2021-03-01", 20, 2000, 22)
        + "AAPL,2021-03-04,23,22,21,23,\nAAPL,2021-03-05,,,,oops,\nAAPL,2021-02-27,,,,20,\n",
        actions=ACTIONS + "AAPL,2021-03-02,SPLIT,0\nAAPL,2021-03-03,DIVIDEND,NaN\n",
    )
    report = collect(provider)
    assert list(stored_closes(conn).values()) == [20, 22, 23]
    assert conn.execute("select count(*) from raw.corporate_actions").fetchone() == (0,)
    query = (
        "select relation, row_date::text, reason, first_rejected_at, last_rejected_at from ops.rejected_rows"
        " order by relation, row_date"
    )
    rejected = conn.execute(query).fetchall()
    assert [(relation, row_date, reason[:44]) for relation, row_date, reason, *_ in rejected] == [
        ("corporate_actions", "2021-03-02", "value: 0 is no split (positive and finite)"),
        ("corporate_actions", "2021-03-03", "value: NaN is no dividend (positive and fini"),
        ("market_data_cache", "2021-02-27", "not a trading session"),
        ("market_data_cache", "2021-03-02", "the close stands off the rest of the history"),
        ("market_data_cache", "2021-03-05", "close: 'oops' is not a number"),
    ]
    payloads = conn.execute("select payload from ops.rejected_rows order by relation, row_date").fetchall()
    assert payloads[3][0]["close"] == "2000.000000"
    assert payloads[4][0]["at"] == f"{tmp_path / 'prices.csv'}:6"
    assert report.providers[0].rejected == len(report.rejected) == report.newly_rejected == 5
    warnings = dict(report.warnings())
    assert warnings["files"].startswith("5 rows refused (AAPL 2021-03-05: close: 'oops' is not a number, and 4 more)")
    assert warnings["AAPL"] == (
        "no price of 2021-03-05, the last is of 2021-03-04: refused, close: 'oops' is not a number"
    )

    again = collect(provider)
    repeated = conn.execute(query).fetchall()
    assert [row[:4] for row in repeated] == [row[:4] for row in rejected]
    assert all(row[4] > row[3] for row in repeated)
    assert (len(again.rejected), again.newly_rejected) == (5, 0)


def test_rejected_rows_without_a_date_are_not_listed_twice_either(conn, book, collect, tmp_path):
    provider = write_folder(tmp_path, prices=PRICES + "AAPL,someday,,,,20,\nA B,2021-03-01,,,,20,\n")
    assert collect(provider).newly_rejected == 2
    assert collect(provider).newly_rejected == 0
    assert conn.execute("select symbol, row_date from ops.rejected_rows order by 1").fetchall() == [
        ("A B", None),
        ("AAPL", None),
    ]


def test_a_split_makes_a_large_move_plausible_on_the_night_it_comes(conn, book, collect, tmp_path):
    prices = PRICES + closes("AAPL", "2021-03-01", 2000, 2010)
    collect(write_folder(tmp_path, prices=prices), end=day("2021-03-02"))
    split = write_folder(
        tmp_path, prices=prices + closes("AAPL", "2021-03-03", 100.5), actions=ACTIONS + "AAPL,2021-03-03,SPLIT,20\n"
    )
    assert collect(split, end=day("2021-03-03")).rejected == []
    # and it is known from the store when the files no longer contain it
    (tmp_path / "actions.csv").unlink()
    write_folder(tmp_path, prices=prices + closes("AAPL", "2021-03-03", 100.5, 101))
    assert collect(split, end=day("2021-03-04")).rejected == []
    assert list(stored_closes(conn).values()) == [2000, 2010, 100.5, 101]
    # an action that its source no longer reports stays
    assert conn.execute("select count(*) from raw.corporate_actions").fetchone() == (1,)


def test_a_second_folder_vouches_for_a_crash(conn, book, collect, tmp_path):
    crash = write_folder(tmp_path / "first", prices=PRICES + closes("AAPL", "2021-03-01", 20, 2, 2.1))
    collect(crash, end=day("2021-03-01"))
    assert len(collect(crash, end=day("2021-03-02")).rejected) == 1
    witness = write_folder(tmp_path / "second", prices=PRICES + closes("AAPL", "2021-03-01", None, 2.01))
    report = collect(crash, witness, end=day("2021-03-03"))
    assert report.rejected == []
    assert list(stored_closes(conn).values()) == [20, 2, 2.1]
    # once it is stored, it needs no second source any more
    assert collect(crash).rejected == []


def test_options_are_loaded_by_their_symbol_and_may_move(conn, book, collect, tmp_path):
    contract = "MSFT210319C00230000"
    book.option(contract, "MSFT", "2021-03-19", entry_date="2021-03-01")
    provider = write_folder(
        tmp_path,
        prices=PRICES
        + closes(f"O:{contract}", "2021-03-01", 10, 0.05, 9)
        + closes("MSFT", "2021-03-01", 230, 231, 232),
        profiles=f"symbol,name\n{contract},a call\nMSFT,Microsoft",
    )
    collect(provider, end=day("2021-03-03"))
    assert list(stored_closes(conn, contract).values()) == [10, 0.05, 9]
    assert list(stored_closes(conn, "MSFT").values()) == [230, 231, 232]
    assert conn.execute("select symbol from raw.company_profiles").fetchall() == [("MSFT",)]


def test_a_restated_price_replaces_the_stored_one_and_leaves_a_trace(conn, book, collect, tmp_path):
    def prices(*rows):
        return PRICES + "".join(f"AAPL,2021-03-0{n + 1},{row}\n" for n, row in enumerate(rows))

    collect(write_folder(tmp_path, prices=prices("100,101,99,100,5", "100,101,99,100,5", "100,101,99,100,5")))
    conn.execute("update ops.input_changes set rolled_at = now()")
    # a difference within 1e-5 of what is stored; a larger one of the close; a larger one of the high alone
    provider = write_folder(
        tmp_path, prices=prices("100.0009,101.001,99,100.001,5", "100,101,99,100.0011,5", "100,101.0011,99,100,5")
    )
    report = collect(provider)
    assert conn.execute(
        "select high::float, close::float from raw.market_data_cache order by price_date"
    ).fetchall() == [
        (101, 100),
        (101, 100.0011),
        (101.0011, 100),
    ]
    restatements = conn.execute(
        "select symbol, price_date::text, old_source, new_source, old_close::float, new_close::float,"
        " (old_row ->> 'high')::float from ops.price_restatements order by price_date"
    ).fetchall()
    assert restatements == [
        ("AAPL", "2021-03-02", "files", "files", 100, 100.0011, 101),
        ("AAPL", "2021-03-03", "files", "files", 100, 100, 101),
    ]
    assert (report.prices.updated, report.prices.unchanged, report.restated) == (2, 1, {"AAPL": 2})
    assert "restated by their source: 2 (AAPL 2) (ops.price_restatements)" in report.lines()
    # the P&L depends on closes: only the second session's change is logged
    changes = conn.execute("select from_date::text, what from ops.input_changes where rolled_at is null").fetchall()
    assert changes == [("2021-03-02", "restated")]
    before = all_rows(conn)
    collect(provider)
    assert all_rows(conn) == before


def test_a_bar_is_completed_without_being_called_restated(conn, book, collect, tmp_path):
    collect(write_folder(tmp_path, prices=PRICES + "AAPL,2021-03-01,,,,100,\n"))
    report = collect(write_folder(tmp_path, prices=PRICES + "AAPL,2021-03-01,99,102,98,100,5\n"))
    assert (report.prices.updated, report.restated.total()) == (1, 0)
    # values that a source no longer reports stay
    report = collect(write_folder(tmp_path, prices=PRICES + "AAPL,2021-03-01,,,,100,\n"))
    assert report.prices.updated == 0
    assert conn.execute("select high::int, volume from raw.market_data_cache").fetchall() == [(102, 5)]


def test_dividends_of_one_day_add_up_and_rows_that_are_equal_are_one(conn, book, collect, tmp_path):
    rows = ["DIVIDEND,0.2", "SPLIT,3", "DIVIDEND,1.05", "SPLIT,3", "DIVIDEND,0.2"]
    provider = write_folder(
        tmp_path,
        prices=PRICES + closes("AAPL", "2021-03-01", 20),
        actions=ACTIONS + "".join(f"AAPL,2021-03-02,{row}\n" for row in rows),
    )
    collect(provider)
    assert conn.execute("select action_type, value::float from raw.corporate_actions order by 1").fetchall() == [
        ("DIVIDEND", 1.25),
        ("SPLIT", 3.0),
    ]
    write_folder(tmp_path, actions=ACTIONS + "AAPL,2021-03-02,DIVIDEND,1.3\nAAPL,2021-03-02,SPLIT,3.00001\n")
    report = collect(provider)
    # 3.00001 equals 3; 1.3 is another dividend than 0.2 and 1.05, which are no longer reported
    assert (report.actions.updated, report.actions.unchanged) == (1, 1)


def test_a_folder_that_cannot_be_used_is_a_warning_and_the_next_one_is_asked(conn, book, collect, tmp_path):
    broken = write_folder(
        tmp_path / "broken", prices="symbol,date,price\nAAPL,2021-03-05,1", profiles="ticker,name\nAAPL,Apple"
    )
    good = write_folder(tmp_path / "good", prices=PRICES + closes("AAPL", "2021-03-05", 24))
    report = collect(broken, good)
    assert stored_closes(conn) == {"2021-03-05": 24}
    assert (broken.label, "prices.csv: no column close (it has: symbol, date, price)") in report.warnings()
    assert (broken.label, "profiles.csv: no column symbol (it has: ticker, name)") in report.warnings()
    assert report.coverage() == 1


def test_the_report_names_what_was_missed_and_why(conn, book, collect, tmp_path):
    conn.execute("insert into analytics.factor_definitions values ('Momentum', 'MTUM')")
    book.lot("GONE")
    book.lot("HOLE")
    book.lot("SOLD", exit_date="2021-03-03", exit_price=10)
    provider = write_folder(
        tmp_path,
        prices=PRICES
        + closes("AAPL", "2021-03-01", 20, 21, 22, 23, 24)
        + closes("GONE", "2021-03-01", 20, 21)
        + closes("HOLE", "2021-03-01", 20, None, None, 23, 24)
        + closes("SOLD", "2021-03-01", 20, 21, 22, 23),
    )
    progress = []
    report = collect(provider, progress=lambda done, total: progress.append((done, total)))
    assert progress == [(0, 6), (6, 6)]
    label = provider.label
    assert report.warnings() == [
        ("GONE", f"no price of 2021-03-05, the last is of 2021-03-02: {label}: nothing of that session"),
        ("SPY", f"no price of 2021-03-05, there is none before: {label}: not found"),
    ]
    assert report.coverage() == pytest.approx(2 / 3)
    lines = report.lines()
    assert lines[0].startswith(f"{label}: asked for 6 symbols, got 4, missed 2, rejected 0 rows, ")
    assert lines[1] == "prices: 13 fetched, 13 new, 0 updated, 0 unchanged"
    assert lines[-3:] == [
        "2 of 3 symbols of the book have a price of 2021-03-05",
        "sessions without a price in between: 4 (GONE 2, HOLE 2)",
        "factor ETFs that no source has for 2021-03-05: MTUM",
    ]
    counts = json.loads(json.dumps(report.counts()))
    assert counts["providers"][0] | {"seconds": 0} == {
        "provider": label,
        "asked": 6,
        "got": 4,
        "missed": 2,
        "resting": 0,
        "waiting": 0,
        "rejected": 0,
        "requests": 0,
        "retries": 0,
        "seconds": 0,
    }
    assert counts["missed"] == ["GONE", "MTUM", "SPY"]
    assert counts["prices"] == {"fetched": 13, "inserted": 13, "updated": 0, "unchanged": 0}
    assert counts["sessions"] == {"start": "2021-03-01", "end": "2021-03-05", "from": "2021-02-10"}


def test_groups_of_symbols_add_up_to_one_collection(conn, book, collect, tmp_path, monkeypatch):
    for n in range(5):
        book.lot(f"S{n}")
    provider = write_folder(
        tmp_path,
        prices=PRICES + "".join(closes(s, "2021-03-05", 20) for s in ["AAPL", "SPY", *(f"S{n}" for n in range(5))]),
    )
    monkeypatch.setattr(market_data, "GROUP_SIZE", 30)
    progress = []
    report = collect(provider, progress=lambda done, total: progress.append(done))
    assert progress == [0, 2, 4, 6, 7]
    assert (report.prices.inserted, report.providers[0].asked, report.wanted_at_end) == (7, 7, 6)


def test_the_number_of_statements_does_not_grow_with_symbols_and_sessions(database, conn, book, tmp_path):
    rows = closes("AAPL", "2021-03-05", 20) + closes("BAD", "2021-03-05", "x") + closes("SPY", "2021-03-05", 380)
    provider = write_folder(
        tmp_path,
        prices=PRICES + rows,
        actions=ACTIONS + "AAPL,2021-03-05,DIVIDEND,1\n",
        profiles="symbol,name\nAAPL,Apple\nSPY,S&P",
    )
    book.lot("BAD")

    def statements():
        with tempfile.TemporaryFile() as trace, database.connect() as traced:
            traced.pgconn.trace(trace.fileno())
            collect_market_data(traced, [provider], START, END, history_sessions=5, today=END)
            traced.pgconn.untrace()
            trace.seek(0)
            return sum(b"\tF\t" in line and b"\tCopyData" not in line for line in trace)

    few = statements()
    sessions = [session_before(conn, END, n) for n in range(10)]
    for n in range(30):
        book.lot(f"S{n}")
        rows += "".join(f"S{n},{session},,,,{20 + n},\n" for session in sessions) + closes(
            f"S{n}", "2021-02-27", "1", "y"
        )
    write_folder(
        tmp_path,
        prices=PRICES + rows + closes("AAPL", "2021-03-04", 20),
        actions=ACTIONS + "".join(f"S{n},2021-03-05,DIVIDEND,1\n" for n in range(30)),
        profiles="symbol,name\n" + "".join(f"S{n},{n}\n" for n in range(30)),
    )
    assert statements() == few
    assert len(stored_closes(conn, "S7")) == 10


def test_real_prices_through_two_splits(conn, book, collect, market_folder):
    book.lot("TSLA", "2021-02-26")
    first, last = day("2020-08-03"), day("2020-09-30")
    conn.execute("update raw.portfolios set inception_date = %s", [first])
    conn.execute("update raw.positions set entry_date = %s", [first])
    report = collect(FilesProvider(market_folder), start=first, end=last, history_sessions=20)
    for symbol, before, after in (("AAPL", 499.23, 129.04), ("TSLA", 2213.40, 498.32)):
        stored = stored_closes(conn, symbol)
        assert (stored["2020-08-28"], stored["2020-08-31"]) == (before, after)
        assert min(stored) == str(session_before(conn, first, 20))
        assert max(stored) == str(last)
        assert len(stored) == 20 + 42
    splits = conn.execute(
        "select symbol, ex_date::text, value::int from raw.corporate_actions where action_type = 'SPLIT' order by 1"
    )
    assert splits.fetchall() == [("AAPL", "2020-08-31", 4), ("TSLA", "2020-08-31", 5)]
    assert (report.rejected, report.missed, report.holes.total()) == ([], [], 0)
    assert report.prices.inserted == 3 * (20 + 42)


def test_jumps_without_an_event_are_looked_for_in_everything_newly_loaded(conn, book, collect, tmp_path):
    sessions = sessions_between(conn, day("2020-10-01"), day("2021-03-02"))
    for symbol in ("AAPL", "FELL", "TOLD", "HALF"):
        book.lot(symbol, "2020-10-01")
    jump = sessions[20]
    prices = {
        "AAPL": [100.0] * len(sessions),
        "FELL": [400.0 if session < jump else 101.0 for session in sessions],
        "TOLD": [400.0 if session < jump else 101.0 for session in sessions],
        # a true fall that is no split
        "HALF": [100.0 if session < jump else 60.0 for session in sessions],
    }

    def folder(symbols, first, last):
        rows = [
            f"{symbol},{session},,,,{close},"
            for symbol in symbols
            for session, close in zip(sessions, prices[symbol], strict=True)
            if first <= session <= last
        ]
        actions = f"{ACTIONS}TOLD,{jump},SPLIT,4\n"
        return write_folder(tmp_path, prices=PRICES + "\n".join(rows) + "\n", actions=actions)

    def night(session, provider):
        return collect(provider, start=session, end=session, history_sessions=120)

    report = night(sessions[-2], folder(prices, sessions[0], sessions[-2]))
    assert report.jumps == [("FELL", jump, "1/4")]
    (warning,) = [message for scope, message in report.warnings() if scope == "FELL"]
    assert f"the close of {jump} is about 1/4 of the one before" in warning
    assert f"actions add FELL {jump} SPLIT RATIO" in warning
    # what a person has looked at is not reported again
    everything = folder(prices, sessions[0], sessions[-1])
    assert night(sessions[-1], everything).jumps == []
    # older closes that come later are checked, and so is the place where they join
    conn.execute("delete from raw.market_data_cache where price_date < %s", [jump])
    assert night(sessions[-1], everything).jumps == [("FELL", jump, "1/4")]


def test_a_session_without_a_share_traded_is_told(conn, book, collect, tmp_path):
    provider = write_folder(
        tmp_path, prices=PRICES + "AAPL,2021-03-04,,,,20,0\nAAPL,2021-03-05,,,,20,0\nSPY,2021-03-05,,,,380,5\n"
    )
    assert "no shares traded on 2021-03-05, if its source is right: AAPL" in collect(provider).lines()


def test_a_contract_without_a_price_on_the_day_it_expires_is_no_miss(conn, book, collect, tmp_path):
    """Friday the 5th: it is settled by the close of its underlying."""
    expiring, other = "AAPL210305C00010000", "AAPL210319C00010000"
    for contract, expiration in ((expiring, "2021-03-05"), (other, "2021-03-19")):
        book.option(contract, "AAPL", expiration, entry_date="2021-03-01")
    to_thursday = [10, 11, 12, 13]
    prices = PRICES + closes("AAPL", "2021-03-01", *to_thursday, 14) + closes("SPY", "2021-03-01", *to_thursday, 14)
    prices += closes(expiring, "2021-03-01", *to_thursday) + closes(other, "2021-03-01", *to_thursday)
    report = collect(write_folder(tmp_path / "data", prices=prices), history_sessions=1)
    assert [missed.symbol for missed in report.missed] == [other]
    assert report.wanted_at_end == 2 and report.coverage() == 0.5
    # it is no hole in the middle of a backfill either, and no miss of later nights
    assert expiring not in report.holes
    later = collect(write_folder(tmp_path / "data", prices=prices), start=day("2021-03-01"), end=day("2021-03-05"))
    assert expiring not in [missed.symbol for missed in later.missed] and expiring not in later.holes


def test_a_folder_that_is_rewritten_for_a_split_which_it_does_not_tell(conn, book, collect, tmp_path):
    traded = PRICES + closes("AAPL", "2021-02-22", 100, 101, 99, 100, 102)
    collect(write_folder(tmp_path / "data", prices=traded))
    before = stored_closes(conn)
    halves = PRICES + closes("AAPL", "2021-02-22", 50, 50.5, 49.5, 50, 51) + closes("AAPL", "2021-03-01", 51, 50)
    # nobody wrote these closes down on their own day: people may have mended the folder, and are told
    report = collect(write_folder(tmp_path / "data", prices=halves))
    assert stored_closes(conn)["2021-02-22"] == 50
    (said,) = [message for scope, message in report.warnings() if scope == "AAPL" and "1/2 of what" in message]
    assert "the split into actions.csv" in said

    conn.execute("delete from raw.market_data_cache")
    of_the_day = {"now": datetime(2021, 2, 26, 23, tzinfo=UTC)}
    collect(write_folder(tmp_path / "data", prices=traded), **of_the_day)
    report = collect(write_folder(tmp_path / "data", prices=halves), **of_the_day)
    assert stored_closes(conn) == before
    assert any(row.symbol == "AAPL" and "1/2 of what is stored" in row.reason for row in report.rejected)
