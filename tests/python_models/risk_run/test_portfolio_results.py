"""Results of portfolios: identities, options at delta, replays, and reasons where there is no number."""

from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from python_models.books import OptionTerms
from python_models.read import read_holdings
from python_models.run import compute_risk
from tests.python_models.risk_book import (
    CALL,
    CASH,
    CRASH,
    END,
    ODDS,
    SIXTY,
    UNDER_WATER,
)
from tests.python_models.risk_run.rolled import DAYS, FACTOR_ETFS, Rolled, factors_of, frame, portfolio, taken_back


def test_contributions_add_up_to_the_volatility(conn: psycopg.Connection[Any]):
    sums = frame(
        conn,
        """
        select
            metrics.ex_ante_vol, metrics.factor_variance, metrics.specific_variance, metrics.reason,
            sum(contributions.contribution_vol) as total, sum(contributions.contribution_share) as shares
        from analytics.portfolio_risk_metrics as metrics
        inner join raw.portfolios using (portfolio_id)
        inner join analytics.position_risk_contributions as contributions using (portfolio_id, calculation_date)
        where portfolios.name in (%s, %s)
        group by metrics.portfolio_id, metrics.calculation_date
        """,
        SIXTY,
        ODDS,
    )
    assert len(sums) == 2 * len(DAYS)
    assert_allclose(sums["total"], sums["ex_ante_vol"], rtol=1e-12)
    assert_allclose(sums["shares"], 1.0, rtol=1e-12)
    assert_allclose(sums["factor_variance"] + sums["specific_variance"], sums["ex_ante_vol"] ** 2, rtol=1e-12)
    assert sums["reason"].isna().all()


def test_exposures_are_values_times_betas_over_equity(conn: psycopg.Connection[Any], rolled: Rolled):
    exposures = frame(
        conn,
        """
        select
            exposures.exposure_dollar, exposures.exposure_value * snapshots.equity_balance::float8 as from_value,
            sum(held.market_value::float8 * betas.beta) as expected
        from analytics.portfolio_factor_exposures as exposures
        inner join raw.portfolios using (portfolio_id)
        inner join analytics.portfolio_snapshots as snapshots
            on exposures.portfolio_id = snapshots.portfolio_id and calculation_date = snapshot_date
        inner join analytics.position_values as held
            on exposures.portfolio_id = held.portfolio_id and calculation_date = value_date
        inner join (
            select calculation_date, symbol, model, factor, beta from analytics.symbol_factor_exposures
            union all
            select calculation_date, symbol, 'market', 'Market', beta from analytics.symbol_market_betas
            union all
            select calculation_date, symbol, 'interest_rate', 'Interest Rate', beta
            from analytics.symbol_interest_rate_betas
        ) as betas using (calculation_date, symbol, model, factor)
        where portfolios.name = %s
        group by exposures.portfolio_id, calculation_date, model, factor, snapshots.equity_balance
        """,
        SIXTY,
    )
    # market, rates, four spreads, and the joint factors; Communication Services has its year by the second day
    assert len(exposures) == sum(6 + factors_of(rolled, day).shape[1] for day in DAYS)
    assert_allclose(exposures["exposure_dollar"], exposures["expected"], rtol=1e-10)
    assert_allclose(exposures["exposure_dollar"], exposures["from_value"], rtol=1e-12)


def test_an_option_of_a_list_stated_in_later_shares_has_its_strike_in_those(conn: psycopg.Connection[Any]):
    """As P&L settles it: `shares_as_of` names the day where a book was listed after a split."""
    odds = portfolio(conn, ODDS)

    def share_dates() -> dict[UUID, date | None]:
        held = read_holdings(conn, [odds], [END])[END][odds]
        return {position.position_id: position.share_date for position in held if position.is_option}

    first_sessions = share_dates()
    assert len(set(first_sessions.values())) == 1 < len(first_sessions)
    with taken_back(conn):
        for stated, expected in (("2023-12-15", date(2023, 12, 15)), ("2019-01-02", None)):
            conn.execute("update raw.positions set shares_as_of = %s where portfolio_id = %s", [stated, odds])
            assert share_dates() == {each: expected or first for each, first in first_sessions.items()}


@pytest.mark.parametrize("terms", [OptionTerms(), OptionTerms(rate=0.05, dividend_yield=0.02)])
def test_an_option_counts_as_its_underlying_at_delta(conn: psycopg.Connection[Any], rolled: Rolled, terms: OptionTerms):
    """The call was never priced, so it is valued at the realized volatility of its underlying."""
    ((units, volatility),) = conn.execute(
        """
        select (quantity * multiplier)::float8, realized_vol_63d
        from analytics.position_values
        inner join analytics.symbol_volatility on value_date = calculation_date and symbol_volatility.symbol = 'AAPL'
        where position_values.symbol = %s and value_date = %s
        """,
        [CALL, END],
    )
    spot, years = rolled.closes.loc[END.isoformat(), "AAPL"], (date(2024, 6, 21) - END).days / 365
    dividends = 0.23 + 3 * 0.24  # of 2023, the year before
    carry = dividends / spot if terms.dividend_yield is None else terms.dividend_yield
    d1 = (np.log(spot / 190) + (volatility**2 / 2 + terms.rate - carry) * years) / (volatility * np.sqrt(years))
    delta_value = units * spot * np.exp(-carry * years) * norm.cdf(d1)
    with taken_back(conn):
        without = "select exposure_dollar from analytics.portfolio_factor_exposures where portfolio_id = %s" + (
            " and calculation_date = %s and model = 'market'"
        )
        odds = portfolio(conn, ODDS)
        compute_risk(conn, END, END, terms=terms)
        ((held,),) = conn.execute(without, [odds, END])
        conn.execute("delete from analytics.position_values where symbol = %s and value_date = %s", [CALL, END])
        compute_risk(conn, END, END, terms=terms)
        ((left,),) = conn.execute(without, [odds, END])
    ((beta,),) = conn.execute(
        "select beta from analytics.symbol_market_betas where symbol = 'AAPL' and calculation_date = %s", [END]
    )
    assert_allclose(held - left, delta_value * beta, rtol=1e-9)


def test_stress_results_add_up_and_replays_know_no_future(conn: psycopg.Connection[Any]):
    results = frame(
        conn,
        """
        select
            results.*, snapshots.equity_balance::float8 as equity, portfolios.name,
            (select sum(value::float8) from jsonb_each_text(factor_impacts)) as impacts
        from analytics.stress_test_results as results
        inner join raw.portfolios using (portfolio_id)
        inner join analytics.portfolio_snapshots as snapshots
            on results.portfolio_id = snapshots.portfolio_id and calculation_date = snapshot_date
        """,
    )
    known = results[results["correlated_pnl"].notna()]
    assert_allclose(known["impacts"], known["correlated_pnl"], rtol=1e-9, atol=1e-6)
    assert_allclose(known["correlated_pnl"] - known["direct_pnl"], known["correlation_effect"], rtol=1e-9, atol=1e-6)
    assert_allclose(known["equity"] + known["correlated_pnl"], known["stressed_equity"], rtol=1e-12)
    assert known["reason"].isna().all()
    unknown = results[results["correlated_pnl"].isna()]
    assert unknown["reason"].notna().all() and unknown["factor_impacts"].isna().all()
    scenarios = results.groupby("calculation_date")["scenario_id"].agg(set)
    assert scenarios[END] - scenarios[CRASH] == {"replay_rates_2022"}
    assert scenarios[CRASH] - scenarios[DAYS[0]] == {"replay_covid_2020"}
    assert "replay_covid_2020" in scenarios[CRASH]  # it ends on that day
    assert set(results[results["name"] == CASH]["correlated_pnl"].dropna()) == {0.0}


def test_a_replay_shocks_with_what_the_stored_prices_did(conn: psycopg.Connection[Any], rolled: Rolled):
    """From the close of 2020-02-19 to that of 2020-03-23, to the last digit rather than the seed's four."""
    fell = {etf: (1 + rolled.returns.loc["2020-02-20":"2020-03-23", etf]).prod() - 1 for etf in FACTOR_ETFS.values()}
    ((impacts,),) = conn.execute(
        "select factor_impacts from analytics.stress_test_results inner join raw.portfolios using (portfolio_id)"
        " where name = %s and calculation_date = %s and scenario_id = 'replay_covid_2020'",
        [SIXTY, END],
    )
    exposures = dict(
        conn.execute(
            "select factor, exposure_dollar from analytics.portfolio_factor_exposures"
            " inner join raw.portfolios using (portfolio_id)"
            " where name = %s and calculation_date = %s and model = 'ridge'",
            [SIXTY, END],
        ).fetchall()
    )
    for factor, etf in FACTOR_ETFS.items():
        shock = fell[etf] - (0 if factor in ("Market", "Interest Rate") else fell["SPY"])
        assert_allclose(impacts[factor], exposures[factor] * shock, rtol=1e-8)


def test_what_has_no_number_has_a_reason(conn: psycopg.Connection[Any]):
    metrics = frame(
        conn,
        "select portfolios.name, metrics.* from analytics.portfolio_risk_metrics as metrics"
        " inner join raw.portfolios using (portfolio_id) where calculation_date = %s",
        END,
    ).set_index("name")
    assert metrics.loc[UNDER_WATER, "reason"] == "equity is not positive"
    assert np.isnan(metrics.loc[UNDER_WATER, "ex_ante_vol"])
    assert metrics.loc[UNDER_WATER, "var_95_1d"] > 0  # dollars are known nevertheless
    assert metrics.loc[CASH, "ex_ante_vol"] == metrics.loc[CASH, "var_95_1d"] == 0.0
    assert metrics.loc[CASH, "quality_flag"] == "zero_variance"
    assert metrics.loc[ODDS, "positions_without"] == 2  # the bakery, and a symbol without a price
    with taken_back(conn):
        report = compute_risk(conn, date(2023, 12, 28), date(2023, 12, 28), force=True)
    warnings = dict(report.warnings())
    assert warnings[f"portfolio {UNDER_WATER}"].startswith("equity is not positive on 2023-12-28")
    assert ["ZZZZ (0)" in message for message in warnings.values()].count(True) == 1
    assert report.counts()["etfs"] == FACTOR_ETFS
    assert report.counts()["missing_factors"] == []


def test_a_constant_price_is_named_and_left_out(conn: psycopg.Connection[Any]):
    with taken_back(conn):
        conn.execute("update analytics.daily_returns set total_return = 0 where symbol = 'KO'")
        compute_risk(conn, END, END)
        for table, number in (
            ("symbol_market_betas", "beta"),
            ("symbol_interest_rate_betas", "beta"),
            ("symbol_factor_exposures", "beta"),
            ("symbol_volatility", "expected_vol_21d"),
        ):
            flags = conn.execute(
                f"select distinct quality_flag, {number} from analytics.{table} where symbol = 'KO'"
                " and calculation_date = %s",
                [END],
            )
            assert flags.fetchall() == [("zero_variance", None)], table
        ((counted, beta),) = conn.execute(
            "select positions_without, exposure_dollar from analytics.portfolio_factor_exposures"
            " inner join raw.portfolios using (portfolio_id)"
            " where name = %s and calculation_date = %s and model = 'market'",
            [ODDS, END],
        )
        assert counted == 3 and beta is not None  # beside the bakery, and a symbol without a price
        pairs = (
            "select count(correlation) from analytics.pairwise_correlations"
            " where 'KO' in (symbol_1, symbol_2) and calculation_date = %s"
        )
        assert conn.execute(pairs, [END]).fetchone() == (0,)


def test_without_the_benchmark_there_are_reasons_and_the_losses_of_the_past(conn: psycopg.Connection[Any]):
    with taken_back(conn):
        conn.execute("delete from analytics.daily_returns where symbol = 'SPY'")
        report = compute_risk(conn, END, END)
        assert report.missing_factors[0] == "Market"
        betas = "select distinct quality_flag, beta from analytics.symbol_market_betas where calculation_date = %s"
        assert conn.execute(betas, [END]).fetchall() == [("no_benchmark", None)]
        exposures = frame(
            conn,
            "select exposures.* from analytics.portfolio_factor_exposures as exposures"
            " inner join raw.portfolios using (portfolio_id)"
            " where name = %s and calculation_date = %s and model = 'market'",
            SIXTY,
            END,
        )
        assert exposures["exposure_dollar"].isna().all() and (exposures["positions_covered"] == 0).all()
        assert set(exposures["reason"]) == {"no position has a beta"}
        (metrics,) = conn.execute(
            "select ex_ante_vol, beta_portfolio_regression, var_95_1d, reason from analytics.portfolio_risk_metrics"
            " inner join raw.portfolios using (portfolio_id) where name = %s and calculation_date = %s",
            [SIXTY, END],
        )
        assert metrics[:2] == (None, None)
        assert metrics[2] > 0  # today's holdings on past returns need no model
        assert metrics[3].startswith("no position has a beta")
        stress = conn.execute(
            "select count(*), count(direct_pnl), count(correlated_pnl), count(reason)"
            " from analytics.stress_test_results inner join raw.portfolios using (portfolio_id)"
            " where name = %s and calculation_date = %s",
            [SIXTY, END],
        ).fetchone()
        assert stress == (stress[0], 0, 0, stress[0])


def test_a_net_short_and_levered_book_has_the_risk_of_its_mirror_on_less_equity(conn: psycopg.Connection[Any]):
    sixty = portfolio(conn, SIXTY)

    def numbers() -> dict[str, float]:
        metrics = (
            "select ex_ante_vol from analytics.portfolio_risk_metrics where portfolio_id = %s and calculation_date = %s"
        )
        stress = (
            "select scenario_id, direct_pnl from analytics.stress_test_results"
            " where portfolio_id = %s and calculation_date = %s"
        )
        ((volatility,),) = conn.execute(metrics, [sixty, END])
        return {"volatility": volatility, **dict(conn.execute(stress, [sixty, END]).fetchall())}

    ahead = numbers()
    with taken_back(conn):
        conn.execute(
            "update analytics.position_values set quantity = -quantity, market_value = -market_value"
            " where portfolio_id = %s and value_date = %s",
            [sixty, END],
        )
        conn.execute(
            "update analytics.portfolio_snapshots set equity_balance = equity_balance / 4"
            " where portfolio_id = %s and snapshot_date = %s",
            [sixty, END],
        )
        assert compute_risk(conn, END, END).portfolios == {SIXTY}
        back = numbers()
    assert_allclose(back.pop("volatility"), 4 * ahead.pop("volatility"), rtol=1e-9)
    assert_allclose(list(back.values()), [-ahead[scenario] for scenario in back], rtol=1e-9)
