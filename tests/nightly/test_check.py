"""`check` and `status`, as the operator sees them."""

import json

import pytest

from nightly import cli


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
    monkeypatch.setenv("AFTERCLOSE_PROVIDERS", "")
    on_this_database.execute("drop table analytics.positions cascade")
    assert cli.main(["check"]) == 2
    out = capsys.readouterr().out
    assert "failed    providers: no source of market data" in out
    assert "failed    dbt models: analytics.positions not built: run a night" in out
    assert "data checks" not in out


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
    assert cli.main(["status"]) == 0
    out = capsys.readouterr().out
    for text in ("Recent runs", "succeeded", "Growth", "2024-02-14", "close is not positive"):
        assert text in out
    assert "Restated" not in out
    assert cli.main(["status", "1"]) == 0
    assert "Growth, Income: 31 sessions, 2024-01-02 to 2024-02-14" in capsys.readouterr().out
