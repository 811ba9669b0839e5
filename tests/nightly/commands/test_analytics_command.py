"""Phase 3 inside the night and alone: what is computed and told, and what a failure of it leaves and prints.

AAA, BBB and SPY close at the same prices, so that each has a beta of 1; there is no other factor's ETF.
"""

import shlex
from dataclasses import replace
from datetime import date

import pytest

from nightly import cli
from nightly.invocation import as_typed
from nightly.output import summary
from nightly.record import RunRecord
from tests.nightly.small_nights import NEXT_SESSION, ROLLED_TO

SESSIONS = (date(2024, 2, 1), ROLLED_TO)
PORTFOLIOS_BY_SESSION = """
select to_char(calculation_date, 'MM-DD'), string_agg(name, ' ' order by name)
from analytics.portfolio_risk_metrics
inner join raw.portfolios using (portfolio_id)
group by calculation_date
order by calculation_date
"""


@pytest.fixture
def on_this_database(night, monkeypatch: pytest.MonkeyPatch):
    for name, value in night.environment().items():
        monkeypatch.setenv(name, value)
    return night


def risk(run: RunRecord):
    (phase,) = (phase for phase in run.phases if phase.phase == "3")
    return phase


def test_a_night_computes_its_trade_date_and_says_which_symbols_have_no_beta_and_why(night, first_night):
    _, run = first_night
    assert risk(run).counts["sessions"] == 1
    assert risk(run).lines[0] == "2024-02-14: 2 portfolios, 3 symbols"
    told = {problem.scope: problem.message for problem in run.warnings if problem.phase == "3"}
    assert told["factor Interest Rate"].startswith("no ETF of it has 60 returns up to 2024-02-14")
    assert "2 held symbols without a beta on 2024-02-14" in " ".join(told.values())
    assert "AAA" in told["interest_rate"]
    assert night.rows(PORTFOLIOS_BY_SESSION) == [("02-14", "Growth Income")]
    assert night.rows(
        "select portfolios.name, betas.symbol, round(betas.beta::numeric, 9), betas.observations, betas.quality_flag"
        " from analytics.position_market_betas as betas inner join raw.portfolios using (portfolio_id)"
        " where calculation_date = %s order by 1, 2",
        ROLLED_TO,
    ) == [
        (name, symbol, 1, 50, "limited_history")
        for name, symbol in (("Growth", "AAA"), ("Growth", "BBB"), ("Income", "BBB"))
    ]
    assert night.rows("select count(*), count(realized_vol_21d) from analytics.position_volatility") == [(3, 3)]
    # a factor without an ETF has no rows
    assert night.rows("select count(*) from analytics.position_factor_exposures") == [(0,)]


def test_pairs_are_kept_for_as_many_sessions_as_the_settings_say_and_force_brings_them_back(night):
    few = replace(night, settings=night.settings.model_copy(update={"pair_sessions": 2}))
    pairs = "select to_char(calculation_date, 'MM-DD') from analytics.pairwise_correlations order by 1"
    night.run("analytics", start=date(2024, 2, 7), end=ROLLED_TO)
    assert night.rows(pairs) == [("02-07",), ("02-08",), ("02-09",), ("02-12",), ("02-13",), ("02-14",)]
    record = few.run("analytics", trade_date=ROLLED_TO)
    assert risk(record).counts["pruned_pairs"] == 4
    assert "4 pairs of earlier sessions pruned (AFTERCLOSE_PAIR_SESSIONS)" in risk(record).lines
    # pairs that were pruned are neither written again, pruned again, nor missed
    again = few.run("analytics", start=date(2024, 2, 12), end=date(2024, 2, 13), force=True)
    assert risk(again).counts["rows"]["pairwise_correlations"] == 1
    assert night.rows(pairs) == [("02-13",), ("02-14",)]
    assert risk(night.run("analytics", trade_date=date(2024, 2, 12))).lines[0] == "results of 1 session are current"
    night.run("analytics", trade_date=date(2024, 2, 12), force=True)
    assert night.rows(pairs) == [("02-12",), ("02-13",), ("02-14",)]


def test_stress_tests_are_kept_for_as_many_sessions_as_the_settings_say_and_force_brings_them_back(night):
    few = replace(night, settings=night.settings.model_copy(update={"stress_sessions": 2}))
    days = "select distinct to_char(calculation_date, 'MM-DD') from analytics.stress_test_results order by 1"
    night.run("analytics", start=date(2024, 2, 9), end=ROLLED_TO)
    assert night.rows(days) == [("02-09",), ("02-12",), ("02-13",), ("02-14",)]
    record = few.run("analytics", trade_date=ROLLED_TO)
    assert risk(record).counts["pruned_stress_tests"] > 0
    assert any(
        "stress tests of earlier sessions pruned (AFTERCLOSE_STRESS_SESSIONS)" in line for line in risk(record).lines
    )
    few.run("analytics", start=date(2024, 2, 12), end=date(2024, 2, 13), force=True)
    assert night.rows(days) == [("02-13",), ("02-14",)]
    night.run("analytics", trade_date=date(2024, 2, 12), force=True)
    assert night.rows(days) == [("02-12",), ("02-13",), ("02-14",)]


def test_analytics_computes_the_sessions_and_portfolios_asked_for_and_nothing_twice(night):
    start, end = SESSIONS
    run = night.run("analytics", start=start, end=end, portfolios=("Growth",))
    assert run.status == "succeeded", run.problems
    assert [phase.phase for phase in run.phases] == ["3"]
    assert (run.trade_date, run.arguments) == (
        end,
        {"start": "2024-02-01", "end": "2024-02-14", "portfolio": ["Growth"]},
    )
    rows = dict(night.rows(PORTFOLIOS_BY_SESSION))
    assert rows.pop("02-14") == "Growth Income"
    assert len(rows) == 9
    assert set(rows.values()) == {"Growth"}

    before = night.rows("select * from analytics.portfolio_risk_metrics order by calculation_date, portfolio_id")
    again = night.run("analytics", start=start, end=end, portfolios=("Growth",))
    assert risk(again).lines == ["results of 10 sessions are current"]
    assert (
        night.rows("select * from analytics.portfolio_risk_metrics order by calculation_date, portfolio_id") == before
    )

    # a corrected price is taken in from its session on
    night.execute(
        "update analytics.daily_returns set total_return = 0.05 where symbol = 'AAA' and value_date = '2024-02-09'"
    )
    run = night.run("analytics", start=start, end=end)
    assert risk(run).lines[0].startswith("10 sessions, ")
    assert len(night.rows("select from analytics.portfolio_risk_metrics")) == 20


def test_analytics_looks_at_the_last_session_rolled_unless_told_otherwise(on_this_database, capsys):
    night = on_this_database
    assert cli.main(["analytics"]) == 0
    assert "trade date 2024-02-14" in capsys.readouterr().out
    assert cli.main(["analytics", "--date", "2024-02-13"]) == 0
    assert "2024-02-13: 2 portfolios" in capsys.readouterr().out
    assert cli.main(["status"]) == 0
    assert "2024-02-14   2024-02-14" in capsys.readouterr().out
    assert night.rows("select command, arguments from ops.batch_runs order by run_id desc limit 1") == [
        ("analytics", {"date": "2024-02-13"})
    ]
    # deleted rows come back on request
    night.execute("delete from analytics.portfolio_risk_metrics where calculation_date = '2024-02-13'")
    assert cli.main(["analytics", "--date", "2024-02-13", "--force"]) == 0
    assert "2024-02-13: 2 portfolios" in capsys.readouterr().out
    assert len(night.rows("select from analytics.portfolio_risk_metrics where calculation_date = '2024-02-13'")) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--date", "2024-02-15"],
            "any portfolio is rolled to is 2024-02-14; `python run_nightly.py backfill --end 2024",
        ),
        (["--start", "2024-02-01", "--end", "2024-02-15"], "--end 2024-02-15: the last session that any portfolio is"),
        (["--date", "2024-02-10"], "2024-02-10 is no NYSE session; nearest: 2024-02-09 and 2024-02-12"),
        (["--start", "2024-02-10", "--end", "2024-02-11"], "there is no session from 2024-02-10 to 2024-02-11"),
        (["--end", "2024-02-13"], "--end needs --start"),
        (["--date", "2024-02-13", "--start", "2024-02-01"], "give --date, or --start and --end, not both"),
        (["--portfolio", "Groth"], "no such portfolio; there are: Growth, Income"),
        (["--phase", "3"], "No such option"),
    ],
)
def test_a_wrong_request_is_refused(on_this_database, capsys, arguments, said):
    assert cli.main(["analytics", *arguments]) == 2
    assert as_typed(said) in capsys.readouterr().err
    assert on_this_database.rows("select count(*) from ops.batch_runs") == [(1,)]


def test_without_anything_rolled_there_is_nothing_to_analyse(unrolled, monkeypatch, capsys):
    for name, value in unrolled.environment().items():
        monkeypatch.setenv(name, value)
    assert cli.main(["analytics"]) == 2
    assert "no portfolio has been rolled yet: run a night first" in capsys.readouterr().err


def test_a_failure_leaves_the_other_phases_and_its_own_command_repeats_it(on_this_database, capsys):
    night = on_this_database
    night.execute("alter table analytics.factor_correlations rename to away")
    run = night.run()
    assert [(phase.phase, phase.status) for phase in run.phases][-2:] == [("2.75", "succeeded"), ("3", "failed")]
    (problem,) = run.errors
    assert (problem.phase, problem.scope) == ("3", "Risk Analytics")
    assert problem.message.startswith('UndefinedTable: relation "analytics.factor_correlations" does not exist')
    assert night.rows("select max(snapshot_date) from analytics.portfolio_snapshots") == [(NEXT_SESSION,)]
    command = summary.rerun_command(run)
    assert command == "python run_nightly.py analytics --date 2024-02-15"
    night.execute("alter table analytics.away rename to factor_correlations")
    assert cli.main(shlex.split(command)[2:]) == 0
    assert "2024-02-15: 2 portfolios" in capsys.readouterr().out
    assert night.rows(PORTFOLIOS_BY_SESSION)[-1] == ("02-15", "Growth Income")


def test_results_that_cannot_be_right_fail_the_data_checks(on_this_database, capsys):
    on_this_database.execute(
        """
        update analytics.symbol_market_betas set r_squared = 1.5 where symbol = 'AAA';
        update analytics.symbol_interest_rate_betas set quality_flag = 'full_history' where symbol = 'AAA';
        update analytics.portfolio_factor_exposures set exposure_dollar = exposure_dollar + 1 where model = 'market';
        update analytics.portfolio_factor_exposures set positions_covered = positions_covered + 1;
        update analytics.symbol_volatility set quality_flag = 'insufficient_history' where symbol = 'AAA';
        insert into analytics.correlation_clusters
        select calculation_date, portfolio_id, 9, 'alone', 0.8, 1, 0.1 from analytics.portfolio_risk_metrics;
        update analytics.portfolio_risk_metrics set ex_ante_vol = 0.2, factor_variance = 0.04, specific_variance = 0;
        update analytics.stress_test_results set correlated_pnl = 1, direct_pnl = 1, correlation_effect = 0,
            factor_impacts = '{"Market": 2}', stressed_equity = 1;
        insert into analytics.pairwise_correlations values ('2024-02-14', 'AAA', 'SPY', 1.1, 50, 0);
        insert into analytics.factor_correlations values ('2024-02-17', 'Market', 'Market', 1);
        """
    )
    assert cli.main(["dbt", "--", "test", "--select", "source:risk"]) == 1
    out = capsys.readouterr().out
    for name in (
        "symbol_market_betas_are_possible",
        "symbol_interest_rate_betas_are_possible",
        "pairwise_correlations_are_possible",
        "source_is_session_risk_factor_correlations",
        "factor_exposures_are_of_equity",
        "exposures_cover_every_holding",
        "exposures_are_sums_of_positions",
        "clusters_have_their_members",
        "symbol_volatility_are_possible",
        "risk_contributions_sum_to_ex_ante_vol",
        "stress_results_add_up",
    ):
        assert f"Failure in test {name}" in out, name
    assert out.count("Failure in test") == 11
    # the report says which holdings have no beta and why, and nothing fails
    assert "Warning in test holdings_without_beta" in out
