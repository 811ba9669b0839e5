"""Reading: gaps and later prices stay out of the panel, options find their underlyings, and seeds are held to sense."""

from datetime import date
from typing import Any

import numpy as np
import psycopg
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from python_models.definitions import KIND_OF, FactorRow, define_factors
from python_models.read import (
    read_definitions,
    read_returns,
    read_scenarios,
    read_underlyings,
)
from warehouse.errors import UserError
from warehouse.sessions import sessions_between

STYLED_FACTORS = ("Market", "Interest Rate", "Value", "Growth", "Momentum", "Quality", "Size", "Low Volatility")
DEFINITIONS = define_factors(FactorRow(factor, kind, ("SPY",)) for factor, kind in KIND_OF.items())
START, END = date(2024, 1, 2), date(2024, 1, 12)


@pytest.fixture
def conn_with_returns(conn: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """Three symbols; BBB misses a session and its return after it spans the gap."""
    conn.execute(
        "create table analytics.daily_returns"
        " (symbol text, value_date date, total_return numeric, price_return numeric, gap_sessions integer)"
    )
    conn.execute(
        """
        insert into analytics.daily_returns
        select symbol, session_date, 0.01 * extract(day from session_date), 0, 1
        from raw.trading_sessions cross join unnest(array['AAA', 'BBB', 'CCC']) as symbol
        where session_date between '2023-12-01' and '2024-02-01'
        """
    )
    conn.execute("delete from analytics.daily_returns where symbol = 'BBB' and value_date = '2024-01-08'")
    conn.execute(
        "update analytics.daily_returns set gap_sessions = 2 where symbol = 'BBB' and value_date = '2024-01-09'"
    )
    return conn


def test_the_panel_has_every_session_and_symbol_asked_for(conn_with_returns: psycopg.Connection[Any]):
    sessions = sessions_between(conn_with_returns, START, END)
    panel = read_returns(conn_with_returns, ["BBB", "NEVER", "AAA", "BBB"], sessions)
    assert panel.symbols == ("AAA", "BBB", "NEVER")
    assert panel.sessions == tuple(sessions)
    assert_array_equal(panel.returns[:, 0], [round(0.01 * day.day, 2) for day in sessions])
    gap = [panel.rows[date(2024, 1, 8)], panel.rows[date(2024, 1, 9)]]
    assert np.flatnonzero(np.isnan(panel.returns[:, 1])).tolist() == gap
    assert np.isnan(panel.returns[:, 2]).all()


def test_no_sessions_make_an_empty_panel(conn_with_returns: psycopg.Connection[Any]):
    assert read_returns(conn_with_returns, ["AAA"], []).returns.shape == (0, 1)


def test_underlyings_are_brought_to_the_shares_that_a_strike_is_in(conn: psycopg.Connection[Any]):
    """A close from before a 4:1 split is a quarter; so are the dividends paid before it."""
    conn.execute(
        "insert into raw.market_data_cache (symbol, price_date, close, source) values"
        " ('AAA', '2024-01-03', 400, 'files'), ('AAA', '2024-01-10', 104, 'files'), ('AAA', '2024-01-11', 900, 'files')"
    )
    conn.execute(
        "insert into raw.corporate_actions (symbol, ex_date, action_type, value, source) values"
        " ('AAA', '2024-01-05', 'SPLIT', 4, 'files'), ('AAA', '2024-01-05', 'DIVIDEND', 0.5, 'files'),"
        " ('AAA', '2023-01-10', 'DIVIDEND', 99, 'files'), ('AAA', '2023-01-11', 'DIVIDEND', 2, 'files'),"
        " ('AAA', '2024-01-11', 'DIVIDEND', 77, 'files')"
    )
    wanted = [("AAA", date(2024, 1, day)) for day in (2, 4, 8, 10)] + [("BBB", date(2024, 1, 10))]
    underlyings = read_underlyings(conn, wanted)
    spots = [underlyings.spot(symbol, day, day) for symbol, day in wanted]
    assert_array_equal(spots, [np.nan, 400.0, 100.0, 104.0, np.nan])
    # a lot from before the split has its strike in old shares, each worth four new ones; on the day of the split they
    # are new
    old, new = date(2024, 1, 4), date(2024, 1, 5)
    assert [underlyings.spot(symbol, day, old) for symbol, day in wanted[1:4]] == [400.0, 400.0, 416.0]
    assert [underlyings.spot(symbol, day, new) for symbol, day in wanted[1:4]] == [100.0, 100.0, 104.0]
    # the year up to the day has 2 dollars on old shares, and half a dollar on new ones
    assert_allclose(underlyings.dividend_yield("AAA", date(2024, 1, 10)), (2 / 4 + 0.5) / 104, rtol=1e-15)


def test_definitions_come_in_the_order_of_the_factors(conn: psycopg.Connection[Any]):
    create_definitions(conn)
    conn.execute(
        """
        insert into analytics.factor_definitions values
        ('Energy', 'sector', 'XLE', null, null), ('Size', 'style', 'IWM SIZE', null, null),
        ('Interest Rate', 'rate', 'TLT', 17.5, 320), ('Market', 'market', 'SPY', null, null),
        ('Value', 'style', 'VTV', null, null), ('Growth', 'style', 'VUG', null, null),
        ('Momentum', 'style', 'MTUM', null, null), ('Quality', 'style', 'QUAL', null, null),
        ('Low Volatility', 'style', 'USMV', null, null)
        """
    )
    definitions = read_definitions(conn)
    assert list(definitions.candidates) == [*STYLED_FACTORS, "Energy"]
    assert definitions.candidates["Size"] == ("IWM", "SIZE")
    assert (definitions.duration, definitions.convexity) == (17.5, 320)
    assert definitions.sectors == ("Energy",)
    assert definitions.etfs == ("IWM", "MTUM", "QUAL", "SIZE", "SPY", "TLT", "USMV", "VTV", "VUG", "XLE")
    conn.execute("insert into analytics.factor_definitions values ('Luck', 'style', 'QQQ', null, null)")
    conn.execute("update analytics.factor_definitions set kind = 'style' where factor = 'Energy'")
    with pytest.raises(UserError) as refused:
        read_definitions(conn)
    assert str(refused.value).splitlines()[0] == (
        "factor_definitions.csv: Energy: kind: Energy is of kind sector, not 'style'"
    )
    assert "factor_definitions.csv: Luck: factor: 'Luck' is no factor; there are: Market" in str(refused.value)


def test_scenarios_are_gathered_from_their_shocks(conn: psycopg.Connection[Any]):
    create_scenarios(conn)
    shock(conn, "both", "combination", "Market", -0.2)
    shock(conn, "both", "combination", "Interest Rate", 50)
    for factor in STYLED_FACTORS:
        shock(conn, "replay", "replay", factor, -0.1, "2020-02-19", "2020-03-23")
    both, replay = read_scenarios(conn, DEFINITIONS)
    assert (both.scenario.shocks, both.scenario.rate_change) == ({"Market": -0.2}, 50)
    assert not both.scenario.is_replay and both.start is both.end is None
    # the shock of interest rates in a replay is a return
    assert (replay.scenario.shocks, replay.scenario.rate_change) == (dict.fromkeys(STYLED_FACTORS, -0.1), None)
    assert (replay.start, replay.end) == (date(2020, 2, 19), date(2020, 3, 23))


def test_scenarios_that_make_no_sense_are_refused_together(conn: psycopg.Connection[Any]):
    create_scenarios(conn)
    shock(conn, "alone", "rotation", "Value", 0.1)
    shock(conn, "steep", "rates", "Interest Rate", 400)
    shock(conn, "sector", "rotation", "Energy", -0.1)
    with pytest.raises(UserError) as refused:
        read_scenarios(conn, define_factors([row for row in DEFINITIONS.factors if row.factor != "Energy"]))
    assert [line.partition(";")[0] for line in str(refused.value).splitlines()] == [
        "stress_test_scenarios.csv: sector: factor: 'Energy' is no factor",
        "stress_test_scenarios.csv: steep: shock: 400 basis points is beyond -300 to 300",
        "stress_test_scenarios.csv: alone: factor: Value must not be shocked without Growth, in the opposite direction",
        "correct dbt_project/seeds/stress_test_scenarios.csv and run again",
    ]


def shock(conn: psycopg.Connection[Any], scenario: str, *cells: Any) -> None:
    category, factor, size, start, end = (*cells, None, None)[:5]
    conn.execute(
        "insert into analytics.stress_test_scenarios values (%s, %s, %s, %s, %s, %s, %s, '')",
        [scenario, scenario, category, factor, size, start, end],
    )


def create_definitions(conn: psycopg.Connection[Any]) -> None:
    conn.execute(
        "create table analytics.factor_definitions"
        " (factor text, kind text, symbols text, duration_years double precision, convexity double precision)"
    )


def create_scenarios(conn: psycopg.Connection[Any]) -> None:
    conn.execute(
        "create table analytics.stress_test_scenarios (scenario_id text, name text, category text, factor text,"
        " shock double precision, window_start date, window_end date, description text)"
    )
