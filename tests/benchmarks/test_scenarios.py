"""The benchmarks themselves, at the smallest size: what they count and how results are told, never how long it took."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import cli

pytestmark = pytest.mark.slow

SCENARIOS = [
    *("load", "prices", "first night", "warm-up", "night", "night, nothing new"),
    *("analytics, nothing new", "analytics again"),
]
BACKFILL = ["backfill of P&L", "analytics of the backfill", "backfill with analytics"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The results of two sizes, the second three times the first."""
    folder = tmp_path_factory.mktemp("benchmarks")
    files = folder / "small.json", folder / "larger.json"
    sizes = (("2", "5", "2"), ("6", "15", "0"))
    for file, (portfolios, positions, sessions) in zip(files, sizes, strict=True):
        options = ["--portfolios", portfolios, "--positions", positions, "--sessions", sessions, "--symbols", "25"]
        done = CliRunner().invoke(cli, ["run", *options, "--json", str(file)])
        assert done.exit_code == 0, done.output
        assert "its numbers agree with the stored ones" in done.output
    return files


@pytest.fixture(scope="module")
def results(files: tuple[Path, Path]) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in files]


def test_every_scenario_is_measured_in_parts_and_spans(results: list[dict[str, Any]]) -> None:
    small, larger = results
    assert [each["scenario"] for each in small["measurements"]] == SCENARIOS + BACKFILL
    assert [each["scenario"] for each in larger["measurements"]] == SCENARIOS
    night = _of(small, "night")
    assert [span["name"] for span in night["spans"]] == ["start", "dbt 2, 2.5, 2.75", "phase 3", "end"]
    assert sum(night["parts"].values()) == pytest.approx(night["seconds"])
    assert all(part > 0 for part in night["parts"].values())
    assert sum(span["seconds"] for span in night["spans"]) == pytest.approx(night["seconds"])
    assert sum(span["statements"] for span in night["spans"]) == night["statements"]
    assert all(span["python_peak"] > 1e7 for span in night["spans"])
    assert max(span["postgres_peak"] for span in night["spans"]) > 1e6
    assert sum(span["python_cpu"] for span in night["spans"]) > 0.5


def test_statements_do_not_grow_with_portfolios_positions_or_sessions(results: list[dict[str, Any]]) -> None:
    small, larger = results
    night = _of(small, "night")["statements"]
    assert night == _of(larger, "night")["statements"]
    assert 50 < night < 400
    backfill = _of(small, "backfill with analytics")["statements"]
    assert abs(backfill - night) < 10


def test_rows_are_those_of_the_books(results: list[dict[str, Any]]) -> None:
    small, larger = results
    assert _of(small, "night")["rows"]["analytics.position_values"] == 10
    assert _of(larger, "night")["rows"]["analytics.position_values"] == 90
    assert _of(small, "backfill of P&L")["rows"]["analytics.position_values"] == 20
    assert "analytics.portfolio_snapshots" not in _of(small, "night, nothing new")["rows"]
    assert "analytics.pairwise_correlations" not in _of(small, "analytics, nothing new")["rows"]
    assert _of(small, "analytics again")["rows"]["analytics.pairwise_correlations"] > 0


def test_the_yardstick_agrees_and_its_statements_grow(results: list[dict[str, Any]]) -> None:
    small, larger = (each["yardstick"] for each in results)
    for loop in (small, larger):
        assert loop["largest_difference"] <= 1e-8
    assert small["compared"] > 200
    assert larger["compared"] > 2000
    assert larger["measurement"]["statements"] > 5 * small["measurement"]["statements"]


def test_results_hold_no_names_of_machines_or_folders(files: tuple[Path, Path]) -> None:
    machine = json.loads(files[0].read_text())["machine"]
    assert set(machine) == {"processors", "memory_bytes", "system", "python", "postgres", "load_average_before"}


def test_two_results_are_compared_scenario_by_scenario(files: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(cli, ["compare", *map(str, files)])
    assert done.exit_code == 0, done.output
    assert done.output.count("before") == len(SCENARIOS)
    assert "night, nothing new" in done.output


def _of(results: dict[str, Any], scenario: str) -> dict[str, Any]:
    return next(each for each in results["measurements"] if each["scenario"] == scenario)
