"""What makes stored results stale: every module that decides a number, and none that only reads, writes or tells."""

from pathlib import Path

import pytest

import python_models
from python_models.fingerprints import fingerprint, method_files, method_fingerprint

PACKAGE = Path(python_models.__file__).parent
# What modules read is in the fingerprints of inputs, value by value. The others only order, write and report.
NOT_METHOD = {
    "__init__.py",
    *("compute.py", "fingerprints.py", "inputs.py", "read.py", "report.py", "run.py", "staleness.py"),
    *("units.py", "workers.py", "write.py"),
}


def test_every_module_is_method_or_known_to_change_no_number():
    others = {file.relative_to(PACKAGE).as_posix() for file in set(PACKAGE.rglob("*.py")) - set(method_files())}
    assert others == NOT_METHOD


@pytest.mark.parametrize("module", ["statistics/options.py", "books.py", "shocks.py", "backtests.py", "definitions.py"])
def test_another_version_of_a_module_is_another_method(module: str, monkeypatch: pytest.MonkeyPatch):
    expected = method_fingerprint()
    changed = PACKAGE / module
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda file: read(file) + (b"\n" if file == changed else b""))
    assert method_fingerprint.__wrapped__() != expected


def test_an_array_is_told_apart_from_its_neighbours():
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
