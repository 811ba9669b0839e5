"""A portfolio's history as a frame: over HTTP, and by SQL. Paste what you need; it wants `serve` running.

python run_nightly.py demo
python run_nightly.py serve --demo
python docs/reading_with_python.py
"""

# %% over HTTP, with pandas
import io
import os
from urllib.parse import quote

import httpx
import pandas as pd

API = os.environ.get("API_URL", "http://127.0.0.1:8750") + "/api/v1"
TOKEN = os.environ.get("API_TOKEN")  # on the machine itself none is needed while no token exists
client = httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}, timeout=30)


def frame(path: str, dates: list[str] | None = None, **query: str) -> pd.DataFrame:
    """A table of the API, all its rows."""
    answer = client.get(f"{API}/{path}", params={**query, "format": "csv"})
    answer.raise_for_status()
    return pd.read_csv(io.StringIO(answer.text), parse_dates=dates)


portfolio = frame("portfolios")["name"].iloc[0]
history = frame(f"portfolios/{quote(portfolio, safe='')}/history", ["snapshot_date"]).set_index("snapshot_date")
print(portfolio, f"{len(history)} sessions")
print(history[["equity_balance", "daily_pnl", "daily_return"]].tail())

# %% the exposures to each factor, a column each
exposures = frame(f"portfolios/{quote(portfolio, safe='')}/factors/history", ["calculation_date"], model="ridge")
print(exposures.pivot(index="calculation_date", columns="factor", values="exposure_value").tail().round(2))

# %% the same with polars, where it is installed
try:
    import polars as pl
except ImportError:
    print("polars is not installed")
else:
    text = client.get(f"{API}/portfolios/{quote(portfolio, safe='')}/history", params={"format": "csv"}).content
    print(pl.read_csv(text, try_parse_dates=True).select("snapshot_date", "equity_balance", "daily_return").tail())

# %% as Arrow, with types, where the server has pyarrow (pip install 'afterclose[arrow]'); duckdb asks it by SQL
answer = client.get(f"{API}/portfolios/{quote(portfolio, safe='')}/positions/history", params={"format": "arrow"})
if answer.status_code == 406:
    print(answer.json()["detail"])
else:
    import pyarrow as pa

    values = pa.ipc.open_stream(answer.content).read_all()
    print(f"{values.num_rows} rows", values.schema.field("value_date"), values.schema.field("market_value"))
    try:
        import duckdb
    except ImportError:
        print("duckdb is not installed")
    else:
        print(duckdb.sql("select symbol, sum(daily_pnl) as pnl from values group by symbol order by pnl desc limit 5"))

# %% by SQL: DATABASE_URL="$(python run_nightly.py db url --demo)"
if url := os.environ.get("DATABASE_URL"):
    import psycopg

    with psycopg.connect(url) as conn:
        cursor = conn.execute(
            "select snapshot_date, equity_balance::float8, daily_pnl::float8, daily_return::float8"
            " from analytics.portfolio_snapshots join analytics.portfolios using (portfolio_id)"
            " where name = %s order by snapshot_date",
            [portfolio],
        )
        names = [column.name for column in cursor.description or []]
        by_sql = pd.DataFrame(cursor.fetchall(), columns=names).set_index("snapshot_date")
    assert (by_sql["equity_balance"].to_numpy() == history["equity_balance"].to_numpy()).all()
    print(by_sql.tail())
