"""A night on the live sources, as the settings name them: the phase's wiring, on the real clients."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from tests.fakes.fmp import KEY
from tests.fakes.market import Listing, bars_of
from tests.nightly.small_nights import NEXT_SESSION, ROLLED_TO
from warehouse.sessions import sessions_between

pytestmark = pytest.mark.filterwarnings("ignore")


def test_prices_come_from_the_sources_that_the_settings_name(night, yahoo, fmp, net):
    with night.database.connect() as conn:
        sessions = sessions_between(conn, NEXT_SESSION - timedelta(days=90), NEXT_SESSION)
        stored = dict(
            conn.execute("select price_date, close::float from raw.market_data_cache where symbol = 'AAA'").fetchall()
        )
    closes = {session: stored.get(session, stored[ROLLED_TO] + 1) for session in sessions}
    for symbol in ("AAA", "BBB", "SPY"):
        yahoo.add(Listing(symbol, bars_of(closes)))
    fmp.add(Listing("AAPL", bars_of(closes)))
    # FMP has what Yahoo lacks for the night
    yahoo.listings["BBB"].bars[NEXT_SESSION] = None
    fmp.add(Listing("BBB", bars_of(closes)))
    limits = {"yahoo_per_minute": 60000, "fmp_per_minute": 60000}
    named = {"providers": "yahoo,fmp,polygon", "fmp_api_key": SecretStr(KEY)}
    night = replace(night, settings=night.settings.model_copy(update=limits | named))
    record = night.run(phases=("1",))
    (phase,) = record.phases
    assert (phase.status, record.errors) == ("succeeded", [])
    sources = night.rows(
        "select symbol, source from raw.market_data_cache where price_date = %s order by symbol", NEXT_SESSION
    )
    assert sources == [("AAA", "yahoo"), ("BBB", "fmp"), ("SPY", "yahoo")]
    assert phase.lines[0] == "polygon: no key, left out (set POLYGON_API_KEY)"
    assert phase.lines[1].startswith("yahoo: asked for ")
    assert "requests (0 retries)" in phase.lines[2]
    assert KEY not in repr(record)
    # the time of the run, not that of the machine, decides when a source is asked again
    (years,) = night.rows(
        "select distinct extract(year from next_attempt_at) from ops.fetch_state where next_attempt_at is not null"
    )
    assert years == (2024,)
