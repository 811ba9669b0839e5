"""The demo, twice: what it shows, and that the second time changes nothing but the records of its runs."""

import pytest

from nightly import cli, demo
from nightly.invocation import as_typed
from warehouse.database import Database, open_database
from warehouse.settings import load_settings


def contents(database: Database) -> dict[str, tuple]:
    """Of every table outside `ops`: how many rows it has, and a hash of them."""
    with database.connect() as conn:
        tables = conn.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables"
            " where schemaname in ('raw', 'staging', 'intermediate', 'analytics')"
        ).fetchall()
        return {
            table: conn.execute(
                f"select count(*), md5(string_agg(row::text, '|' order by row::text)) from {table} as row"
            ).fetchone()
            for (table,) in tables
        }


def test_the_demo_shows_a_morning_and_a_second_one_changes_nothing(capsys: pytest.CaptureFixture[str]):
    settings = demo.demo_settings(load_settings())
    with open_database(settings, name=demo.DATABASE_NAME) as database:
        assert cli.main(["demo"]) == 0
        first = contents(database)
        out = capsys.readouterr().out
        for text in (
            "In the morning: 2016-07-01",
            "Core Growth",
            "Long Short Equity",
            "beta 0.82",
            "worst scenario",
            "Market -35 %",
            "Information Technology",
            "closes are adjusted",
            "no corporate actions",
            as_typed("python run_nightly.py load ingest/sample/portfolios"),
            as_typed('python run_nightly.py show "Core Growth" --demo'),
        ):
            assert text in out
        assert cli.main(["show", "Core Growth", "--demo"]) == 0
        page = capsys.readouterr().out
        for text in ("Friday 1 July 2016", "1,119,514", "Market -35 %", "-358,333"):
            assert text in page
        assert cli.main(["demo"]) == 0
        assert contents(database) == first
        assert "20 sessions, 2016-06-06 to 2016-07-01" in capsys.readouterr().out
    assert first["analytics.portfolio_snapshots"][0] == 3 * 378
    assert first["analytics.portfolio_risk_metrics"][0] == 3 * 20
    assert first["raw.market_data_cache"][0] > 10_000
