"""Put ephemeral models into the statements that use them without parsing these statements.

dbt parses each such statement as a whole with sqlparse, only to find the word `with` at its beginning. With statements
as long as ours that is a sixth of the CPU of a small night.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Protocol

_COMMENT = r"--[^\n]*\n|/\*.*?\*/"
_BEGIN = re.compile(
    rf"(?:\s|{_COMMENT})*with(?:\s+recursive)?(?=\s+(?!with\b|recursive\b)\w)", re.IGNORECASE | re.DOTALL
)
_COMMENTS_AND_TEXTS = re.compile(rf"{_COMMENT}|'[^']*'", re.DOTALL)


class Cte(Protocol):
    """An ephemeral model as a common table expression: `name as (…)`."""

    sql: str


Injection = Callable[[str, Sequence[Cte]], str]


def look_for_with(injection: Injection) -> Injection:
    """The same as dbt's function, which it is given, and quick where a single statement begins with `with`."""

    @wraps(injection)
    def inject(sql: str, ctes: Sequence[Cte]) -> str:
        begin = _BEGIN.match(sql)
        if not ctes or begin is None or ";" in _COMMENTS_AND_TEXTS.sub("", sql):
            return injection(sql, ctes)
        return f"{sql[: begin.end()]}{', '.join(cte.sql for cte in ctes)}, {sql[begin.end() :]}"

    return inject


def inject_quickly() -> None:
    """Make dbt, in this process, use the quick way."""
    from dbt import compilation

    if not hasattr(compilation.inject_ctes_into_sql, "__wrapped__"):
        quick = look_for_with(compilation.inject_ctes_into_sql)  # pyright: ignore[reportArgumentType] # a list is one
        compilation.inject_ctes_into_sql = quick
