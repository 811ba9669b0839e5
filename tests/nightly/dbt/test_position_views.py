"""The views of position statistics read one portfolio's session through indexes, however many others there are."""

from benchmarks.position_views import HISTORY, LATEST, VIEWS, fill, plan, relations_scanned_whole
from tests.nightly.small_nights import Night

LARGE = {
    "position_values",
    "symbol_market_betas",
    "symbol_interest_rate_betas",
    "symbol_factor_exposures",
    "symbol_volatility",
    "portfolio_risk_metrics",
}


def test_no_large_table_is_read_whole_for_one_portfolio_or_position(night: Night):
    with night.database.connect() as conn:
        fill(conn, portfolios=20, positions=50, sessions=80, symbols=60)
        for view in VIEWS:
            factors = 12 if view == "position_factor_exposures" else 1
            for query, rows in ((LATEST, 50), (HISTORY, 80)):
                answer = plan(conn, query.format(view=view))
                assert answer["Plan"]["Actual Rows"] == rows * factors
                assert not relations_scanned_whole(answer) & LARGE, (view, query)
