"""A collection that is killed in the middle, and run again, ends as one that nobody disturbed."""

import os
import signal
import subprocess
import sys
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from ingest.market import collection as market_data
from ingest.market.collection import collect_market_data
from ingest.providers.base import Answer, Outcome
from ingest.rows import Profile
from tests.ingest.live_source import LiveSource
from tests.ingest.market.test_market_data import PRICES
from tests.ingest.market_book import Book, day, define_factors, write_folder
from warehouse.sessions import session_before, sessions_between
from warehouse.settings import PROJECT_ROOT

# What a night leaves behind, except for times and numbers of rows.
RESULTS = {
    "raw.market_data_cache": "symbol, price_date, close, source",
    "raw.corporate_actions": "symbol, ex_date, action_type, value, source",
    "raw.company_profiles": "symbol, name, source",
    "ops.price_restatements": "symbol, price_date, old_close, new_close, reason",
    "ops.rejected_rows": "source, symbol, row_date, reason, payload",
    "ops.fetch_state": "source, kind, symbol, consecutive_failures, next_attempt_at, answered_from, answered_through",
    "ops.input_changes": "input, symbol, from_date::text, through_date::text, what",
}
SYMBOLS = ["CORR", "GONE", "HUGE", "HIST", "HOLE", "PART", "SPLT"]


def results(conn):
    return {
        table: sorted(map(repr, conn.execute(f"select distinct {columns} from {table}").fetchall()))
        for table, columns in RESULTS.items()
    }


@pytest.fixture
def eventful(conn, monkeypatch):
    """A night on which each kind of row is written, in three groups; what is stored is that of the night before."""
    monkeypatch.setattr(market_data, "GROUP_SIZE", 100)
    define_factors(conn)
    book = Book(conn, inception="2021-02-26")
    sessions = sessions_between(conn, session_before(conn, day("2021-03-01"), 39), day("2021-03-02"))
    yahoo, fmp = LiveSource("yahoo"), LiveSource("fmp")
    for n, symbol in enumerate([*SYMBOLS, "SPY"]):
        if symbol != "SPY":
            book.lot(symbol)
        if symbol != "GONE":
            closes = [20 * (n + 1) + k / 10 for k in range(len(sessions))]
            yahoo.say(symbol, sessions, closes)
            fmp.say(symbol, sessions, [close + 0.01 for close in closes])
            yahoo.profiles[symbol] = Profile(symbol, symbol.title())

    def night(session, connection):
        now = datetime.combine(session, time(18, 30), ZoneInfo("America/New_York"))
        return collect_market_data(
            connection, [yahoo, fmp], session, session, history_sessions=30, today=session, now=now
        )

    night(sessions[-2], conn)
    last = sessions[-1]
    yahoo.say("CORR", sessions[-3:-2], [19.5])
    yahoo.say("HUGE", [last], [999999])
    yahoo.closes["HIST"] = {session: close * 0.98 for session, close in yahoo.closes["HIST"].items()}
    del yahoo.closes["HOLE"][last]
    yahoo.trouble["PART"] = Answer(Outcome.RATE_LIMITED, "429")
    yahoo.splits["SPLT"] = {last: 2}
    yahoo.say("SPLT", [last], [yahoo.closes["SPLT"][sessions[-2]] / 2])
    book.lot("NEW")
    yahoo.say("NEW", sessions, [5 + k / 10 for k in range(len(sessions))])
    yahoo.profiles["NEW"] = Profile("NEW", "New")
    return lambda connection: night(last, connection)


@pytest.fixture
def undisturbed(conn, eventful):
    """What the night leaves behind when all goes well; it is taken back."""
    with conn.transaction(force_rollback=True):
        report = eventful(conn)
        left = results(conn)
    assert (len(report.refetched), len(report.rejected), report.restated["CORR"]) == (1, 1, 1)
    assert left != results(conn)
    return left


@pytest.mark.parametrize("table", [table for table in RESULTS if table != "ops.input_changes"])
def test_killed_at_a_write(database, conn, eventful, undisturbed, table):
    conn.execute(
        "create function ops.die() returns trigger language plpgsql as"
        " $$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$"
    )
    conn.execute(f"create trigger die after insert or update on {table} for each statement execute function ops.die()")
    with database.connect() as doomed, pytest.raises(psycopg.OperationalError):
        eventful(doomed)
    conn.execute(f"drop trigger die on {table}")
    eventful(conn)
    assert results(conn) == undisturbed


@pytest.mark.parametrize("group", [0, 1, 2])
def test_killed_between_two_groups(database, conn, eventful, undisturbed, group, monkeypatch):
    read = market_data.read_bars
    seen = []

    def dying(connection, wants):
        seen.append(wants)
        if len(seen) == group + 1:
            conn.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid])
        return read(connection, wants)

    with monkeypatch.context() as patched, database.connect() as doomed, pytest.raises(psycopg.OperationalError):
        patched.setattr(market_data, "read_bars", dying)
        eventful(doomed)
    eventful(conn)
    assert results(conn) == undisturbed


_COLLECT = """
import sys, time
from datetime import date
from pathlib import Path
from ingest.market import collection as market_data
from ingest.providers.files import FilesProvider
from warehouse.database import Database

market_data.GROUP_SIZE = 100

def told(done, total):
    print(done, flush=True)
    time.sleep(0.2)

with Database(sys.argv[1], embedded=True).connect() as conn:
    end = date(2021, 3, 1)
    market_data.collect_market_data(
        conn, [FilesProvider(Path(sys.argv[2]))], end, end, history_sessions=30, today=end, progress=told
    )
"""


@pytest.mark.slow
def test_a_killed_process_leaves_whole_groups_and_the_next_takes_up_the_rest(database, conn, tmp_path):
    define_factors(conn)
    book = Book(conn, inception="2021-02-26")
    sessions = sessions_between(conn, session_before(conn, day("2021-03-01"), 30), day("2021-03-01"))
    symbols = [f"S{n:02}" for n in range(20)]
    for symbol in symbols:
        book.lot(symbol)
    rows = [f"{symbol},{session},,,,{20 + n},\n" for symbol in [*symbols, "SPY"] for n, session in enumerate(sessions)]
    write_folder(tmp_path, prices=PRICES + "".join(rows))
    command = [sys.executable, "-c", _COLLECT, database.url, str(tmp_path)]
    for killed_after in (4, 8, 12):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT, env={**os.environ, "PYTHONPATH": "."}
        ) as process:
            while int(process.stdout.readline()) < killed_after:
                pass
            process.send_signal(signal.SIGKILL)
        counts = conn.execute("select count(*) from raw.market_data_cache group by symbol").fetchall()
        assert {count for (count,) in counts} == {len(sessions)}
        assert killed_after <= len(counts) < len(symbols)
    assert subprocess.run(command, cwd=Path(PROJECT_ROOT), check=True, capture_output=True).returncode == 0
    query = "select count(*), count(distinct symbol) from raw.market_data_cache"
    assert conn.execute(query).fetchone() == (len(sessions) * 21, 21)
