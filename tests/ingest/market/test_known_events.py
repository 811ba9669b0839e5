"""Well-known events: who they concern, what stands in their place, and what a person says of them."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from click.testing import CliRunner

from ingest.market.known_events import held_as, read_known_events, take_known_events
from ingest.market.settlement import ADDED, DISMISSED, KNOWN, PERSON, Claim, Decision, settle
from ingest.rows import DELISTING, DIVIDEND, MERGER, RENAME, SPINOFF, SPLIT, CorporateAction
from nightly.commands.actions import actions
from tests.fakes.market import weekdays
from warehouse.errors import BadInput
from warehouse.locks import run_lock

NOW = datetime(2025, 6, 2, 23, tzinfo=UTC)
CALENDAR = weekdays(date(2023, 12, 1), 120)
MERGED = CorporateAction("OLD", date(2024, 1, 8), MERGER, Decimal("0.5"), "NEW", Decimal(20))
SPUN = CorporateAction("PAR", date(2024, 1, 8), SPINOFF, Decimal("0.25"), "KID")


def told(symbol, day, kind, value, new=None, says=None):
    decision = Decision(says, "anna", NOW) if says else None
    return Claim(
        PERSON if says else "yahoo",
        CorporateAction(symbol, date.fromisoformat(day), kind, Decimal(value), new),
        decision=decision,
    )


@pytest.mark.parametrize(
    ("known", "other"),
    [
        (MERGED, told("OLD", "2024-01-05", MERGER, "0.51", "NEW")),
        (MERGED, told("OLD", "2024-01-12", DELISTING, "40", says=ADDED)),
        (MERGED, told("OLD", "2024-01-08", MERGER, "0.5", "NEW", says=DISMISSED)),
        (SPUN, told("PAR", "2024-01-08", SPINOFF, "0.25", "KID.WI", says=ADDED)),
        (SPUN, told("PAR", "2024-01-09", SPINOFF, "0.3", "KID")),
        # some sources write it as something else, and so may a person
        (SPUN, told("PAR", "2024-01-08", SPLIT, "1.281")),
        (SPUN, told("PAR", "2024-01-08", DIVIDEND, "14.2", says=ADDED)),
    ],
)
def test_what_anybody_else_tells_of_the_event_stands_for_it(known, other):
    settled = settle([Claim(KNOWN, known), other], ["yahoo"], CALENDAR)
    assert KNOWN not in {source for _, source in settled.actions.values()}
    (note,) = (note for key, note in settled.notes.items() if key.source == KNOWN)
    assert "stands for it" in note or "by anna" in note


@pytest.mark.parametrize(
    "other",
    [
        told("PAR", "2024-01-10", DIVIDEND, "0.5"),
        told("PAR", "2024-03-08", SPINOFF, "0.25", "TWO"),
        told("PAR", "2024-01-09", SPLIT, "2", says=ADDED),
    ],
)
def test_other_actions_leave_it_alone(other):
    settled = settle([Claim(KNOWN, SPUN), other], ["yahoo"], CALENDAR)
    assert settled.actions[SPUN.ex_date, SPINOFF] == (SPUN, KNOWN)
    assert len(settled.actions) == 2


def test_the_list_makes_sense():
    events = read_known_events()
    kinds = [event.action.action_type for event in events]
    assert len(events) > 20 and {RENAME, MERGER, SPINOFF} <= set(kinds)
    by_symbol = {event.key: event for event in events}
    meta = by_symbol["FB", date(2022, 6, 9), RENAME]
    assert meta.action.new_symbol == "META" and "1326801" in meta.source
    assert held_as(meta, events, by_later_names=True) == {"FB", "META"}
    assert held_as(meta, events, by_later_names=False) == {"FB"}
    # a lot of United Technologies may have been entered as RTX; one of Raytheon came later
    assert held_as(by_symbol["UTX", date(2020, 4, 3), SPINOFF], events, by_later_names=True) == {"UTX", "RTX"}
    assert held_as(by_symbol["GE", date(2024, 4, 2), SPINOFF], events, by_later_names=True) == {"GE"}


def test_what_is_wrong_in_the_list_is_told(tmp_path):
    file = tmp_path / "known_events.csv"
    header = "symbol,ex_date,action_type,value,new_symbol,cash_per_share,cost_fraction,source\n"
    file.write_text(f"{header}A,2024-01-08,RENAME,,B,,,x\nA,2024-01-08,RENAME,,C,,,x\nA,2024-01-08,SPLIT,2,,,,\n")
    with pytest.raises(BadInput) as problem:
        read_known_events(file)
    problems = str(problem.value)
    assert "known_events.csv:3: symbol: another RENAME of A has this day" in problems
    assert "known_events.csv:4: action_type:" in problems and "source" in problems


@pytest.fixture
def book(conn):
    """Makes a portfolio with lots of (symbol, entry date, exit date)."""

    def make(name, *lots):
        portfolio = uuid4()
        conn.execute(
            "insert into raw.portfolios (portfolio_id, name, inception_date, starting_equity, source)"
            " values (%s, %s, '2021-01-04', 1000, 'test')",
            [portfolio, name],
        )
        for symbol, entered, left in lots:
            conn.execute(
                "insert into raw.positions (position_id, portfolio_id, symbol, position_type, quantity, entry_price,"
                " entry_date, exit_date, exit_price, investment_class, source)"
                " values (%s, %s, %s, 'LONG', 10, 100, %s, %s, %s, 'PUBLIC', 'test')",
                [uuid4(), portfolio, symbol, entered, left, left and 100],
            )
        return portfolio

    return make


def stored(conn):
    rows = conn.execute("select symbol, ex_date::text, new_symbol from raw.corporate_actions order by 1, 2")
    return list(rows)


def take(conn, **how):
    return take_known_events(conn, ["yahoo"], NOW, **{"wanted": "all", **how})


def test_only_what_was_held_through_an_event_is_concerned(conn, book):
    assert take(conn) == []
    # entered after the event, sold before it, or of a new company: since then others may use FB
    book("away", ("META", "2022-06-10", None), ("GE", "2021-02-01", "2022-12-30"), ("FB", "2023-01-03", None))
    assert take(conn) == [] and stored(conn) == []
    book("held", ("META", "2022-01-03", None), ("PXD", "2023-01-03", "2024-05-03"))
    lines = take(conn)
    assert stored(conn) == [("FB", "2022-06-09", "META"), ("PXD", "2024-05-03", "XOM")]
    assert [scope for scope, _ in lines] == ["FB", "PXD"]
    assert "CIK 1326801" in lines[0][1] and "actions dismiss FB 2022-06-09 RENAME" in lines[0][1]
    # once
    assert take(conn) == []
    assert len(take(conn, wanted="off")) == 0 and stored(conn) == []
    assert len(take(conn)) == 2


def test_a_child_that_is_listed_already_is_not_doubled(conn, book):
    # a broker's list has the child under the parent's date
    book("broker", ("GE", "2021-02-01", None), ("GEHC", "2021-02-01", None))
    book("other", ("GE", "2021-02-01", None))
    lines = [message for _, message in take(conn)]
    assert stored(conn) == [("GE", "2024-04-02", "GEV")]
    assert "broker lists GEHC of 2021-02-01 itself" in lines[0]
    assert "actions add GE 2023-01-04 SPINOFF 0.333333333333333333 --new-symbol GEHC" in lines[0]
    # without that lot the event is taken
    conn.execute("delete from raw.positions where symbol = 'GEHC'")
    take(conn)
    assert [row[2] for row in stored(conn)] == ["GEHC", "GEV"]


def test_a_spin_off_is_told_with_the_command_that_takes_it(conn, book):
    book("held", ("GE", "2023-02-01", None), ("FB", "2022-01-03", None))
    lines = dict(take(conn, wanted="on"))
    assert stored(conn) == [("FB", "2022-06-09", "META")]
    assert "only its holder knows" in lines["GE"]
    assert "actions add GE 2024-04-02 SPINOFF 0.25 --new-symbol GEV" in lines["GE"]
    # a lot under today's name is priced by that name, under which sources keep the whole history
    book("by today's name", ("ELV", "2021-02-01", None))
    assert take(conn, wanted="on") == []
    # reported once, and taken on request
    assert take(conn, wanted="on") == []
    assert [scope for scope, _ in take(conn)] == ["ANTM", "GE"] and ("GE", "2024-04-02", "GEV") in stored(conn)
    assert len(take(conn, wanted="on")) == 1 and ("GE", "2024-04-02", "GEV") not in stored(conn)


def test_a_person_has_the_last_word(conn, book, database, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database.url)
    book("held", ("FB", "2022-01-03", None))

    def run(*arguments):
        result = CliRunner().invoke(actions, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    (row,) = json.loads(run("list", "--json"))
    assert (row["source"], row["believed"]) == (KNOWN, True) and "CIK 1326801" in row["note"]
    run("dismiss", "FB", "2022-06-09", "RENAME", "--by", "anna")
    assert stored(conn) == [] and take(conn) == []
    assert "dismissed by anna" in run("list", "FB")
    run("restore", "FB", "2022-06-09", "RENAME")
    assert stored(conn) == [("FB", "2022-06-09", "META")]
    # a person enters it with a date that is one day off: it is one renaming, with the person's date
    run("add", "FB", "2022-06-10", "RENAME", "--new-symbol", "META")
    assert stored(conn) == [("FB", "2022-06-10", "META")]


def test_what_a_command_takes_it_tells(conn, book, database, monkeypatch):
    """A night would be silent on what `actions list` has taken before it; and nothing is taken while a run goes on."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    book("held", ("GE", "2023-02-01", None))

    def told():
        result = CliRunner().invoke(actions, ["list"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stderr

    with run_lock(conn, "a run"):
        assert told() == ""
    assert "warning: GE: the well-known event" in (first := told()) and "actions add GE 2024-04-02 SPINOFF" in first
    assert told() == ""
