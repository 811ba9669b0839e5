"""What readers look up first: which portfolios there are, how far each is, and whether anything has changed."""

from datetime import date

import pytest

from tests.nightly.small_nights import NEXT_SESSION, ROLLED_TO, Night

PORTFOLIOS = """
select name, first_session, rolled_to, risk_to, published_to from analytics.portfolios order by name
"""


def versions(night: Night) -> dict[str, str]:
    return dict(night.rows("select name, version from analytics.portfolios"))


def test_a_portfolio_is_published_to_where_profit_and_risk_both_stand(night: Night):
    first = date(2024, 1, 2)
    rolled = [(name, first, ROLLED_TO, ROLLED_TO, ROLLED_TO) for name in ("Growth", "Income")]
    assert night.rows(PORTFOLIOS) == rolled
    night.run(phases=("1", "2", "2.5", "2.75"))
    assert night.rows(PORTFOLIOS) == [(*row[:2], NEXT_SESSION, *row[3:]) for row in rolled]
    night.run()
    assert night.rows(PORTFOLIOS) == [(*row[:2], *[NEXT_SESSION] * 3) for row in rolled]
    night.execute("update raw.portfolios set deleted_at = now() where name = 'Income'")
    assert [name for name, *_ in night.rows(PORTFOLIOS)] == ["Growth"]


@pytest.mark.parametrize(
    "change",
    [
        "update raw.portfolios set name = 'Renamed' where name = 'Income'",
        "update raw.company_profiles set name = 'Another Inc' where symbol = 'BBB'",
        "delete from raw.company_profiles where symbol = 'AAA'",
        "update raw.positions set investment_subtype = 'ADR' where symbol = 'AAA'",
        "update analytics.position_values set price = price + 1 where symbol = 'AAA'",
        "delete from analytics.portfolio_snapshots where snapshot_date = '2024-02-14'",
        "update analytics.positions set last_price = 1",
        "update analytics.daily_returns set total_return = 0.5 where value_date = '2024-02-14'",
        "update analytics.portfolio_sector_exposures set weight = 0.5",
        "update analytics.sector_tags set color = '#000000'",
        "delete from analytics.position_sector_tags",
        "update analytics.factor_definitions set description = 'another'",
        "update analytics.stress_test_scenarios set name = name || '!'",
        "truncate analytics.benchmark_sector_weights",
        "insert into analytics.sector_map values ('Energie', 'Energy')",
        "update analytics.symbol_market_betas set beta = 1",
        "insert into analytics.symbol_factor_exposures"
        " values ('2024-02-14', 'AAA', 'ridge', 'Market', 1, 0.5, 100, 0.1, 'full_history')",
        "update analytics.symbol_volatility set realized_vol_21d = 1",
        "update analytics.portfolio_risk_metrics set var_95_1d = 1",
        "update analytics.portfolio_factor_exposures set exposure_dollar = 1",
        "update analytics.stress_test_results set direct_pnl = 1",
        "update ops.risk_state set stale_because = 'the weather'",
    ],
)
def test_the_version_moves_with_whatever_can_change_an_answer(night: Night, change: str):
    before = versions(night)
    night.execute(change)
    after = versions(night)
    assert len(after) == 2
    assert not set(before.values()) & set(after.values()), change


def test_the_version_stays_while_nothing_changes(night: Night):
    before = versions(night)
    for nothing in (
        "update raw.portfolios set name = name where name = 'nobody'",
        "delete from analytics.position_values where symbol = 'ZZZ'",
        "insert into analytics.positions select * from analytics.positions where symbol = 'ZZZ'",
    ):
        night.execute(nothing)
    assert versions(night) == before


def test_readers_are_told_what_risk_has_not_looked_at_yet(night: Night):
    stale = "select count(*), min(stale_because) from analytics.risk_status where stale_because is not null"
    assert night.rows(stale) == [(0, None)]
    night.execute(
        "update raw.market_data_cache set close = close + 5 where symbol = 'AAA' and price_date = '2024-02-13'"
    )
    before = versions(night)
    night.run(phases=("2", "2.5", "2.75"), trade_date=ROLLED_TO)
    assert night.rows(stale) == [(1, "AAA price of 2024-02-13 restated")], "of Growth, which holds it"
    assert not set(before.values()) & set(versions(night).values())
    night.run(phases=("3",), trade_date=ROLLED_TO)
    assert night.rows(stale) == [(0, None)]
