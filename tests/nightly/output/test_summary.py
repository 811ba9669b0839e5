"""What a run reads like, and the command that repeats what failed."""

from datetime import UTC, date, datetime, timedelta

import pytest

from nightly.output.summary import as_json, exit_status, render, rerun_command
from nightly.record import PhaseRecord, RunProblem, RunRecord

STARTED = datetime(2024, 2, 15, 23, 30, tzinfo=UTC)


def record(command="run", status="failed", failed=(), problems=(), scope=(), **arguments) -> RunRecord:
    phases = {"1": "Market Data Collection", "2": "P&L & Snapshots", "2.5": "Position Market Values"}
    if "3" in failed:
        phases["3"] = "Risk Analytics"
    return RunRecord(
        run_id=7,
        command=command,
        arguments=arguments,
        trade_date=date(2024, 2, 15),
        scope=list(scope),
        started_at=STARTED,
        version="0.1.0",
        status=status,
        finished_at=STARTED + timedelta(seconds=12.34),
        phases=[
            PhaseRecord(number, name, "failed" if number in failed else "succeeded", 1.5, {"n": 1}, [f"{name} did it"])
            for number, name in phases.items()
        ],
        problems=[*problems, *(RunProblem("model x", "division by zero", phase=number) for number in failed)],
    )


def with_risk(run: RunRecord) -> RunRecord:
    """The same run with a risk phase that went well."""
    run.phases.append(PhaseRecord("3", "Risk Analytics", "succeeded", 1.5))
    return run


def since(first_session: str, run: RunRecord) -> RunRecord:
    """The same run with a risk phase that began at this session."""
    run.phases[-1].counts["start"] = first_session
    return run


def without(portfolio: str, run: RunRecord) -> RunRecord:
    """The same run with this portfolio set aside by phase 2."""
    next(phase for phase in run.phases if phase.phase == "2").counts["set_aside"] = {portfolio: "no room"}
    return run


@pytest.mark.parametrize(
    ("run", "command"),
    [
        (record(status="succeeded"), None),
        (record(failed=["2.5"]), "run --date 2024-02-15 --phase 2.5"),
        (record(failed=["2", "2.5"], scope=["A B"]), "run --date 2024-02-15 --portfolio 'A B' --phase 2 --phase 2.5"),
        # the risk of that run was computed without the roll
        (with_risk(record(failed=["2"])), "run --date 2024-02-15 --phase 2 --phase 3"),
        # no phase after a failed collection saw its prices
        (record(failed=["1"]), "run --date 2024-02-15"),
        (record(problems=[RunProblem("coverage", "80 %")]), "run --date 2024-02-15"),
        (record(problems=[RunProblem("coverage", "80 %")], phase=["2"]), "run --date 2024-02-15"),
        (record(failed=["1"], phase=["1"]), "run --date 2024-02-15 --phase 1"),
        (record(failed=["1"], from_phase="1"), "run --date 2024-02-15 --from-phase 1"),
        (
            record("backfill", failed=["2"], start="2024-01-02"),
            "backfill --start 2024-01-02 --end 2024-02-15 --phase 2",
        ),
        (record("backfill", status="interrupted"), "backfill --end 2024-02-15"),
        (record(failed=["3"]), "analytics --date 2024-02-15"),
        (record(failed=["3"], scope=["A B"], phase=["3"]), "analytics --date 2024-02-15 --portfolio 'A B'"),
        (record(failed=["2.5", "3"]), "run --date 2024-02-15 --phase 2.5 --phase 3"),
        (record("backfill", failed=["3"], start="2024-01-02"), "analytics --start 2024-01-02 --end 2024-02-15"),
        # what was due is no longer due
        (since("2024-02-01", record("backfill", failed=["3"])), "analytics --start 2024-02-01 --end 2024-02-15"),
        (
            since("2024-02-01", record("backfill", failed=["2.5", "3"])),
            "backfill --start 2024-02-01 --end 2024-02-15 --phase 2.5 --phase 3",
        ),
        (record("analytics", failed=["3"]), "analytics --date 2024-02-15"),
        (record("analytics", failed=["3"], start="2024-01-02"), "analytics --start 2024-01-02 --end 2024-02-15"),
        (record("analytics", failed=["3"], force=True), "analytics --date 2024-02-15 --force"),
        (record("analytics", status="interrupted"), "analytics --date 2024-02-15"),
        (without("A B", record(failed=["2"], phase=["2"])), "run --date 2024-02-15 --portfolio 'A B' --from-phase 2"),
        # something else failed as well
        (without("A B", record(failed=["2", "2.5"])), "run --date 2024-02-15 --phase 2 --phase 2.5"),
        (record(failed=["2.5"], demo=True), "run --date 2024-02-15 --phase 2.5 --demo"),
        (record("analytics", problems=[RunProblem("coverage", "80 %")]), "analytics --date 2024-02-15"),
    ],
)
def test_the_command_that_repeats_what_failed(run, command):
    assert rerun_command(run) == (command and f"python run_nightly.py {command}")


def test_a_failed_run_reads_from_top_to_bottom():
    text = render(record(failed=["2.5"], problems=[RunProblem("ZZZ", "no price", "warning", "1")]))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines == [
        "run 7 · trade date 2024-02-15 · all portfolios",
        "1 Market Data Collection \x1b[32msucceeded\x1b[0m 1.5 s",
        "Market Data Collection did it",
        "2 P&L & Snapshots \x1b[32msucceeded\x1b[0m 1.5 s",
        "P&L & Snapshots did it",
        "2.5 Position Market Values \x1b[31mfailed\x1b[0m 1.5 s",
        "Position Market Values did it",
        "errors:",
        "phase 2.5 · model x: division by zero",
        "warnings:",
        "phase 1 · ZZZ: no price",
        "to repeat what failed:",
        "python run_nightly.py run --date 2024-02-15 --phase 2.5",
        "\x1b[31mfailed\x1b[0m in 12.3 s, 1 error, 1 warning",
    ]


def test_many_problems_are_cut_short_and_counted():
    problems = [RunProblem(f"S{number}", "no price", "warning", "1") for number in range(50)]
    text = render(record(status="succeeded", problems=problems))
    assert "S19: no price" in text
    assert "S20" not in text
    assert "and 30 more: `python run_nightly.py status 7 --json` has all" in text


def test_json_holds_everything():
    run = as_json(record(failed=["2"], problems=[RunProblem("ZZZ", "no price", "warning", "1")], scope=["Growth"]))
    assert run["status"] == "failed"
    assert run["portfolios"] == ["Growth"]
    assert run["phases"][1] == {
        "phase": "2",
        "name": "P&L & Snapshots",
        "status": "failed",
        "seconds": 1.5,
        "start_up_seconds": 0.0,
        "counts": {"n": 1},
        "lines": ["P&L & Snapshots did it"],
    }
    assert run["errors"] == [{"phase": "2", "scope": "model x", "message": "division by zero"}]
    assert run["warnings"] == [{"phase": "1", "scope": "ZZZ", "message": "no price"}]
    assert run["rerun"].endswith("--portfolio Growth --phase 2")


def test_exit_status_is_one_for_whatever_did_not_succeed():
    assert [exit_status(record(status=status)) for status in ("succeeded", "failed", "interrupted")] == [0, 1, 1]
