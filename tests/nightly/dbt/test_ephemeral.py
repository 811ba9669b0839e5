"""Ephemeral models get into statements as dbt itself would put them there."""

from dataclasses import dataclass

import pytest
from dbt import compilation
from hypothesis import given
from hypothesis import strategies as st

from nightly.dbt.ephemeral import look_for_with
from nightly.dbt.runner import PROJECT

_DBT = getattr(compilation.inject_ctes_into_sql, "__wrapped__", compilation.inject_ctes_into_sql)


@dataclass
class _Cte:
    sql: str


_CTES = [_Cte(" __dbt__cte__one as (\nselect 1 as x\n)"), _Cte(" __dbt__cte__two as (\nselect 2 as y\n)")]


def _statements() -> dict[str, str]:
    return {file.stem: file.read_text() for file in sorted((PROJECT / "models").rglob("*.sql"))}


def _words(sql: str) -> list[str]:
    """All but the space between words, of which dbt sometimes has one more."""
    return sql.split()


def _refuse(sql: str, ctes: object) -> str:
    raise AssertionError(f"parsed as a whole: {sql[:200]}")


@pytest.mark.parametrize("name", _statements())
def test_every_model_comes_out_as_by_dbt(name: str) -> None:
    sql = _statements()[name]
    assert _words(look_for_with(_DBT)(sql, _CTES)) == _words(_DBT(sql, _CTES))


def test_most_models_are_not_parsed() -> None:
    begun = [sql for sql in _statements().values() if sql.lstrip().startswith("with")]
    assert begun
    for sql in begun:
        assert look_for_with(_refuse)(sql, _CTES).count("__dbt__cte__") == len(_CTES)


@given(
    st.lists(
        st.sampled_from(
            [
                "with",
                "WITH",
                "recursive",
                "one as (select 1)",
                ", ",
                "select 1 ",
                " ",
                "\n",
                "-- a; b\n",
                "/* x; */",
                "';'",
                ";",
            ]
        ),
        max_size=12,
    ),
    st.sampled_from([[], _CTES[:1], _CTES]),
)
def test_any_statement_comes_out_as_by_dbt(parts: list[str], ctes: list[_Cte]) -> None:
    sql = "".join(parts)
    if sql.strip():
        try:
            expected = _DBT(sql, ctes)
        except (ValueError, TypeError, AttributeError, IndexError):
            return  # dbt cannot either
        assert _words(look_for_with(_DBT)(sql, ctes)) == _words(expected)
