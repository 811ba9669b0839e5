"""A backfill or analytics that died is done again by the next run, as it was asked for."""

from datetime import date

import pytest

from nightly import ledger
from nightly.context import Request
from tests.nightly.small_nights import ROLLED_TO, TONIGHT, Night

BACKFILL = Request("backfill", start=date(2024, 1, 8), end=date(2024, 1, 31))


def died(night: Night, request: Request) -> int:
    """Enter a run that has died."""
    with night.database.connect() as conn:
        run = ledger.start_run(
            conn, command=request.command, arguments=request.arguments, trade_date=ROLLED_TO, scope=[], version="test"
        )
    return run.run_id


def risk_sessions(night: Night) -> int:
    return night.rows("select count(distinct calculation_date) from analytics.portfolio_risk_metrics")[0][0]


@pytest.mark.parametrize(
    "request_of",
    [
        Request("run", trade_date=ROLLED_TO),
        Request("backfill", start=date(2024, 1, 8), end=date(2024, 1, 31), portfolios=("Growth", "Income"), force=True),
        Request("backfill", phases=("2",), from_phase=None, demo=True),
        Request("analytics", start=date(2024, 1, 8), end=date(2024, 1, 9)),
    ],
)
def test_the_ledger_holds_a_request_whole(request_of: Request):
    assert Request.from_arguments(request_of.command, request_of.arguments) == request_of


@pytest.mark.parametrize(
    ("wider", "covers"),
    [
        (BACKFILL, True),
        (Request("backfill", start=date(2024, 1, 2)), True),
        (Request("backfill", start=date(2024, 1, 2), end=date(2024, 1, 30)), False),
        (Request("backfill", start=date(2024, 1, 9)), False),
        (Request("backfill"), False),
        (Request("backfill", start=date(2024, 1, 2), portfolios=("Growth",)), False),
        (Request("backfill", start=date(2024, 1, 2), phases=("2",)), False),
        (Request("analytics", start=date(2024, 1, 2)), False),
        (Request("run"), False),
    ],
)
def test_a_request_covers_what_it_does_anyway(wider: Request, covers: bool):
    assert wider.covers(BACKFILL) == covers


def test_the_next_run_does_a_dead_backfill_again(night: Night):
    night.execute("delete from analytics.portfolio_risk_metrics; delete from ops.risk_state")
    dead = died(night, BACKFILL)
    run = night.run(trade_date=ROLLED_TO)
    assert run.status == "succeeded", run.problems
    (warning,) = (problem for problem in run.warnings if problem.scope == f"run {dead}")
    assert f"it was done again as run {dead + 1}" in warning.message
    # 17 sessions from 8 to 31 January (the 15th is a holiday), and the 10 after them up to tonight's, which were missed
    assert risk_sessions(night) == 17 + 10
    runs = night.rows("select command, status from ops.batch_runs where run_id >= %s order by run_id", dead)
    assert runs == [("backfill", "interrupted"), ("backfill", "succeeded"), ("run", "succeeded")]
    assert not [problem for problem in night.run(trade_date=ROLLED_TO).warnings if "died" in problem.message]


def test_one_that_is_covered_is_not_done_twice(night: Night):
    dead = died(night, BACKFILL)
    run = night.run("backfill", start=date(2024, 1, 2), end=ROLLED_TO)
    assert run.run_id == dead + 1
    (warning,) = (problem for problem in run.warnings if problem.scope == f"run {dead}")
    assert warning.message.endswith("its work is picked up")


def test_one_that_can_no_more_be_done_fails_the_run_and_says_why(night: Night):
    dead = died(night, Request("backfill", start=date(2024, 1, 8), portfolios=("Gone",)))
    run = night.run(now=TONIGHT, trade_date=ROLLED_TO)
    assert run.status == "failed"
    (error,) = run.errors
    assert error.scope == f"run {dead}"
    assert "can't be done again" in error.message
    assert "Gone" in error.message
    assert night.run(trade_date=ROLLED_TO).status == "succeeded"
