"""Folders of portfolio files: what is loaded, what is replaced, and what stays."""

import time
from datetime import date, timedelta
from decimal import Decimal

from ingest.books.portfolios import load_folder
from tests.ingest.books.loading import (
    ABSENT,
    BOOK,
    CLOSE_HEADER,
    FLOW_HEADER,
    MARK_HEADER,
    PORTFOLIO_HEADER,
    POSITION_HEADER,
    TAG_HEADER,
    everything,
    problems,
    rows,
)
from warehouse.bulk import MergeCounts


def test_a_folder_is_loaded(conn, write):
    report = load_folder(conn, write())
    assert report.counts == {
        "portfolios": MergeCounts(fetched=2, inserted=2),
        "positions": MergeCounts(fetched=7, inserted=7),
        "closes": MergeCounts(fetched=5, inserted=5),
        "flows": MergeCounts(fetched=5, inserted=5),
        "marks": MergeCounts(fetched=4, inserted=4),
        "tags": MergeCounts(fetched=2, inserted=2),
    }
    assert rows(
        conn, "select name, starting_equity, inception_date, currency, deleted_at from raw.portfolios order by 1"
    ) == [
        ("Growth", Decimal(1_000_000), date(2021, 1, 4), "USD", None),
        ("Income", Decimal(500_000), date(2021, 6, 1), "USD", None),
    ]
    assert rows(
        conn,
        "select symbol, entry_date::text, position_type, quantity::int, investment_class, exit_date::text,"
        ' exit_price::int from raw.positions order by symbol collate "C", entry_date',
    ) == [
        ("AAPL", "2021-01-04", "LONG", 100, "PUBLIC", None, None),
        ("AAPL", "2021-03-04", "LONG", 50, "PUBLIC", None, None),
        ("AAPL210319C00130000", "2021-01-05", "SC", -2, "OPTIONS", None, None),
        ("Acme Fund iv", "2020-01-06", "LONG", 10, "PRIVATE", None, None),
        ("Acme Fund iv", "2021-05-03", "LONG", 5, "PRIVATE", None, None),
        ("BRK.B", "2021-06-01", "LONG", 40, "PUBLIC", None, None),
        ("TSLA", "2021-02-01", "SHORT", -20, "PUBLIC", "2021-12-01", 1100),
    ]
    assert rows(
        conn,
        "select underlying_symbol, option_type, strike_price::int, expiration_date::text from raw.positions"
        " where investment_class = 'OPTIONS'",
    ) == [("AAPL", "CALL", 130, "2021-03-19")]
    assert rows(
        conn,
        "select symbol, trade_date::text, sequence, quantity_closed::int, close_price, fees::int"
        " from raw.position_realized_events join raw.positions using (position_id) order by symbol, sequence",
    ) == [
        ("AAPL", "2021-02-01", 1, 10, Decimal("134.14"), 1),
        ("AAPL", "2021-02-01", 2, 10, Decimal("134.14"), 1),
        ("AAPL", "2021-03-01", 3, 10, Decimal("127.79"), 1),
        ("AAPL210319C00130000", "2021-02-01", 1, 1, 8, 0),
        ("BRK.B", "2021-07-01", 1, 5, 279, 0),
    ]
    assert rows(conn, "select change_type, amount from raw.equity_changes order by amount, change_type") == [
        ("CONTRIBUTION", Decimal(1)),
        ("CONTRIBUTION", Decimal(1)),
        ("WITHDRAWAL", Decimal("2500.55")),
        ("CONTRIBUTION", Decimal(10_000)),
        ("CONTRIBUTION", Decimal(10_000)),
    ]
    assert rows(
        conn,
        "select entry_date::text, price_date::text, price::int"
        " from raw.manual_prices join raw.positions using (position_id) order by 1, 2",
    ) == [
        ("2020-01-06", "2021-03-31", 1050),
        ("2020-01-06", "2021-06-30", 0),
        ("2021-05-03", "2021-03-31", 1050),
        ("2021-05-03", "2021-06-30", 0),
    ]
    assert rows(
        conn, "select symbol, sector from raw.manual_sector_tags join raw.positions using (position_id) order by symbol"
    ) == [("AAPL", "Consumer Staples"), ("Acme Fund iv", "Real Estate")]
    assert rows(conn, "select distinct source from raw.position_realized_events") == [("closes.csv",)]


def test_a_second_load_writes_nothing(conn, write):
    load_folder(conn, write())
    before = everything(conn)
    report = load_folder(conn, write())
    assert everything(conn) == before
    assert report.changed == 0
    assert report.lines()[0].endswith("book: nothing has changed")


def test_the_same_facts_written_otherwise_change_nothing(conn, write):
    load_folder(conn, write())
    before = everything(conn)
    # Columns and rows in another order, other spellings of numbers; the closes of one lot keep their order.
    lines = BOOK["positions.csv"].strip().split("\n")
    turned = [
        ",".join(reversed(line.replace('"1,100"', "1100.0").split(","))) for line in (lines[0], *reversed(lines[1:]))
    ]
    report = load_folder(
        conn,
        write(
            portfolios="# by mail\nINCEPTION DATE,Name,Starting Equity\n2021-06-01,Income,5e5\n2021-01-04,Growth,1e6\n",
            positions="\n".join(turned),
        ),
    )
    assert report.changed == 0
    assert everything(conn) == before


def test_the_report(conn, write):
    folder = write()
    assert load_folder(conn, folder).lines() == [
        f"{folder}: loaded",
        "  portfolios       2 read: 2 inserted, 0 updated, 0 unchanged, 0 deleted",
        "  positions        7 read: 7 inserted, 0 updated, 0 unchanged, 0 deleted",
        "  closes           5 read: 5 inserted, 0 updated, 0 unchanged, 0 deleted",
        "  flows            5 read: 5 inserted, 0 updated, 0 unchanged, 0 deleted",
        "  marks            4 read: 4 inserted, 0 updated, 0 unchanged, 0 deleted",
        "  tags             2 read: 2 inserted, 0 updated, 0 unchanged, 0 deleted",
        # Monday 2021-05-31 was Memorial Day: a flow on it counts on 06-01, the inception. Friday's comes before it.
        "  'Income': 1 flow before the inception on 2021-06-01 will be ignored",
    ]


def test_a_file_that_is_no_portfolio_file_is_named(conn, write):
    folder = write()
    (folder / "position.csv").write_text("portfolio\n")
    assert load_folder(conn, folder).lines()[-1].startswith("  not read: position.csv (")


# Replacing


def test_a_file_replaces_its_kind_for_the_portfolios_it_names(conn, write):
    load_folder(conn, write())
    report = load_folder(
        conn,
        write(
            portfolios=PORTFOLIO_HEADER + "Growth,900000,2021-01-04\n",
            positions=POSITION_HEADER + "Income,BRK.B,40,280,2021-06-01,\n",
            closes=CLOSE_HEADER + "Growth,AAPL,2021-01-04,2021-02-01,10,134.14,1\n",
            capital_flows=FLOW_HEADER + "Income,2021-07-01,WITHDRAWAL,7\n",
            manual_prices=None,
            sector_tags=None,
        ),
    )
    assert report.counts == {
        "portfolios": MergeCounts(fetched=1, updated=1),
        "positions": MergeCounts(fetched=1, unchanged=1),
        "closes": MergeCounts(fetched=1, unchanged=1, deleted=3),
        "flows": MergeCounts(fetched=1, inserted=1, deleted=2),
    }
    assert rows(
        conn, "select name, count(*) from raw.portfolios join raw.positions using (portfolio_id) group by 1 order by 1"
    ) == [("Growth", 6), ("Income", 1)]
    assert rows(conn, "select name, starting_equity::int from raw.portfolios order by 1") == [
        ("Growth", 900_000),
        ("Income", 500_000),
    ]
    assert rows(
        conn, "select (select count(*) from raw.manual_prices), (select count(*) from raw.manual_sector_tags)"
    ) == [(4, 2)]


def test_only_what_differs_is_written(conn, write):
    load_folder(conn, write())
    before = everything(conn)
    report = load_folder(conn, write(positions=BOOK["positions.csv"].replace("AAPL,50,120", "AAPL,50,121")))
    assert report.counts["positions"] == MergeCounts(fetched=7, updated=1, unchanged=6)
    after = everything(conn)
    assert [len(set(before[table]) - set(after[table])) for table in before] == [0, 1, 0, 0, 0, 0, 0, 1]
    assert rows(
        conn, "select input, symbol, from_date::text, what from ops.input_changes order by change_id desc limit 1"
    ) == [("position", "AAPL", "2021-03-04", "restated")]


def test_a_close_added_to_one_lot_leaves_the_others_alone(conn, write):
    load_folder(conn, write())
    first, *rest = BOOK["closes.csv"].strip().split("\n")
    added = "\n".join([first, "Growth,AAPL,2021-03-04,2021-04-01,1,123,0", *rest])
    assert load_folder(conn, write(closes=added)).counts["closes"] == MergeCounts(fetched=6, inserted=1, unchanged=5)


def test_equal_closes_and_flows_count_as_often_as_they_occur(conn, write):
    load_folder(conn, write())
    report = load_folder(
        conn,
        write(
            closes=BOOK["closes.csv"].replace("Growth,AAPL,2021-01-04,2021-02-01,10,134.14,1\n", "", 1),
            capital_flows=BOOK["capital_flows.csv"] + "Growth,2021-02-01,CONTRIBUTION,10000\n",
        ),
    )
    assert report.counts["flows"] == MergeCounts(fetched=6, inserted=1, unchanged=5)
    # The later close of the lot moves up in the order.
    assert report.counts["closes"] == MergeCounts(fetched=4, updated=1, unchanged=3, deleted=1)


def test_what_goes_with_a_removed_lot_is_told(conn, write):
    load_folder(conn, write())
    report = load_folder(
        conn,
        write(
            **ABSENT,
            positions=POSITION_HEADER + "Growth,AAPL,50,120,2021-03-04,\nGrowth,MSFT,1,200,2021-03-04,\n",
        ),
    )
    assert report.counts["positions"] == MergeCounts(fetched=2, inserted=1, unchanged=1, deleted=5)
    assert report.lost == {"closes": 4, "marks": 2, "tags": 2}
    assert report.lines()[3:4] == ["  lots that are no longer in the file took with them: 4 closes, 2 marks, 2 tags"]
    assert rows(conn, "select count(*) from raw.position_realized_events") == [(1,)]


def test_marks_stay_with_their_symbol_when_its_lots_change(conn, write):
    load_folder(conn, write())
    # One lot's entry date is corrected, another lot is added; nobody sends the marks again.
    corrected = BOOK["positions.csv"].replace("2020-01-06,PRIVATE", "2020-01-07,PRIVATE")
    added = "Growth,Acme Fund iv,1,1200,2021-07-01,PRIVATE,,,,,,\n"
    report = load_folder(conn, write(**ABSENT, positions=corrected + added))
    assert (report.marks_spread, report.lost) == (4, {"closes": 0, "marks": 0, "tags": 1})
    assert rows(
        conn,
        "select entry_date::text, count(*) from raw.manual_prices join raw.positions using (position_id)"
        " group by 1 order by 1",
    ) == [("2020-01-07", 2), ("2021-05-03", 2), ("2021-07-01", 2)]
    before = everything(conn)
    assert load_folder(conn, write(**ABSENT, positions=corrected + added)).changed == 0
    assert everything(conn) == before


def test_a_file_without_rows_replaces_nothing(conn, write):
    load_folder(conn, write())
    report = load_folder(
        conn,
        write(
            portfolios=PORTFOLIO_HEADER,
            positions=POSITION_HEADER,
            closes=CLOSE_HEADER,
            capital_flows=FLOW_HEADER,
            manual_prices=MARK_HEADER,
            sector_tags=TAG_HEADER,
        ),
    )
    assert report.changed == 0


def test_closes_marks_and_tags_of_lots_that_are_loaded_already(conn, write):
    load_folder(conn, write(**ABSENT))
    report = load_folder(
        conn,
        write(
            portfolios=PORTFOLIO_HEADER,
            positions=POSITION_HEADER + "Income,BRK.B,40,280,2021-06-01,\n",
            closes=CLOSE_HEADER + "Growth,tsla,2021-02-01,2021-03-01,5,675,\n",
            manual_prices=MARK_HEADER + "Growth,Acme Fund iv,2021-03-31,1\n",
            sector_tags=TAG_HEADER + "Growth,TSLA,2021-02-01,Energy\n",
        ),
    )
    assert {kind: counts.inserted for kind, counts in report.counts.items()} == {
        "portfolios": 0,
        "positions": 0,
        "closes": 1,
        "flows": 5,
        "marks": 2,
        "tags": 1,
    }


def test_a_deleted_portfolio_comes_back_when_it_is_listed(conn, write):
    load_folder(conn, write())
    conn.execute("update raw.portfolios set deleted_at = now() where name = 'Income'")
    conn.execute("update raw.positions set deleted_at = now() where symbol = 'BRK.B'")
    report = load_folder(conn, write())
    assert (report.counts["portfolios"].updated, report.counts["positions"].updated) == (1, 1)
    assert rows(
        conn,
        "select (select count(*) from raw.portfolios where deleted_at is not null),"
        " (select count(*) from raw.positions where deleted_at is not null)",
    ) == [(0, 0)]


def test_a_deleted_portfolio_that_is_not_listed_is_refused(conn, write):
    load_folder(conn, write())
    conn.execute("update raw.portfolios set deleted_at = now() where name = 'Income'")
    folder = write(
        **{**ABSENT, "capital_flows": FLOW_HEADER + "Income,2021-07-01,CONTRIBUTION,1\n"},
        portfolios=PORTFOLIO_HEADER + "Growth,1000000,2021-01-04\n",
        positions=POSITION_HEADER,
    )
    assert problems(conn, folder) == [
        "capital_flows.csv:2: portfolio: 'Income' is deleted: list it in portfolios.csv to bring it back"
    ]


def test_portfolios_and_lots_that_others_made_keep_their_identifiers_or_are_replaced(conn, write):
    conn.execute(
        """
        insert into raw.portfolios (portfolio_id, name, inception_date, starting_equity, source)
        values ('00000000-0000-0000-0000-000000000001', 'Growth', '2021-01-04', 1000000, 'api');
        insert into raw.positions (
            position_id, portfolio_id, symbol, position_type, quantity, entry_price, entry_date,
            investment_class, source
        )
        values (
            '00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001',
            'AAPL', 'LONG', 100, 129.41, '2021-01-04', 'PUBLIC', 'api'
        );
        """
    )
    report = load_folder(conn, write())
    assert report.counts["portfolios"] == MergeCounts(fetched=2, inserted=1, unchanged=1)
    assert report.counts["positions"] == MergeCounts(fetched=7, inserted=7, deleted=1)
    assert load_folder(conn, write()).changed == 0


def test_hostile_names_are_text(conn, write):
    names = ["=cmd|' /C calc'!A0", "x'); drop table raw.positions; --", '"quoted" 100% \\N', "Ünïcode ☂", "\\."]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    folder = write(
        **ABSENT,
        portfolios=PORTFOLIO_HEADER + "".join(f"{name},1000,2021-01-04\n" for name in quoted),
        positions=POSITION_HEADER + "".join(f"{name},{name},1,1,2021-01-04,PRIVATE\n" for name in quoted),
    )
    load_folder(conn, folder)
    found = rows(conn, "select name, symbol from raw.portfolios join raw.positions using (portfolio_id)")
    assert sorted(found) == sorted(zip(names, names, strict=True))
    assert load_folder(conn, folder).changed == 0


# Refusing


def test_a_large_book_takes_seconds(conn, write):
    lots = [(f"P{i % 20}", f"S{i % 97}", date(2000, 1, 1) + timedelta(days=i // 2)) for i in range(10_000)]
    closes = (f"{portfolio},{symbol},{day},2021-01-05,1,2.5,0\n" for portfolio, symbol, day in lots)
    folder = write(
        **{**ABSENT, "closes": CLOSE_HEADER + "".join(closes)},
        portfolios=PORTFOLIO_HEADER + "".join(f"P{i},1000,2021-01-04\n" for i in range(20)),
        positions=POSITION_HEADER + "".join(f"{portfolio},{symbol},1,1,{day},\n" for portfolio, symbol, day in lots),
    )
    started = time.process_time()
    assert load_folder(conn, folder).counts["closes"].inserted == 10_000
    # Inserting rows one at a time, or searching all lots for each close, would take far longer.
    assert time.process_time() - started < 8


def test_a_lot_that_is_loaded_anew_has_its_symbols_asked_for_again(conn, write):
    load_folder(conn, write())

    def leave_alone():
        conn.execute("delete from ops.fetch_state")
        conn.execute(
            "insert into ops.fetch_state (source, kind, symbol, consecutive_failures, next_attempt_at)"
            " select 'yahoo', 'prices', symbol, 4, now() + interval '30 days'"
            " from unnest(array['AAPL', 'TSLA', 'BRK.B']) as symbol"
        )
        return lambda: rows(conn, "select symbol from ops.fetch_state order by 1")

    left = leave_alone()
    load_folder(conn, write())
    assert left() == [("AAPL",), ("BRK.B",), ("TSLA",)]
    # with another quantity, and an option on another underlying
    changed = BOOK["positions.csv"].replace("tsla,(20)", "tsla,(25)").replace(",AAPL,130,", ",AAPL,131,")
    load_folder(conn, write(positions=changed, closes=None))
    assert left() == [("BRK.B",)]


# Cash items and benchmarks
