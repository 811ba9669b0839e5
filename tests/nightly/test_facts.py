"""Books that public reports say went wrong, through real nights on folders of files: the right value beside each.

All cases share two nights, since a night costs seconds: each has symbols and a portfolio of its own.
"""

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.books.portfolios import load_folder
from nightly.record import RunRecord
from tests.nightly.small_nights import Night, copy_of
from warehouse.sessions import sessions_between
from warehouse.settings import Settings

FIRST, LAST = date(2024, 11, 1), date(2025, 2, 27)
NOW = datetime(2025, 2, 28, 23, 30, tzinfo=UTC)


class World:
    """A folder of prices and actions, a folder of books, and nights on both."""

    def __init__(self, folder: Path, night: Night) -> None:
        self.market, self.books = folder / "market", folder / "books"
        self.market.mkdir()
        self.books.mkdir()
        settings = night.settings.model_copy(update={"providers": f"files:{self.market}"})
        self.night = Night(night.database, settings)
        with self.night.database.connect() as conn:
            self.sessions = sessions_between(conn, FIRST, date(2025, 2, 28))
        self.prices: dict[str, dict[date, float]] = {}
        self.actions: list[tuple[str, str, str, str]] = []
        self.lots: list[tuple[Any, ...]] = []
        self.closes: list[tuple[Any, ...]] = []
        self.events: list[tuple[Any, ...]] = []
        self.contributions: list[tuple[str, str, float]] = []
        self.portfolios: dict[str, tuple[str, float, str]] = {}

    def price(self, symbol: str, changes: Mapping[str, float]) -> None:
        """Let a symbol close at a price from each date on."""
        known = sorted((date.fromisoformat(day), price) for day, price in changes.items())
        self.prices[symbol] = {
            session: next(price for day, price in reversed(known) if day <= session)
            for session in self.sessions
            if session >= known[0][0]
        }

    def book(self, name: str, inception: str, *lots: tuple[Any, ...], equity: float = 100_000, as_of: str = "") -> None:
        """A portfolio with lots of (symbol, quantity, entry price, entry date)."""
        self.portfolios[name] = (inception, equity, as_of)
        self.lots += [(name, *lot) for lot in lots]

    def write(self, last: date = LAST) -> None:
        """Write the folders, prices to a day."""
        self.market.mkdir(exist_ok=True)
        rows = [(s, d, p) for s, prices in self.prices.items() for d, p in prices.items() if d <= last]
        _write(self.market / "prices.csv", "symbol,date,close", rows)
        _write(self.market / "actions.csv", "symbol,ex_date,action_type,value", self.actions)
        portfolios = [(n, equity, inception, as_of) for n, (inception, equity, as_of) in self.portfolios.items()]
        _write(self.books / "portfolios.csv", "name,starting_equity,inception_date,shares_as_of", portfolios)
        _write(self.books / "positions.csv", "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date", self.lots)
        flows = [(name, day, "CONTRIBUTION", amount) for name, day, amount in self.contributions]
        _write(self.books / "capital_flows.csv", "portfolio,date,type,amount", flows)
        header = "portfolio,symbol,entry_date,trade_date,quantity_closed,close_price,fees"
        _write(self.books / "closes.csv", header, self.closes)
        _write(self.books / "corporate_actions.csv", "symbol,ex_date,action_type,value,new_symbol", self.events)

    def run(self, trade_date: date) -> RunRecord:
        return self.night.run(now=NOW, trade_date=trade_date, phases=("1", "2"))

    def snapshot(self, name: str, day: str) -> tuple[float, ...]:
        """Equity, P&L since inception and dividends since inception of a portfolio."""
        (row,) = self.night.rows(
            """
            select equity_balance::float8, cumulative_pnl::float8,
                (select coalesce(sum(dividend_income), 0)::float8 from analytics.position_values as held
                where held.portfolio_id = snapshot.portfolio_id and held.value_date <= snapshot.snapshot_date)
            from analytics.portfolio_snapshots as snapshot
            inner join raw.portfolios as portfolio using (portfolio_id)
            where portfolio.name = %s and snapshot_date = %s
            """,
            name,
            day,
        )
        return row

    def shares(self, symbol: str, day: str) -> list[float]:
        """The quantity of each lot of a symbol at a close."""
        query = (
            "select quantity::float8 from analytics.position_values where symbol = %s and value_date = %s order by 1"
        )
        return [quantity for (quantity,) in self.night.rows(query, symbol, day)]

    def values(self, symbol: str, day: str) -> list[float]:
        query = "select market_value::float8 from analytics.position_values where symbol = %s and value_date = %s"
        return [value for (value,) in self.night.rows(query, symbol, day)]


def _write(file: Path, header: str, rows: Any) -> None:
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([header.split(","), *rows])


def _first(world: World) -> None:
    """What the sources say on the first night."""
    # 1:7 reported as 0.142857, 7:1 as 7.00000, 1:3 as 0.3333
    world.price("RDA", {"2024-12-02": 1, "2025-01-06": 7})
    world.price("RDB", {"2024-12-02": 70, "2025-01-06": 10})
    world.price("RDC", {"2024-12-02": 10, "2025-01-06": 30})
    world.actions += [("RDA", "2025-01-06", "SPLIT", "0.142857"), ("RDB", "2025-01-06", "SPLIT", "7.00000")]
    world.actions += [("RDC", "2025-01-06", "SPLIT", "0.3333")]
    world.book(
        "ratios",
        "2024-12-02",
        ("RDA", 7_000_000, 1, "2024-12-02"),
        ("RDB", 100, 70, "2024-12-02"),
        ("RDC", 3000, 10, "2024-12-02"),
        equity=100_000_000,
    )
    world.closes += [("ratios", "RDA", "2024-12-02", "2025-01-08", 1_000_000, 7, 0)]
    world.closes += [("ratios", "RDC", "2024-12-02", "2025-01-08", 1000, 30, 0)]
    # a dividend of 1.00 that is reported for the 5th, and on the second night for the 6th
    world.price("XDM", {"2025-02-03": 50, "2025-02-06": 49})
    world.actions.append(("XDM", "2025-02-05", "DIVIDEND", "1.00"))
    world.book("dividend", "2025-02-03", ("XDM", 100, 50, "2025-02-03"), equity=10_000)
    # a true fall from 20 to 2.50
    world.price("BIO", {"2025-01-02": 20, "2025-01-13": 2.5})
    world.book("fall", "2025-01-02", ("BIO", 100, 20, "2025-01-02"), equity=10_000)
    # a 3:2 split reported for the 10th that the closes show on the 11th
    world.price("XSM", {"2025-02-07": 99, "2025-02-10": 100, "2025-02-11": 67})
    world.actions.append(("XSM", "2025-02-10", "SPLIT", "1.5"))
    world.book("moved", "2025-02-07", ("XSM", 100, 99, "2025-02-07"))
    # a list of today: 100 shares at 63.16 entered before a 10:1 split, when it was 10 at 631.60
    world.price("NVX", {"2024-12-02": 631.60, "2025-01-06": 64})
    world.actions.append(("NVX", "2025-01-06", "SPLIT", "10"))
    world.book("as downloaded", "2024-12-02", ("NVX", 100, 63.16, "2024-12-02"))
    world.book("as of today", "2024-12-02", ("NVX", 100, 63.16, "2024-12-02"), as_of="2025-02-27")
    world.book("carried in", "2025-01-07", ("NVX", 100, 63.16, "2024-12-02"))
    # the same rows twice: a 4:1 split and a dividend of 0.50
    world.price("TWC", {"2024-12-02": 400, "2025-01-06": 100})
    world.actions += [("TWC", "2025-01-06", "SPLIT", "4"), ("TWC", "2025-01-21", "DIVIDEND", "0.50")] * 2
    world.book("twice", "2024-12-02", ("TWC", 10, 400, "2024-12-02"))
    # one 1:50 split, announced for the 8th and executed on the 10th of January
    world.price("ANN", {"2024-12-02": 0.5, "2025-01-10": 25})
    world.actions += [("ANN", "2025-01-08", "SPLIT", "0.02"), ("ANN", "2025-01-10", "SPLIT", "0.02")]
    world.book("announced", "2024-12-02", ("ANN", 80_000, 0.5, "2024-12-02"))
    # a split that never was, which the closes do not show
    world.price("BOGUS", {"2024-12-02": 40})
    world.actions.append(("BOGUS", "2025-01-06", "SPLIT", "2"))
    world.book("bogus", "2024-12-02", ("BOGUS", 100, 40, "2024-12-02"))
    # the first three closes are a hundredfold
    world.price("UNIT", {"2024-12-02": 5000, "2024-12-05": 50})
    world.book("unit", "2024-12-02", ("UNIT", 10, 50, "2024-12-10"))
    # last priced at 76 in November; in February a new company trades under the symbol
    world.price("REBORN", {"2024-11-01": 76})
    world.prices["REBORN"] = {d: p for d, p in world.prices["REBORN"].items() if d <= date(2024, 11, 8)}
    world.prices["REBORN"] |= {d: 49 for d in world.sessions if d >= date(2025, 2, 24)}
    world.book("reborn", "2024-11-04", ("REBORN", 10, 70, "2024-11-04"))
    # a new name whose prices begin with the change, while nobody has reported the old one
    world.price("NEWNAME", {"2025-02-03": 115})
    world.book("renamed", "2024-12-02", ("NEWNAME", 100, 100, "2024-12-02"))
    # a spin-off that is reported, and whose child is also loaded as a lot
    world.price("PARENT", {"2024-12-02": 100, "2025-01-13": 75})
    world.price("CHILD", {"2025-01-13": 50})
    world.events.append(("PARENT", "2025-01-13", "SPINOFF", "0.5", "CHILD"))
    world.book("twice told", "2024-12-02", ("PARENT", 10, 100, "2024-12-02"), ("CHILD", 5, 50, "2025-01-13"))
    world.book("told once", "2024-12-02", ("PARENT", 10, 100, "2024-12-02"), ("CHILD", 5, 50, "2025-02-10"))
    # 100 shares that came in kind on the 6th, entered as held since 2015 and also as a contribution of their value
    world.price("KIND", {"2025-01-02": 99, "2025-01-06": 100, "2025-01-07": 102})
    world.book("in kind", "2025-01-03", ("KIND", 100, 40, "2015-06-01"), equity=10_000)
    world.book("money", "2025-01-03", ("KIND", 100, 40, "2015-06-01"), equity=10_000)
    world.contributions += [("in kind", "2025-01-06", 10_000), ("money", "2025-01-06", 8_000)]
    # Marathon Oil became ConocoPhillips on 22 November 2024, as everybody knows
    world.price("MRO", {"2024-11-01": 26})
    world.prices["MRO"] = {d: p for d, p in world.prices["MRO"].items() if d < date(2024, 11, 22)}
    world.price("COP", {"2024-11-01": 104})
    world.book("well known", "2024-11-04", ("MRO", 100, 26, "2024-11-04"))


@pytest.fixture(scope="module")
def world(
    server: dict[str, str],
    template: str,
    night_settings: Settings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[World, RunRecord, RunRecord]]:
    """The world after two nights, and the record of each."""
    with copy_of(server, template, night_settings) as night:
        world = World(tmp_path_factory.mktemp("facts"), night)
        _first(world)
        world.write()
        with night.database.connect() as conn:
            load_folder(conn, world.books)
        first = world.run(date(2025, 2, 26))
        world.actions = [
            ("XDM", "2025-02-06", "DIVIDEND", "1.00")
            if row[0] == "XDM"
            else ("XSM", "2025-02-11", "SPLIT", "1.5")
            if row[0] == "XSM"
            else row
            for row in world.actions
        ]
        world.write()
        yield world, first, world.run(LAST)


def told(record: RunRecord, *words: str) -> bool:
    """Whether one problem of a night has all these words in it."""
    lines = [f"{problem.scope}: {problem.message}" for problem in record.errors + record.warnings]
    return any(all(word in line for word in words) for line in lines)


def test_ratios_with_few_digits_lose_no_share(world):
    world, *_ = world
    # 7,000,000 / 7 = 1,000,000 all sold at 7; 3,000 / 3 = 1,000 all sold at 30; 100 · 7 = 700 at 10
    assert world.snapshot("ratios", "2025-02-26")[:2] == (100_000_000, 0)
    assert world.shares("RDB", "2025-02-26") == [700]
    assert world.shares("RDA", "2025-01-08") == [0]


def test_a_dividend_that_moves_is_booked_once(world):
    world, _, second = world
    # 100 shares, 1.00 each; 50 to 49: no P&L
    assert world.snapshot("dividend", "2025-02-26") == (10_000, 0, 100)
    assert told(second, "XDM", "the dividend 1 of 2025-02-05 is of 2025-02-06 now")
    query = "select old_ex_date::text, new_ex_date::text from ops.action_restatements where symbol = 'XDM'"
    assert world.night.rows(query) == [("2025-02-05", "2025-02-06")]


def test_a_true_fall_is_believed(world):
    world, first, _ = world
    assert world.values("BIO", "2025-02-26") == [250]  # 100 · 2.50
    assert told(first, "BIO", "from 20 to 2.5 on 2025-01-13")


def test_a_split_that_moves_counts_once(world):
    world, first, _second = world
    for day in ("2025-02-11", "2025-02-26"):
        assert world.shares("XSM", day) == [150]
    assert world.shares("XSM", "2025-02-10") == [100]
    # 150 · 67 - 100 · 99 = 150
    assert world.snapshot("moved", "2025-02-26")[0] == 100_150
    assert told(first, "XSM", "2025-02-10", "the closes show it on 2025-02-11")


def test_a_list_of_today_is_warned_of_or_stated_as_such(world):
    world, first, _ = world
    # ten times the shares, reported with what to do
    assert told(first, "as downloaded, NVX of 2024-12-02", "0.1 times", "split of 2025-01-06", "--shares-as-of")
    assert not told(first, "as of today, NVX") and not told(first, "carried in, NVX")
    # 100 · 64 - 100 · 63.16 = 84
    assert world.snapshot("as of today", "2025-02-26")[1] == pytest.approx(84)
    assert world.shares("NVX", "2025-01-03") == [10, 100]
    assert world.shares("NVX", "2025-02-26") == [100, 100, 1000]


def test_rows_told_twice_count_once(world):
    world, *_ = world
    assert world.shares("TWC", "2025-02-26") == [40]
    # 40 shares, 0.50 each
    assert world.snapshot("twice", "2025-02-26")[1:] == (20, 20)


def test_one_split_on_two_dates_is_one(world):
    world, *_ = world
    assert world.shares("ANN", "2025-02-26") == [1600]
    assert world.snapshot("announced", "2025-02-26")[1] == 0
    query = "select ex_date::text from raw.corporate_actions where symbol = 'ANN'"
    assert world.night.rows(query) == [("2025-01-10",)]


def test_a_split_that_the_closes_do_not_show_is_not_taken(world):
    world, first, _ = world
    assert told(first, "BOGUS", "the closes do not move by it", "actions dismiss BOGUS 2025-01-06 SPLIT")
    assert world.night.rows("select * from raw.corporate_actions where symbol = 'BOGUS'") == []
    # and a book without prices is a failure of that book
    assert any("bogus 0.0%" in each.message or each.scope == "coverage of bogus" for each in first.errors)


def test_wrong_units_at_the_beginning_do_not_cost_the_rest(world):
    world, *_ = world
    query = "select min(close)::float8, max(close)::float8 from raw.market_data_cache where symbol = 'UNIT'"
    assert world.night.rows(query) == [(50, 50)]
    assert world.snapshot("unit", "2025-02-26")[1] == 0


def test_a_reused_ticker_is_put_aside(world):
    world, first, _ = world
    assert told(first, "REBORN", "no price for more than 60 sessions before 2025-02-24", "another company")
    assert world.values("REBORN", "2025-02-26") == [760]  # as last priced, and stale
    assert any("reborn 0.0%" in each.message or each.scope == "coverage of reborn" for each in first.errors)


def test_a_name_without_a_past_is_asked_after(world):
    world, first, _ = world
    assert told(first, "renamed, NEWNAME of 2024-12-02", "no price before 2025-02-03", "RENAME --new-symbol NEWNAME")
    assert world.values("NEWNAME", "2025-01-31") == [10_000]  # at cost until then, as the warning says


def test_what_an_event_hands_out_and_a_list_tells_again_is_warned_of(world):
    world, first, _ = world
    assert told(
        first, "twice told, CHILD of 2025-01-13", "spun off from PARENT", "have these shares already", "dismiss"
    )
    assert not told(first, "told once, CHILD")
    # 10 shares of the parent at 75 and 5 of the child at 50 are what 10 at 100 were
    assert world.snapshot("told once", "2025-01-13")[1] == 0


def test_shares_carried_in_and_contributed_are_warned_of(world):
    _, first, _ = world
    what = "100 KIND of 2015-06-01 is carried in at the close before the inception on 2025-01-03"
    assert told(first, "in kind, CONTRIBUTION of 2025-01-06", what, "(10,000.00)", "`load transactions`", "TRANSFER_IN")
    assert not told(first, "money, CONTRIBUTION")


def test_a_well_known_merger_needs_not_be_told(world):
    world, first, second = world
    # 100 shares at 26 are 25.5 at 104: 2,652 after 2,600
    assert world.values("COP", "2025-02-26") == [2652]
    assert world.snapshot("well known", "2024-11-22")[1] == 52
    assert told(first, "MRO", "well-known events", "CIK 1163165", "actions dismiss MRO 2024-11-22 MERGER")
    assert not told(second, "MRO")
