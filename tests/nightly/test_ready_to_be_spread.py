"""What a database needs to be spread over servers by portfolio holds on one server, too."""

import re
from pathlib import Path

from tests.nightly.small_nights import Night
from warehouse.settings import PROJECT_ROOT

# The tables with rows of portfolios that nights write. `raw`, and the states of the batch in `ops`, stay on one server
# with the triggers that note their changes.
OF_PORTFOLIOS = """
    select classes.oid, classes.oid::regclass::text as name
    from pg_class as classes
    inner join pg_attribute on classes.oid = attrelid and attname = 'portfolio_id' and not attisdropped
    where
        classes.relkind = 'r'
        and (
            relnamespace in ('analytics'::regnamespace, 'intermediate'::regnamespace)
            or classes.oid = 'ops.roll_forward_window'::regclass
        )
"""


def test_every_key_of_a_table_of_portfolios_holds_the_portfolio(night: Night):
    keys = night.rows(
        f"""
        select tables.name, indexes.indexrelid::regclass::text, 'portfolio_id' in (
            select attname from pg_attribute where attrelid = indexes.indrelid and attnum = any (indkey)
        )
        from ({OF_PORTFOLIOS}) as tables
        inner join pg_index as indexes on tables.oid = indexes.indrelid and indexes.indisunique
        """
    )
    assert {"analytics.position_values", "analytics.positions", "intermediate.lots"} <= {table for table, _, _ in keys}
    assert [(table, index) for table, index, holds in keys if not holds] == []


def test_no_table_of_portfolios_has_a_foreign_key_or_a_key_that_may_be_null(night: Night):
    assert (
        night.rows(f"select conrelid::regclass from pg_constraint where contype = 'f' and {in_tables('conrelid')}")
        == []
    )
    assert (
        night.rows(
            "select indexrelid::regclass from pg_index"
            f" where (indnullsnotdistinct or indexprs is not null) and indisunique and {in_tables('indrelid')}"
        )
        == []
    )


def test_what_an_upsert_writes_is_computed_before_it_and_what_is_selected_has_a_column(night: Night):
    compiled = [file for folder in night.settings.home.rglob("compiled") for file in folder.rglob("*.sql")]
    ours = [file for folder in FOLDERS for file in (PROJECT_ROOT / folder).rglob("*") if file.suffix in {".py", ".sql"}]
    assert len(compiled) > 50
    for file in {*compiled, *ours} - PUBLISHED:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"\bselect\s+from\b", text), f"{file}: write `select 1 from`, which any server can be sent"
        for upsert in re.findall(r"\bdo update set\b(?:(?!\"\"\"|;|\n *\[).)*", text, re.DOTALL):
            assert not VOLATILE.search(upsert), f"{file}: an upsert takes what it writes from `excluded`"


FOLDERS = ("api", "dbt_project", "ingest", "nightly", "python_models", "reports", "warehouse")
VOLATILE = re.compile(r"\b(clock_timestamp|gen_random_uuid|random|nextval)\(")
# Migrations never change, and they run on one server.
PUBLISHED = {
    file for file in (PROJECT_ROOT / "warehouse" / "migrations").glob("*.sql") if Path(file).name < "0040"
}  # fmt: skip


def in_tables(column: str) -> str:
    """A condition on a relation's number: a table of portfolios."""
    return f"{column} in (select oid from ({OF_PORTFOLIOS}) as tables)"
