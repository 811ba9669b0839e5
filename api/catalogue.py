"""The published tables as the YAML of the dbt project describes them, column by column."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from warehouse.settings import PROJECT_ROOT

PROJECT = PROJECT_ROOT / "dbt_project"

_DOC_BLOCK = re.compile(r"{%\s*docs\s+(\w+)\s*%}(.*?){%\s*enddocs\s*%}", re.S)
_DOC_REFERENCE = re.compile(r"{{\s*doc\(['\"](\w+)['\"]\)\s*}}")


@dataclass(frozen=True)
class Described:
    """A column: what it means, its type in PostgreSQL where the YAML tells it, and whether it is always there."""

    words: str
    data_type: str
    required: bool


@dataclass(frozen=True)
class Relation:
    """A table or view with its columns, in their order."""

    words: str
    columns: dict[str, Described]


@cache
def catalogue(project: Path = PROJECT) -> dict[str, Relation]:
    """The models, seeds and sources of the project by name."""
    blocks = {
        name: " ".join(text.split())
        for file in sorted(project.glob("models/**/*.md"))
        for name, text in _DOC_BLOCK.findall(file.read_text(encoding="utf-8"))
    }
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, Relation] = {}
    for file in sorted([*project.glob("models/**/*.yml"), *project.glob("seeds/*.yml")]):
        content = yaml.load(file.read_text(encoding="utf-8"), loader)  # noqa: S506 (a safe loader)
        tables = [table for source in content.get("sources", []) for table in source.get("tables", [])]
        for entry in (*content.get("models", []), *content.get("seeds", []), *tables):
            types = entry.get("config", {}).get("column_types", {})
            columns = {
                column["name"]: Described(
                    _resolved(column.get("description", ""), blocks),
                    str(column.get("data_type") or types.get(column["name"], "")),
                    _is_required(column, _resolved(column.get("description", ""), blocks), is_source=entry in tables),
                )
                for column in entry.get("columns", [])
            }
            if columns:
                found[entry["name"]] = Relation(_resolved(entry.get("description", ""), blocks), columns)
    return found


def _resolved(text: str, blocks: dict[str, str]) -> str:
    return " ".join(_DOC_REFERENCE.sub(lambda match: blocks[match[1]], text).split())


def _is_required(column: dict[str, Any], words: str, *, is_source: bool) -> bool:
    constraints = {constraint["type"] for constraint in column.get("constraints", [])}
    tests = {test for test in column.get("data_tests", []) if isinstance(test, str)}
    if "not_null" in constraints | tests:
        return True
    # Tables made by migrations have no constraints in the YAML. There a statistic may be null, and so may its reason.
    may_be_null = column.get("data_type") in ("double precision", "jsonb") or "null" in words
    return is_source and not may_be_null
