from datetime import date, timedelta

import pytest

from ingest.market.collection import collect_market_data
from ingest.providers.base import Answer, Outcome, Want
from ingest.rows import Profile
from ingest.sources.aliases import Alias, Aliased, read_aliases
from tests.ingest.live_source import LiveSource
from tests.ingest.market_book import Book, define_factors, write_folder
from warehouse.errors import BadInput

HEADER = "symbol,provider,provider_symbol,valid_from,valid_to\n"
FIRST = date(2022, 6, 6)  # Monday; FB became META on Thursday
WEEK = [FIRST + timedelta(n) for n in range(5)]


@pytest.fixture
def source():
    return LiveSource("yahoo")


def renamed(source, *aliases):
    return Aliased(source, [Alias(*alias) for alias in aliases])


def closes(reply, symbol):
    return {bar.price_date: float(bar.close) for bar in reply.bars if bar.symbol == symbol}


def test_the_bundled_file_is_sound():
    aliases = read_aliases()
    assert Alias("FB", "yahoo", "META", date.min, date(2022, 6, 8)) in aliases


def test_all_that_is_wrong_in_the_file_is_told_at_once(tmp_path):
    path = tmp_path / "symbol_aliases.csv"
    path.write_text(
        HEADER
        + "FB,yahoo,META,,2022-06-08\nFB,Yahoo,META2,2022-06-08,\nFB,fmp,FB,,\nA,yahoo,B,2022-01-02,2022-01-01\n"
        + "A,bloomberg,B,,\n,fmp,X,soon,\n"
    )
    with pytest.raises(BadInput) as refused:
        read_aliases(path)
    assert sorted(refused.value.problems) == [
        "symbol_aliases.csv:3: valid_from: FB is META at yahoo for a part of that time already",
        "symbol_aliases.csv:4: provider_symbol: FB is the symbol itself: name what fmp calls it, or leave the row out",
        "symbol_aliases.csv:5: valid_to: 2022-01-01 is before valid_from, 2022-01-02",
        "symbol_aliases.csv:6: provider: 'bloomberg' is not one of YAHOO, FMP, POLYGON, FILES",
        "symbol_aliases.csv:7: symbol: is empty: fill it in, or leave the row out",
        "symbol_aliases.csv:7: valid_from: 'soon' is not a date written YYYY-MM-DD",
    ]


def test_a_symbol_is_asked_for_under_its_other_name_and_answered_under_its_own(source):
    source.say("META", WEEK, [190, 191, 192, 193, 194])
    source.splits["META"] = {WEEK[1]: 2}
    source.say("AAPL", WEEK, [140] * 5)
    provider = renamed(
        source, ("FB", "yahoo", "META", date.min, date.max), ("AAPL", "fmp", "ELPPA", date.min, date.max)
    )
    reply = provider.fetch_prices([Want("FB", *WEEK[1:3]), Want("AAPL", *WEEK[:2]), Want("META", *WEEK[3:5])])
    # one request for both, because both are META
    assert source.wants == [[Want("META", WEEK[1], WEEK[4]), Want("AAPL", *WEEK[:2])]]
    assert closes(reply, "FB") == {WEEK[1]: 191, WEEK[2]: 192}
    assert closes(reply, "META") == {WEEK[3]: 193, WEEK[4]: 194}
    assert [(action.symbol, action.ex_date) for action in reply.actions] == [("FB", WEEK[1])]
    assert {symbol: answer.outcome for symbol, answer in reply.answers.items()} == dict.fromkeys(
        ("FB", "META", "AAPL"), Outcome.OK
    )


def test_a_name_changes_within_a_want(source):
    for n, name in enumerate(["META", "FB", "META2"]):
        source.say(name, WEEK, [(k + 1) * 10**n for k in range(5)])
    former = ("META", "yahoo", "FB", WEEK[1], WEEK[2])
    reply = renamed(source, former).fetch_prices([Want("META", WEEK[0], WEEK[4])])
    assert closes(reply, "META") == {WEEK[0]: 1, WEEK[1]: 20, WEEK[2]: 30, WEEK[3]: 4, WEEK[4]: 5}
    reply = renamed(source, ("META", "yahoo", "META2", WEEK[3], date.max), former).fetch_prices(
        [Want("META", WEEK[0], WEEK[4])]
    )
    assert closes(reply, "META") == {WEEK[0]: 1, WEEK[1]: 20, WEEK[2]: 30, WEEK[3]: 400, WEEK[4]: 500}
    # a part that its source does not have does not hide that it has the others
    source.trouble["FB"] = Answer(Outcome.NOT_FOUND)
    reply = renamed(source, former).fetch_prices([Want("META", WEEK[1], WEEK[4]), Want("FB", WEEK[0], WEEK[0])])
    assert [answer.outcome for answer in reply.answers.values()] == [Outcome.OK, Outcome.NOT_FOUND]


def test_a_folder_is_asked_by_other_names_too(conn, tmp_path):
    define_factors(conn)
    Book(conn, inception=f"{WEEK[0]}").lot("FB", f"{WEEK[0]}")
    rows = [f"{symbol},{day},,,,{190 + n},7" for symbol in ("META", "SPY") for n, day in enumerate(WEEK)]
    folder = write_folder(
        tmp_path,
        prices="symbol,date,open,high,low,close,volume\n" + "\n".join(rows),
        actions=f"symbol,ex_date,action_type,value\nMETA,{WEEK[2]},DIVIDEND,0.5",
        profiles="symbol,name\nMETA,Meta Platforms",
    )
    provider = renamed(folder, ("FB", "files", "META", date.min, date.max))
    report = collect_market_data(conn, [provider], WEEK[4], WEEK[4], history_sessions=4, today=WEEK[4])
    assert [missed.symbol for missed in report.missed] == []
    stored = conn.execute("select symbol, count(*), max(close)::float from raw.market_data_cache group by 1 order by 1")
    assert stored.fetchall() == [("FB", 5, 194), ("SPY", 5, 194)]
    assert conn.execute("select symbol, value::float from raw.corporate_actions").fetchall() == [("FB", 0.5)]
    assert conn.execute("select symbol, name from raw.company_profiles").fetchall() == [("FB", "Meta Platforms")]
    assert (provider.name, provider.label, provider.overlap_sessions) == ("files", folder.label, None)


def test_trouble_and_profiles_go_by_the_other_name_too(source):
    provider = renamed(source, ("OLD", "yahoo", "NEW", date.min, date.max), ("PAST", "yahoo", "NEW", date.min, WEEK[0]))
    assert provider.fetch_prices([Want("OLD", *WEEK[:2])]).answers["OLD"].outcome == Outcome.NOT_FOUND
    source.profiles["NEW"] = Profile("NEW", "New Inc.")
    reply = provider.fetch_profiles(["OLD", "PAST"])
    assert reply.profiles == [Profile("OLD", "New Inc.")]
    assert source.profiles_asked == [["NEW", "PAST"]]
    assert (provider.name, provider.overlap_sessions, provider.usage) == ("yahoo", 7, source.usage)
