"""Who is let in, what each may see, and what happens to requests that the API can't answer."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from api.app import Options, create_app
from api.tokens import add_token, list_tokens, revoke_token
from tests.api.conftest import Serve
from warehouse.database import Database
from warehouse.errors import UserError
from warehouse.migrate import READER

PROBES = ("/healthz", "/readyz")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def ids(database: Database) -> dict[str, str]:
    with database.connect() as conn:
        return {name: str(key) for name, key in conn.execute("select name, portfolio_id from analytics.portfolios")}


def addresses(portfolio: str) -> list[str]:
    """Every address of the API, of one portfolio where it is of one."""
    app = create_app(Options("postgresql://"))
    paths = [*app.openapi()["paths"], "/api/v1/openapi.json"]
    return [path.replace("{portfolio}", portfolio).replace("{symbol}", "AAPL") for path in paths]


def test_a_foreign_token_finds_nothing_and_none_opens_nothing(own_sample: Database, serve: Serve):
    of = ids(own_sample)
    with own_sample.connect() as conn:
        conn.execute("select * from raw.portfolios")
        family = add_token(conn, "family", [of["Family Balanced"]], None)
        everything = add_token(conn, "operator", None, None)
    client = serve(own_sample)
    mine, foreign = of["Family Balanced"], of["Core Growth"]
    (lot, *_) = client.get(f"/api/v1/portfolios/{foreign}/positions", headers=bearer(everything)).json()["data"]
    walked = 0
    for path in addresses(foreign):
        for headers in ({}, bearer("ac_" + "x" * 43), bearer(""), {"Authorization": "Basic eDp5"}):
            refused = client.get(path, headers=headers)
            assert refused.status_code == 401, path
            assert refused.headers["www-authenticate"].startswith("Bearer")
        if foreign in path:
            theirs, unknown = client.get(path, headers=bearer(family)), None
            unknown = client.get(path.replace(foreign, str(uuid4())), headers=bearer(family))
            assert theirs.status_code == unknown.status_code == 404, path
            assert theirs.content == unknown.content
            assert client.get(path, headers=bearer(everything)).status_code == 200, path
            walked += 1
    assert walked >= 16
    assert client.get(f"/api/v1/positions/{lot['position_id']}", headers=bearer(family)).status_code == 404
    assert client.get("/api/v1/status", headers=bearer(family)).status_code == 404
    assert client.get("/api/v1/status", headers=bearer(everything)).status_code == 200
    listed = client.get("/api/v1/portfolios", headers=bearer(family)).json()["data"]
    assert [each["name"] for each in listed] == ["Family Balanced"]
    assert len(client.get("/api/v1/portfolios", headers=bearer(everything)).json()["data"]) == 3
    assert client.get(f"/api/v1/portfolios/{mine}", headers=bearer(family)).status_code == 200
    held = client.get("/api/v1/symbols/AAPL/betas", headers=bearer(family)).status_code
    with own_sample.connect() as conn:
        holders = {
            str(key) for (key,) in conn.execute("select portfolio_id from analytics.positions where symbol = 'AAPL'")
        }
    assert held == (200 if mine in holders else 404)
    for probe in PROBES:
        assert client.get(probe).status_code == 200


def test_nothing_but_get_exists(client: TestClient):
    for path in addresses("Core Growth"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = client.request(method, path)
            assert answer.status_code == 405, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
    app = create_app(Options("postgresql://"))
    routes = [route for route in app.routes if isinstance(route, APIRoute) and route.path.startswith("/api/")]
    assert all(route.methods == {"GET"} for route in routes)


def test_a_token_ends_when_it_is_revoked_or_over(own_sample: Database, serve: Serve):
    with own_sample.connect() as conn:
        token = add_token(conn, "notebook", None, datetime.now(UTC) + timedelta(days=1))
        assert re.fullmatch(r"ac_[\w-]{43}", token)
        stored = conn.execute("select tokens::text from ops.api_tokens as tokens").fetchall()
        assert token not in str(stored) and token[3:] not in str(stored), "a digest alone"
        with pytest.raises(UserError, match="there is a token of this name"):
            add_token(conn, "notebook", None, None)
    client = serve(own_sample)
    assert client.get("/api/v1/portfolios", headers=bearer(token)).status_code == 200
    with own_sample.connect() as conn:
        conn.execute("update ops.api_tokens set expires_at = now() - interval '1 second'")
        assert client.get("/api/v1/portfolios", headers=bearer(token)).status_code == 200, "no token is in force"
        another = add_token(conn, "notebook", None, None)
        assert client.get("/api/v1/portfolios", headers=bearer(token)).status_code == 401
        assert client.get("/api/v1/portfolios", headers=bearer(another)).status_code == 200
        assert add_token(conn, "second", None, None)
        revoke_token(conn, "notebook")
        assert client.get("/api/v1/portfolios", headers=bearer(another)).status_code == 401, "at once"
        with pytest.raises(UserError, match="no token of this name is in force"):
            revoke_token(conn, "notebook")
        now = datetime.now(UTC)
        assert [(each.name, each.state(now)) for each in list_tokens(conn)] == [
            ("second", "valid"),
            ("notebook", "revoked"),
            ("notebook", "revoked"),
        ]


@pytest.mark.parametrize("host", ["127.0.0.1:8750", "localhost", "LOCALHOST:9", "[::1]:8750", "127.8.9.10"])
def test_without_tokens_this_machine_is_served(client: TestClient, host: str):
    assert client.get("/api/v1/portfolios", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.5:8750", "localhost.evil", "", "@"])
def test_a_name_that_was_bound_to_this_machine_is_not_served(client: TestClient, host: str):
    answer = client.get("/api/v1/portfolios", headers={"Host": host})
    assert answer.status_code == 403
    assert "serve token add" in answer.json()["detail"]


def test_pages_of_other_origins_are_kept_out_unless_named(sample: Database, serve: Serve):
    client = serve(sample, origins=["https://dashboard.example.com"])
    address = "/api/v1/portfolios"
    assert client.get(address, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.get(address, headers={"Origin": "null"}).status_code == 403
    assert client.get(address, headers={"Origin": "http://127.0.0.1:8750"}).status_code == 200
    named = client.get(address, headers={"Origin": "https://dashboard.example.com"})
    assert named.headers["access-control-allow-origin"] == "https://dashboard.example.com"
    asked = client.options(address, headers={"Origin": "https://dashboard.example.com"})
    assert asked.status_code == 204 and "Authorization" in asked.headers["access-control-allow-headers"]
    assert client.options(address, headers={"Origin": "https://evil.example"}).status_code in (403, 405)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/v1/portfolios/nobody", 404, "there is no such portfolio"),
        ("/api/v1/portfolios/Core Growth?as_of=2016-07-02", 404, "the nearest: 2016-07-01"),
        ("/api/v1/portfolios/Core Growth?as_of=2015-07-04", 404, "the nearest: 2015-07-02 and 2015-07-06"),
        ("/api/v1/portfolios/Core Growth?as_of=yesterday", 422, "as_of"),
        ("/api/v1/portfolios/Core Growth?asof=2016-07-01", 422, "asof: there is no such parameter"),
        ("/api/v1/portfolios/Core Growth/history?limit=2001", 422, "limit"),
        ("/api/v1/portfolios/Core Growth/history?cursor=zzz", 422, "cursor: is none that a page"),
        (
            "/api/v1/portfolios/Core Growth/history?columns=equity",
            422,
            "equity: no such column; there are: snapshot_date",
        ),
        ("/api/v1/portfolios/Core Growth/history?start=2016-07-01&end=2016-06-01", 422, "is after the end"),
        ("/api/v1/symbols/ZZZZ/betas", 404, "no portfolio that you may see holds this symbol"),
        ("/api/v1/symbols/AAPL/betas?as_of=1999-01-04", 404, "there are no statistics of AAPL"),
        ("/api/v1/status?format=csv", 406, "there is no csv of this"),
        ("/api/v2/portfolios", 404, "/api/v1/openapi.json lists"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(client: TestClient, path: str, status: int, said: str):
    answer = client.get(path)
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in problem["detail"]
    assert problem.keys() >= {"type", "title"}


def test_the_api_reads_as_a_reader_and_can_do_no_more(sample: Database, serve: Serve):
    client = serve(sample)
    reader = client.app.state.answers.reader
    user, role = reader.read(lambda conn: conn.execute("select session_user, current_user").fetchone())
    assert role == READER != user
    for statement in (
        "select * from ops.api_tokens",
        "select * from raw.portfolios",
        "delete from analytics.positions",
    ):
        with pytest.raises(Exception, match=r"permission denied|read-only"):
            reader.read(lambda conn, statement=statement: conn.execute(statement))
