"""What a database was prepared from: fingerprints by name, kept in `ops.preparations`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psycopg


def read_preparations(conn: psycopg.Connection[Any]) -> dict[str, str]:
    """Return the fingerprint of every preparation that was recorded, by its name."""
    return dict(conn.execute("select name, fingerprint from ops.preparations").fetchall())


def record_preparations(conn: psycopg.Connection[Any], fingerprints: Mapping[str, str]) -> None:
    """Record what has been prepared, and from what."""
    conn.execute(
        "insert into ops.preparations (name, fingerprint) select * from unnest(%s::text[], %s::text[])"
        " on conflict (name) do update set fingerprint = excluded.fingerprint, prepared_at = now()",
        [list(fingerprints), list(fingerprints.values())],
    )


def digest_files(files: Iterable[Path], root: Path, *further: str) -> str:
    """A digest of files' names below `root` and their contents, and of further texts; folders are left out."""
    digest = hashlib.sha256()
    for text in further:
        digest.update(f"{len(text)}\0{text}".encode())
    for file in sorted(file for file in files if file.is_file()):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
