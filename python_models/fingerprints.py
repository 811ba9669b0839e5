"""Fingerprints of what results rest on: the same inputs and the same programs give the same ones."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np


def fingerprint(*parts: Any) -> str:
    """A digest of arrays, bytes and plain values (told apart by their `repr`, which keeps every digit of a float).

    Arrays are parts of their own, never inside of others: their `repr` leaves most of them out.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            data = repr((part.dtype.str, part.shape)).encode() + np.ascontiguousarray(part).tobytes()
        else:
            data = part if isinstance(part, bytes) else repr(part).encode()
        # the length first, so that parts do not run into each other
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def method_files() -> list[Path]:
    """The modules that decide numbers, from what was read to the rows that are stored.

    Statistics, the rules of the seeds, how books and scenarios are put together, and the layout of rows. What is read
    is no method: it is in the fingerprints of inputs, value by value. How results are written and told changes none.
    """
    package = Path(__file__).parent
    modules = ("definitions.py", "books.py", "shocks.py", "backtests.py")
    folders = ("statistics", "tables", "performance")
    in_folders = (file for folder in folders for file in (package / folder).rglob("*.py"))
    return sorted([*(package / name for name in modules), *in_folders])


@cache
def method_fingerprint() -> str:
    """A digest of the modules that decide numbers: another version of one of these makes all stored results stale."""
    return fingerprint(*((file.name, file.read_bytes()) for file in method_files()))
