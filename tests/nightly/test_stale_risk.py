"""What an ordinary night does about risk results of earlier sessions: those whose inputs changed, and those missed."""

from datetime import UTC, date, datetime

import pytest

from nightly.output.summary import render
from nightly.record import RunRecord
from python_models.run import compute_risk
from tests.nightly.small_nights import Night

START, END = date(2024, 2, 1), date(2024, 2, 14)
PHASES = ("2", "2.5", "2.75", "3")
VERSIONS = """
select calculation_date, coalesce(name, 'symbols'), calculated_at::text
from ops.risk_state left join raw.portfolios using (portfolio_id)
"""


def risk(run: RunRecord):
    (phase,) = (phase for phase in run.phases if phase.phase == "3")
    assert phase.status == "succeeded", run.problems
    return phase


def versions(night: Night) -> dict[tuple[date, str], str]:
    """When each set of results was computed."""
    return {(day, whose): version for day, whose, version in night.rows(VERSIONS)}


def rewritten(night: Night, before: dict[tuple[date, str], str]) -> set[tuple[int, str]]:
    """The day of the month of each set of results that was replaced since, and whose they are."""
    after = versions(night)
    return {(day.day, whose) for (day, whose), version in before.items() if after.get((day, whose)) != version}


def assert_nothing_is_left_to_heal(night: Night) -> None:
    """No result is marked, and to compute all of them again changes none (but for the last digit of a sum)."""
    assert night.rows("select count(*) from ops.risk_state where stale_because is not null") == [(0,)]
    numbers = """
    select concat_ws(' ', calculation_date, portfolio_id, kind) as result, value from analytics.portfolio_risk_metrics
    cross join lateral (
        values ('drawdown', max_drawdown), ('beta', beta_portfolio_regression), ('var', var_95_1d)
    ) as numbers (kind, value)
    union all
    select concat_ws(' ', calculation_date, portfolio_id, scenario_id, reason), direct_pnl
    from analytics.stress_test_results
    union all
    select concat_ws(' ', calculation_date, symbol), realized_vol_21d from analytics.symbol_volatility
    union all
    select concat_ws(' ', calculation_date, symbol, 'beta'), beta from analytics.symbol_market_betas
    """
    before = dict(night.rows(f"select result, coalesce(value, -9) from ({numbers}) as numbers"))
    with night.database.connect() as conn:
        compute_risk(conn, START, date(2024, 2, 15), force=True)
    assert dict(night.rows(f"select result, coalesce(value, -9) from ({numbers}) as numbers")) == pytest.approx(
        before, rel=1e-12
    )
    assert len(before) > 400


@pytest.fixture
def analysed(night: Night) -> Night:
    """The rolled database with the risk of its last ten sessions."""
    risk(night.run("analytics", start=START, end=END))
    return night


def test_a_night_computes_exactly_the_earlier_results_whose_inputs_changed_and_says_why(analysed: Night):
    night = analysed
    before = versions(night)
    night.execute("update raw.market_data_cache set close = 155 where symbol = 'AAA' and price_date = '2024-02-09'")
    run = night.run(phases=PHASES)
    assert "4 sessions, 2024-02-09 to 2024-02-14: computed again (AAA close of 2024-02-09 restated)" in risk(run).lines
    assert risk(run).counts["healed"]["2024-02-12"] == ["AAA close of 2024-02-09 restated"]
    # Income does not hold it, and results that ended before that day do not depend on it
    days = (9, 12, 13, 14)
    assert rewritten(night, before) == {(day, whose) for day in days for whose in ("Growth", "symbols")}
    again = risk(night.run(phases=PHASES))
    assert again.lines == ["results of 1 session are current"]
    assert_nothing_is_left_to_heal(night)


def test_corrected_positions_and_seeds_reach_back_and_a_changed_close_of_nobody_s_symbol_does_not(analysed: Night):
    night = analysed
    before = versions(night)
    night.execute("update raw.positions set quantity = 250 where symbol = 'BBB' and quantity = 200")
    night.execute(
        "insert into raw.market_data_cache (symbol, price_date, close, source)"
        " select 'CCC', session_date, 10, 'test' from raw.trading_sessions"
        " where session_date between '2024-01-02' and '2024-02-14'"
    )
    run = night.run(phases=PHASES)
    # entered before the portfolio began, so it changes everything that exists; the symbols stay the same
    assert rewritten(night, before) == {(day.day, "Income") for day, whose in before if whose == "Income"}
    assert "(BBB position of 2023-12-28 restated)" in risk(run).lines[1]

    before = versions(night)
    night.execute("update analytics.stress_test_scenarios set shock = -0.21 where scenario_id = 'market_down_20'")
    run = night.run(phases=("3",))
    assert rewritten(night, before) == {(day.day, whose) for day, whose in before if whose != "symbols"}
    assert "(stress scenarios changed)" in " ".join(risk(run).lines)


def test_another_version_of_the_models_is_taken_up_a_number_of_sessions_at_a_time(
    analysed: Night, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("python_models.run.method_fingerprint", lambda: "another")
    monkeypatch.setattr("python_models.compute.method_fingerprint", lambda: "another")
    settings = analysed.settings.model_copy(update={"heal_risk_sessions": 4})
    night = Night(analysed.database, settings)
    before = versions(night)
    run = night.run(trade_date=END, phases=("3",))
    assert {day for day, _ in rewritten(night, before)} == {8, 9, 12, 13, 14}
    (told,) = (problem for problem in run.warnings if problem.scope == "stale results")
    assert told.message == (
        "5 other sessions have to be computed again, 2024-02-01 to 2024-02-07 (risk models changed): the next nights"
        " take 4 each, `python run_nightly.py analytics --start 2024-02-01 --end 2024-02-07` all"
    )
    assert "(risk models changed)" in render(run)
    night.run(trade_date=END, phases=("3",))
    last = night.run(trade_date=END, phases=("3",))
    assert {day for day, _ in rewritten(night, before)} == {1, 2, 5, 6, 7, 8, 9, 12, 13, 14}
    assert not [problem for problem in last.warnings if problem.scope == "stale results"]

    dearer = Night(analysed.database, settings.model_copy(update={"risk_free_rate": 0.04}))
    run = dearer.run(trade_date=END, phases=("3",))
    # there are no options, so nothing more happens
    assert "4 other sessions looked at: nothing that the results rest on has changed" in risk(run).lines
    assert rewritten(night, before) == {(day.day, whose) for day, whose in before}


def test_the_risk_of_missed_sessions_is_caught_up(night: Night):
    run = night.run(now=datetime(2024, 2, 16, 23, 30, tzinfo=UTC))
    assert risk(run).lines[:2] == [
        "2024-02-16: 2 portfolios, 3 symbols",
        "2024-02-15: computed, because missed before",
    ]
    # a first night computes only its own session, not the whole past
    assert night.rows("select min(calculation_date) from ops.risk_state") == [(END,)]


@pytest.mark.slow
def test_a_night_of_one_portfolio_leaves_the_others_results_marked_until_their_turn(analysed: Night):
    night = analysed
    night.execute("update raw.market_data_cache set close = 155 where symbol = 'BBB' and price_date = '2024-02-09'")
    before = versions(night)
    night.run(phases=PHASES, portfolios=("Growth",))
    days = (9, 12, 13, 14)
    assert rewritten(night, before) >= {(day, whose) for day in days for whose in ("Growth", "symbols")}
    stale = night.rows(
        "select name, stale_because from ops.risk_state join raw.portfolios using (portfolio_id)"
        " where stale_because is not null"
    )
    assert set(stale) == {("Income", "BBB close of 2024-02-09 restated")}
    night.run(phases=PHASES)
    assert_nothing_is_left_to_heal(night)
