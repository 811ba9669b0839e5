"""What funds hold, by sector: who is asked, what is believed, and whose word stands."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from ingest.market.collection import collect_market_data
from ingest.rows import Profile
from tests.ingest.live_source import LiveSource
from tests.ingest.market_book import Book, day, define_factors, write_folder
from warehouse.sessions import session_before, sessions_between

START = day("2021-03-01")
HEADER = "symbol,sector,weight,as_of\n"
HALVES = HEADER + "FUND,Technology,0.5,2021-01-04\nFUND,Energy,50%,2021-01-04\n"
TOO_MUCH = "its weights add up to more than the whole fund"
NEGATIVE = "must not be negative: -0.1: write what it is, 0 to 1"
PERCENT = "'34.6' is more than the whole: write a fraction (0.288) or a percentage (28.8%)"


@pytest.fixture
def sessions(conn):
    return sessions_between(conn, session_before(conn, START, 59), day("2021-05-14"))


@pytest.fixture
def night(conn):
    define_factors(conn)
    book = Book(conn, inception="2021-02-26")
    for symbol in ("FUND", "AAPL"):
        book.lot(symbol, "2021-02-26")

    def run(session, *sources, history_sessions=5):
        now = datetime.combine(session, time(18, 30), ZoneInfo("America/New_York"))
        return collect_market_data(
            conn, sources, session, session, history_sessions=history_sessions, today=session, now=now
        )

    return run


@pytest.fixture
def yahoo(sessions):
    source = LiveSource("yahoo")
    for symbol in ("FUND", "AAPL", "SPY"):
        source.say(symbol, sessions, [100.0 + n / 10 for n in range(len(sessions))])
    source.profiles = {
        "FUND": Profile("FUND", quote_type="ETF"),
        "AAPL": Profile("AAPL", sector="Technology", quote_type="EQUITY"),
        "SPY": Profile("SPY", quote_type="ETF"),
    }
    source.funds = {"FUND": {"Technology": 0.3, "Healthcare": 0.7}, "SPY": {"Technology": 1}}
    return source


def stored(conn):
    return [
        (str(as_of), sector, float(weight), source)
        for as_of, sector, weight, source in conn.execute(
            "select as_of, sector, weight, source from raw.fund_sector_weights where symbol = 'FUND'"
            " order by as_of, sector"
        )
    ]


def test_a_live_source_is_asked_for_the_funds_of_the_book_once_a_month(conn, night, yahoo):
    report = night(START, yahoo)
    assert yahoo.funds_asked == [["FUND"]]  # AAPL is no fund, and SPY is not held
    assert stored(conn) == [
        ("2021-03-01", "Healthcare", 0.7, "yahoo"),
        ("2021-03-01", "Technology", 0.3, "yahoo"),
    ]
    assert report.counts()["fund_sectors"] == {"fetched": 2, "inserted": 2, "updated": 0, "unchanged": 0}
    assert "sectors of funds: 2 fetched, 2 new, 0 updated, 0 unchanged" in report.lines()
    night(day("2021-03-02"), yahoo)
    night(day("2021-03-29"), yahoo)
    assert len(yahoo.funds_asked) == 1
    # the same weights again are no news; changed weights are of the day on which they were reported
    assert night(day("2021-04-05"), yahoo).fund_sectors.unchanged == 2
    assert len(stored(conn)) == 2
    yahoo.funds["FUND"] = {"Technology": 0.4, "Healthcare": 0.6}
    night(day("2021-05-06"), yahoo)
    assert stored(conn)[2:] == [
        ("2021-05-06", "Healthcare", 0.6, "yahoo"),
        ("2021-05-06", "Technology", 0.4, "yahoo"),
    ]
    changes = conn.execute(
        "select from_date::text, what from ops.input_changes where input = 'sector' and symbol = 'FUND'"
        " order by change_id"
    ).fetchall()
    assert changes == [("-infinity", "new"), ("2021-05-06", "new")]


def test_a_source_without_the_sectors_of_a_fund_is_asked_again_later_and_the_next_one_instead(conn, night, yahoo):
    fmp = LiveSource("fmp")
    fmp.closes, fmp.funds = yahoo.closes, {"FUND": {"Energy": 1}}
    del yahoo.funds["FUND"]
    night(START, yahoo, fmp)
    assert (yahoo.funds_asked, fmp.funds_asked) == ([["FUND"]], [["FUND"]])
    assert stored(conn) == [("2021-03-01", "Energy", 1.0, "fmp")]
    night(day("2021-03-02"), yahoo, fmp)
    assert (yahoo.funds_asked, fmp.funds_asked) == ([["FUND"]], [["FUND"]])
    # a month later the first one knows the fund, and is believed
    yahoo.funds["FUND"] = {"Energy": 0.9}
    night(day("2021-04-05"), yahoo, fmp)
    assert len(fmp.funds_asked) == 1
    assert stored(conn)[1:] == [("2021-04-05", "Energy", 0.9, "yahoo")]


def test_files_are_read_each_night_and_replace_what_they_said(conn, night, yahoo, tmp_path):
    files = write_folder(tmp_path / "data", fund_sectors=HALVES)
    night(START, files, yahoo)
    assert yahoo.funds_asked == []
    assert stored(conn) == [("2021-01-04", "Energy", 0.5, "files"), ("2021-01-04", "Technology", 0.5, "files")]
    logged = "select count(*) from ops.input_changes where input = 'sector'"
    before = conn.execute(logged).fetchone()
    assert night(START, files, yahoo).fund_sectors.unchanged == 2
    assert conn.execute(logged).fetchone() == before
    write_folder(tmp_path / "data", fund_sectors=HALVES.replace("0.5,2021-01-04", "0.5,2021-02-01"))
    night(START, files, yahoo)
    assert [row[:2] for row in stored(conn)] == [("2021-01-04", "Energy"), ("2021-02-01", "Technology")]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("FUND,Energy,0.6,2021-01-04\nFUND,Technology,0.5,2021-01-04", TOO_MUCH),
        ("FUND,Energy,34.6,2021-01-04", PERCENT),
        ("FUND,Energy,-0.1,2021-01-04\nFUND,Technology,1,2021-01-04", NEGATIVE),
        ("FUND,Energy,1,", "'' is not a date (YYYY-MM-DD)"),
        ("FUND,Energy,1,\nFUND,Energy,1,2021-01-04", "'' is not a date (YYYY-MM-DD)"),
        ("FUND,,1,2021-01-04", "sector: it is empty"),
        ("FUND,Energy,1,2021-03-02", "in the future"),
        ("FUND,Energy,0.1,2021-01-04\nFUND,energy,0.2,2021-01-04", "another row of the file has this sector, too"),
    ],
)
def test_a_set_with_anything_wrong_is_refused_as_a_whole(conn, night, tmp_path, rows, reason):
    report = night(START, write_folder(tmp_path / "data", fund_sectors=HEADER + rows))
    assert [(row.relation, row.symbol, row.reason) for row in report.rejected] == [
        ("fund_sector_weights", "FUND", reason)
    ]
    assert stored(conn) == []


def test_what_a_person_says_stands(conn, night, yahoo, tmp_path):
    conn.execute(
        "insert into raw.fund_sector_weights (symbol, sector, as_of, weight, source)"
        " values ('FUND', 'Energy', '2020-01-02', 1, 'person')"
    )
    night(START, write_folder(tmp_path / "data", fund_sectors=HALVES), yahoo)
    night(START + timedelta(60), yahoo)
    assert stored(conn) == [("2020-01-02", "Energy", 1.0, "person")]
    assert yahoo.funds_asked == []
