"""`check` and `status`, as the operator sees them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from small_nights import ROLLED_TO

from nightly import cli
from nightly.freshness import read_freshness
from tests.fakes.fmp import KEY as FMP_KEY
from tests.fakes.market import Listing, bars_of
from tests.fakes.massive import KEY as POLYGON_KEY


@pytest.fixture
def on_this_database(night, monkeypatch: pytest.MonkeyPatch):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    return night


def test_a_failed_data_check_is_named_with_its_rows(on_this_database, capsys):
    on_this_database.execute("update analytics.portfolio_snapshots set cash_value = cash_value + 1")
    assert cli.main(["check"]) == 1
    out = capsys.readouterr().out
    setup, _, data = out.partition("dbt models: built")
    assert "failed" not in setup
    failed = [line for line in data.splitlines() if line.startswith("  failed")]
    assert len(failed) == 1
    assert failed[0] == (
        "  failed    snapshot_is_sum_of_positions: 62 rows: look at them with"
        " `python run_nightly.py dbt -- show --select snapshot_is_sum_of_positions`"
    )
    assert "1 failed" in data.splitlines()[-1]


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
    assert names == ["database:", "migrations:", "calendar:", "providers:", "disk:", "clock:"]
    # a clock that went back would choose a session of long ago
    on_this_database.execute("update ops.batch_runs set started_at = now() + interval '1 day'")
    assert cli.main(["check", "--fast"]) == 2
    assert "before the last run: set it (NTP)" in capsys.readouterr().out
    assert cli.main(["run", "--date", "2024-02-15"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: clock: it says")


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
