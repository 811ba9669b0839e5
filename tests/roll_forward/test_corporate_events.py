"""Renamings, mergers, spin-offs and delistings as they happened to listed companies, held against a ledger by hand.

The terms of each event are public (the companies' own releases and tax notices, Form 8937); closes around it are those
of the exchange, rounded where the arithmetic is easier to follow. Every case is rolled long and short, and the figures
of the short are the long's with the other sign.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import pytest
from fastapi.testclient import TestClient

from api.app import Options, create_app
from reports.positions import read_lots
from reports.reading import read_view
from reports.terminal import render
from tests.accounting_replay import Action, Lot, Portfolio
from tests.roll_forward.books import Warehouse, load_market, load_portfolios, position_id

# Four sessions: two before the event, its ex-date, and the one after it. 6 and 7 January are a weekend.
BEFORE, EVE, EX, AFTER = date(2024, 1, 4), date(2024, 1, 5), date(2024, 1, 8), date(2024, 1, 9)
DAYS = (BEFORE, EVE, EX, AFTER)
INCEPTION = BEFORE


def usd(value: str | int) -> Decimal:
    return Decimal(str(value))


def event(
    symbol: str,
    kind: str,
    value: str | int = 1,
    new: str | None = None,
    *,
    day: date = EX,
    cash: str | None = None,
    fraction: str | None = None,
) -> Action:
    return Action(symbol, day, kind, usd(value), new, cash and usd(cash), fraction and usd(fraction))


@dataclass(frozen=True)
class Episode:
    """A lot of 100 shares bought on BEFORE, what happens on EX, and the rows of EX and AFTER by symbol.

    A row: quantity, market value, cost, realized, transferred, opening unrealized, and the day's P&L.
    """

    symbol: str
    entry_price: str
    closes: dict[str, tuple[str | None, ...]]
    actions: tuple[Action, ...]
    rows: dict[tuple[str, date], tuple[str, ...]]


EPISODES = {
    # Facebook became Meta Platforms on 9 June 2022; a source has the old name before it and the new one from then on.
    "renaming": Episode(
        "FB",
        "190",
        {"FB": ("195.65", "196.64", None, None), "META": (None, None, "184.00", "175.57")},
        (event("FB", "RENAME", new="META"),),
        {
            ("META", EX): ("100", "18400", "19000", "0", "0", "0", "-1264"),
            ("META", AFTER): ("100", "17557", "19000", "0", "0", "0", "-843"),
        },
    ),
    # The same, loaded under the name of today: January is priced as before.
    "renaming_told_by_the_name_of_today": Episode(
        "META",
        "190",
        {"FB": ("195.65", "196.64", None, None), "META": (None, None, "184.00", "175.57")},
        (event("FB", "RENAME", new="META"),),
        {
            ("FB", BEFORE): ("100", "19565", "19000", "0", "0", "0", "565"),
            ("FB", EVE): ("100", "19664", "19000", "0", "0", "0", "99"),
            ("META", EX): ("100", "18400", "19000", "0", "0", "0", "-1264"),
        },
    ),
    # A source that has the whole past only under the new name.
    "renaming_in_a_source_of_today": Episode(
        "FB",
        "190",
        {"META": ("195.65", "196.64", "184.00", "175.57")},
        (event("FB", "RENAME", new="META"),),
        {
            ("FB", EVE): ("100", "19664", "19000", "0", "0", "0", "99"),
            ("META", EX): ("100", "18400", "19000", "0", "0", "0", "-1264"),
        },
    ),
    # Pioneer Natural Resources for 2.3234 shares of Exxon Mobil, 3 May 2024. Fractions stay: cash in lieu is a close.
    "stock": Episode(
        "PXD",
        "250",
        {"PXD": ("268", "269.62", None, None), "XOM": ("116", "116.03", "116", "115.50")},
        (event("PXD", "MERGER", "2.3234", "XOM"),),
        # 232.34 x 116 = 26,951.44 after 26,962
        {
            ("XOM", EX): ("232.34", "26951.44", "25000", "0", "0", "0", "-10.56"),
            ("XOM", AFTER): ("232.34", "26835.27", "25000", "0", "0", "0", "-116.17"),
        },
    ),
    # VMware for 0.252 shares of Broadcom and 71.25 dollars (the blend of both elections), 22 November 2023.
    "stock_and_cash": Episode(
        "VMW",
        "120",
        {"VMW": ("142", "142.48", None, None), "AVGO": ("979", "981.20", "950", "960")},
        (event("VMW", "MERGER", "0.252", "AVGO", cash="71.25"),),
        # shares 239.40 a share and cash 71.25: of the cost of 12,000, cash pays for 71.25 / 310.65 = 2,752.293578
        {
            ("AVGO", EX): ("25.2", "23940", "9247.71", "4372.71", "0", "0", "16817"),
            ("AVGO", AFTER): ("25.2", "24192", "9247.71", "0", "0", "0", "252"),
        },
    ),
    # Twitter for 54.20 dollars in cash, 28 October 2022.
    "all_cash": Episode(
        "TWTR",
        "40",
        {"TWTR": ("53.35", "53.70", None, None)},
        (event("TWTR", "MERGER", 0, cash="54.20"),),
        {("TWTR", EX): ("0", "0", "0", "1420", "0", "0", "50")},
    ),
    # GE HealthCare from General Electric, 4 January 2023: a share for three, 22.52 % of the cost (Form 8937).
    "spin_off": Episode(
        "GE",
        "60",
        {"GE": ("83", "83.70", "66.80", "67.20"), "GEHC": (None, None, "57.20", "57.60")},
        (event("GE", "SPINOFF", "0.333333333333333333", "GEHC", fraction="0.2252"),),
        # 33.333333 shares at 57.20 are 1,906.67; of the cost of 6,000, 1,351.20 go with them
        {
            ("GE", EX): ("100", "6680", "4648.80", "0", "555.47", "0", "216.67"),
            ("GE", AFTER): ("100", "6720", "4648.80", "0", "0", "0", "40"),
            ("GEHC", EX): ("33.33", "1906.67", "1351.20", "0", "0", "555.47", "0"),
            ("GEHC", AFTER): ("33.33", "1920", "1351.20", "0", "0", "0", "13.33"),
        },
    ),
    # The same without a published share of the cost: by the first closes, 1,906.67 of 8,586.67
    "spin_off_by_closes": Episode(
        "GE",
        "60",
        {"GE": ("83", "83.70", "66.80", "67.20"), "GEHC": (None, None, "57.20", "57.60")},
        (event("GE", "SPINOFF", "0.333333333333333333", "GEHC"),),
        {
            ("GE", EX): ("100", "6680", "4667.70", "0", "574.37", "0", "216.67"),
            ("GEHC", EX): ("33.33", "1906.67", "1332.30", "0", "0", "574.37", "0"),
        },
    ),
    # Sandisk from Western Digital, a share for three; then a split of the child, here on the day after.
    "spin_off_then_split": Episode(
        "WDC",
        "45",
        {"WDC": ("69", "68.50", "49.02", "48"), "SNDK": (None, None, "48.60", "24")},
        (
            event("WDC", "SPINOFF", "0.333333333333333333", "SNDK", fraction="0.25"),
            Action("SNDK", AFTER, "SPLIT", usd(2)),
        ),
        {
            ("WDC", EX): ("100", "4902", "3375", "0", "495", "0", "-328"),
            ("SNDK", EX): ("33.33", "1620", "1125", "0", "0", "495", "0"),
            ("SNDK", AFTER): ("66.67", "1600", "1125", "0", "0", "0", "-20"),
        },
    ),
    # SVB Financial, its shares cancelled for nothing.
    "delisting_at_zero": Episode(
        "SIVBQ",
        "30",
        {"SIVBQ": ("0.10", "0.05", None, None)},
        (event("SIVBQ", "DELISTING", 0),),
        {("SIVBQ", EX): ("0", "0", "0", "-3000", "0", "0", "-5")},
    ),
    # A child that trades from the next day on. Until then it is worth what its parent has lost, and nobody gains.
    "child_without_a_price": Episode(
        "PAR",
        "50",
        {"PAR": ("100", "100", "80", "81"), "KID": (None, None, None, "45")},
        (event("PAR", "SPINOFF", "0.5", "KID", fraction="0.2"),),
        {
            ("PAR", EX): ("100", "8000", "4000", "0", "1000", "0", "0"),
            ("KID", EX): ("50", "2000", "1000", "0", "0", "1000", "0"),
            ("KID", AFTER): ("50", "2250", "1000", "0", "0", "0", "250"),
        },
    ),
    # A parent without a close on the day is worth what is left of it without its child.
    "parent_without_a_price": Episode(
        "PAR",
        "50",
        {"PAR": ("100", "100", None, "81"), "KID": (None, None, "42", "45")},
        (event("PAR", "SPINOFF", "0.5", "KID", fraction="0.2"),),
        {
            ("PAR", EX): ("100", "7900", "4000", "0", "1100", "0", "0"),
            ("KID", EX): ("50", "2100", "1000", "0", "0", "1100", "0"),
            ("PAR", AFTER): ("100", "8100", "4000", "0", "0", "0", "200"),
        },
    ),
    # Two classes of shares that take one name: each has its own past.
    "two_into_one_name": Episode(
        "DISCK",
        "20",
        {
            "DISCA": ("24", "24.50", None, None),
            "DISCK": ("23", "23.50", None, None),
            "WBD": (None, None, "24.75", "25"),
        },
        (event("DISCA", "RENAME", new="WBD"), event("DISCK", "RENAME", new="WBD")),
        {
            ("DISCK", EVE): ("100", "2350", "2000", "0", "0", "0", "50"),
            ("WBD", EX): ("100", "2475", "2000", "0", "0", "0", "125"),
            ("WBD", AFTER): ("100", "2500", "2000", "0", "0", "0", "25"),
        },
    ),
    # United Technologies gave out two children and took the name of its partner on one day, 3 April 2020.
    "two_children_and_a_new_name": Episode(
        "UTX",
        "80",
        {
            "UTX": ("90", "86", None, None),
            "RTX": (None, None, "51", "52"),
            "CARR": (None, None, "13.75", "14"),
            "OTIS": (None, None, "43", "44"),
        },
        # there is one event of each kind on a day for a symbol, so the second child is reported under the new name
        (
            event("UTX", "SPINOFF", 1, "CARR", fraction="0.16"),
            event("RTX", "SPINOFF", "0.5", "OTIS", fraction="0.25"),
            event("UTX", "RENAME", new="RTX"),
        ),
        # 5,100 + 1,375 + 2,150 after 8,600; of the cost of 8,000, 1,280 and 2,000 go with the children
        {
            ("RTX", EX): ("100", "5100", "4720", "0", "245", "0", "25"),
            ("CARR", EX): ("100", "1375", "1280", "0", "0", "95", "0"),
            ("OTIS", EX): ("50", "2150", "2000", "0", "0", "150", "0"),
            ("OTIS", AFTER): ("50", "2200", "2000", "0", "0", "0", "50"),
        },
    ),
}


def own(name: str, symbol: str) -> str:
    """An episode's symbol as it stands in the database."""
    return f"{symbol}.{name}"


@pytest.fixture(scope="module")
def rolled(copies) -> Iterator[Warehouse]:
    prices: dict[str, dict[date, Decimal]] = {"SPY": dict.fromkeys(DAYS, usd(400))}
    actions, portfolios = [], {}
    for name, episode in EPISODES.items():
        for symbol, closes in episode.closes.items():
            prices[own(name, symbol)] = {day: usd(close) for day, close in zip(DAYS, closes, strict=True) if close}
        actions += [
            Action(
                own(name, action.symbol),
                action.ex_date,
                action.action_type,
                action.value,
                action.new_symbol and own(name, action.new_symbol),
                action.cash_per_share,
                action.cost_fraction,
            )
            for action in episode.actions
        ]
        for side in (1, -1):
            lot = Lot(own(name, episode.symbol), BEFORE, usd(100 * side), usd(episode.entry_price))
            portfolios[f"{name} {side}"] = Portfolio(INCEPTION, usd(100_000), [lot])
    with copies() as warehouse:
        with warehouse.database.connect() as conn:
            load_market(conn, prices, actions)
            load_portfolios(conn, portfolios)
        warehouse.roll()
        yield warehouse


def rows_of(warehouse: Warehouse, name: str) -> dict[tuple[str, date], tuple[Decimal, ...]]:
    return {
        (symbol.removesuffix(f".{name.split(' ')[0]}"), day): tuple(row)
        for symbol, day, *row in warehouse.rows(
            "select symbol, value_date, round(quantity, 2), round(market_value, 2), round(cost_basis, 2),"
            " round(realized_pnl, 2), round(transferred_pnl, 2), round(opening_unrealized_pnl, 2), round(daily_pnl, 2)"
            " from analytics.position_values inner join raw.portfolios using (portfolio_id) where name = %s",
            name,
        )
    }


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("name", EPISODES)
def test_the_ledger(rolled: Warehouse, name: str, side: int):
    rows = rows_of(rolled, f"{name} {side}")
    expected = {key: tuple(side * usd(figure) for figure in row) for key, row in EPISODES[name].rows.items()}
    assert {key: rows.get(key) for key in expected} == expected


def test_nothing_is_left_after_what_ends_a_lot(rolled: Warehouse):
    for name in ("all_cash 1", "delisting_at_zero -1"):
        assert max(day for _, day in rows_of(rolled, name)) == EX


def test_the_returns_of_the_symbols_show_no_jump_that_no_holder_had(rolled: Warehouse):
    returns = {
        (symbol, day): total
        for symbol, day, total in rolled.rows(
            "select symbol, value_date, round(total_return, 6) from analytics.daily_returns where symbol <> 'SPY'"
        )
    }

    def told(name: str, symbol: str) -> dict[date, Decimal]:
        return {day: total for (of, day), total in returns.items() if of == own(name, symbol)}

    # 184 after 196.64, under the new name; the old one has its own days
    past = round(usd("196.64") / usd("195.65") - 1, 6)
    change = round(usd(184) / usd("196.64") - 1, 6)
    assert told("renaming", "META") == {EVE: past, EX: change, AFTER: usd("-0.045815")}
    assert told("renaming", "FB") == {EVE: past}
    # the value of a share: 2.3234 x 116 after 269.62; 239.40 and 71.25 after 142.48; 54.20 after 53.70; nothing
    assert told("stock", "PXD")[EX] == usd("-0.000392")
    assert told("stock_and_cash", "VMW")[EX] == round(usd("310.65") / usd("142.48") - 1, 6)
    assert told("all_cash", "TWTR")[EX] == usd("0.009311")
    assert told("delisting_at_zero", "SIVBQ")[EX] == -1
    # 66.80 and a third of 57.20 after 83.70; the child's own returns begin with its second close
    assert told("spin_off", "GE")[EX] == round((usd("66.80") + usd("57.20") / 3) / usd("83.70") - 1, 6)
    assert set(told("spin_off", "GEHC")) == {AFTER}
    assert told("child_without_a_price", "PAR")[EX] == 0


def test_today_s_symbol_and_how_it_came(rolled: Warehouse):
    positions = rolled.rows(
        "select split_part(symbol, '.', 1), split_part(entry_symbol, '.', 1), position_id, parent_position_id,"
        " entry_date, position_type, what_happened from analytics.positions inner join raw.portfolios"
        " using (portfolio_id) where name = any(%s) order by 1",
        ["renaming 1", "spin_off -1", "stock 1"],
    )
    parent = position_id("spin_off -1", own("spin_off", "GE"), BEFORE)
    child = uuid5(parent, f"SPINOFF|{EX}|{own('spin_off', 'GEHC')}")
    assert [row[:6] for row in positions] == [
        ("GE", "GE", parent, None, BEFORE, "SHORT"),
        ("GEHC", "GEHC", child, parent, BEFORE, "SHORT"),
        ("META", "FB", position_id("renaming 1", own("renaming", "FB"), BEFORE), None, BEFORE, "LONG"),
        ("XOM", "PXD", position_id("stock 1", own("stock", "PXD"), BEFORE), None, BEFORE, "LONG"),
    ]
    assert [row[6] for row in positions] == [
        None,
        "GEHC.spin_off spun off from GE.spin_off on 2024-01-08",
        "FB.renaming renamed META.renaming on 2024-01-08",
        "PXD.stock merged on 2024-01-08 into 2.3234 XOM.stock",
    ]


def test_readers_are_told_today_s_symbol_and_how_it_came(rolled: Warehouse):
    renamed, spun, merged = own("renaming", "META"), own("spin_off", "GEHC"), own("stock", "XOM")
    app = create_app(Options(rolled.database.url))
    with TestClient(app, base_url="http://127.0.0.1:8750") as client, rolled.database.connect() as conn:

        def told(portfolio: str, **query: str) -> dict[str, dict[str, Any]]:
            answer = client.get(f"/api/v1/portfolios/{portfolio}/positions", params={"as_of": str(EX), **query}).json()
            return {row["symbol"]: row for row in answer["data"]}

        lot = told("renaming 1")[renamed]
        assert (lot["entry_symbol"], lot["parent_position_id"]) == (own("renaming", "FB"), None)
        assert lot["what_happened"] == f"{own('renaming', 'FB')} renamed {renamed} on {EX}"
        lots = told("spin_off 1")
        assert lots[spun]["parent_position_id"] == lots[own("spin_off", "GE")]["position_id"]
        assert round(lots[own("spin_off", "GE")]["transferred_pnl"], 2) == 555.47
        assert told("stock 1", by="symbol")[merged]["what_happened"].endswith(f"merged on {EX} into 2.3234 {merged}")

        (holding,) = read_view(conn, "renaming 1", AFTER).holdings
        assert (holding.symbol, holding.earlier_names) == (renamed, own("renaming", "FB"))
        assert f"{renamed} (was {own('renaming', 'FB')})" in render(read_view(conn, "renaming 1", AFTER), [], 80).plain
        portfolio = UUID(client.get("/api/v1/portfolios/renaming 1").json()["portfolio_id"])
        assert [lot.symbol for lot in read_lots(conn, portfolio, EVE, EVE)] == [own("renaming", "FB")]
        assert [lot.what_happened for lot in read_lots(conn, portfolio, EX, EX)] == [lot["what_happened"]]


def test_identifiers_are_those_that_python_makes(rolled: Warehouse):
    names = ["", "SPINOFF|2024-01-08|KID", "é" * 100, "x" * 1000]
    namespace = UUID("2f0c3d0e-7a0c-4c7e-9d51-0b8f4c6f2f11")
    made = rolled.rows("select intermediate.uuid_v5(%s, name) from unnest(%s::text[]) as name", namespace, names)
    assert [row[0] for row in made] == [uuid5(namespace, name) for name in names]


def test_identities_hold_and_a_rebuild_changes_nothing(rolled: Warehouse):
    checks = ["position_pnl_identity", "snapshot_is_sum_of_positions", "equity_rolls_forward"]
    failed = {result.name: result.message for result in rolled.dbt.test().results if not result.well}
    assert not {name: message for name, message in failed.items() if name in checks or "unique" in name}, failed
    before = rolled.content()
    rolled.roll()
    assert rolled.content() == before
    rolled.rebuild()
    assert rolled.content() == before


LATE = {
    "told late": (
        "insert into raw.corporate_actions (symbol, ex_date, action_type, value, new_symbol, source)"
        " values ('FB.renaming', '2024-01-08', 'RENAME', 1, 'META.renaming', 'late')"
    ),
    "with another ratio": "update raw.corporate_actions set value = 2 where symbol = 'PXD.stock'",
    "of another day": (
        "update raw.corporate_actions set ex_date = '2024-01-09' where symbol = 'GE.spin_off_by_closes'"
    ),
    "taken back": "delete from raw.corporate_actions where symbol in ('GE.spin_off', 'TWTR.all_cash')",
    "of another child": (
        "update raw.corporate_actions set new_symbol = 'SPY' where symbol = 'WDC.spin_off_then_split'"
    ),
    "a late price of the child": (
        "update raw.market_data_cache set close = 50 where symbol = 'GEHC.spin_off_by_closes'"
        " and price_date = '2024-01-09'"
    ),
    "a price of what it became": (
        "update raw.market_data_cache set close = 900 where symbol = 'AVGO.stock_and_cash'"
        " and price_date = '2024-01-08'"
    ),
    "a split of what it became": (
        "insert into raw.corporate_actions (symbol, ex_date, action_type, value, source)"
        " values ('AVGO.stock_and_cash', '2024-01-08', 'SPLIT', 10, 'late')"
    ),
}


def test_what_is_told_late_wrong_or_taken_back_heals(rolled: Warehouse):
    with rolled.database.connect() as conn:
        conn.execute("delete from raw.corporate_actions where symbol = 'FB.renaming'")
    rolled.roll()
    for change in LATE.values():
        rolled.execute(change)
    rolled.roll()
    assert {name.split(" ")[0] for name in rolled.window()} == {
        "renaming",
        "stock",
        "spin_off_by_closes",
        "spin_off",
        "all_cash",
        "spin_off_then_split",
        "stock_and_cash",
    }
    healed = rolled.content()
    rolled.rebuild()
    assert rolled.content() == healed
