import json
from decimal import Decimal

import pytest
from click.testing import CliRunner
from psycopg.types.json import Jsonb

from ingest.market.quarantine import ACTIONS as ACTIONS_TABLE
from ingest.market.quarantine import accept_rejected, dismiss_rejected, list_rejected
from ingest.market.ratios import spin_off_reason
from ingest.providers import json_values
from ingest.providers.base import Answer, Outcome
from ingest.rows import SPLIT, CorporateAction, RejectedRow
from nightly import cli
from nightly.commands.quarantine import quarantine
from tests.ingest.market.test_live_chain import book, closes_of, night, sessions, split, yahoo  # noqa: F401
from tests.ingest.market.test_market_data import ACTIONS, PRICES, all_rows, closes
from tests.ingest.market_book import day, write_folder
from warehouse.errors import UserError
from warehouse.locks import run_lock


def ids(conn):
    return {(row.symbol, str(row.row_date)): row.id for row in list_rejected(conn)}


def test_an_accepted_bar_is_stored_with_its_source_and_not_refused_again(conn, night, sessions, yahoo):  # noqa: F811
    night(sessions[59], yahoo)
    yahoo.closes["AAPL"] = split(sessions, 60, 10)  # a true crash
    yahoo.say("SPY", [sessions[60]], [38600])
    night(sessions[60], yahoo)
    listed = list_rejected(conn)
    assert [(row.symbol, row.row_date, row.source, row.offered, row.stored) for row in sorted(listed)] == [
        ("AAPL", sessions[60], "yahoo", "10.600000", None),
        ("SPY", sessions[60], "yahoo", "38600.000000", None),
    ]
    assert [row.symbol for row in list_rejected(conn, symbol="SPY")] == ["SPY"]
    assert list_rejected(conn, source="fmp") == []
    number = ids(conn)["AAPL", str(sessions[60])]
    assert accept_rejected(conn, [number]) == [f"{number}: AAPL {sessions[60]}: stored the close 10.600000 from yahoo"]
    assert closes_of(conn)[sessions[60]] == 10.6
    # the roll-forward learns of it
    assert conn.execute(
        "select count(*) from ops.input_changes where symbol = 'AAPL' and from_date = %s", [sessions[60]]
    ).fetchone() == (1,)
    report = night(sessions[61], yahoo)
    assert [row.symbol for row in report.rejected] == ["SPY"]
    assert closes_of(conn)[sessions[61]] == 10.61
    with pytest.raises(UserError, match=f"^{number}: it was accepted before$"):
        accept_rejected(conn, [number])


def test_a_bar_that_contradicts_itself_keeps_its_close(conn, night, sessions, tmp_path):  # noqa: F811
    provider = write_folder(
        tmp_path,
        prices=PRICES + f"AAPL,{sessions[59]},23,22,21,23,-5\nSPY,{sessions[59]},,,,380,\n",
        actions=ACTIONS,
    )
    report = night(sessions[59], provider)
    # the close is kept, and what contradicts it is left out and counted
    assert (report.rejected, report.left_out) == ([], {"high": 1, "volume": 1})
    assert "left out where they contradict the close, which is kept: 1 high, 1 volume" in report.lines()
    stored = conn.execute(
        "select high::float, close::float, volume, source from raw.market_data_cache where symbol = 'AAPL'"
    )
    assert stored.fetchall() == [(None, 23, None, "files")]
    before = all_rows(conn)
    assert night(sessions[59], provider).rejected == []
    assert all_rows(conn) == before


def test_what_replaces_another_price_leaves_a_trace(conn, night, sessions, yahoo):  # noqa: F811
    night(sessions[59], yahoo)
    yahoo.say("AAPL", [sessions[58]], [53])
    night(sessions[60], yahoo)
    (row,) = list_rejected(conn)
    assert (row.offered, float(row.stored)) == ("53.000000", 105.8)
    accept_rejected(conn, [row.id])
    assert closes_of(conn)[sessions[58]] == 53
    traces = conn.execute("select price_date, old_close::float, reason from ops.price_restatements").fetchall()
    assert traces == [(sessions[58], 105.8, "accepted by a person")]
    assert night(sessions[61], yahoo).rejected == []


def test_a_history_that_was_put_aside_is_fetched_again_once_accepted(conn, night, sessions, yahoo):  # noqa: F811
    night(sessions[59], yahoo)
    yahoo.closes["AAPL"] = {session: float(close) / 2 for session, close in yahoo.closes["AAPL"].items()}
    night(sessions[60], yahoo)
    (row,) = list_rejected(conn)
    (line,) = accept_rejected(conn, [row.id])
    assert line == f"{row.id}: AAPL: the next night takes what yahoo has of it, as a whole"
    assert closes_of(conn)[sessions[59]] == 105.9
    # if fetching fails, the decision still holds on the next night
    ask = yahoo.fetch_prices

    def only_once(wants):
        reply = ask(wants)
        yahoo.trouble["AAPL"] = Answer(Outcome.UNREACHABLE)
        return reply

    yahoo.fetch_prices = only_once
    assert night(sessions[61], yahoo).refetched == {}
    yahoo.fetch_prices = ask
    yahoo.trouble.clear()
    report = night(sessions[62], yahoo)
    assert (list(report.refetched), report.rejected) == (["AAPL"], [])
    assert closes_of(conn)[sessions[30]] == 51.5
    # only once
    assert list_rejected(conn) == []


def test_an_accepted_action_holds_by_the_persons_word(conn):
    conn.execute(
        "insert into ops.rejected_rows (source, relation, symbol, row_date, reason, payload) values"
        " ('yahoo', 'corporate_actions', 'AAPL', '2021-03-02', 'a dividend in CAD, and only USD is handled', %s)",
        [Jsonb({"action_type": "DIVIDEND", "value": "0.25"})],
    )
    (row,) = list_rejected(conn)
    assert accept_rejected(conn, [row.id]) == [f"{row.id}: AAPL 2021-03-02: the dividend 0.25 from yahoo holds"]
    stored = conn.execute("select symbol, ex_date, action_type, value::float, source from raw.corporate_actions")
    assert stored.fetchall() == [("AAPL", day("2021-03-02"), "DIVIDEND", 0.25, "person")]
    assert (list_rejected(conn)[0].stored, list_rejected(conn)[0].accepted) == (Decimal("0.25"), True)


def test_what_is_dismissed_is_refused_as_before_and_not_told_again(conn, night, sessions, yahoo):  # noqa: F811
    night(sessions[59], yahoo)
    yahoo.say("AAPL", [sessions[60]], [10600])
    yahoo.say("SPY", [sessions[60]], [38600])
    report = night(sessions[60], yahoo)
    assert sorted(row.symbol for row in report.rejected) == ["AAPL", "SPY"]
    number = ids(conn)["AAPL", str(sessions[60])]
    with pytest.raises(UserError, match=r"^98, 99: there is no such row"):
        dismiss_rejected(conn, [number, 98, 99])
    (line,) = dismiss_rejected(conn, [number])
    assert line.startswith(
        f"{number}: AAPL {sessions[60]}: dismissed, not reported again (the close moved by more than 80 %"
    )
    assert [row.symbol for row in list_rejected(conn)] == ["SPY"]
    assert [(row.symbol, row.dismissed) for row in sorted(list_rejected(conn, dismissed=True))] == [
        ("AAPL", True),
        ("SPY", False),
    ]
    # the next night refuses it again and does not report it
    report = night(sessions[61], yahoo)
    assert [row.symbol for row in report.rejected] == ["SPY"]
    assert not any("2 rows refused" in message for _, message in report.warnings())
    assert closes_of(conn)[sessions[61]] == 106.1 and sessions[60] not in closes_of(conn)
    assert [row.symbol for row in list_rejected(conn)] == ["SPY"]
    # a person may decide again
    accept_rejected(conn, [number])
    assert closes_of(conn)[sessions[60]] == 10600
    assert sorted((row.symbol, row.accepted, row.dismissed) for row in list_rejected(conn)) == [
        ("AAPL", True, False),
        ("SPY", False, False),
    ]


def test_what_cannot_be_stored_is_refused_as_a_whole(conn, night, sessions, tmp_path):  # noqa: F811
    provider = write_folder(
        tmp_path,
        prices=PRICES
        + closes("AAPL", "2021-03-01", "0")
        + f"AAPL,{day('2021-02-27')},,,,20,\nSPY,2021-03-01,,,,x,\n"
        + f"SPY,{sessions[58]},5,4,3,5,\n",
        actions=ACTIONS + "AAPL,2021-03-01,SPLIT,0\n",
    )
    night(sessions[59], provider)
    numbers = [row.id for row in sorted(list_rejected(conn))]
    with pytest.raises(UserError) as refused:
        accept_rejected(conn, [*numbers, 99])
    text = str(refused.value)
    for problem in (
        "AAPL: close: 0.000000 is no price, and cannot be stored",
        "AAPL: value: 0 is no split (positive and finite), and cannot be stored",
        "2021-02-27: not a session that has closed",
        "SPY: it could not be read: correct it at its source",
        "99: there is no such row",
    ):
        assert problem in text
    assert conn.execute("select count(*) from ops.rejected_rows where accepted_at is not null").fetchone() == (0,)
    # SPY's odd bar is stored by its close
    assert conn.execute("select count(*) from raw.market_data_cache").fetchone() == (1,)


def test_the_commands(conn, database, night, sessions, yahoo, monkeypatch, capsys):  # noqa: F811
    monkeypatch.setenv("DATABASE_URL", database.url)
    assert cli.main(["quarantine"]) == 0
    assert capsys.readouterr().out == "nothing was refused\n"
    night(sessions[59], yahoo)
    yahoo.say("AAPL", [sessions[60]], [10600])
    night(sessions[60], yahoo)
    assert cli.main(["quarantine", "--symbol", "aapl", "--source", "yahoo"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for text in (str(sessions[60]), "10600.000000", "about a", "quarantine accept ID"):
        assert text in out
    assert cli.main(["quarantine", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["symbol"], row["row_date"], row["stored"], row["accepted"]) == ("AAPL", str(sessions[60]), None, False)
    with run_lock(conn, "run 7"):
        assert cli.main(["quarantine", "accept", str(row["id"])]) == 2
    assert "another run holds the lock: run 7" in capsys.readouterr().err
    assert cli.main(["quarantine", "accept", str(row["id"])]) == 0
    assert f"AAPL {sessions[60]}: stored the close 10600.000000 from yahoo" in capsys.readouterr().out
    assert cli.main(["quarantine"]) == 0
    assert "(accepted)" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["quarantine", "dismiss", str(row["id"])]) == 0
    assert f"AAPL {sessions[60]}: dismissed, not reported again" in capsys.readouterr().out
    assert cli.main(["quarantine"]) == 0
    assert capsys.readouterr().out == "nothing was refused\n"
    assert cli.main(["quarantine", "--all"]) == 0
    assert "(dismissed)" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["quarantine", "dismiss", "77"]) == 2
    assert "77: there is no such row" in capsys.readouterr().err
    assert cli.main(["quarantine", "accept", "77"]) == 2
    assert capsys.readouterr().err == "error: 77: there is no such row\n"


def test_a_split_is_accepted_as_the_spin_off_that_it_is(conn, night, sessions, yahoo, database, monkeypatch):  # noqa: F811
    told = CorporateAction("AAPL", sessions[59], SPLIT, Decimal("1.281"))
    reason = spin_off_reason("AAPL", sessions[59], Decimal(1281), Decimal(1000))
    refused = RejectedRow("yahoo", ACTIONS_TABLE, "AAPL", sessions[59], reason, json_values.payload(told._asdict()))
    yahoo.rejected.append(refused)
    yahoo.say("KID", sessions[59:], [20.0] * len(sessions[59:]))
    night(sessions[59], yahoo)
    ((number),) = ids(conn).values()
    monkeypatch.setenv("DATABASE_URL", database.url)

    def run(*arguments):
        return CliRunner().invoke(quarantine, [*map(str, arguments)])

    assert "--as-spin-off CHILD" in run().output
    assert "--shares" in str(run("accept", number, "--as-spin-off", "KID").exception)
    done = run("accept", number, "--as-spin-off", "kid", "--shares", "0.25")
    assert "AAPL SPINOFF 0.25" in done.output and done.exit_code == 0
    query = "select symbol, action_type, value::float8, new_symbol from raw.corporate_actions"
    assert conn.execute(query).fetchall() == [("AAPL", "SPINOFF", 0.25, "KID")]
    # it comes again every night, and that is no news; and the child is collected
    report = night(sessions[60], yahoo)
    assert report.rejected == []
    assert min(closes_of(conn, "KID")) == sessions[59]
