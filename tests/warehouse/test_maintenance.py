"""Dead rows give their room back, and the planner hears of new ones, without autovacuum."""

from typing import Any

import psycopg
import pytest
from psycopg import sql

from warehouse.maintenance import maintain_tables


def change(conn: psycopg.Connection[Any], statement: str) -> None:
    """Do it, and let the server count it at once."""
    conn.execute(statement)
    conn.execute("select pg_stat_force_next_flush()")


@pytest.fixture
def table(conn: psycopg.Connection[Any]) -> str:
    conn.execute("create table raw.big (n integer primary key, filler text)")
    change(conn, "insert into raw.big select n, repeat('x', 100) from generate_series(1, 20000) as n")
    return "raw.big"


def size(conn: psycopg.Connection[Any], table: str) -> int:
    return conn.execute("select pg_total_relation_size(%s::regclass)", [table]).fetchone()[0]


def estimate(conn: psycopg.Connection[Any], table: str) -> float:
    return conn.execute("select reltuples from pg_class where oid = %s::regclass", [table]).fetchone()[0]


def test_a_table_that_is_replaced_again_and_again_does_not_grow(conn, table):
    maintain_tables(conn)
    change(conn, "update raw.big set filler = repeat('y', 100)")
    assert "raw.big" in maintain_tables(conn).vacuumed
    once = size(conn, table)
    for letter in "abcd":
        change(conn, f"update raw.big set filler = repeat('{letter}', 100)")
        maintain_tables(conn)
    assert size(conn, table) == once


def test_statistics_are_renewed_when_enough_has_changed(conn, table):
    assert estimate(conn, table) == -1
    assert "raw.big" in maintain_tables(conn).analyzed
    assert estimate(conn, table) == 20_000
    assert "raw.big" not in maintain_tables(conn).analyzed
    change(conn, "insert into raw.big select n, '' from generate_series(20001, 23000) as n")
    assert "raw.big" not in maintain_tables(conn).analyzed
    change(conn, "insert into raw.big select n, '' from generate_series(23001, 24000) as n")
    assert "raw.big" in maintain_tables(conn).analyzed


def test_a_table_that_is_in_use_is_left_for_the_next_time(conn, database, table):
    with database.connect() as other, other.transaction():
        other.execute("lock table raw.big in access exclusive mode")
        maintain_tables(conn)
        assert estimate(conn, table) == -1
    maintain_tables(conn)
    assert estimate(conn, table) == 20_000


def test_the_tables_of_others_are_not_touched(conn, table):
    conn.execute("create role somebody")
    try:
        conn.execute("grant usage on schema raw to somebody")
        conn.execute("set role somebody")
        assert maintain_tables(conn) == ([], [])
    finally:
        conn.execute("reset role")
        conn.execute(sql.SQL("drop owned by {0}; drop role {0}").format(sql.Identifier("somebody")))


def test_names_need_no_good_manners(conn):
    conn.execute('create table raw."Mean; drop table ""x""" (n integer)')
    change(conn, 'insert into raw."Mean; drop table ""x""" select generate_series(1, 11000)')
    assert maintain_tables(conn).analyzed.count('raw."Mean; drop table ""x"""') == 1


def test_a_session_that_was_just_added_is_expected_to_be_as_long_as_the_others(conn):
    """Were it taken for one row, each of its rows would be a loop over all positions."""

    def add(session: str) -> None:
        change(
            conn,
            "insert into analytics.symbol_factor_exposures"
            " (calculation_date, symbol, model, factor, observations, quality_flag)"
            f" select '{session}', 'S' || n, 'ridge', 'Value', 252, 'full_history' from generate_series(1, 600) as n",
        )

    for session in ("2024-01-02", "2024-01-03", "2024-01-04"):
        add(session)
    assert "analytics.symbol_factor_exposures" in maintain_tables(conn).analyzed
    add("2024-01-05")
    ((plan,),) = conn.execute(
        "explain (format json) select * from analytics.symbol_factor_exposures where calculation_date = '2024-01-05'"
    ).fetchall()
    assert 300 < plan[0]["Plan"]["Plan Rows"] < 1200


def test_results_are_sampled_by_their_keys_alone(conn):
    """To sort samples of what nobody looks rows up by was most of the work of analyzing a large night."""
    change(
        conn,
        "insert into analytics.position_risk_contributions"
        " (calculation_date, portfolio_id, position_id, exposure, contribution_vol)"
        " select '2024-01-02', '00000000-0000-0000-0000-000000000001', gen_random_uuid(), n, n"
        " from generate_series(1, 1100) as n",
    )
    assert "analytics.position_risk_contributions" in maintain_tables(conn).analyzed
    sampled = conn.execute("select attname from pg_stats where tablename = 'position_risk_contributions' order by 1")
    assert [name for (name,) in sampled] == ["calculation_date", "portfolio_id", "position_id"]
