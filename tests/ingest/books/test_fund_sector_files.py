"""The sectors of funds, as people load them."""

from ingest.books.portfolios import load_folder
from tests.ingest.books.loading import problems, rows
from warehouse.bulk import MergeCounts

FUNDS = """
symbol,sector,weight,as_of
spy,Technology,34.6%,2021-06-30
spy,Financials,0.131,2021-06-30
BRK-B,Financials,1,2021-01-04
"""


def test_sectors_of_funds_replace_what_was_known_of_them(conn, write):
    conn.execute(
        "insert into raw.fund_sector_weights (symbol, sector, as_of, weight, source) values"
        " ('SPY', 'Energy', '2021-07-01', 1, 'yahoo'), ('QQQ', 'Technology', '2021-07-01', 1, 'yahoo')"
    )
    query = "select symbol, sector, as_of::text, weight::float8, source from raw.fund_sector_weights order by 1, 2"
    folder = write(fund_sectors=FUNDS)
    assert load_folder(conn, folder).counts["fund_sectors"] == MergeCounts(fetched=3, inserted=3, deleted=1)
    stored = [
        ("BRK.B", "Financials", "2021-01-04", 1.0, "person"),
        ("QQQ", "Technology", "2021-07-01", 1.0, "yahoo"),
        ("SPY", "Financials", "2021-06-30", 0.131, "person"),
        ("SPY", "Technology", "2021-06-30", 0.346, "person"),
    ]
    assert rows(conn, query) == stored
    assert load_folder(conn, folder).changed == 0
    load_folder(conn, write(fund_sectors="symbol,sector,weight,as_of\nSPY,Energy,1,2021-01-04"))
    assert rows(conn, query) == [*stored[:2], ("SPY", "Energy", "2021-01-04", 1.0, "person")]


def test_problems_of_sectors_of_funds(conn, write):
    text = """
symbol,sector,weight,as_of
SPY,Technology,34.6,2021-06-30
SPY,Energy,0.7,2021-03-31
SPY,Technology,0.7,2021-03-31
QQQ,Technology,0.5,2021-03-31
QQQ,technology,0.4,2021-03-31
QQQ,,0.4,2021-03-31
QQQ,Energy,0.1,2199-01-01
QQQ,Energy,0.1,2098-01-01
"""
    assert problems(conn, write(fund_sectors=text)) == [
        "fund_sectors.csv:2: weight: '34.6' is more than the whole: write a fraction (0.288) or a percentage (28.8%)",
        "fund_sectors.csv:3: weight: SPY as of 2021-03-31: its weights add up to more than the whole fund",
        "fund_sectors.csv:6: sector: repeats what line 5 says: keep one",
        "fund_sectors.csv:7: sector: is empty: fill it in, or leave the row out",
        "fund_sectors.csv:8: as_of: 2199-01-01 lies outside 1900 to 2099: correct it",
        "fund_sectors.csv:9: as_of: 2098-01-01 lies in the future",
    ]
