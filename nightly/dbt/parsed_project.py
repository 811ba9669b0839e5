"""dbt's parsed project, kept as a pickle beside dbt's own parse cache: read back in a small part of the time.

Whatever does not fit (`kept_files`) leads to an ordinary parse; nothing here can fail a run.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from nightly.dbt.kept_files import keep, load
from warehouse.preparations import digest_files

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_FILE = "parsed_project.pickle"
# The attributes that dbt's own `Manifest.deepcopy` copies. Its pickling (`__reduce_ex__`) mixes up the fields of
# version 1.11.
_PARTS = (
    *("nodes", "sources", "macros", "docs", "exposures", "functions", "metrics", "groups", "selectors", "metadata"),
    *("disabled", "files", "state_check", "semantic_models", "unit_tests", "saved_queries", "flat_graph"),
)


def project_key(project: Path, environment: Mapping[str, str]) -> str:
    """A digest of all that parsing depends on: the project's files, the versions, and the variables that it reads.

    The server's address is not among them: nothing that is parsed depends on it, and the embedded one's changes with
    each start. The database's name is, since parsed relations carry it.
    """
    versions = sorted(
        f"{each.name}=={each.version}" for each in distributions() if each.name.lower().startswith(("dbt", "jinja2"))
    )
    variables = sorted(f"{name}={environment[name]}" for name in environment if _is_read(name))
    files: list[Path] = []
    for folder, folders, names in os.walk(project):
        folders[:] = [name for name in folders if name not in {"target", "logs", "dbt_packages"}]
        files += [Path(folder, name) for name in names]
    return digest_files(files, project, sys.version, str(project), *versions, *variables)


def load_parsed(folder: Path, key: str) -> bytes | None:
    """The pickled manifest that was kept for this key; None if there is none, or if it cannot be trusted."""
    return load(folder / _FILE, key)


def keep_parsed(folder: Path, key: str, manifest: Manifest) -> bytes:
    """Pickle a manifest and keep it for this key; returns the pickle, which is good also where it can't be kept."""
    parts = {name: getattr(manifest, name) for name in _PARTS}
    pickled = pickle.dumps(parts, protocol=pickle.HIGHEST_PROTOCOL)
    keep(folder / _FILE, key, pickled)
    return pickled


def unpickle(pickled: bytes) -> Manifest:
    """Return a new copy of the manifest for an invocation, since dbt writes into the one it is given."""
    from dbt.contracts.graph.manifest import Manifest

    # There are many small objects and no garbage: searching for it would take ten times as long as reading them.
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        parts = pickle.loads(pickled)  # noqa: S301 - from `keep_parsed`, or from a file that only we can have written
    finally:
        if was_collecting:
            gc.enable()
    return Manifest(**parts)


def _is_read(name: str) -> bool:
    return name == "PGDATABASE" or name.startswith("DBT_")
