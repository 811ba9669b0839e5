"""Replacing results: what is gone is gone, what is not meant stays, and no NaN gets in."""

import time
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from numpy.testing import assert_array_equal

from python_models.write import Block, Results, Writer, replace, withdraw
from warehouse.database import Database

MONDAY, TUESDAY = date(2024, 1, 8), date(2024, 1, 9)
ONE, OTHER = UUID(int=1), UUID(int=2)
RESTS_ON = ("inputs", "method")
PAIRS = "analytics.pairwise_correlations"


def volatility(day: date, symbols: list[str], value: float = 0.2) -> Block:
    return Block(
        "symbol_volatility",
        {
            "calculation_date": day,
            "symbol": symbols,
            "realized_vol_21d": np.full(len(symbols), value),
            "vol_trend": np.array([None] * len(symbols), dtype=object),
            "observations": np.arange(len(symbols)),
            "quality_flag": np.array(["full_history"] * len(symbols)),
        },
    )


def correlations(day: date, portfolio: UUID, value: float) -> Block:
    return Block(
        "correlation_calculations",
        {
            "calculation_date": day,
            "portfolio_id": [portfolio],
            "window_days": 90,
            "overall_correlation": [value],
            "positions_included": [2],
            "positions_excluded": [0],
            "data_quality": ["full_history"],
        },
    )


def pairs(day: date, symbols: tuple[str, ...], correlation: np.ndarray, p_value: np.ndarray) -> Block:
    first, second = np.triu_indices(len(symbols), 1)
    names = np.array([symbol.encode() for symbol in symbols])
    return Block(
        "pairwise_correlations",
        {
            "calculation_date": day,
            "symbol_1": names[first],
            "symbol_2": names[second],
            "correlation": correlation,
            "observations": np.array([90, 12, 89])[: len(first)],
            "p_value": p_value,
        },
    )


def stored(conn: psycopg.Connection[Any], columns: str, table: str) -> list[tuple[Any, ...]]:
    return conn.execute(f"select {columns} from {table} order by {columns}").fetchall()


def test_a_rerun_replaces_and_leaves_no_stale_row(conn: psycopg.Connection[Any]):
    for symbols in (["AAA", "BBB", "CCC"], ["BBB", "DDD"], ["BBB", "DDD"]):
        written = replace(conn, Results([volatility(MONDAY, symbols)], scopes={(MONDAY, None): RESTS_ON}))
        assert written["symbol_volatility"] == len(symbols)
        assert written["pairwise_correlations"] == 0
    replace(conn, Results([volatility(TUESDAY, ["AAA"])], scopes={(TUESDAY, None): RESTS_ON}))
    assert stored(conn, "calculation_date, symbol", "analytics.symbol_volatility") == [
        (MONDAY, "BBB"),
        (MONDAY, "DDD"),
        (TUESDAY, "AAA"),
    ]
    assert stored(conn, "calculation_date, inputs, method", "ops.risk_state") == [
        (MONDAY, *RESTS_ON),
        (TUESDAY, *RESTS_ON),
    ]


def test_only_the_scopes_given_are_touched(conn: psycopg.Connection[Any]):
    everything = [correlations(day, portfolio, 0.5) for day in (MONDAY, TUESDAY) for portfolio in (ONE, OTHER)]
    scopes = {(day, portfolio): RESTS_ON for day in (MONDAY, TUESDAY) for portfolio in (ONE, OTHER)}
    replace(conn, Results([*everything, volatility(MONDAY, ["AAA"])], scopes={**scopes, (MONDAY, None): RESTS_ON}))
    replace(conn, Results([correlations(TUESDAY, ONE, 0.7)], scopes={(TUESDAY, ONE): ("later", "method")}))
    columns = "calculation_date, portfolio_id, overall_correlation"
    assert stored(conn, columns, "analytics.correlation_calculations") == [
        (MONDAY, ONE, 0.5),
        (MONDAY, OTHER, 0.5),
        (TUESDAY, ONE, 0.7),
        (TUESDAY, OTHER, 0.5),
    ]
    withdraw(conn, [(MONDAY, ONE), (TUESDAY, ONE)])
    assert stored(conn, columns, "analytics.correlation_calculations") == [(MONDAY, OTHER, 0.5), (TUESDAY, OTHER, 0.5)]
    assert len(stored(conn, "symbol", "analytics.symbol_volatility")) == 1
    assert stored(conn, "calculation_date, portfolio_id", "ops.risk_state") == [
        (MONDAY, OTHER),
        (MONDAY, None),
        (TUESDAY, OTHER),
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_becomes_null(conn: psycopg.Connection[Any], value: float):
    blocks = [volatility(MONDAY, ["AAA"], value), correlations(MONDAY, ONE, value)]
    replace(conn, Results(blocks, scopes={(MONDAY, None): RESTS_ON, (MONDAY, ONE): RESTS_ON}))
    assert stored(conn, "realized_vol_21d", "analytics.symbol_volatility") == [(None,)]
    assert stored(conn, "overall_correlation", "analytics.correlation_calculations") == [(None,)]
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute("update analytics.symbol_volatility set realized_vol_21d = %s", [value])


def test_a_failure_leaves_the_old_results(conn: psycopg.Connection[Any]):
    replace(conn, Results([volatility(MONDAY, ["AAA"])], scopes={(MONDAY, None): RESTS_ON}))
    with pytest.raises(psycopg.errors.UniqueViolation):
        replace(conn, Results([volatility(MONDAY, ["BBB", "BBB"])], scopes={(MONDAY, None): RESTS_ON}))
    assert stored(conn, "symbol", "analytics.symbol_volatility") == [("AAA",)]


def test_pairs_of_several_days_keep_every_digit(conn: psycopg.Connection[Any]):
    random = np.random.default_rng(1)
    correlation = random.uniform(-1, 1, 3)
    correlation[1] = np.nan
    p_value = np.array([1e-300, np.nan, 0.0])
    days = {MONDAY: ("AAA", "BRK.B", "ÄÖ"), TUESDAY: ("AAA", "BBB", "CCC")}
    blocks = [pairs(day, names, correlation, p_value) for day, names in days.items()]
    blocks.append(pairs(MONDAY, ("ZZZ",), np.empty(0), np.empty(0)))
    written = replace(conn, Results(blocks, scopes={(MONDAY, None): RESTS_ON, (TUESDAY, None): RESTS_ON}))
    assert written["pairwise_correlations"] == 6
    rows = stored(conn, "calculation_date, symbol_1, symbol_2, correlation, observations, p_value", PAIRS)
    for day, (first, second, third) in days.items():
        of_day = [row[1:] for row in rows if row[0] == day]
        assert [row[:2] for row in of_day] == [(first, second), (first, third), (second, third)]
        assert [row[3] for row in of_day] == [90, 12, 89]
        assert of_day[1][2] is None and of_day[1][4] is None
        assert_array_equal([of_day[0][2], of_day[2][2]], correlation[[0, 2]])
        assert [of_day[0][4], of_day[2][4]] == [1e-300, 0.0]


def test_what_is_written_in_the_background_is_there_in_the_end(conn: psycopg.Connection[Any]):
    with Writer(conn) as writer:
        for day, symbols in ((MONDAY, ["AAA", "BBB"]), (TUESDAY, ["AAA"])):
            writer.write(Results([volatility(day, symbols)], scopes={(day, None): RESTS_ON}))
        writer.finish()
        assert len(stored(conn, "symbol", "analytics.symbol_volatility")) == 3
        writer.write(Results([volatility(TUESDAY, ["AAA", "CCC"])], scopes={(TUESDAY, None): RESTS_ON}))
    assert writer.written["symbol_volatility"] == 5
    assert len(stored(conn, "symbol", "analytics.symbol_volatility")) == 4


@pytest.mark.parametrize("call", ["write", "finish", "leave"])
def test_what_goes_wrong_in_the_background_is_raised_by_what_is_called_next(conn: psycopg.Connection[Any], call: str):
    with pytest.raises(psycopg.errors.UniqueViolation), Writer(conn) as writer:
        writer.write(Results([volatility(MONDAY, ["BBB", "BBB"])], scopes={(MONDAY, None): RESTS_ON}))
        if call == "write":
            writer.write(Results([volatility(TUESDAY, ["AAA"])], scopes={(TUESDAY, None): RESTS_ON}))
        if call == "finish":
            writer.finish()
    assert stored(conn, "symbol", "analytics.symbol_volatility") == []


def test_whoever_interrupts_does_not_wait_for_what_is_being_written(conn: psycopg.Connection[Any], database: Database):
    conn.execute("set lock_timeout = '20s'")
    waiting = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with database.connect() as looking, database.connect() as other, other.transaction():
        other.execute("lock table analytics.symbol_volatility in access exclusive mode")
        with pytest.raises(KeyboardInterrupt), Writer(conn) as writer:
            writer.write(Results([volatility(MONDAY, ["AAA"])], scopes={(MONDAY, None): RESTS_ON}))
            while not looking.execute(waiting).rowcount:
                time.sleep(0.01)
            raise KeyboardInterrupt
        with pytest.raises(psycopg.errors.QueryCanceled):
            writer.finish()
    assert stored(conn, "symbol", "analytics.symbol_volatility") == []
