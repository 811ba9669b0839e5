"""Requests that nobody means well: odd names, tampered cursors, repeated parameters, days that are none."""

import base64
import json
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import Serve
from warehouse.database import Database

HISTORY = "/api/v1/portfolios/Core Growth/history"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "A/B",
            "/",
            "50 % cash",
            "what?",
            "a#b",
            "a;b&c=d+e",
            "Größe – ñ",
            "日本",
            'O\'Brien "x"',
            "a%2Fb",
            "x/history",
        ),
        *("'; drop table raw.portfolios; --", "0" * 32, "{brace}", "tab\tname", "\\back", "n" * 180),
    ],
)
def test_a_portfolio_of_any_name_is_found(own_sample: Database, serve: Serve, name: str):
    with own_sample.connect() as conn:
        conn.execute("update raw.portfolios set name = %s where name = 'Core Growth'", [name])
    client = serve(own_sample)
    for path in ("/api/v1/portfolios/{}", "/api/v1/portfolios/{}/history", "/api/v1/analytics/portfolio/{}/betas"):
        answer = client.get(path.format(quote(name, safe="")))
        assert answer.status_code == 200, answer.text
        assert answer.json()["name"] == name
    listed = client.get("/api/v1/portfolios").json()["data"]
    assert name in [each["name"] for each in listed]
    assert client.get("/api/v1/portfolios/{}/history?limit=1".format(quote(name, safe=""))).links["next"]["url"]


@pytest.mark.parametrize(
    "handle", ["%00", "a%00b", "%ff%fe", "%ed%a0%80", "%F0%9F%92%B8", "x" * 5000, "%2F%2F", "%EF%BF%BF"]
)
@pytest.mark.parametrize("path", ["/api/v1/portfolios/{}", "/api/v1/symbols/{}/betas", "/api/v1/positions/{}"])
def test_a_name_that_is_none_is_not_found(client: TestClient, path: str, handle: str):
    answer = client.get(path.format(handle))
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query",
    [
        *("as_of=0", "as_of=1467331200", "as_of=2016-7-1", "as_of=2016-07-01T00:00:00", "as_of=2016-02-30", "as_of="),
        *("as_of=0000-01-01", "as_of=10000-01-01", "as_of=LATEST", "as_of=%00", "as_of=2016-07-01&as_of=2016-06-30"),
        *("decimals=text", "format=xml", "format=csv&format=json", "As_of=latest", "as_of[]=latest", "=1"),
    ],
)
def test_a_day_or_form_that_is_none_is_refused(client: TestClient, query: str):
    answer = client.get(f"/api/v1/portfolios/Core Growth?{query}")
    assert answer.status_code == 422, answer.text
    assert [error["name"] for error in answer.json()["errors"]] == [query.partition("=")[0]]


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=-1", "limit=2001", "limit=1e3", "limit=99999999999999999999", "limit=5&limit=6", "start=0"),
        *("end=2016", "columns=", "columns=,", "columns=snapshot_date;drop", "columns=*", "columns=" + "a" * 2001),
    ],
)
def test_a_span_that_is_none_is_refused(client: TestClient, query: str):
    answer = client.get(f"{HISTORY}?{query}")
    if query in ("columns=", "columns=,"):
        assert {tuple(row) for row in answer.json()["data"]} == {("snapshot_date",)}, "no further column"
    else:
        assert answer.status_code == 422, answer.text


def test_a_cursor_can_be_read_and_opens_nothing(client: TestClient):
    page = client.get(HISTORY, params={"limit": 3}).json()
    version, day = read(page["next"])
    assert (version, day) == (page["version"], page["data"][-1]["snapshot_date"])

    def ask(cursor: str, path: str = HISTORY):
        return client.get(path, params={"limit": 3, "cursor": cursor})

    assert ask(write([version, day])).json()["data"][0]["snapshot_date"] > day
    assert ask(write([version, "9999-12-31"])).json()["data"] == []
    for parts in (
        *(
            [],
            [version],
            [version, day, day],
            [version, None],
            [version, 1],
            [version, ["x"]],
            {"a": 1},
            version,
            1,
            None,
        ),
        *([version, "2016-02-30"], [version, "' or 1=1 --"], [version, "\0"], [version, ""]),
    ):
        assert ask(write(parts)).status_code == 422, parts
    for text in ("%", "é", "=", "a" * 400, "a" * 401, base64.b64encode(b"[" * 290).decode()):
        assert ask(text).status_code == 422, text
    assert ask(write(["another", day])).status_code == 409
    foreign = client.get("/api/v1/portfolios/Family Balanced/history", params={"limit": 3}).json()["next"]
    assert ask(foreign).status_code == 409, "it is of another portfolio"
    assert ask(page["next"], f"{HISTORY.removesuffix('history')}positions/history").status_code == 422


def read(cursor: str) -> list[str]:
    return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


def write(parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def test_names_in_queries_may_be_anything_but_nothing(client: TestClient):
    positions = "/api/v1/portfolios/Core Growth/positions/history"
    for symbol in ("'; select 1", "%", "日本", "x" * 200, "a%s%(b)s"):
        assert client.get(positions, params={"symbol": symbol}).json()["data"] == []
    for path, name in ((positions, "symbol"), ("/api/v1/portfolios/Core Growth/factors/history", "factor")):
        assert client.get(f"{path}?{name}=%00").status_code == 422


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/v1/openapi.json", "/api/v1/analytics/position-greeks"])
def test_what_takes_nothing_says_so_and_has_a_tag(client: TestClient, path: str):
    assert client.get(path, params={"pretty": "1"}).status_code == 422
    answer = client.get(path)
    tag = answer.headers["etag"]
    if answer.status_code == 200:
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == answer.status_code


def test_every_answer_has_a_tag(client: TestClient):
    paths = [path.format(portfolio="Core Growth", symbol="AAPL") for path in client.app.openapi()["paths"]]
    for path in paths:
        first = client.get(path)
        assert first.headers["etag"], path
        if first.status_code == 200:
            again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b""), path
            assert again.headers["vary"] == first.headers["vary"]


def test_other_methods_name_the_one_there_is(client: TestClient):
    for method in ("HEAD", "OPTIONS", "TRACE", "PROPFIND", "post"):
        answer = client.request(method, "/api/v1/portfolios")
        assert answer.status_code == 405, method
        assert answer.headers["allow"] == "GET"


def test_a_preflight_tells_pages_of_named_origins_what_they_may(sample: Database, serve: Serve):
    client = serve(sample, origins=["https://dashboard.example.com"])
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    named = client.options("/api/v1/portfolios", headers={"Origin": "https://dashboard.example.com", **asked})
    assert named.headers["access-control-allow-origin"] == "https://dashboard.example.com"
    assert "credentials" not in str(named.headers), "no cookie goes to another origin"
    for origin in ("https://dashboard.example.com.evil", "http://dashboard.example.com", "null"):
        refused = client.options("/api/v1/portfolios", headers={"Origin": origin, **asked})
        assert "access-control-allow-origin" not in refused.headers
    plain, problem = client.get("/api/v1/portfolios"), client.get("/api/v1/portfolios/nobody")
    assert "Origin" in plain.headers["vary"], "what is kept for one origin is not for another"
    assert problem.status_code == 404
    headers = {"Origin": "https://dashboard.example.com"}
    assert client.get("/api/v1/portfolios/nobody", headers=headers).headers["access-control-allow-origin"]


def test_a_number_that_is_none_is_null_with_its_reason(own_sample: Database, serve: Serve):
    """JSON knows no NaN: one that got past every check is told as missing."""
    with own_sample.connect() as conn:
        conn.execute("update analytics.portfolio_snapshots set mtd_return = 'NaN'")
    client = serve(own_sample)
    for decimals in ("number", "string"):
        answer = client.get("/api/v1/portfolios/Core Growth", params={"decimals": decimals})
        body = json.loads(answer.text, parse_constant=lambda name: pytest.fail(name))
        assert body["data"]["snapshot"]["mtd_return"] is None
        assert "snapshot: mtd_return" in {entry["what"] for entry in body["missing"]}
