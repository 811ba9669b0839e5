"""`check` and `status`, as the operator sees them."""

import json
import sys
from datetime import UTC, datetime, timedelta

import pytest

from nightly import cli
from nightly.freshness import read_freshness
from nightly.invocation import as_typed
from tests.fakes.fmp import KEY as FMP_KEY
from tests.fakes.market import Listing, bars_of
from tests.fakes.massive import KEY as POLYGON_KEY
from tests.nightly.small_nights import ROLLED_TO


@pytest.fixture
def on_this_database(night, monkeypatch: pytest.MonkeyPatch):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    return night


def test_a_failed_data_check_says_what_is_wrong_with_an_example_and_what_to_do(on_this_database, capsys):
    night = on_this_database
    for change in (
        "update analytics.portfolio_snapshots set cash_value = cash_value + 1",
        "update analytics.position_values set is_stale = true, price_date = '2024-01-12'"
        " where symbol = 'AAA' and value_date = '2024-02-14'",
        "insert into analytics.sector_map select * from analytics.sector_map where source_sector = 'Materials'",
        # tables of an earlier check: one test finds nothing now, and one no longer exists
        "create schema failed_checks",
        "create table failed_checks.price_jumps_without_event as select 'AAA' as symbol",
        "create table failed_checks.renamed_since as select 'AAA' as symbol",
    ):
        night.execute(change)
    assert cli.main(["check"]) == 1
    out = capsys.readouterr().out
    setup, _, data = out.partition("dbt models: built")
    assert "failed" not in setup
    lines = data.splitlines()
    found = {line.split()[1]: lines[place : place + 3] for place, line in enumerate(lines) if line[2:9].strip()}
    failed = {name[:-1] for name, (line, *_) in found.items() if line.startswith("  failed")}
    assert failed == {
        "snapshot_is_sum_of_positions",
        "fresh_prices_cover_the_book",
        "unique_sector_map_source_sector",
    }
    # a test in its own file: what is wrong, how many rows and one of them, how to see all
    what, rows, where = found["snapshot_is_sum_of_positions:"]
    assert what.startswith("  failed    snapshot_is_sum_of_positions: A snapshot is not the sum of its positions, or")
    assert "`backfill --start D --portfolio NAME`" in what
    assert rows.startswith("            62 rows, such as portfolio_id ")
    assert ", equity_balance " in rows
    assert where == as_typed(
        "            see them: python run_nightly.py dbt -- show --limit 100 --select snapshot_is_sum_of_positions"
    )
    # a test whose rows are stored
    _, rows, where = found["fresh_prices_cover_the_book:"]
    assert rows == (
        "            1 row, such as symbol AAA, value_date 2024-02-14, price_date 2024-01-12, absolute_value 15000,"
        " fresh_share 0.677419"
    )
    assert "see them: table failed_checks.fresh_prices_cover_the_book, or" in where
    # and a test that has a name in dbt and no sentence of ours
    what, rows, _ = found["unique_sector_map_source_sector:"]
    assert what.endswith(
        "sector_map.source_sector has a value more than once;"
        " what sector_map promises stands in dbt_project/seeds/seeds.yml"
    )
    assert rows == "            1 row, such as unique_field Materials, n_records 2"
    assert "3 failed" in lines[-1]
    stored = {
        name for (name,) in night.rows("select tablename::text from pg_tables where schemaname = 'failed_checks'")
    }
    warned = {name[:-1] for name, (line, *_) in found.items() if line.startswith("  warning")}
    assert "holdings_without_recent_price" in stored
    assert stored == warned | {"fresh_prices_cover_the_book"}
    assert night.rows("select symbol from failed_checks.fresh_prices_cover_the_book") == [("AAA",)]
    assert night.rows(
        "select has_schema_privilege('afterclose_reader', 'failed_checks', 'usage'),"
        " has_table_privilege('afterclose_reader', 'failed_checks.fresh_prices_cover_the_book', 'select')"
    ) == [(False, False)]


def test_a_broken_setup_ends_before_the_data(on_this_database, monkeypatch, capsys):
    monkeypatch.setenv("AFTERCLOSE_PROVIDERS", "files:nowhere")
    on_this_database.execute("drop table analytics.positions cascade")
    assert cli.main(["check"]) == 2
    out = capsys.readouterr().out
    assert "broken    providers: AFTERCLOSE_PROVIDERS: nowhere is not a folder" in out
    assert "broken    dbt models: analytics.positions not built: run a night" in out
    assert "data checks" not in out


def test_the_fast_check_looks_at_the_environment_alone(on_this_database, monkeypatch, capsys):
    on_this_database.execute("drop table analytics.positions cascade")
    assert cli.main(["check", "--fast"]) == 0
    names = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert names == ["database:", "migrations:", "calendar:", "providers:", "disk:", "clock:", "bytecode:"]
    # a clock that was set back would choose a session of long ago
    on_this_database.execute("update ops.batch_runs set started_at = now() + interval '1 day'")
    assert cli.main(["check", "--fast"]) == 2
    assert "before the last run: set it (NTP)" in capsys.readouterr().out
    assert cli.main(["run", "--date", "2024-02-15"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: clock: it says")


def test_bytecode_that_cannot_be_kept_is_a_warning_with_the_command(on_this_database, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))  # where there is none
    assert cli.main(["check", "--fast"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "bytecode:" in line]
    assert line.split()[0] == "warning"
    assert "-m compileall -q" in line


def test_status_shows_runs_portfolios_and_what_was_refused(on_this_database, capsys):
    night = on_this_database
    night.execute(
        "insert into ops.rejected_rows (source, relation, symbol, row_date, reason, payload)"
        " values ('files', 'market_data_cache', 'AAA', '2024-02-14', 'close is not positive', '{}')"
    )
    assert cli.main(["status", "--json"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert [run["status"] for run in state["runs"]] == ["succeeded"]
    assert [(each["name"], each["rolled_to"]) for each in state["portfolios"]] == [
        ("Growth", "2024-02-14"),
        ("Income", "2024-02-14"),
    ]
    assert [(each["reason"], each["rows"]) for each in state["quarantine"]] == [("close is not positive", 1)]
    tables = {each["table"]: each for each in state["tables"]}
    for name in ("daily_returns", "position_values", "portfolio_snapshots", "portfolio_risk_metrics"):
        assert tables[f"analytics.{name}"]["good_to"] == "2024-02-14"
    night.execute("delete from analytics.portfolio_snapshots where snapshot_date = '2024-02-12' and cash_value < 30000")
    with night.database.connect() as conn:
        found = {each["table"]: each for each in read_freshness(conn, ROLLED_TO)}
    # The only night so far computed the risk of its own session. No later night goes back before that.
    assert found["analytics.portfolio_risk_metrics"]["sessions_missing"] == 0
    lacking = found["analytics.portfolio_snapshots"]
    assert (lacking["sessions_missing"], lacking["from"], lacking["to"]) == (1, "2024-02-12", "2024-02-12")
    assert found["analytics.position_values"]["sessions_missing"] == 0
    assert cli.main(["status"]) == 0
    out = capsys.readouterr().out
    for text in (
        "Recent runs",
        "analytics.position_values",
        "succeeded",
        "Growth",
        "2024-02-14",
        "close is not positive",
    ):
        assert text in out
    assert "Restated" not in out
    assert cli.main(["status", "1"]) == 0
    assert "Growth, Income: 31 sessions, 2024-01-02 to 2024-02-14" in capsys.readouterr().out


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AFTERCLOSE_PROVIDERS", "yahoo,fmp,polygon")
    monkeypatch.setenv("FMP_API_KEY", FMP_KEY)
    monkeypatch.setenv("POLYGON_API_KEY", POLYGON_KEY)
    monkeypatch.setenv("AFTERCLOSE_POLYGON_PER_MINUTE", "6000")


@pytest.mark.filterwarnings("ignore")
def test_each_source_is_tried_once(keys, yahoo, fmp, massive, monkeypatch, capsys):
    today = datetime.now(UTC).date()
    closes = bars_of({today - timedelta(n): 100.0 for n in range(9)})
    yahoo.add(Listing("SPY", closes))
    fmp.add(Listing("AAPL", closes))
    massive.bars["O:AAPL270115C00150000"] = {}
    assert cli.main(["check", "--live"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "  ok        yahoo: it answers",
        "  ok        fmp: it answers",
        "  ok        polygon: it answers",
    ]
    monkeypatch.setenv("FMP_API_KEY", "a-wrong-key")
    monkeypatch.setenv("POLYGON_API_KEY", "")
    assert cli.main(["check", "--live"]) == 1
    yahoo_works, failed, left_out = capsys.readouterr().out.splitlines()
    assert yahoo_works == "  ok        yahoo: it answers"
    assert failed.startswith("  failed    fmp: refused (the key is not valid")
    assert "a-wrong-key" not in failed
    assert left_out == "  none      polygon: no key, left out (set POLYGON_API_KEY)"


def test_a_folder_without_prices_is_a_broken_setup_unless_another_source_has_them(night, monkeypatch, tmp_path, capsys):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "profiles.csv").write_text("symbol,name\nAAA,Aaa Inc\n")
    monkeypatch.setenv("AFTERCLOSE_PROVIDERS", f"files:{tmp_path}")
    assert cli.main(["check", "--fast"]) == 2
    assert "there is no prices.csv, and nobody else is asked for prices" in capsys.readouterr().out
    assert cli.main(["run"]) == 2
    for unreadable, said in (
        ("symbol;date;close\nAAA;2024-01-05;100\n", "its columns are separated by semicolons: save it as CSV"),
        ('symbol,date,close\nAAA,2024-01-05,"100,5"\n', "close: '100,5' is not a number: write decimals with a point"),
    ):
        (tmp_path / "prices.csv").write_text(unreadable)
        assert cli.main(["check", "--fast"]) == 2
        told = capsys.readouterr().out
        assert "broken    providers: " in told
        assert said in told
    (tmp_path / "prices.csv").unlink()
    monkeypatch.setenv("AFTERCLOSE_PROVIDERS", f"files:{tmp_path},yahoo")
    assert cli.main(["check", "--fast"]) == 0
    (tmp_path / "prices.csv").write_text("symbol;date;close\n")
    assert cli.main(["check", "--fast"]) == 0
    assert "prices.csv: its columns are separated by semicolons" in capsys.readouterr().out
