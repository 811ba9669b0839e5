"""What the API answers is what the tables hold and what `show` says, for each portfolio and at any session."""

import csv
import io
import json
import math
from datetime import date
from decimal import Decimal

import pytest
from fastapi.testclient import TestClient

from reports.notes import notes
from reports.reading import read_view
from tests.api.conftest import Serve
from warehouse.database import Database

PORTFOLIOS = ("Core Growth", "Long Short Equity", "Family Balanced")
SESSIONS = ("2016-07-01", "2016-06-06")


@pytest.fixture(params=[(name, day) for name in PORTFOLIOS for day in SESSIONS], ids=" ".join)
def asked(request) -> tuple[str, str]:
    return request.param


def data(client: TestClient, path: str, **query: str):
    answer = client.get(f"/api/v1/portfolios/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def shown(database: Database, asked: tuple[str, str]) -> dict:
    name, day = asked
    with database.connect() as conn:
        view = read_view(conn, name, date.fromisoformat(day))
    return json.loads(json.dumps(view.as_json(notes(view))))


def shared(row: dict, others: dict) -> dict:
    """What both have."""
    return {name: value for name, value in row.items() if name in others}


def test_every_number_is_the_one_that_show_prints(client: TestClient, sample: Database, asked):
    name, day = asked
    page = shown(sample, asked)
    snapshot = data(client, name, as_of=day)
    assert shared(page["snapshot"], snapshot["snapshot"]) == shared(snapshot["snapshot"], page["snapshot"])
    assert len(shared(page["snapshot"], snapshot["snapshot"])) == len(page["snapshot"])
    assert shared(snapshot["risk"], page["risk"]) == shared(page["risk"], snapshot["risk"])
    assert len(shared(page["risk"], snapshot["risk"])) == len(page["risk"])
    assert [shared(sector, page["sectors"][0]) for sector in snapshot["sectors"]] == page["sectors"]
    assert snapshot["status"]["notes"] == page["notes"]

    held = {row["symbol"]: row for row in data(client, f"{name}/positions", as_of=day, by="symbol")}
    assert list(held) == [holding["symbol"] for holding in page["holdings"]]
    for holding in page["holdings"]:
        both = shared(holding, held[holding["symbol"]])
        assert both == shared(held[holding["symbol"]], holding)
        assert {"market_value", "unrealized_pnl", "daily_pnl", "contribution_vol", "lots"} <= both.keys()

    scenarios = {row["scenario_id"]: row for row in data(client, f"{name}/stress-tests", as_of=day)}
    assert {each["scenario_id"] for each in page["scenarios"]} == scenarios.keys()
    for each in page["scenarios"]:
        assert shared(each, scenarios[each["scenario_id"]]) == shared(scenarios[each["scenario_id"]], each)

    exposures = {(each["model"], each["factor"]): each for each in page["exposures"]}
    for address, query in (("betas", {}), ("factors", {"model": "ridge"}), ("factors", {"model": "spread"})):
        for row in data(client, f"{name}/{address}", as_of=day, **query)["portfolio"]:
            assert row == exposures.pop((row["model"], row["factor"]))
    assert not exposures

    correlations = data(client, f"{name}/correlations", as_of=day)
    assert correlations["summary"] == page["correlations"]
    assert [shared(cluster, correlations["clusters"][0]) for cluster in page["clusters"]] == [
        shared(cluster, page["clusters"][0]) for cluster in correlations["clusters"]
    ]
    known = {(pair["symbol_1"], pair["symbol_2"]): pair["correlation"] for pair in page["pairs"]}
    symbols, matrix = correlations["symbols"], correlations["matrix"]
    assert len(known) == len(symbols) * (len(symbols) - 1) / 2 > 10
    for (one, other), value in known.items():
        row, column = symbols.index(one), symbols.index(other)
        assert matrix[row][column] == matrix[column][row] == value


def test_the_lots_add_up_to_the_snapshot(client: TestClient, asked):
    name, day = asked
    snapshot = data(client, name, as_of=day, decimals="string")["snapshot"]
    lots = data(client, f"{name}/positions", as_of=day, decimals="string")
    total = sum(Decimal(lot["market_value"]) for lot in lots)
    assert total + Decimal(snapshot["cash_value"]) == Decimal(snapshot["equity_balance"])
    earned = sum(Decimal(lot["daily_pnl"]) for lot in lots)
    assert earned + Decimal(snapshot.get("daily_cash_income", "0")) == Decimal(snapshot["daily_pnl"])


def test_exact_numbers_are_texts_with_every_stored_digit(client: TestClient, sample: Database):
    snapshot = data(client, "Core Growth", decimals="string")["snapshot"]
    with sample.connect() as conn:
        stored = conn.execute(
            "select equity_balance::text, daily_return::text from analytics.portfolio_snapshots"
            " join analytics.portfolios using (portfolio_id) where name = 'Core Growth'"
            " and snapshot_date = published_to"
        ).fetchone()
    assert (snapshot["equity_balance"], snapshot["daily_return"]) == stored
    assert isinstance(snapshot["num_positions"], int)


@pytest.mark.parametrize(
    ("path", "table", "key"),
    [
        ("history", "portfolio_snapshots", "snapshot_date"),
        ("positions/history", "position_values", "value_date"),
        ("factors/history", "portfolio_factor_exposures", "calculation_date"),
    ],
)
def test_a_history_by_pages_and_as_csv_is_the_table(client: TestClient, sample: Database, path, table, key):
    address = f"/api/v1/portfolios/Long Short Equity/{path}"
    paged, cursor = [], None
    while cursor or not paged:
        answer = client.get(address, params={"limit": 700, **({"cursor": cursor} if cursor else {})}).json()
        paged += answer["data"]
        cursor = answer["next"]
    answer = client.get(address, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    with sample.connect() as conn:
        stored = conn.execute(
            f"select count(*), min({key})::text, max({key})::text from analytics.{table}"
            " join analytics.portfolios using (portfolio_id) where name = 'Long Short Equity'"
        ).fetchone()
    assert (len(rows), rows[0][key], rows[-1][key]) == stored
    assert len(paged) == len(rows)
    for row, text in zip(paged, rows, strict=True):
        assert row.keys() == text.keys()
        assert all(
            (value is None and text[name] == "") or str(value) == text[name] or float(value) == float(text[name])
            for name, value in row.items()
            if not isinstance(value, bool)
        )


def test_effects_of_a_period_add_up_to_the_active_return_of_its_sessions(client: TestClient, sample: Database):
    """The sample has results of its last sessions: of the month all, of the year a part, which is told."""
    path = "Long Short Equity"
    (month,) = data(client, f"{path}/performance", period="MTD")
    told = data(client, f"{path}/attribution", period="MTD")
    assert sum(row["total"] for row in told["period_sectors"]) == pytest.approx(month["active_return"])
    (day,) = data(client, f"{path}/history", start="2016-07-01", columns="daily_pnl")
    assert sum(row["pnl"] for row in told["period_sources"]) == pytest.approx(day["daily_pnl"])
    assert {row["reason"] for row in told["period_sectors"]} == {None}
    year = data(client, f"{path}/attribution", period="YTD")
    assert {row["reason"] for row in (*year["period_sectors"], *year["period_sources"])} == {
        "20 of 126 sessions have an attribution: the others are not in here"
    }
    table = client.get(
        f"/api/v1/portfolios/{path}/attribution", params={"format": "csv", "level": "period_sector", "period": "YTD"}
    ).text.splitlines()
    assert table[0].startswith("sector,portfolio_weight,") and len(table) == 1 + len(year["period_sectors"])


def test_months_are_those_of_the_calendar(client: TestClient, sample: Database):
    with sample.connect() as conn:
        calendar = read_view(conn, "Core Growth").as_json([])["calendar"]
    months = data(client, "Core Growth/months")
    shown = {(year["year"], place): value for year in calendar for place, value in enumerate(year["months"], 1)}
    assert len(months) == 19
    for row in months:
        first = date.fromisoformat(row["month"])
        assert row["twr"] == pytest.approx(shown[first.year, first.month])
    assert months[-1]["ytd_return"] == pytest.approx(calendar[0]["total"])
    linked = math.prod(1 + row["benchmark_return"] for row in months if row["month"] >= "2016")
    assert linked - 1 == pytest.approx(calendar[0]["benchmark"])
    (march, *_) = data(client, "Core Growth/months", start="2016-03-10", end="2016-04-05")
    assert march == next(row for row in months if row["month"] == "2016-03-01"), "a month is whole"


def test_risk_over_sessions_is_that_of_each(client: TestClient):
    rows = data(client, "Core Growth/risk/history", start="2016-06-27")
    assert [row["calculation_date"] for row in rows][-1] == "2016-07-01" and len(rows) == 5
    (now,) = [{name: value for name, value in rows[-1].items() if name != "calculation_date"}]
    risk = data(client, "Core Growth/risk")
    assert now == {name: risk[name] for name in now}


def test_a_span_and_columns_are_what_is_asked_for(client: TestClient):
    asked_for = {"start": "2016-06-01", "end": "2016-06-10", "columns": "daily_pnl,equity_balance"}
    rows = data(client, "Core Growth/history", **asked_for)
    assert [row["snapshot_date"] for row in rows] == [f"2016-06-{day:02d}" for day in (1, 2, 3, 6, 7, 8, 9, 10)]
    assert {tuple(row) for row in rows} == {("snapshot_date", "daily_pnl", "equity_balance")}


def test_a_lot_is_found_by_its_id_and_a_portfolio_by_its_own(client: TestClient):
    lots = data(client, "Core Growth/positions")
    found = client.get(f"/api/v1/positions/{lots[0]['position_id']}").json()
    assert found["name"] == "Core Growth"
    assert found["data"] == lots[:1]
    of_portfolio = client.get(f"/api/v1/positions/{found['portfolio_id']}").json()
    assert of_portfolio["data"] == lots


def test_the_platforms_own_paths_answer_the_same(client: TestClient):
    for own, ours in (
        ("data/portfolio/{}/snapshot/latest", "portfolios/{}"),
        ("analytics/portfolio/{}/betas", "portfolios/{}/betas"),
        ("analytics/portfolio/{}/factors", "portfolios/{}/factors"),
        ("analytics/portfolio/{}/correlations", "portfolios/{}/correlations"),
        ("analytics/portfolio/{}/stress-tests", "portfolios/{}/stress-tests"),
    ):
        answers = [client.get(f"/api/v1/{path.format('Core Growth')}") for path in (own, ours)]
        assert answers[0].status_code == 200
        assert answers[0].content == answers[1].content
    retired = client.get("/api/v1/analytics/position-greeks")
    assert retired.status_code == 410
    assert retired.headers["content-type"] == "application/problem+json"
    assert "/api/v1/portfolios/{portfolio}/stress-tests" in retired.json()["see"]


def test_what_is_missing_is_null_and_has_a_reason(client: TestClient):
    answer = client.get("/api/v1/portfolios/Core Growth", params={"as_of": "2015-01-02"}).json()
    assert answer["data"]["risk"] is None
    assert answer["data"]["status"]["is_complete"] is False
    assert {
        "what": "risk",
        "reason": "no risk has been computed for 2015-01-02, results reach to 2016-07-01",
    } in answer["missing"]
    betas = client.get("/api/v1/portfolios/Long Short Equity/betas").json()
    without = {row["symbol"] for row in betas["data"]["positions"] if row["beta"] is None}
    told = {entry["what"].rpartition(" of ")[2] for entry in betas["missing"] if "beta" in entry["what"]}
    assert without == {symbol for each in told for symbol in each.split(", ")}


def test_a_null_has_the_reason_of_its_row(own_sample: Database, serve: Serve):
    with own_sample.connect() as conn:
        conn.execute(
            "update analytics.stress_test_results set correlated_pnl = null, reason = 'the shocks are too large'"
            " where scenario_id = 'replay_crisis_2008'"
        )
    stress = serve(own_sample).get("/api/v1/portfolios/Core Growth/stress-tests").json()
    (row,) = [each for each in stress["data"] if each["scenario_id"] == "replay_crisis_2008"]
    assert row["correlated_pnl"] is None
    what = f"correlated_pnl of {row['name']}"
    assert {"what": what, "reason": "the shocks are too large"} in stress["missing"]
