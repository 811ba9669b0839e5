"""The flags that dbt makes anew for each invocation."""

from pathlib import Path

import pytest
from dbt.adapters.base.impl import DEFAULT_BASE_BEHAVIOR_FLAGS
from dbt_common import behavior_flags as of_dbt

from nightly.dbt import behavior_flags
from nightly.dbt.runner import Dbt
from tests.nightly.tiny_project import write_project
from warehouse.database import Database

OWN_ANSWER = of_dbt.BehaviorFlagRendered._default_source
FLAG: of_dbt.BehaviorFlag = {"name": "a_flag", "default": False, "description": "of this test"}


def _source() -> str:
    return of_dbt.Behavior([FLAG], {}).a_flag._behavior_change_event.flag_source


def test_the_quick_answer_is_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(of_dbt.BehaviorFlagRendered, "_default_source", staticmethod(OWN_ANSWER))
    before = _source()
    behavior_flags.name_quickly()
    assert of_dbt.BehaviorFlagRendered._default_source is not OWN_ANSWER
    assert _source() == before == __name__


def test_no_invocation_leaves_more_flags_than_the_one_before(tmp_path: Path):
    project = write_project(tmp_path / "project", {"models/numbers.sql": "select 1 as number"})
    database = Database("postgresql://nobody@127.0.0.1:1/none", embedded=False)

    def flags_after_parsing(workspace: str) -> list[str]:
        assert Dbt(database, tmp_path / workspace, project).nodes("model")
        return [flag["name"] for flag in DEFAULT_BASE_BEHAVIOR_FLAGS]

    flags = flags_after_parsing("first")
    assert len(set(flags)) == len(flags)
    assert flags_after_parsing("second") == flags
