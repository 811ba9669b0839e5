"""Every row and number that the API gives is that of its table, and no row of the table is left out."""

import csv
import io
import itertools
import math
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.rows import dict_row

from reports.reading import read_view
from warehouse.database import Database

PORTFOLIOS = ("Core Growth", "Long Short Equity", "Family Balanced")
DAY = "2016-06-06"
OF_SESSION = "portfolio_id = %(id)s and calculation_date = %(day)s"


@pytest.fixture(scope="module")
def conn(sample: Database):
    with sample.connect() as conn:
        yield conn


def ids(conn: psycopg.Connection) -> dict[str, Any]:
    return dict(conn.execute("select name, portfolio_id from analytics.portfolios").fetchall())


def stored(conn: psycopg.Connection, query: str, **given: Any) -> list[dict[str, Any]]:
    return conn.cursor(row_factory=dict_row).execute(query, given).fetchall()


def fetched(client: TestClient, path: str, **query: Any) -> Any:
    """`data` of an address, of every page where it has several."""
    answer = client.get(path, params={"decimals": "string", **query})
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    while link := answer.links.get("next"):
        answer = client.get(link["url"])
        data += answer.json()["data"]
    return data


def value(told: Any) -> Any:
    """A value as the API writes it, `decimals=string`."""
    if isinstance(told, Decimal):
        return format(told, "f")
    return told if told is None or isinstance(told, bool | int | float | dict | list) else str(told)


def assert_same(rows: list[dict[str, Any]], table: list[dict[str, Any]], key: tuple[str, ...], least: int) -> None:
    """The rows of an answer are all of the table's, and each number is to the last digit what is stored."""
    told = {tuple(row[name] for name in key): row for row in rows}
    known = {tuple(value(row[name]) for name in key): row for row in table}
    assert len(told) == len(rows) and len(known) == len(table), "the key tells rows apart"
    assert told.keys() == known.keys()
    numbers = 0
    for place, row in told.items():
        for name in row.keys() & known[place].keys():
            assert row[name] == value(known[place][name]), (place, name)
            numbers += isinstance(known[place][name], Decimal | float | int)
    assert numbers >= least


@pytest.mark.parametrize("name", PORTFOLIOS)
def test_sections_of_a_session(client: TestClient, conn: psycopg.Connection, name: str):
    given = {"id": ids(conn)[name], "day": DAY}
    address = f"/api/v1/portfolios/{name}"

    def rows(table: str, more: str = "") -> list[dict[str, Any]]:
        return stored(conn, f"select * from analytics.{table} where {OF_SESSION} {more}", **given)

    def read(path: str, **query: Any) -> Any:
        return fetched(client, f"{address}{path}", as_of=DAY, **query)

    overview = read("")
    snapshots = stored(
        conn,
        "select * from analytics.portfolio_snapshots where portfolio_id = %(id)s and snapshot_date = %(day)s",
        **given,
    )
    assert_same([overview["snapshot"]], snapshots, ("snapshot_date",), least=20)
    assert_same([overview["risk"]], rows("portfolio_risk_metrics"), ("observations",), least=10)
    sectors = stored(
        conn,
        "select * from analytics.portfolio_sector_exposures where portfolio_id = %(id)s and value_date = %(day)s",
        **given,
    )
    assert_same(overview["sectors"], sectors, ("sector",), least=9)

    risk = read("/risk")
    assert_same([risk], rows("portfolio_risk_metrics"), ("observations",), least=10)
    assert_same([risk["backtest"]], rows("risk_backtest"), ("observations",), least=1)
    volatility = read("/volatility")
    assert_same([volatility["portfolio"]], rows("portfolio_risk_metrics"), ("observations",), least=5)
    assert_same(volatility["positions"], rows("position_volatility"), ("position_id",), least=20)
    assert_same(read("/contributions"), rows("position_risk_contributions"), ("position_id",), least=15)

    betas = read("/betas")
    by_model = (("market", "position_market_betas"), ("interest_rate", "position_interest_rate_betas"))
    table = [{"model": model, **row} for model, view in by_model for row in rows(view)]
    assert_same(betas["positions"], table, ("position_id", "model"), least=50)
    exposures = rows("portfolio_factor_exposures")
    of_model = {
        model: [row for row in exposures if row["model"] in model]
        for model in (("market", "interest_rate"), ("ridge",), ("spread",))
    }
    assert_same(betas["portfolio"], of_model["market", "interest_rate"], ("model", "factor"), least=4)
    for model in ("ridge", "spread"):
        factors = read("/factors", model=model)
        assert_same(factors["portfolio"], of_model[model,], ("model", "factor"), least=3)
        of_positions = rows("position_factor_exposures", f"and model = '{model}'")
        matrix = [
            {"factor": factor, "beta": beta, **{name: row[name] for name in row if name != "betas"}}
            for row in factors["positions"]
            for factor, beta in zip(factors["factors"], row["betas"], strict=True)
        ]
        assert_same(matrix, of_positions, ("position_id", "factor"), least=20)

    scenarios = read("/stress-tests")
    assert_same(scenarios, rows("stress_test_results"), ("scenario_id",), least=30)
    equity = float(overview["snapshot"]["equity_balance"])
    for row in scenarios:
        pnl = row["direct_pnl"] if row["correlated_pnl"] is None else row["correlated_pnl"]
        assert row["pnl_fraction"] == pytest.approx(pnl / equity, rel=1e-12)

    correlations = read("/correlations", max_symbols=200)
    assert_same([correlations["summary"]], rows("correlation_calculations"), ("overall_correlation",), least=4)
    assert_same(correlations["clusters"], rows("correlation_clusters"), ("cluster_number",), least=2)
    members = rows("correlation_cluster_positions")
    for cluster in correlations["clusters"]:
        of = sorted(row["symbol"] for row in members if row["cluster_number"] == cluster["cluster_number"])
        assert cluster["symbols"] == of
    symbols, matrix = correlations["symbols"], correlations["matrix"]
    pairs = stored(conn, "select * from analytics.pairwise_correlations where calculation_date = %(day)s", **given)
    known = {(row["symbol_1"], row["symbol_2"]): row["correlation"] for row in pairs}
    for (place, one), (other_place, other) in itertools.combinations(enumerate(symbols), 2):
        assert matrix[place][other_place] == matrix[other_place][place] == known[min(one, other), max(one, other)]
    assert all(matrix[place][place] == 1 for place in range(len(symbols))) and len(symbols) > 5


@pytest.mark.parametrize("name", PORTFOLIOS)
def test_performance_and_attribution(client: TestClient, conn: psycopg.Connection, name: str):
    given = {"id": ids(conn)[name], "day": DAY}

    def rows(table: str, more: str = "") -> list[dict[str, Any]]:
        return stored(conn, f"select * from analytics.{table} where {OF_SESSION} {more}", **given)

    performance = fetched(client, f"/api/v1/portfolios/{name}/performance", as_of=DAY)
    assert_same(performance, rows("portfolio_performance"), ("period",), least=30)
    (one,) = fetched(client, f"/api/v1/portfolios/{name}/performance", as_of=DAY, period="YTD")
    assert one == next(row for row in performance if row["period"] == "YTD")
    for period in ("MTD", "YTD", "SI"):
        attribution = fetched(client, f"/api/v1/portfolios/{name}/attribution", as_of=DAY, period=period)
        assert_same(attribution["sources"], rows("portfolio_pnl_attribution"), ("source",), least=5)
        assert_same(attribution["sectors"], rows("portfolio_sector_attribution"), ("sector",), least=5)
        of_period = rows("position_contributions", f"and period = '{period}'")
        assert_same(attribution["positions"], of_period, ("position_id",), least=8)


@pytest.mark.parametrize("name", PORTFOLIOS)
def test_positions_and_histories(client: TestClient, conn: psycopg.Connection, name: str):
    given = {"id": ids(conn)[name], "day": DAY}
    address = f"/api/v1/portfolios/{name}"
    held = stored(
        conn,
        "select positions.*, held.* from analytics.position_values as held"
        " join analytics.positions as positions using (position_id)"
        " where held.portfolio_id = %(id)s and value_date = %(day)s",
        **given,
    )
    lots = fetched(client, f"{address}/positions", as_of=DAY)
    assert_same(lots, held, ("position_id",), least=60)
    netted = fetched(client, f"{address}/positions", as_of=DAY, by="symbol")
    for row in netted:
        of = [lot for lot in held if lot["symbol"] == row["symbol"] and lot["quantity"]]
        for name_ in ("quantity", "market_value", "cost_basis", "unrealized_pnl", "daily_pnl", "realized_pnl", "fees"):
            assert Decimal(row[name_]) == sum(lot[name_] for lot in of), (row["symbol"], name_)
        assert row["lots"] == len(of)
    assert sum(row["lots"] for row in netted) == sum(bool(lot["quantity"]) for lot in held)

    for path, table, key in (
        ("history", "portfolio_snapshots", ("snapshot_date",)),
        ("positions/history", "position_values", ("value_date", "position_id")),
        ("factors/history", "portfolio_factor_exposures", ("calculation_date", "model", "factor")),
    ):
        told = fetched(client, f"{address}/{path}", limit=2000)
        kept = stored(conn, f"select * from analytics.{table} where portfolio_id = %(id)s", **given)
        assert_same(told, kept, key, least=500)
        assert [tuple(row[name_] for name_ in key) for row in told] == sorted(
            tuple(row[name_] for name_ in key) for row in told
        )


@pytest.mark.parametrize("name", PORTFOLIOS)
def test_months_are_of_the_snapshots_and_those_that_show_prints(
    client: TestClient, conn: psycopg.Connection, name: str
):
    address = f"/api/v1/portfolios/{name}/months"
    told = fetched(client, address, limit=5)
    kept = stored(
        conn,
        "select * from analytics.portfolio_snapshots where portfolio_id = %(id)s and snapshot_date <= %(end)s"
        " order by snapshot_date",
        id=ids(conn)[name],
        end="2016-07-01",
    )
    by_month = {
        month: list(rows)
        for month, rows in itertools.groupby(kept, key=lambda row: row["snapshot_date"].replace(day=1))
    }
    assert [row["month"] for row in told] == [str(month) for month in by_month] and len(told) == 19
    for row, (month, of) in zip(told, by_month.items(), strict=True):
        assert row["sessions"] == len(of)
        assert Decimal(row["pnl"]) == sum(each["daily_pnl"] for each in of), month
        assert row["twr"] == value(of[-1]["mtd_return"]) and row["ytd_return"] == value(of[-1]["ytd_return"])
        linked = math.prod(1 + float(each["daily_return"]) for each in of if each["daily_return"] is not None)
        assert float(row["twr"]) == pytest.approx(linked - 1, abs=1e-12), month
        benchmark = [each["benchmark_return"] for each in of]
        if None in benchmark:
            assert row["benchmark_return"] is None, month
        else:
            assert row["benchmark_return"] == pytest.approx(math.prod(1 + float(each) for each in benchmark) - 1)

    calendar = read_view(conn, name).as_json([])["calendar"]
    shown = {f"{year['year']}-{n:02d}-01": month for year in calendar for n, month in enumerate(year["months"], 1)}
    for row in told:
        assert float(row["twr"]) == pytest.approx(shown.pop(row["month"]), abs=1e-12)
    assert set(shown.values()) == {None}, "show has no other month"
    for year in calendar:
        (last,) = [row for row in told if row["month"].startswith(str(year["year"]))][-1:]
        assert float(last["ytd_return"]) == pytest.approx(year["total"], abs=1e-12)
    rows = list(csv.DictReader(io.StringIO(client.get(address, params={"format": "csv"}).text)))
    for row, text in zip(told, rows, strict=True):
        assert {key: "" if each is None else str(each) for key, each in row.items()} == text


def test_symbols_scenarios_factors_and_the_list(client: TestClient, conn: psycopg.Connection):
    of_symbol = "where symbol = %(symbol)s and calculation_date = %(day)s"
    held = stored(
        conn, "select distinct symbol from analytics.symbol_volatility where calculation_date = %(day)s", day=DAY
    )
    looked_at = 0
    for symbol in (row["symbol"] for row in held):
        given = {"symbol": symbol, "day": DAY}
        if client.get(f"/api/v1/symbols/{symbol}/volatility").status_code == 404:
            continue  # a factor's ETF that nobody holds
        looked_at += 1
        volatility = fetched(client, f"/api/v1/symbols/{symbol}/volatility", as_of=DAY)
        assert_same(
            volatility, stored(conn, f"select * from analytics.symbol_volatility {of_symbol}", **given), ("symbol",), 2
        )
        factors = fetched(client, f"/api/v1/symbols/{symbol}/factors", as_of=DAY)
        table = stored(conn, f"select * from analytics.symbol_factor_exposures {of_symbol}", **given)
        assert_same(factors, table, ("model", "factor"), least=5)
        betas = fetched(client, f"/api/v1/symbols/{symbol}/betas", as_of=DAY)
        table = [
            {"model": model, **row}
            for model in ("market", "interest_rate")
            for row in stored(conn, f"select * from analytics.symbol_{model}_betas {of_symbol}", **given)
        ]
        assert_same(betas, table, ("model",), least=2)
    assert looked_at > 20
    scenarios = stored(conn, "select * from analytics.stress_test_scenarios")
    assert_same(fetched(client, "/api/v1/scenarios"), scenarios, ("scenario_id", "factor"), least=20)
    factors = stored(conn, "select * from analytics.factor_definitions")
    assert_same(fetched(client, "/api/v1/factors"), factors, ("factor",), least=1)

    listed = fetched(client, "/api/v1/portfolios")
    portfolios = stored(conn, "select * from analytics.portfolios")
    for row in listed:
        for name in ("rolled_at", "risk_at"):
            row[name] = str(datetime.fromisoformat(row[name]))
    assert_same(listed, portfolios, ("portfolio_id",), least=0)
    for row in listed:
        overview = fetched(client, f"/api/v1/portfolios/{row['portfolio_id']}")
        assert row["as_of"] == overview["snapshot"]["snapshot_date"]
        for part in ("snapshot", "risk"):
            assert {name: row[name] for name in row.keys() & overview[part].keys()}.items() <= overview[part].items()
        scenarios = fetched(client, f"/api/v1/portfolios/{row['portfolio_id']}/stress-tests")
        assert (row["worst_scenario"], row["worst_scenario_pnl"]) == (
            scenarios[0]["name"],
            min(each["correlated_pnl"] for each in scenarios),
        )
        (beta,) = fetched(client, f"/api/v1/portfolios/{row['portfolio_id']}/betas", model="market")["portfolio"]
        assert row["beta"] == beta["exposure_value"]
