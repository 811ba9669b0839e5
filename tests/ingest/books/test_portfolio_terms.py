"""What a folder says of a portfolio beside its lots: cash items, and its benchmark."""

from decimal import Decimal

from ingest.books.portfolios import load_folder, load_positions_file
from tests.ingest.books.loading import CASH_ITEM_HEADER, problems, rows
from warehouse.bulk import MergeCounts


def test_cash_items_are_loaded_with_their_sign(conn, write):
    folder = write(
        cash_items=CASH_ITEM_HEADER
        + "Growth,2021-02-01,INTEREST,25\nGrowth,2021-02-01,interest,25.00\nGrowth,2021-03-01,FEE,(40)\n"
        + 'Growth,2021-03-02,BORROW,-12.50\nIncome,2021-07-01,TAX,"-$1,000"\nIncome,2021-05-28,OTHER,3\n'
    )
    report = load_folder(conn, folder)
    assert report.counts["cash_items"] == MergeCounts(fetched=6, inserted=6)
    assert rows(conn, "select item_type, amount from raw.cash_items order by item_date, item_type, amount") == [
        ("INTEREST", 25),
        ("INTEREST", 25),
        ("FEE", -40),
        ("BORROW", Decimal("-12.5")),
        ("OTHER", 3),
        ("TAX", -1000),
    ]
    assert "  'Income': 1 cash item before the inception on 2021-06-01 will be ignored" in report.lines()
    assert "  cash items       6 read: 6 inserted, 0 updated, 0 unchanged, 0 deleted" in report.lines()
    assert load_folder(conn, folder).changed == 0
    report = load_folder(conn, write(cash_items=CASH_ITEM_HEADER + "Growth,2021-02-01,INTEREST,25\n"))
    assert report.counts["cash_items"] == MergeCounts(fetched=1, unchanged=1, deleted=3)


def test_a_cost_without_a_minus_is_pointed_at(conn, write):
    report = load_folder(
        conn,
        write(
            cash_items=CASH_ITEM_HEADER
            + "Growth,2021-02-01,FEE,25\nGrowth,2021-02-02,FEE,25\nGrowth,2021-02-02,TAX,-5\n"
            + "Income,2021-07-01,OTHER,1\n"
        ),
    )
    assert [note for note in report.notes if "above zero" in note] == [
        "'Growth': 2 FEE above zero in cash_items.csv will be counted as income: write a cost with a minus"
    ]


def test_cash_items_that_are_none(conn, write):
    folder = write(cash_items=CASH_ITEM_HEADER + "Growth,2021-02-01,DIVIDEND,0\nNobody,2021-02-01,FEE,\n")
    assert problems(conn, folder) == [
        "cash_items.csv:2: type: 'DIVIDEND' is not one of INTEREST, FEE, TAX, BORROW, OTHER",
        "cash_items.csv:2: amount: must not be zero: write how many it is, or leave the row out",
        "cash_items.csv:3: amount: is empty: fill it in, or leave the row out",
        "cash_items.csv:3: portfolio: 'Nobody' is neither in portfolios.csv nor loaded already: list it there",
    ]


def test_a_portfolio_is_compared_with_its_benchmark_or_spy(conn, write):
    benchmarks = "select name, benchmark from raw.portfolios order by 1"
    header = "name,starting_equity,inception_date,benchmark\n"
    load_folder(conn, write(portfolios=header + "Growth,1,2021-01-04,qqq\nIncome,1,2021-06-01,\n"))
    assert rows(conn, benchmarks) == [("Growth", "QQQ"), ("Income", "SPY")]
    folder = write(portfolios=header + "Growth,1,2021-01-04,60/40 mix\n")
    (problem,) = problems(conn, folder)
    assert problem.startswith("portfolios.csv:2: benchmark: '60/40 mix' is not a symbol")


def test_a_position_file_leaves_the_benchmark_of_its_portfolio_alone(conn, write, tmp_path):
    header = "name,starting_equity,inception_date,benchmark\n"
    load_folder(conn, write(portfolios=header + "Growth,1,2021-01-04,QQQ\nIncome,1,2021-06-01,\n"))
    file = tmp_path / "positions of growth.csv"
    file.write_text("Symbol,Quantity,Entry Price Per Share,Entry Date\nAAPL,1,100,2021-01-04\n")
    for name in ("Growth", "New"):
        load_positions_file(conn, file, name, Decimal(1_000))
    assert rows(conn, "select name, benchmark from raw.portfolios order by 1") == [
        ("Growth", "QQQ"),
        ("Income", "SPY"),
        ("New", "SPY"),
    ]
