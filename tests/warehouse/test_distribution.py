"""Tables spread over servers: what may be, and that one server is left as it is."""

import re

import pytest

from nightly import cli
from nightly.dbt.runner import PROJECT, Dbt
from warehouse.distribution import PLACES, distribute, forget, is_spread
from warehouse.errors import UserError
from warehouse.preparations import read_preparations, record_preparations


def test_one_server_is_left_as_it_is(conn, database, monkeypatch, capfd):
    before = conn.execute("select tgname from pg_trigger order by 1").fetchall()
    with pytest.raises(UserError, match="has no Citus and stays on one server"):
        distribute(conn)
    monkeypatch.setenv("DATABASE_URL", database.url)
    assert cli.main(["db", "distribute"]) == 2
    (told,) = capfd.readouterr().err.splitlines()
    assert told.startswith(f"error: the database {conn.info.dbname} has no Citus")
    assert conn.execute("select tgname from pg_trigger order by 1").fetchall() == before
    assert not is_spread(read_preparations(conn))


def test_a_database_is_spread_once_all_of_it_is(conn):
    record_preparations(conn, {"spread": "begun"})
    with pytest.raises(UserError, match="`db distribute` was interrupted: repeat it"):
        is_spread(read_preparations(conn))
    record_preparations(conn, {"spread": "by portfolio"})
    assert is_spread(read_preparations(conn))
    # what a dump says of the database that it is from
    forget(conn)
    assert not is_spread(read_preparations(conn))


def test_a_table_is_spread_by_a_column_of_every_key_and_no_foreign_key_binds_it(conn):
    there = [table for table in PLACES if conn.execute("select to_regclass(%s)", [table]).fetchone() != (None,)]
    assert len(there) > 12
    for table in there:
        keys = conn.execute(
            "select array(select attname::text from pg_attribute where attrelid = indrelid and attnum = any (indkey))"
            " from pg_index where indisunique and indrelid = %s::regclass",
            [table],
        ).fetchall()
        assert keys
        assert all(PLACES[table] in key for (key,) in keys), table
        bound = conn.execute(
            "select conname from pg_constraint where contype = 'f' and %s::regclass in (conrelid, confrelid)", [table]
        ).fetchall()
        assert bound == []


def test_what_the_workers_read_is_a_table_there_and_a_part_of_the_query_on_one_server(database, tmp_path):
    models = {}
    for spread in (False, True):
        dbt = Dbt(database, tmp_path / "dbt")
        dbt.tell_spread(is_spread=spread)
        models[spread] = {f"{node.schema}.{node.relation}": node for node in dbt.nodes("model")}
    more = models[True].keys() - models[False].keys()
    assert more <= PLACES.keys()
    assert {models[True][name].materialized for name in more} == {"refilled_table"}
    built_by_dbt = PLACES.keys() & models[True].keys()
    assert {name for name, column in PLACES.items() if column is None} < more < built_by_dbt
    for model in built_by_dbt:
        assert models[True][model].materialized in {"refilled_table", "incremental"}


def test_a_published_view_of_other_schemas_is_shown_by_its_owner():
    """Where Citus reads a part of a view with the rights of whoever asks, a reader would be refused."""
    views = {
        file.stem: text
        for file in (PROJECT / "models" / "marts").glob("*.sql")
        if "materialized='view'" in (text := file.read_text(encoding="utf-8"))
    }
    of_others = {name for name, text in views.items() if re.search(r"ref\('(stg|book|all)_", text)}
    assert of_others >= {"portfolios", "companies", "risk_status"}
    assert of_others == {name for name, text in views.items() if "shown_by_owner(query)" in text}
