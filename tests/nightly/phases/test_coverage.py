"""How much of the book has a fresh price, and when that is too little."""

from datetime import date

from nightly.phases.roll_forward import coverage
from tests.nightly.small_nights import ROLLED_TO, Night


def portfolio_ids(night: Night, *names: str) -> list:
    return [each for (each,) in night.rows("select portfolio_id from raw.portfolios where name = any(%s)", list(names))]


def test_a_small_part_without_a_fresh_price_is_a_warning_and_a_large_one_an_error(night: Night):
    night.execute(
        "update analytics.position_values set is_stale = true, price_date = '2024-02-13'"
        " where symbol = 'BBB' and value_date = '2024-02-14'"
    )
    with night.database.connect() as conn:
        # Growth holds 100 AAA and 10 BBB at 150 each, Income 200 BBB.
        growth = coverage.measure(conn, ROLLED_TO, portfolio_ids(night, "Growth"))
        both = coverage.measure(conn, ROLLED_TO, portfolio_ids(night, "Growth", "Income"))
    (warning,) = coverage.find_problems(growth, ROLLED_TO)
    assert (warning.severity, warning.phase) == ("warning", None)
    assert warning.message == (
        "prices of 2024-02-14 cover 90.9% of the book by value; valued at older prices: BBB (since 2024-02-13, 9.1%)"
    )
    (error,) = coverage.find_problems(both, ROLLED_TO)
    assert (error.severity, error.phase) == ("error", None)
    assert error.message == (
        "prices of 2024-02-14 cover 32.3% of the book by value, 90% are required;"
        " valued at older prices: BBB (since 2024-02-13, 67.7%); by portfolio: Income 0.0%"
    )


def test_one_portfolio_without_prices_fails_however_small_it_is(night: Night):
    night.execute(
        "update analytics.position_values set is_stale = true, price_date = '2024-02-13', market_value = 100"
        " where symbol = 'BBB' and value_date = '2024-02-14'"
    )
    with night.database.connect() as conn:
        both = coverage.measure(conn, ROLLED_TO, portfolio_ids(night, "Growth", "Income"))
    warning, error = coverage.find_problems(both, ROLLED_TO)
    assert (warning.scope, warning.severity) == ("coverage", "warning")
    assert (error.scope, error.severity) == ("coverage of Income", "error")
    assert error.message == "prices of 2024-02-14 cover 0.0% of this portfolio by value, 90% are required"


def test_private_holdings_do_not_count_and_a_full_book_says_nothing(night: Night):
    ids = portfolio_ids(night, "Growth")
    with night.database.connect() as conn:
        assert coverage.measure(conn, ROLLED_TO, ids) == {"fresh_share": 1, "stale": [], "portfolios": {}}
        assert coverage.find_problems({"fresh_share": 1, "stale": [], "portfolios": {}}, ROLLED_TO) == []
        conn.execute("update analytics.position_values set is_stale = true where symbol = 'BBB'")
        conn.execute("update raw.positions set investment_class = 'PRIVATE' where symbol = 'BBB'")
        assert coverage.measure(conn, ROLLED_TO, ids) == {"fresh_share": 1, "stale": [], "portfolios": {}}
        assert coverage.measure(conn, date(2023, 12, 29), ids) is None
        assert coverage.find_problems(None, ROLLED_TO) == []
