"""dbt's parsed project, kept as a pickle beside dbt's own parse cache: read back in a small part of the time.

Unpickling runs what the file says, so a file is only believed where nobody but its owner, who is us, could have written
it. Whatever does not fit leads to an ordinary parse; nothing here can fail a run.
"""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

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
_WRITE_BITS_OF_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def project_key(project: Path, environment: Mapping[str, str]) -> str:
    """A digest of all that parsing depends on: the project's files, the versions, and the variables that it reads.

    The server's address is not among them: nothing that is parsed depends on it, and the embedded one's changes with
    each start. The database's name is, since parsed relations carry it.
    """
    versions = sorted(f"{each.name}=={each.version}" for each in distributions() if each.name.startswith("dbt"))
    variables = sorted(f"{name}={environment[name]}" for name in environment if _is_read(name))
    files: list[Path] = []
    for folder, folders, names in os.walk(project):
        folders[:] = [name for name in folders if name not in {"target", "logs", "dbt_packages"}]
        files += [Path(folder, name) for name in names]
    return digest_files(files, project, sys.version, str(project), *versions, *variables)


def load_parsed(folder: Path, key: str) -> bytes | None:
    """The pickled manifest that was kept for this key; None if there is none, or if it cannot be trusted."""
    try:
        descriptor = os.open(folder / _FILE, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not (_is_ours_alone(os.fstat(descriptor)) and _is_ours_alone(folder.stat())):
            return None
        head, pickled = file.readline(), file.read()
    return pickled if head == _head(key, pickled) else None


def keep_parsed(folder: Path, key: str, manifest: Manifest) -> bytes:
    """Pickle a manifest and keep it for this key; returns the pickle, which is good also where it can't be kept."""
    parts = {name: getattr(manifest, name) for name in _PARTS}
    pickled = pickle.dumps(parts, protocol=pickle.HIGHEST_PROTOCOL)
    fresh = folder / f"{_FILE}.{os.getpid()}"
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_head(key, pickled) + pickled)
            fresh.replace(folder / _FILE)
        finally:
            fresh.unlink(missing_ok=True)
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


def _head(key: str, pickled: bytes) -> bytes:
    """The first line of the file: its key, and a digest that proves it is whole."""
    return f"{key} {hashlib.sha256(pickled).hexdigest()}\n".encode()


def _is_read(name: str) -> bool:
    return name == "PGDATABASE" or name.startswith("DBT_")


def _is_ours_alone(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & _WRITE_BITS_OF_OTHERS
