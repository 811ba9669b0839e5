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


@cache
def method_fingerprint() -> str:
    """A digest of what decides the numbers: the statistics, the rules of the seeds and the layout of rows.

    Another version of one of these makes all stored results stale; how they are read, written and told does not.
    """
    package = Path(__file__).parent
    folders = ("statistics", "tables", "performance")
    files = [package / "definitions.py", *(file for folder in folders for file in (package / folder).rglob("*.py"))]
    return fingerprint(*((file.name, file.read_bytes()) for file in sorted(files)))
