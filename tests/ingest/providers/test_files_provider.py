import gzip
from datetime import date
from decimal import Decimal

import pytest

from ingest.providers.base import Answer, Outcome, Want
from ingest.providers.files import FilesProvider
from ingest.rows import CorporateAction, PriceBar, Profile
from tests.ingest.market_book import day, write_folder

JANUARY = (day("2020-01-01"), day("2020-01-31"))


def ask(provider, *symbols, first=JANUARY[0], last=JANUARY[1]):
    return provider.fetch_prices([Want(symbol, first, last) for symbol in symbols])


def test_bars_and_actions_of_the_wanted_symbols_and_dates(tmp_path):
    provider = write_folder(
        tmp_path / "a folder",
        prices="""
            symbol,date,open,high,low,close,volume
            AAPL,2019-12-31,1,1,1,1,1
            AAPL,2020-01-02,74.06,75.15,73.7975,75.0875,135480400
            MSFT,2020-01-02,158.78,160.73,158.33,160.62,22622100
            AAPL,2020-02-03,1,1,1,1,1
        """,
        actions="""
            symbol,ex_date,action_type,value
            AAPL,2020-01-06,DIVIDEND,0.1925
            AAPL,2020-02-07,DIVIDEND,0.1925
            AAPL,2020-01-31,split,4
            MSFT,2020-01-06,DIVIDEND,0.51
        """,
    )
    reply = ask(provider, "AAPL")
    prices = map(Decimal, ("74.06", "75.15", "73.7975", "75.0875"))
    assert reply.bars == [PriceBar("AAPL", day("2020-01-02"), *prices, 135480400)]
    assert reply.actions == [
        CorporateAction("AAPL", day("2020-01-06"), "DIVIDEND", Decimal("0.1925")),
        CorporateAction("AAPL", day("2020-01-31"), "SPLIT", Decimal(4)),
    ]
    assert reply.answers == {"AAPL": Answer(Outcome.OK)}
    assert reply.rejected == reply.problems == []


def test_the_close_alone_will_do_in_any_order_of_columns_and_compressed(tmp_path):
    text = "Close,note, DATE ,Symbol\n75.0875,x,2020-01-02,aapl\n\n75.12345678,,2020-01-03,AAPL\n"
    (tmp_path / "prices.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + text.encode()))
    assert ask(FilesProvider(tmp_path), "AAPL").bars == [
        PriceBar("AAPL", day("2020-01-02"), None, None, None, Decimal("75.0875"), None),
        PriceBar("AAPL", day("2020-01-03"), None, None, None, Decimal("75.123457"), None),
    ]


def test_symbols_come_in_the_spelling_of_the_file_and_leave_in_the_canonical_one(tmp_path):
    provider = write_folder(
        tmp_path,
        prices="""
            symbol,date,close
            BRK-B,2020-01-02,228.39
            O:AAPL200619C00300000,2020-01-02,14.1
        """,
        profiles="""
            symbol,name
            brk/b,"Berkshire Hathaway, Inc."
        """,
    )
    wanted = ["BRK.B", "AAPL200619C00300000"]
    assert [bar.symbol for bar in ask(provider, *wanted).bars] == wanted
    assert provider.fetch_profiles(wanted).profiles == [Profile("BRK.B", name="Berkshire Hathaway, Inc.")]


def test_each_symbol_has_an_answer(tmp_path):
    provider = write_folder(
        tmp_path,
        prices="""
            symbol,date,close
            AAPL,2020-01-02,75
            GONE,2019-05-01,3
            BAD,2020-01-02,n/a
        """,
    )
    answers = ask(provider, "AAPL", "GONE", "BAD", "NEVER").answers
    assert {symbol: answer.outcome for symbol, answer in answers.items()} == {
        "AAPL": Outcome.OK,
        "GONE": Outcome.NOTHING_IN_RANGE,
        "BAD": Outcome.BAD_DATA,
        "NEVER": Outcome.NOT_FOUND,
    }


def test_an_absent_file_counts_as_empty_and_other_files_are_ignored(tmp_path):
    provider = write_folder(tmp_path, notes="anything,at all")
    reply = ask(provider, "AAPL")
    assert reply.answers == {"AAPL": Answer(Outcome.NOT_FOUND, "there is no prices.csv")}
    assert reply.bars == reply.problems == provider.fetch_profiles(["AAPL"]).profiles == []


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("AAPL,2020-01-02,,,,,", "close: it is empty"),
        ("AAPL,2020-01-02,1,1,1,abc,", "close: 'abc' is not a number"),
        (
            "AAPL,2020-01-02,x,1,1,y,z",
            "open: 'x' is not a number; close: 'y' is not a number; volume: 'z' is not a number",
        ),
        ('AAPL,2020-01-02,,,,"1,075.5",', "close: '1,075.5' is not a number"),
        ("AAPL,2020-01-02,,,,75,1e400", "volume: '1e400' is not a volume"),
        ("AAPL,02/01/2020,,,,75,", "date: '02/01/2020' is not a date (YYYY-MM-DD)"),
        ("AAPL,2020-01-02,75", "3 cells under 7 columns: AAPL,2020-01-02,75"),
        ("AAPL,2020-01-02,1,1,1,75,1,000", "8 cells under 7 columns: AAPL,2020-01-02,1,1,1,75,1,000"),
    ],
)
def test_a_bad_cell_costs_its_row_and_says_where_it_stands(tmp_path, cells, reason):
    provider = write_folder(
        tmp_path, prices=f"symbol,date,open,high,low,close,volume\nAAPL,2020-01-03,,,,74.3575,1.5e8\n{cells}"
    )
    reply = ask(provider, "AAPL")
    assert [(bar.close, bar.volume) for bar in reply.bars] == [(Decimal("74.3575"), 150_000_000)]
    (rejected,) = reply.rejected
    assert (rejected.symbol, rejected.relation, rejected.reason) == ("AAPL", "market_data_cache", reason)
    assert rejected.payload["at"] == f"{tmp_path / 'prices.csv'}:3"


def test_bad_cells_of_other_symbols_and_dates_are_nobodys_concern(tmp_path):
    provider = write_folder(tmp_path, prices="symbol,date,close\nMSFT,2020-01-02,abc\nAAPL,2019-01-02,abc")
    assert ask(provider, "AAPL").rejected == []


def test_what_can_be_no_symbol_is_rejected_once(tmp_path):
    provider = write_folder(tmp_path, prices="symbol,date,close\nA B,2020-01-02,1\nA B,2020-01-03,1\n,2020-01-03,1")
    assert [row.symbol for row in ask(provider, "AAPL").rejected] == ["A B", ""]


def test_bad_actions_are_rejected(tmp_path):
    provider = write_folder(
        tmp_path,
        actions="""
            symbol,ex_date,action_type,value
            AAPL,2020-01-06,MERGER,1
            AAPL,2020-01-07,SPLIT,4:1
            AAPL,soon,SPLIT,4
        """,
    )
    assert [row.reason for row in ask(provider, "AAPL").rejected] == [
        "action_type: 'MERGER' is neither SPLIT nor DIVIDEND",
        "'4:1' is not a number",
        "'soon' is not a date (YYYY-MM-DD)",
    ]


def test_a_row_that_is_there_twice_counts_once_and_two_that_differ_not_at_all(tmp_path):
    provider = write_folder(
        tmp_path,
        prices="""
            symbol,date,close
            AAPL,2020-01-02,75.0
            AAPL,2020-01-02,75
            AAPL,2020-01-03,74
            AAPL,2020-01-03,74.1
            AAPL,2020-01-03,74
        """,
        profiles="""
            symbol,sector
            AAPL,Technology
            AAPL,Technology
            MSFT,Technology
            MSFT,Energy
        """,
    )
    reply = ask(provider, "AAPL")
    assert [bar.price_date for bar in reply.bars] == [day("2020-01-02")]
    assert [row.row_date for row in reply.rejected] == [day("2020-01-03")]
    profiles = provider.fetch_profiles(["AAPL", "MSFT"])
    assert [profile.symbol for profile in profiles.profiles] == ["AAPL"]
    assert [row.symbol for row in profiles.rejected] == ["MSFT"]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (
            {"prices": "symbol,date,price\nAAPL,2020-01-02,75"},
            "prices.csv: no column close (it has: symbol, date, price)",
        ),
        (
            {"prices": ""},
            "prices.csv: no column symbol and no column date and no column close (it has: nothing)",
        ),
        (
            {"prices": "symbol,date,close,Close\nAAPL,2020-01-02,75,75"},
            "prices.csv: the column close is there 2 times",
        ),
        (
            {"prices": "symbol,date,close\nAAPL,2020-01-02,75", "actions": "symbol,date,value\nAAPL,2020-01-06,1"},
            "actions.csv: no column ex_date and no column action_type (it has: symbol, date, value)",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_and_nothing_is_answered(tmp_path, files, problem):
    reply = ask(write_folder(tmp_path, **files), "AAPL", "MSFT")
    assert reply.problems == [problem]
    assert reply.bars == []
    assert reply.answers == dict.fromkeys(["AAPL", "MSFT"], Answer(Outcome.BAD_DATA, problem))


def test_two_files_for_one_thing_and_a_broken_archive_are_problems(tmp_path):
    provider = write_folder(tmp_path, prices="symbol,date,close\nAAPL,2020-01-02,75")
    (tmp_path / "prices.csv.gz").write_bytes(gzip.compress(b"symbol,date,close\n" * 1000)[:-20])
    assert ask(provider, "AAPL").problems == ["prices.csv and prices.csv.gz are both there: keep one of them"]
    (tmp_path / "prices.csv").unlink()
    (problem,) = ask(provider, "AAPL").problems
    assert problem.startswith("prices.csv.gz: it cannot be read (")


def test_binary_rubbish_does_not_reach_the_database(tmp_path):
    (tmp_path / "prices.csv").write_bytes(b"symbol,date,close\nAA\x00PL,2020-01-02,75\nAAPL,2020-01-02,7\x00\xff5\n")
    (tmp_path / "profiles.csv").write_bytes(b"symbol,name\nAAPL,Apple\x00 Inc\xe9\n")
    provider = FilesProvider(tmp_path)
    reply = ask(provider, "AAPL")
    assert len(reply.rejected) == 2
    assert "\0" not in "".join(f"{row.symbol}{row.reason}{row.payload}" for row in reply.rejected)
    assert provider.fetch_profiles(["AAPL"]).profiles == [Profile("AAPL", name="Apple Inc�")]


def test_a_request_ends_where_it_says(tmp_path):
    provider = write_folder(
        tmp_path,
        prices="symbol,date,close\n" + "\n".join(f"AAPL,2020-01-{n:02},75" for n in range(1, 32)),
    )
    bars = ask(provider, "AAPL", first=date(2020, 1, 6), last=date(2020, 1, 8)).bars
    assert [bar.price_date.day for bar in bars] == [6, 7, 8]
