"""Fingerprints of the inputs and the method of results: the same inputs and programs give the same fingerprints."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np


def fingerprint(*parts: Any) -> str:
    """A digest of arrays, bytes and plain values; of a plain value its `repr`, which keeps every digit of a float.

    An array must be a part of its own and never inside of another value, whose `repr` would leave most of it out.
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
    """The modules that decide numbers, from the inputs to the stored rows.

    They are the statistics, the rules of the seeds, the assembly of books and scenarios, and the layout of rows. The
    data that are read are no method: their values are in the fingerprints of inputs. The writing and reporting of
    results change no number.
    """
    package = Path(__file__).parent
    modules = ("definitions.py", "books.py", "shocks.py", "backtests.py")
    folders = ("statistics", "tables", "performance")
    in_folders = (file for folder in folders for file in (package / folder).rglob("*.py"))
    return sorted([*(package / name for name in modules), *in_folders])


@cache
def method_fingerprint() -> str:
    """A digest of the modules that decide numbers: a new version of any of them makes all stored results stale."""
    return fingerprint(*((file.name, file.read_bytes()) for file in method_files()))
