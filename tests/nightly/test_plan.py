"""What a backfill says it will do, and that it does just that."""

import json
from datetime import date

import pytest

from ingest.books.portfolios import load_folder
from nightly import cli, plan
from nightly.context import Request
from nightly.night import run_night
from nightly.output.log import open_log
from nightly.output.progress import LogProgress, Progress
from nightly.phases.roll_forward import window
from tests.nightly.small_nights import ROLLED_TO, TONIGHT

CORRECTED = (
    "update raw.market_data_cache set close = close + 1 where symbol = 'BBB' and price_date = '2024-02-01';"
    "update raw.market_data_cache set close = close + 1 where symbol = 'AAA' and price_date in"
    " ('2024-02-05', '2024-02-06')"
)
KEPT = (
    *(f"analytics.{name}" for name in ("position_values", "portfolio_snapshots", "positions", "daily_returns")),
    *(
        f"ops.{name}"
        for name in (
            "risk_state",
            "preparations",
            "batch_runs",
            "roll_forward_state",
            "input_changes",
            "input_changes_outstanding",
        )
    ),
    "raw.market_data_cache",
)


def kept(night) -> dict[str, list]:
    """Everything that a dry run has to leave alone, down to who wrote each row."""
    return {name: night.rows(f"select xmin::text, t::text from {name} as t order by 2") for name in KEPT}


def make(night, **request) -> dict:
    return plan.make_plan(night.database, night.settings, Request("backfill", **request), TONIGHT, Progress())


@pytest.fixture
def corrected(night):
    """The rolled database, with closes of both symbols restated since."""
    night.execute(CORRECTED)
    return night


def test_a_dry_run_says_what_is_rolled_and_why_and_does_nothing(corrected):
    before = kept(corrected)
    made = make(corrected, start=date(2024, 2, 7), end=date(2024, 2, 9))
    # Growth holds AAA and BBB, Income BBB alone. Sessions: 4 from 1 to 6 February, 3 to the 9th, 3 to the 14th.
    assert plan.render(made).splitlines() == [
        "backfill of all portfolios: 3 sessions, 2024-02-07 to 2024-02-09",
        "  1     prices of 3 sessions, 2024-02-07 to 2024-02-09 are collected; what the sources restate comes on top of"
        " this:",
        "  2     BBB close of 2024-02-01 restated: 2 portfolios from 2024-02-01",
        "        AAA closes of 2024-02-05 to 2024-02-06 restated: Growth from 2024-02-05",
        "        asked for: 2 portfolios from 2024-02-07",
        "        Growth, Income: 10 sessions, 2024-02-01 to 2024-02-14 (4 before those asked for: BBB close of"
        " 2024-02-01 restated; 3 after those asked for: the chain goes on to its end)",
        "  3     risk of 3 sessions, 2024-02-07 to 2024-02-09 is computed, unless it is current",
        "        and the session 2024-02-14 again, where it comes out differently: BBB close of 2024-02-01 restated and"
        " 1 more",
        "dry run: nothing was done",
    ]
    assert kept(corrected) == before
    # and the run does what the plan says
    done = corrected.run("backfill", start=date(2024, 2, 7), end=date(2024, 2, 9), phases=("2", "2.75"))
    counts = done.phases[0].counts
    assert {name: counts[name] for name in ("causes", "rolled", "idle")} == {
        name: made[name] for name in ("causes", "rolled", "idle")
    }
    assert plan.render(make(corrected)).splitlines()[-5:] == [
        "  2     next session: 2 portfolios from 2024-02-15",
        "        Growth, Income: 2024-02-15",
        "  3     risk of 2024-02-15 is computed, unless it is current",
        "        and the session 2024-02-14 again, where it comes out differently: BBB close of 2024-02-01 restated and"
        " 1 more",
        "dry run: nothing was done",
    ]


@pytest.mark.slow
def test_a_dry_run_of_one_portfolio_leaves_the_other_out(corrected, monkeypatch, capsys):
    for name, value in corrected.environment().items():
        monkeypatch.setenv(name, value)
    command = ["backfill", "--dry-run", "--end", str(ROLLED_TO), "--portfolio", "Income", "--json"]
    assert cli.main(command) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["asked_for"] is None
    assert made["causes"] == [
        {
            "cause": "BBB close of 2024-02-01 restated",
            "portfolios": 1,
            "portfolio": "Income",
            "first_session": "2024-02-01",
        }
    ]
    assert [(each["portfolio"], each["sessions"]) for each in made["rolled"]] == [("Income", 10)]
    assert cli.main(["backfill", "--dry-run", "--portfolio", "Nobody"]) == 2


@pytest.mark.slow
def test_a_backfill_says_its_plan_before_it_writes(corrected, capsys):
    corrected.refuse_writes("analytics.position_values")
    request = Request("backfill", end=ROLLED_TO, phases=("2",))
    progress = LogProgress(open_log("logfmt", verbose=False))
    run = run_night(corrected.database, corrected.settings, request, TONIGHT, progress)
    assert run.status == "failed"
    said = capsys.readouterr().err
    assert "backfill of all portfolios: what is due to 2024-02-14" in said
    assert "BBB close of 2024-02-01 restated: 2 portfolios from 2024-02-01" in said
    assert "Growth, Income: 10 sessions, 2024-02-01 to 2024-02-14" in said


@pytest.mark.slow
def test_a_dry_run_before_the_first_run_of_all(unrolled, small_book):
    with unrolled.database.connect() as conn:
        load_folder(conn, small_book)
    made = make(unrolled)
    assert made["causes"][0]["cause"] == "first roll"
    assert "        Growth, Income: 32 sessions, 2024-01-02 to 2024-02-15" in plan.render(made).splitlines()
    assert unrolled.rows("select to_regclass('analytics.position_values') is null") == [(True,)]


def test_a_long_list_is_cut_and_says_what_it_leaves_out():
    causes = [
        {"cause": f"S{n} split of 2024-01-02 added", "portfolios": 2, "portfolio": "P", "first_session": "2024-01-02"}
        for n in range(15)
    ]
    one = {"sessions": 2, "sessions_before": 0, "sessions_after": 0, "is_withdrawn": False, "reason": ""}
    rolled = [
        {**one, "portfolio": f"P{n}", "first_session": f"2024-01-{n // 4 + 2:02}", "last_session": "2024-01-31"}
        for n in range(60)
    ]
    lines = window.describe(causes, rolled, {"portfolios": 1, "rolled_to": "2024-01-31"})
    assert lines[0] == "S0 split of 2024-01-02 added: 2 portfolios from 2024-01-02"
    assert lines[12:14] == [
        "and 3 more causes, the earliest from 2024-01-02",
        "4 portfolios: 2 sessions, 2024-01-02 to 2024-01-31",
    ]
    assert lines[-2:] == [
        "and 12 portfolios more, the earliest from 2024-01-14",
        "1 portfolio is rolled to 2024-01-31 already",
    ]
