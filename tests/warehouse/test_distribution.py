"""Tables spread over servers: what may be, and that one server is left as it is."""

import pytest

from nightly import cli
from warehouse.distribution import SPREAD, distribute
from warehouse.errors import UserError


def test_one_server_is_left_as_it_is(conn, database, monkeypatch, capfd):
    before = conn.execute("select tgname from pg_trigger order by 1").fetchall()
    with pytest.raises(UserError, match="has no Citus and stays on one server"):
        distribute(conn)
    monkeypatch.setenv("DATABASE_URL", database.url)
    assert cli.main(["db", "distribute"]) == 2
    (told,) = capfd.readouterr().err.splitlines()
    assert told.startswith(f"error: the database {conn.info.dbname} has no Citus")
    assert conn.execute("select tgname from pg_trigger order by 1").fetchall() == before


def test_a_table_is_spread_by_a_column_of_every_key(conn):
    for table, column in SPREAD.items():
        keys = conn.execute(
            "select array(select attname::text from pg_attribute where attrelid = indrelid and attnum = any (indkey))"
            " from pg_index where indisunique and indrelid = %s::regclass",
            [table],
        ).fetchall()
        assert keys
        assert all(column in key for (key,) in keys), table


def test_no_view_reads_a_spread_table_and_no_foreign_key_binds_it(conn):
    """A view is read with its reader's rights there, who has none to what else it shows."""
    for table in SPREAD:
        over = conn.execute(
            "select ev_class::regclass from pg_depend inner join pg_rewrite on pg_depend.objid = pg_rewrite.oid"
            " where classid = 'pg_rewrite'::regclass and refobjid = %s::regclass",
            [table],
        ).fetchall()
        bound = conn.execute(
            "select conname from pg_constraint where contype = 'f' and %s::regclass in (conrelid, confrelid)", [table]
        ).fetchall()
        assert over == bound == []
