"""Comments in the database say what the project's YAML says."""

import pytest

from nightly.dbt.descriptions import write_descriptions
from nightly.dbt.runner import Dbt
from tests.nightly.small_nights import Night

COMMENTS = """
    select col_description(attrelid, attnum) from pg_attribute
    where attrelid = %s::regclass and attnum > 0 and not attisdropped
"""


@pytest.fixture
def said(night: Night) -> dict[tuple[str, str, str], str]:
    return Dbt(night.database, night.settings.home / "dbt").descriptions()


def test_a_night_leaves_every_published_table_described_to_its_last_column(night: Night, said):
    relations = night.rows(
        "select relname::text, obj_description(oid, 'pg_class') from pg_class"
        " where relnamespace = 'analytics'::regnamespace and relkind in ('r', 'v')"
    )
    assert len(relations) >= 27
    for relation, comment in relations:
        assert comment == said["analytics", relation, ""]
        comments = [text for (text,) in night.rows(COMMENTS, f"analytics.{relation}")]
        assert None not in comments, relation
    snapshot = night.rows(COMMENTS, "analytics.portfolio_snapshots")
    assert (said["analytics", "portfolio_snapshots", "hhi"],) in snapshot


def test_what_a_rebuild_or_a_person_changed_is_put_back_and_nothing_else_is_written(night: Night, said):
    night.execute("comment on column analytics.portfolio_snapshots.hhi is 'something else'")
    night.execute("comment on view analytics.position_volatility is null")
    night.execute("create table analytics.notes (id integer)")
    night.execute("comment on table analytics.notes is 'of somebody else'")
    with night.database.connect() as conn:
        assert write_descriptions(conn, said) == 2
        assert write_descriptions(conn, said) == 0
    assert night.rows("select obj_description('analytics.notes'::regclass, 'pg_class')") == [("of somebody else",)]


def test_text_with_quotes_and_percent_signs_is_kept_as_it_is(night: Night):
    text = 'it\'s 100 % of "it"; drop table x'
    with night.database.connect() as conn:
        assert write_descriptions(conn, {("analytics", "positions", "symbol"): text}) == 1
    assert (text,) in night.rows(COMMENTS, "analytics.positions")
