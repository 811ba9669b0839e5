"""Views over a relation that dbt rebuilds stay, and show the new one."""

from pathlib import Path

import psycopg
import pytest

from nightly.dbt.runner import PROJECT, Dbt
from tests.nightly.tiny_project import write_project
from warehouse.database import Database

HOOK = "post_hook=['{{ keep_views() }}', {'sql': '{{ recall_views() }}', 'transaction': false}]"


@pytest.mark.slow
def test_views_outlive_a_rebuild_of_what_they_show(conn: psycopg.Connection, database: Database, tmp_path: Path, capfd):
    project = write_project(
        tmp_path / "project",
        {
            "macros/keep_views.sql": (PROJECT / "macros" / "keep_views.sql").read_text(),
            "models/history.sql": "{{ config(materialized='incremental', " + HOOK + ") }} select 1 as number",
            "models/upper.sql": "{{ config(materialized='view', "
            + HOOK
            + ") }} select number from {{ ref('history') }}",
        },
    )
    dbt = Dbt(database, tmp_path / "workspace", project)
    dbt.run(["history", "upper"])
    conn.execute("create view public.outside as select upper.number from analytics.upper")
    conn.execute("create view public.direct as select h.number from analytics.history as h where h.number > 0")
    (project / "models" / "history.sql").write_text(
        "{{ config(materialized='incremental', " + HOOK + ") }} select 2 as number"
    )
    assert dbt.command(["run", "--full-refresh", "--select", "history"]) == 0
    for view in ("analytics.upper", "public.outside", "public.direct"):
        assert conn.execute(f"select number from {view}").fetchall() == [(2,)]
    assert dbt.command(["run", "--select", "upper"]) == 0
    assert dbt.command(["run", "--full-refresh"]) == 0
    assert conn.execute("select number from public.outside").fetchall() == [(2,)]
