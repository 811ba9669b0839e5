"""A digest of everything that writes answers. An upgrade may write the same data differently, so tags must change."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from warehouse.preparations import digest_files
from warehouse.settings import PROJECT_ROOT

# The code, the templates, the files beside them, and the YAML that says what columns mean.
_WRITTEN_WITH = ("api", "reports", "warehouse", "dbt_project/models", "dbt_project/seeds")


@cache
def rendering() -> str:
    """The end of every entity tag: it changes with the code, the templates and the YAML that write answers."""
    return rendering_of(PROJECT_ROOT)


def rendering_of(root: Path) -> str:
    """The same for the project in another folder."""
    files = (file for part in _WRITTEN_WITH for file in (root / part).rglob("*"))
    return digest_files((file for file in files if "__pycache__" not in file.parts), root)[:12]
