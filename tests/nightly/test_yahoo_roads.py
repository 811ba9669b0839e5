"""What Yahoo tells wrong, rolled by three roads: night by night, loaded once, and rebuilt. The rows are the same."""

from datetime import UTC, date, datetime, time

import pytest

from ingest.books.portfolios import load_folder
from tests.fakes.market import Listing, bars_of
from tests.fakes.yahoo import FakeYahoo
from tests.nightly.small_nights import Night, copy_of
from tests.nightly.twins import State, unlike
from warehouse.sessions import sessions_between

pytestmark = pytest.mark.filterwarnings("ignore")
INCEPTION, SPLIT_ON = date(2025, 1, 6), date(2025, 2, 10)
NIGHTS = [date(2025, 2, 7), SPLIT_ON, date(2025, 2, 11), date(2025, 2, 14)]
LAST = NIGHTS[-1]
# What is compared: the prices of the book's own time, the believed actions, and the rows that are rolled from both.
COMPARED = {
    "prices": f"select symbol, price_date, close from raw.market_data_cache where price_date >= '{INCEPTION}'",
    "actions": "select symbol, ex_date, action_type, value, source from raw.corporate_actions",
    "values": """
        select symbol, value_date, quantity, price, market_value, daily_pnl, dividend_income, price_date
        from analytics.position_values
    """,
    "snapshots": "select snapshot_date, equity_balance, cash_value, daily_pnl, daily_return "
    "from analytics.portfolio_snapshots",
}
# New shares and old ones as Yahoo reports them, and what 100 shares become.
SPLITS = {"NEVER": (4, 1), "TWICE": (1, 50), "SPUN": (1175, 1000), "ODD": (3, 2), "LATE": (2, 1), "TINY": (1, 190)}
SHARES = {"NEVER": 400, "TWICE": 2, "SPUN": 100, "ODD": 150, "LATE": 200, "TINY": 100 / 190, "MOVED": 100}


class Market:
    """What is true of the symbols, and what Yahoo makes of them each night."""

    def __init__(self, yahoo: FakeYahoo, sessions: list[date]) -> None:
        self.yahoo, self.sessions = yahoo, sessions

    def close(self, symbol: str, day: date) -> float:
        """A price around 100 in shares of its day; what is spun off is a fall like any other."""
        new, old = SPLITS.get(symbol, (1, 1))
        return round(100 * (1 + day.day % 7 / 200) / (new / old if day >= SPLIT_ON else 1), 6)

    def show(self, night: date) -> None:
        """Have Yahoo know a night: splits from their day on, told and adjusted in all the ways."""
        before = [day for day in self.sessions if day < SPLIT_ON]
        for symbol in [*SHARES, "SPY"]:
            bars = bars_of({day: self.close(symbol, day) for day in self.sessions if day <= night})
            told, divided = {}, {}
            if night >= SPLIT_ON and symbol in SPLITS:
                told = {SPLIT_ON: SPLITS[symbol]}
                if symbol == "TWICE":
                    told[before[-2]] = SPLITS[symbol]
                    divided = dict.fromkeys(before, 50.0)
                if symbol == "NEVER" or (symbol == "LATE" and night < LAST):
                    divided = dict.fromkeys(self.sessions, 1.0)
            paid = {"ODD": {SPLIT_ON: 0.6}, "MOVED": {before[-1] if night < LAST else SPLIT_ON: 1.0}}.get(symbol, {})
            paid = {day: value for day, value in paid.items() if day <= night}
            self.yahoo.add(Listing(symbol, dict(bars), splits=told, multiplied_by=divided, dividends=paid))


def roll(night: Night, market: Market, session: date, **more: object) -> None:
    """Run the night of a session; phases 1 and 2."""
    market.show(session)
    now = datetime.combine(session, time(23, 30), UTC)
    record = night.run(now=now, phases=("1", "2"), **(more or {"trade_date": session}))
    assert record.errors == [], record.errors


def rows(night: Night) -> State:
    return {name: sorted(night.rows(query), key=str) for name, query in COMPARED.items()}


@pytest.mark.slow
def test_each_road_ends_in_the_same_rows(server, template, night_settings, yahoo, tmp_path):
    update = {"providers": "yahoo", "yahoo_per_minute": 60000}
    settings = night_settings.model_copy(update=update)
    lots = [f"roads,{symbol},100,{100 * 1.03:.6f},{INCEPTION}" for symbol in SHARES]
    header = "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date"
    (tmp_path / "positions.csv").write_text("\n".join([header, *lots]))
    (tmp_path / "portfolios.csv").write_text(f"name,starting_equity,inception_date\nroads,100000,{INCEPTION}")
    ends: dict[str, State] = {}
    for road in ("night by night", "loaded once"):
        with copy_of(server, template, settings) as night:
            with night.database.connect() as conn:
                sessions = sessions_between(conn, date(2024, 6, 3), LAST)
                load_folder(conn, tmp_path)
            market = Market(yahoo, sessions)
            for session in NIGHTS if road == "night by night" else NIGHTS[-1:]:
                roll(night, market, session)
            ends[road] = rows(night)
            if road == "loaded once":
                # forget what was fetched and rolled, and compute all of it again
                for table in ("market_data_cache", "corporate_actions", "corporate_action_claims"):
                    night.execute(f"delete from raw.{table}")
                night.execute("delete from ops.fetch_state")
                roll(night, market, LAST, command="backfill", start=INCEPTION, end=LAST)
                ends["rebuilt"] = rows(night)
                held = dict(
                    night.rows(
                        "select symbol, quantity::float8 from analytics.position_values where value_date = %s", LAST
                    )
                )
                assert held == pytest.approx(SHARES)
    for road, end in ends.items():
        assert unlike(end, ends["night by night"]) == [], road
        assert len(end["values"]) == len(SHARES) * len([day for day in sessions if day >= INCEPTION])
        # each close is as traded
        assert {(s, d): float(c) for s, d, c in end["prices"] if s in SHARES} == pytest.approx(
            {(s, d): market.close(s, d) for s in SHARES for d in sessions if d >= INCEPTION}, rel=1e-5, abs=2e-6
        )
        assert sorted((s, float(v)) for s, _, kind, v, _ in end["actions"] if kind == "DIVIDEND") == [
            ("MOVED", 1.0),
            ("ODD", pytest.approx(0.6)),
        ]
        paid = sum(row[6] for row in end["values"])
        assert float(paid) == pytest.approx(100 * 1.0 + 150 * 0.6)  # in shares after the split of the day
