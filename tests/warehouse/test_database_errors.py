"""What PostgreSQL refuses is told by its code: what happened, what the server said, and what to do."""

import psycopg
import pytest

from nightly import cli
from warehouse.database import Database
from warehouse.database_errors import explain


def refusal(conn: psycopg.Connection, *statements: str) -> psycopg.Error:
    """What the server says to these statements."""
    with pytest.raises(psycopg.Error) as refused:
        for statement in statements:
            conn.execute(statement)
    return refused.value


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (
            ["set statement_timeout = '10ms'", "select pg_sleep(60)"],
            "the statement was cancelled (canceling statement due to statement timeout): by statement_timeout or by a "
            "person; repeat",
        ),
        (
            ["begin read only", "create table written (id integer)"],
            "the database is read only (cannot execute CREATE TABLE in a read-only transaction): let DATABASE_URL lead "
            "to one that can be written",
        ),
        (
            ["set role pg_monitor", "delete from raw.positions"],
            "the database user may not do that (permission denied for schema raw): let DATABASE_URL name the owner of "
            "our schemas, or grant it",
        ),
        (
            ["select array_fill(1, array[100000, 100000])"],
            "a value is larger than the database holds (array size exceeds the maximum allowed (134217727)): shorten "
            "it, and repeat",
        ),
        (
            ["select pg_terminate_backend(pg_backend_pid())"],
            "the server ended the connection (terminating connection due to administrator command): see why it was "
            "stopped, and repeat",
        ),
    ],
    ids=["cancelled", "read only", "not allowed", "too large", "ended"],
)
def test_a_refusal_says_what_to_do(conn: psycopg.Connection, statements: list[str], said: str):
    assert explain(refusal(conn, *statements)) == said


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("53100", "the database server's disk is full (so it is): make room there, and repeat"),
        ("53200", "the database server is out of memory (so it is): give it more, or lower work_mem, and repeat"),
        ("53400", "the database server has not enough resources (so it is): see its log, and repeat"),
        ("55P03", "something is locked by another session (so it is): see who holds it (`select * from pg_locks`), and "
                  "repeat"),
        ("40P01", "the statement was in conflict with another session's (so it is): repeat"),
        ("58030", "the database server has trouble with its files (so it is): see its log"),
        ("XX001", "the database server has an internal error (so it is): see its log"),
        ("57P02", "the server crashed (so it is): see its log, and repeat"),
        ("25P03", "the server ended an idle transaction (so it is): raise idle_in_transaction_session_timeout, and "
                  "repeat"),
        ("57P05", "the server ended an idle connection (so it is): raise idle_session_timeout, and repeat"),
        ("08006", "the database went away (so it is): see to it and repeat"),
        ("42P01", None),
        ("22003", None),
        ("P0001", None),
    ],
)  # fmt: skip
def test_each_code_has_its_own_advice(conn: psycopg.Connection, code: str, said: str | None):
    """A mistake of ours has none: its traceback tells more."""
    raised = f"do $$ begin raise sqlstate '{code}' using message = 'so it is'; end $$"
    assert explain(refusal(conn, raised)) == said


def test_a_connection_that_breaks_without_a_word_is_a_database_that_went_away(database: Database):
    with database.connect() as lost:
        lost.close()
        said = explain(refusal(lost, "select"))
    assert said == "the database went away (the connection is closed): see to it and repeat"


def test_a_command_says_it_in_one_line_and_fails(
    conn: psycopg.Connection, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("DATABASE_URL", database.url)
    conn.execute(
        "create function refuse() returns trigger language plpgsql as"
        " $$ begin raise sqlstate '53100' using message = 'could not extend file'; end $$;"
        "create trigger refuse before delete or insert on raw.trading_sessions execute function refuse()"
    )
    conn.execute("delete from ops.preparations where name = 'trading_sessions'")
    conn.execute("alter table raw.trading_sessions disable trigger refuse")
    conn.execute("delete from raw.trading_sessions where session_date > '2024-01-02'")
    conn.execute("alter table raw.trading_sessions enable trigger refuse")
    assert cli.main(["run"]) == 1
    assert capsys.readouterr().err == (
        "error: the database server's disk is full (could not extend file): make room there, and repeat\n"
    )
