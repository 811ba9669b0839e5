"""Which of dbt's results fail a phase."""

from nightly.dbt.runner import NodeResult
from nightly.phases.roll_forward.phase import find_node_problems
from nightly.record import RunProblem


def result(name: str, status: str, message: str = "") -> NodeResult:
    return NodeResult(f"model.afterclose.{name}", name, ("phase_2",), status, message=message)


def test_a_phase_whose_models_did_not_run_has_failed():
    view = NodeResult("model.afterclose.stg_positions", "stg_positions", ("views",), "success")
    for results in ([], [view]):
        (problem,) = find_node_problems("2", results)
        assert problem == RunProblem("dbt", "dbt ran no model tagged phase_2: is dbt_project complete?", phase="2")


def test_errors_and_absent_models_are_told_each_and_skipped_ones_together():
    results = [
        result("lots", "success"),
        result("lot_segments", "error", "division by zero"),
        result("position_values", "skipped", "a model that it needs failed"),
        result("portfolio_snapshots", "skipped", "a model that it needs failed"),
        result("daily_returns", "absent", "asked for, and not run by dbt"),
    ]
    assert find_node_problems("2", results) == [
        RunProblem("model lot_segments", "division by zero", phase="2"),
        RunProblem("model daily_returns", "asked for, and not run by dbt", phase="2"),
        RunProblem(
            "2 models",
            "not built, because a model that they need failed: position_values, portfolio_snapshots",
            phase="2",
        ),
    ]
    assert find_node_problems("2", results[:1]) == []
