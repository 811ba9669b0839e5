"""What form an answer has, and that every form says the same: whole or by pages, gzipped or not."""

import csv
import gzip
import io
from datetime import date, datetime
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from api.accept import preferred, takes_gzip
from tests.api.conftest import Serve
from warehouse.database import Database

TYPES = ("application/json", "text/csv", "application/vnd.apache.arrow.stream")
HISTORY = "/api/v1/portfolios/Core Growth/positions/history"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", TYPES[0]),
        ("*/*", TYPES[0]),
        ("text/csv", TYPES[1]),
        ("TEXT/CSV ; charset=utf-8", TYPES[1]),
        ("text/*", TYPES[1]),
        ("text/csv, application/json", TYPES[1]),
        ("application/json, text/csv", TYPES[0]),
        ("application/json;q=0.5, text/csv;q=0.4", TYPES[0]),
        ("application/json;q=0.5, text/csv", TYPES[1]),
        ("text/csv;q=0, */*", TYPES[0]),
        ("application/json;q=0, */*;q=0.1", TYPES[1]),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TYPES[0]),
        ("application/vnd.apache.arrow.stream, text/csv;q=0.5", TYPES[2]),
        ("application/xml", None),
        ("application/json;q=0", None),
        ("text/csv;q=nonsense", None),
        ("text/csv;q=nan", None),
        (",,;;,", TYPES[0]),
    ],
)
def test_accept_is_weighed(accept: str, form: str | None):
    assert preferred(accept, TYPES) == form


@pytest.mark.parametrize(
    ("header", "takes"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("*", True), ("br", False), ("", False)],
)
def test_gzip_is_weighed(header: str, takes: bool):
    assert takes_gzip(header) is takes


def test_what_there_is_not_is_said_to_be_not_there(client: TestClient):
    for path, accept in ((HISTORY, "application/xml"), ("/api/v1/status", "text/csv")):
        answer = client.get(path, headers={"Accept": accept})
        assert answer.status_code == 406
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/api/v1/status", headers={"Accept": "text/csv, */*;q=0.1"}).status_code == 200


def test_each_form_has_a_tag_of_its_own(client: TestClient):
    """A cache that holds one form asks with its tag whether another is the same."""
    path = "/api/v1/portfolios/Core Growth/betas"
    as_json, as_csv = (client.get(path, headers={"Accept": accept}) for accept in TYPES[:2])
    assert as_json.headers["etag"] != as_csv.headers["etag"]
    for accept, tag, status in (
        (TYPES[0], as_csv.headers["etag"], 200),
        (TYPES[1], as_json.headers["etag"], 200),
        (TYPES[1], as_csv.headers["etag"], 304),
    ):
        assert client.get(path, headers={"Accept": accept, "If-None-Match": tag}).status_code == status


def test_a_list_has_a_tag_for_each_set_of_portfolios(own_sample: Database, serve: Serve):
    from api.tokens import add_token

    with own_sample.connect() as conn:
        (one,), *_ = conn.execute("select portfolio_id from analytics.portfolios order by name").fetchall()
        tokens = [add_token(conn, "all", None, None), add_token(conn, "one", [one], None)]
    client = serve(own_sample)
    for path in ("/api/v1/portfolios", "/"):
        everything, some = (client.get(path, headers={"Authorization": f"Bearer {token}"}) for token in tokens)
        assert everything.headers["etag"] != some.headers["etag"]
        headers = {"Authorization": f"Bearer {tokens[1]}", "If-None-Match": everything.headers["etag"]}
        assert client.get(path, headers=headers).status_code == 200, "what another token was shown is not asked back"


def test_a_long_table_is_gzipped_while_it_is_sent(client: TestClient):
    with client.stream("GET", HISTORY, params={"format": "csv"}, headers={"Accept-Encoding": "gzip"}) as answer:
        sent = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    plain = client.get(HISTORY, params={"format": "csv"}, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(sent) == plain.content
    assert len(sent) < len(plain.content) / 3


def follow(client: TestClient, path: str, params: dict[str, Any]) -> list[httpx.Response]:
    """The pages of an address, each by the link of the one before."""
    pages = [client.get(path, params=params)]
    while link := pages[-1].links.get("next"):
        pages.append(client.get(link["url"]))
    return pages


@pytest.mark.parametrize("form", ["json", "csv"])
def test_pages_name_the_next_in_every_form(client: TestClient, form: str):
    params = {"start": "2016-06-01", "end": "2016-06-30", "symbol": "AAPL", "limit": 7, "format": form}
    pages = follow(client, HISTORY, params)
    whole = client.get(HISTORY, params={**params, "format": "csv", "limit": 2000}).text
    if form == "csv":
        rows = [line for page in pages for line in page.text.splitlines()[1:]]
        assert rows == whole.splitlines()[1:]
    else:
        rows = [row for page in pages for row in page.json()["data"]]
        assert [page.json()["next"] is None for page in pages] == [False] * (len(pages) - 1) + [True]
    assert len(rows) == len(whole.splitlines()) - 1 > 14
    assert len(pages) == -(-len(rows) // 7)


def test_a_page_of_other_data_is_refused(own_sample: Database, serve: Serve):
    """Pages before and after a night would make a history that never was."""
    client = serve(own_sample)
    first = client.get(HISTORY, params={"limit": 5}).json()
    second = client.get(HISTORY, params={"limit": 5, "cursor": first["next"]})
    assert second.json()["version"] == first["version"]
    with own_sample.connect() as conn:
        conn.execute("update analytics.position_values set daily_pnl = daily_pnl + 1")
    for form in ("json", "csv"):
        answer = client.get(HISTORY, params={"limit": 5, "cursor": first["next"], "format": form})
        assert answer.status_code == 409
        assert "begin again without a cursor" in answer.json()["detail"]
    assert client.get(HISTORY, params={"limit": 5}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/v1/portfolios", HISTORY, "/api/v1/portfolios/Core Growth/factors?level=position"]
)
@pytest.mark.parametrize("decimals", ["number", "string"])
def test_arrow_says_what_csv_says(client: TestClient, path: str, decimals: str):
    arrow = pytest.importorskip("pyarrow")
    joint = "&" if "?" in path else "?"
    answers = [client.get(f"{path}{joint}decimals={decimals}", headers={"Accept": accept}) for accept in TYPES[1:]]
    rows = list(csv.DictReader(io.StringIO(answers[0].text)))
    assert answers[1].headers["content-type"] == TYPES[2]
    table = arrow.ipc.open_stream(answers[1].content).read_all()
    assert table.column_names == list(rows[0])
    read = table.to_pylist()
    assert len(read) == len(rows)
    for row, text in zip(read, rows, strict=True):
        for name, value in row.items():
            if isinstance(value, datetime):
                # PostgreSQL leaves out the zeros at the end of a second
                assert datetime.fromisoformat(text[name]) == value, name
            else:
                assert as_csv(value) == text[name] or float(as_csv(value)) == float(text[name]), name
    for name in ("equity_balance", "market_value"):
        if name in table.column_names:
            kind = table.schema.field(name).type
            assert kind == (arrow.string() if decimals == "string" else arrow.float64())
    days = [name for name in table.column_names if name in ("value_date", "published_to")]
    assert all(table.schema.field(name).type == arrow.date32() for name in days)


def as_csv(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "t" if value else "f"
    return value.isoformat() if isinstance(value, date) else str(value)


def test_without_pyarrow_arrow_is_refused_with_what_to_do(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    """As on a server where the extra is not installed."""
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "pyarrow" else find(name, *more)
    )
    for asked in ({"params": {"format": "arrow"}}, {"headers": {"Accept": TYPES[2]}}):
        answer = client.get(HISTORY, **asked)
        assert answer.status_code == 406
        assert "no pyarrow" in answer.json()["detail"] and "afterclose[arrow]" in answer.json()["detail"]
    answer = client.get(HISTORY, headers={"Accept": f"{TYPES[2]}, text/csv;q=0.5"})
    assert answer.headers["content-type"].startswith("text/csv")
