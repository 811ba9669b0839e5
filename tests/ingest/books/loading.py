"""A book as CSV files, and what a load leaves in the database."""

from pathlib import Path

import pytest

from ingest.books.portfolios import load_folder
from warehouse.errors import BadInput

PORTFOLIO_HEADER = "name,starting_equity,inception_date\n"
POSITION_HEADER = "portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date,Investment Class\n"
CLOSE_HEADER = "portfolio,symbol,entry_date,trade_date,quantity_closed,close_price,fees\n"
FLOW_HEADER = "portfolio,date,type,amount\n"
MARK_HEADER = "portfolio,symbol,date,price\n"
TAG_HEADER = "portfolio,symbol,entry_date,sector\n"
ABSENT = {"closes": None, "capital_flows": None, "manual_prices": None, "sector_tags": None}
CASH_ITEM_HEADER = "portfolio,date,type,amount\n"

BOOK = {
    "portfolios.csv": """
name,starting_equity,inception_date,currency
Growth,"$1,000,000.00",2021-01-04,USD
Income,500000,2021-06-01,
""",
    "positions.csv": """
portfolio,Symbol,Quantity,Entry Price Per Share,Entry Date,Investment Class,\
Underlying Symbol,Strike Price,Expiration Date,Option Type,Exit Date,Exit Price Per Share
Growth,AAPL,100,129.41,2021-01-04,,,,,,,
Growth,AAPL,50,120,2021-03-04,,,,,,,
Growth,tsla,(20),900,2021-02-01,,,,,,2021-12-01,"1,100"
Growth,,-2,5.5,2021-01-05,,AAPL,130,2021-03-19,CALL,,
Growth,Acme Fund iv,10,1000,2020-01-06,PRIVATE,,,,,,
Growth,Acme Fund iv,5,1100,2021-05-03,PRIVATE,,,,,,
Income,BRK.B,40,280,2021-06-01,,,,,,,
""",
    "closes.csv": """
portfolio,symbol,entry_date,trade_date,quantity_closed,close_price,fees
Growth,AAPL,2021-01-04,2021-02-01,10,134.14,1
Growth,AAPL,2021-01-04,2021-02-01,10,134.14,1
Growth,O:AAPL210319C00130000,2021-01-05,2021-02-01,1,8,
Income,brk.b,2021-06-01,2021-07-01,5,279,0
Growth,AAPL,2021-01-04,2021-03-01,10,127.79,1
""",
    "capital_flows.csv": """
portfolio,date,type,amount
Growth,2021-02-01,CONTRIBUTION,"$10,000.00"
Growth,2021-02-01,contribution,10000
Growth,2021-03-01,WITHDRAWAL,2500.55
Income,2021-05-31,CONTRIBUTION,1
Income,2021-05-28,CONTRIBUTION,1
""",
    "manual_prices.csv": """
portfolio,symbol,date,price
Growth,Acme Fund iv,2021-03-31,1050
Growth,Acme Fund iv,2021-06-30,0
""",
    "sector_tags.csv": """
portfolio,symbol,entry_date,sector
Growth,Acme Fund iv,2020-01-06,Real Estate
Growth,aapl,2021-01-04,Consumer Staples
""",
}


def rows(conn, query: str) -> list[tuple]:
    return conn.execute(query).fetchall()


def everything(conn) -> dict[str, list[tuple]]:
    """All rows with the transaction that wrote them, and the length of the change log."""
    tables = (
        "portfolios",
        "positions",
        "position_realized_events",
        "equity_changes",
        "cash_items",
        "manual_prices",
        "manual_sector_tags",
    )
    found = {table: rows(conn, f"select xmin::text, * from raw.{table} as row order by row::text") for table in tables}
    return {**found, "changes": rows(conn, "select count(*) from ops.input_changes")}


def problems(conn, folder: Path) -> list[str]:
    before = everything(conn)
    with pytest.raises(BadInput) as refusal:
        load_folder(conn, folder)
    assert everything(conn) == before
    *found, summary = refusal.value.problems
    assert summary.startswith("nothing was loaded: ")
    return found
