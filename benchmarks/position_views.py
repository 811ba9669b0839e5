"""How long one portfolio's latest position statistics take to read, beside how many others.

    python -m benchmarks.position_views [--portfolios 100] [--positions 100] [--sessions 1000]

Makes a database in a temporary folder (4 GB and six minutes for the 10 million rows of the default), fills it with
numbers that mean nothing, and prints the time of each query and which tables it reads whole. Nothing is left behind.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from nightly import prepare
from nightly.dbt.runner import Dbt
from nightly.output.progress import Progress
from warehouse.database import Database, open_database
from warehouse.settings import load_settings

VIEWS = ("position_market_betas", "position_interest_rate_betas", "position_factor_exposures", "position_volatility")

# What the reader of one portfolio asks. The last date is the one its risk was computed for.
LATEST = """
select * from analytics.{view}
where
    portfolio_id = %(portfolio)s
    and calculation_date = (
        select max(calculation_date) from analytics.portfolio_risk_metrics where portfolio_id = %(portfolio)s
    )
"""
# The same, without looking at any other table.
LATEST_OF_VIEW = """
select * from analytics.{view}
where
    portfolio_id = %(portfolio)s
    and calculation_date = (select max(calculation_date) from analytics.{view} where portfolio_id = %(portfolio)s)
"""
HISTORY = "select * from analytics.{view} where position_id = %(position)s order by calculation_date"

_FACTORS = """
('ridge', 'Market'), ('ridge', 'Interest Rate'), ('ridge', 'Value'), ('ridge', 'Growth'), ('ridge', 'Size'),
('ridge', 'Momentum'), ('ridge', 'Quality'), ('ridge', 'Low Volatility'), ('spread', 'Growth-Value'),
('spread', 'Momentum'), ('spread', 'Size'), ('spread', 'Quality')
"""


def make_tables(conn: psycopg.Connection[Any], database: Database, workspace: Path) -> None:
    """Everything that a night needs, and dbt's tables and views, empty."""
    prepare.prepare_database(conn, datetime.now(UTC).date())
    dbt = Dbt(database, workspace)
    prepare.prepare_seeds(conn, dbt, Progress())
    views = prepare.views_to_build(conn, dbt)
    results = dbt.run([*views, "tag:phase_2", "tag:phase_2_5", "tag:phase_2_75"]).results
    if failed := [result for result in results if not result.well]:
        raise SystemExit(f"dbt failed: {failed}")


def fill(conn: psycopg.Connection[Any], portfolios: int, positions: int, sessions: int, symbols: int = 500) -> None:
    """Portfolios that hold as many positions each of `symbols`, on the sessions up to the end of 2023."""
    sizes = {"portfolios": portfolios, "positions": positions, "sessions": sessions, "symbols": symbols}
    statements = f"""
    create temp table days as
    select session_date as day from raw.trading_sessions where session_date <= '2023-12-29'
    order by session_date desc limit %(sessions)s;

    create temp table names as select format('S%%s', number) as symbol from generate_series(1, %(symbols)s) as number;

    insert into raw.portfolios (portfolio_id, name, inception_date, starting_equity, source)
    select md5(p::text)::uuid, format('P%%s', p), '2015-01-02', 1000000, 'benchmark'
    from generate_series(1, %(portfolios)s) as p;

    insert into raw.positions
    (position_id, portfolio_id, symbol, position_type, quantity, entry_price, entry_date, investment_class, source)
    select md5(format('%%s %%s', p, i))::uuid, md5(p::text)::uuid, format('S%%s', (p * 37 + i) %% %(symbols)s + 1),
        'LONG', 1, 1, '2015-01-02', 'PUBLIC', 'benchmark'
    from generate_series(1, %(portfolios)s) as p cross join generate_series(1, %(positions)s) as i;

    insert into analytics.position_values
    (
        position_id, value_date, portfolio_id, symbol, quantity, price, price_date, is_stale, multiplier, market_value,
        cost_basis, unrealized_pnl, opening_unrealized_pnl, realized_pnl, dividend_income, fees, transferred_pnl,
        trading_pnl, daily_pnl
    )
    select position_id, day, portfolio_id, symbol, 1, 100.0, day, false, 1, 100.0, 90.0, 10.0, 0, 0, 0, 0, 0, 0, 0.5
    from days cross join raw.positions where source = 'benchmark' order by day;

    insert into analytics.portfolio_risk_metrics
    (calculation_date, portfolio_id, positions_without, quality_flag, observations)
    select day, portfolio_id, 0, 'full_history', 252 from days cross join raw.portfolios where source = 'benchmark';

    insert into analytics.symbol_market_betas
    (calculation_date, symbol, beta, observations, window_days, quality_flag)
    select day, symbol, 1, 90, 90, 'full_history' from days cross join names order by day;

    insert into analytics.symbol_interest_rate_betas
    (calculation_date, symbol, beta, observations, window_days, quality_flag)
    select day, symbol, 1, 90, 90, 'full_history' from days cross join names order by day;

    insert into analytics.symbol_volatility (calculation_date, symbol, observations, quality_flag)
    select day, symbol, 252, 'full_history' from days cross join names order by day;

    insert into analytics.symbol_factor_exposures
    (calculation_date, symbol, model, factor, beta, observations, quality_flag)
    select day, symbol, model, factor, 1, 252, 'full_history'
    from days cross join names cross join (values {_FACTORS}) as factors (model, factor) order by day
    """
    conn.execute("set session_replication_role = replica")  # no change log
    for statement in statements.split(";"):
        conn.execute(statement, sizes) if "%(" in statement else conn.execute(statement.replace("%%", "%"))
    conn.execute("reset session_replication_role")
    conn.execute("drop table pg_temp.days, pg_temp.names")
    conn.execute("vacuum analyze")


def plan(conn: psycopg.Connection[Any], query: str, portfolio: int = 1) -> dict[str, Any]:
    """What PostgreSQL did for a query on one of the portfolios, and how long it took (milliseconds)."""
    parameters = {"portfolio": _id(conn, f"{portfolio}"), "position": _id(conn, f"{portfolio} 1")}
    ((answer,),) = conn.execute(f"explain (analyze, buffers, format json) {query}", parameters).fetchall()
    return answer[0]


def relations_scanned_whole(answer: dict[str, Any]) -> set[str]:
    """The tables that a plan reads from beginning to end."""
    return {node["Relation Name"] for node in plan_nodes(answer["Plan"]) if node["Node Type"] == "Seq Scan"}


def plan_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan and all below it."""
    yield node
    for child in node.get("Plans", []):
        yield from plan_nodes(child)


def _id(conn: psycopg.Connection[Any], text: str) -> Any:
    return conn.execute("select md5(%s)::uuid", [text]).fetchone()[0]


def main() -> None:
    """Fill, ask, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, count in (("portfolios", 100), ("positions", 100), ("sessions", 1000)):
        parser.add_argument(f"--{name}", type=int, default=count)
    sizes = vars(parser.parse_args())
    with tempfile.TemporaryDirectory(prefix="afterclose-benchmark-") as folder:
        Path(folder).chmod(0o755)
        settings = load_settings().model_copy(update={"database_url": None, "home": Path(folder) / "home"})
        with open_database(settings) as database, database.connect() as conn:
            make_tables(conn, database, settings.home / "dbt")
            began = time.perf_counter()
            fill(conn, **sizes)
            (rows, size) = conn.execute(
                "select count(*), pg_size_pretty(pg_database_size(current_database())) from analytics.position_values"
            ).fetchone()
            print(f"{rows:,} position rows, {size} in all, filled in {time.perf_counter() - began:.0f} s")
            for name, query in (("latest", LATEST), ("latest, of the view", LATEST_OF_VIEW), ("history", HISTORY)):
                for view in VIEWS:
                    plan(conn, query.format(view=view))  # into memory
                    answer = plan(conn, query.format(view=view))
                    found = answer["Plan"]["Actual Rows"]
                    spent = answer["Planning Time"] + answer["Execution Time"]
                    whole = ", ".join(sorted(relations_scanned_whole(answer))) or "nothing"
                    print(f"{view:30} {name:20} {found:7,.0f} rows {spent:9.2f} ms, read whole: {whole}")


if __name__ == "__main__":
    main()
