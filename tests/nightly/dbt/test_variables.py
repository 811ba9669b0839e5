"""The numbers that dbt and Python both know."""

from datetime import timedelta
from pathlib import Path

import yaml

from ingest.fundamentals.due import SETTLED_AFTER_DAYS, STALE_AFTER_DAYS
from warehouse.sessions import SETTLED_AFTER

PROJECT = Path(__file__).parents[3] / "dbt_project" / "dbt_project.yml"


def test_dbt_and_python_know_the_same_numbers():
    variables = yaml.safe_load(PROJECT.read_text())["vars"]
    assert variables == {
        "session_settled_after_minutes": SETTLED_AFTER / timedelta(minutes=1),
        "fundamentals_settled_after_days": SETTLED_AFTER_DAYS,
        "fundamentals_stale_after_days": STALE_AFTER_DAYS,
    }
