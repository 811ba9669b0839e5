"""Closes of lots that events have changed, and of lots that spin-offs gave birth to."""

from datetime import date

from ingest.books.load_transactions import TransactionOptions, load_transactions
from ingest.books.portfolios import load_folder
from tests.accounting_replay import Action, Close, Lot, Portfolio
from tests.roll_forward.books import load_market, load_portfolios
from tests.roll_forward.test_corporate_events import AFTER, BEFORE, DAYS, EVE, EX, event, rows_of, usd


def test_a_close_counts_in_the_shares_of_its_day(copies):
    """40 of 100 sold before the merger of 1 into 0.5 and 10 dollars, 10 of the new shares after it, the rest exits."""
    prices = {
        "TGT": {BEFORE: usd(30), EVE: usd(30)},
        "ACQ": {BEFORE: usd(40), EVE: usd(40), EX: usd(40), AFTER: usd(44), date(2024, 1, 10): usd(45)},
    }
    lot = Lot("TGT", BEFORE, usd(100), usd(24), date(2024, 1, 10), usd(45))
    closes = [Close("TGT", BEFORE, EVE, usd(40), usd(31)), Close("TGT", BEFORE, AFTER, usd(10), usd(44), usd(1))]
    with copies() as warehouse, warehouse.database.connect() as conn:
        load_market(conn, prices, [event("TGT", "MERGER", "0.5", "ACQ", cash="10")])
        load_portfolios(conn, {"book": Portfolio(BEFORE, usd(100_000), [lot], closes)})
        warehouse.roll()
        rows = rows_of(warehouse, "book")
    # 60 shares become 30 and 600 dollars, which pay for a third of their cost of 1,440
    assert rows["TGT", EVE] == (60, 1800, 1440, 280, 0, 0, 40)
    assert rows["ACQ", EX] == (30, 1200, 960, 120, 0, 0, 0)
    assert rows["ACQ", AFTER] == (20, 880, 640, 119, 0, 0, 119)
    assert rows["ACQ", date(2024, 1, 10)] == (0, 0, 0, 260, 0, 0, 20)


def test_a_close_may_name_the_child_or_what_the_lot_has_become(copies, tmp_path):
    """10 of 50 shares of the child sold, and 5 of 40 of the acquirer; a child that never was finds no lot."""
    prices = {
        "PAR": dict(zip(DAYS, map(usd, (100, 100, 80, 80)), strict=True)),
        "KID": {EX: usd(40), AFTER: usd(44)},
        "TGT": {BEFORE: usd(20), EVE: usd(20)},
        "ACQ": dict.fromkeys(DAYS, usd(50)),
    }
    (tmp_path / "portfolios.csv").write_text("name,starting_equity,inception_date\nbook,100000,2024-01-04\n")
    (tmp_path / "positions.csv").write_text(
        "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date\n"
        "book,PAR,100,100,2024-01-04\nbook,TGT,100,20,2024-01-04\n"
    )
    (tmp_path / "closes.csv").write_text(
        "portfolio,symbol,entry_date,trade_date,quantity_closed,close_price,fees\n"
        "book,KID,2024-01-04,2024-01-09,10,45,0\nbook,ACQ,2024-01-04,2024-01-09,5,51,0\n"
        "book,KID,2024-01-04,2024-01-05,1,45,0\n"
    )
    (tmp_path / "corporate_actions.csv").write_text(
        "symbol,ex_date,action_type,value,new_symbol,cash_per_share,cost_fraction\n"
        "PAR,2024-01-08,SPINOFF,0.5,KID,,0.2\nTGT,2024-01-08,MERGER,0.4,ACQ,,\n"
    )
    with copies() as warehouse, warehouse.database.connect() as conn:
        load_market(conn, prices, [])
        load_folder(conn, tmp_path)
        warehouse.roll()
        rows = rows_of(warehouse, "book")
        ignored = warehouse.rows("select symbol, input_date, reason from intermediate.ignored_inputs")
    assert rows["KID", EX] == (50, 2000, 2000, 0, 0, 0, 0)
    assert rows["KID", AFTER] == (40, 1760, 1600, 50, 0, 0, 210)
    assert rows["ACQ", AFTER] == (35, 1750, 1750, 5, 0, 0, 5)
    assert rows["PAR", AFTER] == (100, 8000, 8000, 0, 0, 0, 0)
    assert ignored == [
        ("KID", EVE, "no event has made KID of PAR of 2024-01-04 by then: see `actions list PAR`"),
    ]


def test_what_a_broker_sells_is_found_through_events(copies, tmp_path):
    """Bought as PAR, TGT and OLD, sold as the child, as the acquirer (the merged lot is the older one) and as NEW."""
    prices = {
        "PAR": dict(zip(DAYS, map(usd, (100, 100, 80, 80)), strict=True)),
        "KID": {EX: usd(40), AFTER: usd(44)},
        "TGT": {BEFORE: usd(20), EVE: usd(20)},
        "ACQ": dict.fromkeys(DAYS, usd(50)),
        "OLD": {BEFORE: usd(10), EVE: usd(11)},
        "NEW": {EX: usd(12), AFTER: usd(13)},
    }
    events = [
        event("PAR", "SPINOFF", "0.5", "KID", fraction="0.2"),
        event("TGT", "MERGER", "0.4", "ACQ"),
        event("OLD", "RENAME", new="NEW"),
        Action("NEW", AFTER, "DIVIDEND", usd("0.5")),
    ]
    file = tmp_path / "transactions.csv"
    file.write_text(
        "portfolio,date,type,symbol,quantity,price,amount,fees,lot\n"
        "book,2024-01-04,DEPOSIT,,,,100000,,\n"
        "book,2024-01-04,BUY,PAR,100,100,,,\nbook,2024-01-04,BUY,TGT,100,20,,,\nbook,2024-01-04,BUY,OLD,100,10,,,\n"
        "book,2024-01-05,BUY,ACQ,10,50,,,\n"
        "book,2024-01-09,SELL,KID,10,45,,,\nbook,2024-01-09,SELL,ACQ,45,51,,,\nbook,2024-01-09,SELL,NEW,40,13,,,\n"
        "book,2024-01-09,DIVIDEND,NEW,,,50,,\n"
    )
    with copies() as warehouse, warehouse.database.connect() as conn:
        load_market(conn, prices, events)
        load_transactions(conn, [file], TransactionOptions(portfolio="book"))
        warehouse.roll()
        held = warehouse.rows(
            "select symbol, round(quantity, 2), round(cost_basis, 2), round(realized_pnl, 2), round(dividend_income, 2)"
            " from analytics.position_values where value_date = %s order by symbol, quantity",
            AFTER,
        )
        ignored = warehouse.rows("select symbol, reason from intermediate.ignored_inputs")
        before = warehouse.content()
        warehouse.rebuild()
        assert warehouse.content() == before
    assert held == [
        # all 40 that TGT became, at 50 each; then 5 of the 10 that were bought
        ("ACQ", 0, 0, 40, 0),
        ("ACQ", 5, 250, 5, 0),
        ("KID", 40, 1600, 50, 0),
        ("NEW", 60, 600, 120, 50),
        ("PAR", 100, 8000, 0, 0),
    ]
    assert ignored == []


def test_an_option_settles_by_the_name_that_its_underlying_has_by_then(copies):
    """Calls of strike 40 and a put of 60: the renamed underlying, split 2 for 1 since, closes at 25."""
    prices = {
        "OLD": {BEFORE: usd(50), EVE: usd(50)},
        "NEW": {EX: usd(52), AFTER: usd(25)},
        "CALL": {BEFORE: usd(11), EVE: usd(11)},
    }
    actions = [event("OLD", "RENAME", new="NEW"), Action("NEW", AFTER, "SPLIT", usd(2))]

    def option(symbol: str, quantity: int, kind: str, strike: int) -> Lot:
        return Lot(
            symbol,
            BEFORE,
            usd(quantity),
            usd(11),
            investment_class="OPTIONS",
            underlying_symbol="OLD",
            option_type=kind,
            strike_price=usd(strike),
            expiration_date=AFTER,
        )

    lots = [option("CALL", 2, "CALL", 40), option("PUT", -1, "PUT", 60)]
    with copies() as warehouse, warehouse.database.connect() as conn:

        def realized(symbol: str) -> int:
            return rows_of(warehouse, "book")[symbol, AFTER][3]

        load_market(conn, prices, actions)
        load_portfolios(conn, {"book": Portfolio(BEFORE, usd(100_000), lots)})
        warehouse.roll()
        # 25 is 50 in shares of the strike: 10 for a call, 10 for the put
        assert (realized("CALL"), realized("PUT")) == (2 * 100 * (10 - 11), -100 * (10 - 11))
        content = warehouse.content()
        # the renaming is taken back, and the old name has another last close, which counts without the split
        conn.execute("delete from raw.corporate_actions where action_type = 'RENAME'")
        conn.execute("update raw.market_data_cache set close = 55 where symbol = 'OLD' and price_date = %s", [EVE])
        warehouse.roll()
        assert realized("CALL") == 2 * 100 * (15 - 11)
        # reported late
        conn.execute(
            "insert into raw.corporate_actions (symbol, ex_date, action_type, value, new_symbol, source)"
            " values ('OLD', %s, 'RENAME', 1, 'NEW', 'late')",
            [EX],
        )
        conn.execute("update raw.market_data_cache set close = 50 where symbol = 'OLD' and price_date = %s", [EVE])
        warehouse.roll()
        assert realized("CALL") == 2 * 100 * (10 - 11)
        assert warehouse.content() == content
        # a later close under the new name counts too
        conn.execute("update raw.market_data_cache set close = 30 where symbol = 'NEW' and price_date = %s", [AFTER])
        warehouse.roll()
        assert realized("CALL") == 2 * 100 * (20 - 11)
