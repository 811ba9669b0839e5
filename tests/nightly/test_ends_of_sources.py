"""Where the sources are files that end before today: what is rolled then, and how it is told."""

import json
from datetime import UTC, date, datetime

import pytest

from nightly import cli
from tests.nightly.small_nights import LAST_PRICE, ROLLED_TO, Night

YEARS_LATER = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
NEXT_EVENINGS = datetime(2024, 2, 23, 23, 30, tzinfo=UTC)


def test_a_backfill_stops_where_the_prices_end_and_says_so_in_a_sentence(night: Night):
    run = night.run("backfill", now=YEARS_LATER)
    assert (run.status, run.trade_date) == ("succeeded", LAST_PRICE)
    (told,) = [problem.message for problem in run.problems if problem.scope == "coverage"]
    assert f"end on {LAST_PRICE}, 509 sessions before 2026-03-02: rolled as far as they reach; --end rolls" in told
    assert night.rows("select max(value_date) from analytics.position_values") == [(LAST_PRICE,)]
    again = night.run("backfill", now=YEARS_LATER)
    assert again.status == "succeeded"


def test_an_end_that_was_asked_for_is_kept(night: Night):
    run = night.run("backfill", now=YEARS_LATER, end=date(2024, 2, 20))
    assert run.trade_date == date(2024, 2, 20)
    assert run.status == "failed"  # its prices are old, and coverage says so


def test_a_night_long_after_the_last_price_fails_and_rolls_no_empty_years(night: Night):
    run = night.run("run", now=YEARS_LATER)
    assert (run.status, run.trade_date) == ("failed", LAST_PRICE)
    assert [problem.scope for problem in run.errors] == ["coverage"]
    assert "bring newer ones, or name another source" in run.errors[0].message


def test_a_night_a_few_sessions_after_the_last_price_is_a_night_as_ever(night: Night):
    assert night.run("run", now=NEXT_EVENINGS).trade_date == date(2024, 2, 23)


def test_a_dry_run_ends_there_too(night: Night, monkeypatch, capsys):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    assert cli.main(["backfill", "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["trade_date"], len(plan["problems"])) == (LAST_PRICE.isoformat(), 1)
    assert plan["rolled"][0]["last_session"] == LAST_PRICE.isoformat()


def test_the_status_says_that_the_prices_end_there(night: Night, monkeypatch, capsys):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    assert cli.main(["status"]) == 0
    assert f"(rolled to {ROLLED_TO}, and " in " ".join(capsys.readouterr().out.split()), "there are prices for more"
    night.run("backfill", now=YEARS_LATER)
    assert cli.main(["status"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"(rolled to {LAST_PRICE}, where the prices of files:" in told
    assert " due since" not in told


@pytest.mark.parametrize("stored", [ROLLED_TO])
def test_prices_that_are_stored_count_as_well_as_those_in_the_folder(night: Night, tmp_path, stored):
    (tmp_path / "prices.csv").write_text("symbol,date,close\nAAA,2024-01-05,100\n")
    elsewhere = Night(night.database, night.settings.model_copy(update={"providers": f"files:{tmp_path}"}))
    assert elsewhere.run("backfill", now=YEARS_LATER).trade_date == stored
