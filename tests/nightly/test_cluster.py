"""Nights on a database that is spread over servers give the rows of nights on one.

AFTERCLOSE_TEST_CITUS_URL names a database for these tests alone, with the extension citus and workers in it: our
schemas in it are dropped before and after. Without it they are skipped.
"""

import os
from collections.abc import Iterator
from datetime import date

import pytest

from ingest.books.portfolios import load_folder
from nightly.prepare import prepare_database
from python_models.write import prune
from tests.nightly.small_nights import NEXT_SESSION, ROLLED_TO, TONIGHT, Night
from tests.nightly.twins import difference, state
from warehouse.database import Database, check_url
from warehouse.distribution import SPREAD, distribute
from warehouse.sessions import refresh_sessions

URL = os.environ.get("AFTERCLOSE_TEST_CITUS_URL", "")
START = date(2024, 1, 12)

pytestmark = pytest.mark.skipif(not URL, reason="AFTERCLOSE_TEST_CITUS_URL names no database with Citus and workers")


@pytest.fixture
def spread(night_settings, small_book, calendar_day, tmp_path) -> Iterator[Night]:
    """A cluster on which the two portfolios have been rolled to ROLLED_TO, and the results then spread."""
    database = check_url(URL, "AFTERCLOSE_TEST_CITUS_URL")
    _drop_ours(database)
    settings = night_settings.model_copy(update={"home": tmp_path})
    with database.connect() as conn:
        prepare_database(conn, TONIGHT.date())
        refresh_sessions(conn, calendar_day)
        load_folder(conn, small_book)
        night = Night(database, settings)
        night.run(trade_date=ROLLED_TO)
        distribute(conn)
    yield night
    _drop_ours(database)


def test_nights_a_backfill_and_a_withdrawal_give_the_same_rows(spread: Night, night: Night):
    for each in (night, spread):
        for record in (
            each.run(trade_date=NEXT_SESSION),
            each.run("backfill", start=START, end=NEXT_SESSION),
            each.run("analytics", start=START, end=NEXT_SESSION, force=True),
        ):
            assert not record.errors
        each.execute("update raw.portfolios set deleted_at = '2024-02-15' where name = 'Income'")
        assert not each.run(trade_date=NEXT_SESSION).errors
    assert spread.rows("select count(*) > 0 from analytics.pairwise_correlations") == [(True,)]
    assert difference(spread, state(night)) == []


def test_spreading_again_moves_nothing(spread: Night):
    with spread.database.connect() as conn:
        again = distribute(conn)
    assert not again.moved
    assert again.already == list(SPREAD)


def test_readers_see_that_results_have_changed(spread: Night):
    def version() -> str:
        return spread.rows("select version from analytics.data_version")[0][0]

    before = version()
    assert not spread.run("analytics", start=ROLLED_TO, end=ROLLED_TO, force=True).errors
    after = version()
    assert after != before
    with spread.database.connect() as conn:
        assert prune(conn, "pairwise_correlations", NEXT_SESSION) > 0
    assert version() != after


def _drop_ours(database: Database) -> None:
    with database.connect() as conn:
        ours = conn.execute(
            "select nspname from pg_namespace"
            " where nspname in ('raw', 'ops', 'staging', 'intermediate', 'analytics', 'failed_checks')"
        ).fetchall()
        for (schema,) in ours:
            conn.execute(f"drop schema {schema} cascade")
