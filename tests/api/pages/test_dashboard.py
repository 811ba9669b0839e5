"""The dashboard over HTTP: every link leads somewhere, numbers are those of `show`, and who may see what."""

import json
import re
from collections.abc import Callable
from html import unescape
from urllib.parse import quote, urljoin, urlsplit

import pytest
from fastapi.testclient import TestClient

from api.access import COOKIE
from api.app import Options, create_app
from api.tokens import add_token, revoke_token
from reports.notes import notes
from reports.pages.environment import SECTIONS
from reports.reading import read_view
from tests.api.conftest import LOCAL, Serve
from tests.api.pages.conftest import BOOKS, CASH, HOSTILE, LARGE, NEW
from warehouse.database import Database

HTML = {"Accept": "text/html,*/*"}
# People follow these links. Files of numbers belong to the API and its tests.
LINK = re.compile(r'<a [^>]*href="([^"#]+)"')


@pytest.fixture(scope="module")
def pages(books: Database):
    """The dashboard on the books, where no token is needed."""
    with TestClient(create_app(Options(books.url)), base_url=LOCAL, headers=HTML) as client:
        yield client


def address(name: str, section: str = "") -> str:
    return f"/portfolios/{quote(name, safe='')}" + (f"/{section}" if section else "")


def test_every_link_leads_somewhere(pages: TestClient):
    """From the first page on; of sessions, sortings and filters that are many, a few of each kind."""
    seen: dict[str, int] = {}
    kinds: dict[str, int] = {}
    waiting = ["/"]
    while waiting:
        link = waiting.pop()
        kind = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\d", "…", link)
        if link in seen or kinds.get(kind, 0) >= 2:
            continue
        kinds[kind] = kinds.get(kind, 0) + 1
        answer = pages.get(link)
        seen[link] = answer.status_code
        if answer.headers["content-type"].startswith("text/html"):
            waiting += [urljoin(link, unescape(each)) for each in LINK.findall(answer.text)]
    assert {link: status for link, status in seen.items() if status != 200} == {}
    assert {urlsplit(link).path.rsplit("/", 1)[-1] for link in seen} >= {"status", *filter(None, SECTIONS)}
    assert len([link for link in seen if "format=csv" in link]) > 5


def test_a_page_says_the_numbers_of_show(pages: TestClient, books: Database):
    with books.connect() as conn:
        view = read_view(conn, "Core Growth")
    page = unescape(pages.get(address("Core Growth")).text).replace("−", "-")
    shown = json.loads(json.dumps(view.as_json(notes(view))))
    for number in (
        f"{shown['snapshot']['equity_balance']:,.0f}",
        f"{shown['snapshot']['daily_pnl']:+,.0f}",
        f"{shown['risk']['ex_ante_vol']:.1%}",
        f"{shown['risk']['scaled_var_95_1d'] or shown['risk']['var_95_1d']:,.0f}",
        *(f"{exposure['exposure_dollar']:+,.0f}" for exposure in shown["exposures"] if exposure["exposure_dollar"]),
        *(f"{scenario['correlated_pnl']:+,.0f}" for scenario in shown["scenarios"] if scenario["correlated_pnl"]),
        *(f"{holding['market_value']:,.0f}" for holding in shown["holdings"]),
        *(f"{sector['weight']:.1%}" for sector in shown["sectors"]),
    ):
        assert number in page, number


@pytest.mark.parametrize("name", BOOKS)
def test_every_page_of_every_book_is_whole(pages: TestClient, path_of: Callable[..., str], name: str):
    for section in SECTIONS:
        answer = pages.get(path_of(name, section))
        assert answer.status_code == 200, (section, answer.text[:500])
        assert answer.text.rstrip().endswith("</html>")
        assert "<script>alert" not in answer.text and "nan" not in answer.text.lower().split()
        assert not re.search(r" (style|on\w+)=", re.sub(r"<title>.*?</title>", "", answer.text)), (
            "the policy forbids it"
        )
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy


def test_what_is_missing_is_said(pages: TestClient):
    assert "holds nothing but cash" in pages.get(address(CASH)).text
    assert "A line takes two sessions." in pages.get(address(NEW)).text
    lots = pages.get(address(LARGE, "positions") + "?by=lot").text
    assert "500 of 500 lots" in lots and lots.count('<th scope="row"') == 501
    assert "Nothing matches." in pages.get(address(LARGE, "positions") + "?q=nothing-like-it").text


def test_sessions_are_found_and_others_named(pages: TestClient):
    page = pages.get(address("Core Growth", "risk") + "?as_of=2016-06-30").text
    assert "Thursday 30 June 2016" in page
    assert "?as_of=2016-06-29" in page and "?as_of=2016-07-01" in page
    saturday = pages.get(address("Core Growth", "risk") + "?as_of=2016-06-25")
    assert saturday.status_code == 404
    assert "/risk?as_of=2016-06-24" in saturday.text and "/risk?as_of=2016-06-27" in saturday.text
    assert pages.get(address("Core Growth") + "?as_of=soon").status_code == 404
    assert pages.get(address("Core Growth", "nonsense")).status_code == 404
    unknown = pages.get(address("Nobody's"))
    assert unknown.status_code == 404 and "All portfolios" in unknown.text
    assert pages.get(address("Core Growth") + "?period=9Y&sort=x&kind=y&utm=z").status_code == 200


def test_a_page_is_kept_and_known_again(pages: TestClient):
    first = pages.get(address("Core Growth"))
    again = pages.get(address("Core Growth"), headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "no-cache" in first.headers["cache-control"]
    script = re.search(r'src="(/static/[^"]+)"', first.text)[1]
    assert "immutable" in pages.get(script).headers["cache-control"]
    assert pages.get("/static/0123456789ab/afterclose.js").status_code == 404
    assert pages.get("/static/" + "/../" * 3 + "etc/passwd").status_code == 404


def test_signing_in_and_out_and_whose_portfolios_are_seen(own_sample: Database, serve: Serve):
    with own_sample.connect() as conn:
        portfolios = dict(conn.execute("select name, portfolio_id from raw.portfolios").fetchall())
        all_of_them = add_token(conn, "operator", None, None)
        one = add_token(conn, "owner", [portfolios["Core Growth"]], None)
    client = serve(own_sample)
    client.headers.update(HTML)
    asked = client.get(address("Core Growth"), follow_redirects=False)
    assert asked.status_code == 303 and asked.headers["location"].startswith("/login?next=/portfolios/")
    assert 'type="password"' in client.get("/login").text
    assert client.post("/login", data={"token": "ac_wrong"}).status_code == 403
    assert client.post("/login", data={"token": one}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.post("/login", content=b"token=" + b"x" * 5000).status_code == 413

    in_ = client.post("/login", data={"token": one, "to": "//elsewhere.example/"}, follow_redirects=False)
    assert (in_.status_code, in_.headers["location"]) == (303, "/")
    cookie = in_.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and one.lower() not in cookie
    mine = client.get("/").text
    assert "Core Growth" in mine and "Family Balanced" not in mine and "Sign out" in mine and "/status" not in mine
    assert client.get(address("Core Growth", "risk")).status_code == 200
    foreign, unknown = client.get(address("Family Balanced")), client.get(address("No Such Thing"))
    assert foreign.status_code == unknown.status_code == 404 and foreign.text == unknown.text
    assert client.get("/status").status_code == 404
    session = client.cookies[COOKIE]
    assert client.post("/logout", follow_redirects=False).headers["location"] == "/login"
    client.cookies.set(COOKIE, session)
    assert client.get("/", follow_redirects=False).status_code == 303, "a session that has ended opens nothing"

    client.cookies.clear()
    client.post("/login", data={"token": all_of_them})
    assert "Family Balanced" in client.get("/").text
    assert "What to type next" in client.get("/status").text
    with own_sample.connect() as conn:
        revoke_token(conn, "operator")
    assert client.get("/status", follow_redirects=False).status_code == 303, "a revoked token ends its sessions"


@pytest.mark.parametrize("name", ["what? #1/2", "50 % & more", "Größe", "a;b+c"])
def test_signing_in_leads_to_the_page_that_was_asked_for(own_sample: Database, serve: Serve, name: str):
    with own_sample.connect() as conn:
        conn.execute("update raw.portfolios set name = %s where name = 'Core Growth'", [name])
        token = add_token(conn, "operator", None, None)
    client = serve(own_sample)
    client.headers.update(HTML)
    path = f"/portfolios/{quote(name, safe='')}/risk?as_of=2016-06-30&x={quote(name, safe='')}"
    form = client.get(path)
    assert form.url.path == "/login"
    to = unescape(re.search(r'name="to" value="([^"]*)"', form.text)[1])
    assert to == path
    shown = client.post("/login", data={"token": token, "to": to})
    assert shown.status_code == 200 and "Thursday 30 June 2016" in shown.text
    assert str(shown.url).endswith(path)


def test_the_state_of_the_batch(own_sample: Database, serve: Serve):
    with own_sample.connect() as conn:
        conn.execute(
            "insert into ops.rejected_rows (source, relation, symbol, row_date, reason, payload)"
            " values ('yahoo', 'market_data_cache', %s, '2016-06-30', 'a close below zero', '{}')",
            [HOSTILE],
        )
        conn.execute("update ops.batch_runs set status = 'failed'")
        conn.execute(
            "insert into ops.batch_errors (run_id, phase, scope, message)"
            " select run_id, '2', %s, 'it failed' from ops.batch_runs",
            [HOSTILE],
        )
        conn.execute(
            "insert into ops.fetch_state (source, kind, symbol, consecutive_failures, reason)"
            " values ('yahoo', 'prices', 'AAPL', 3, 'no data'), ('yahoo', 'prices', 'NOT-HELD', 9, 'no data')"
        )
    page = serve(own_sample).get("/status").text
    for text in ("a close below zero", "it failed", "The last run failed", "run_nightly.py quarantine", "AAPL", "good"):
        assert text in page, text
    assert "NOT-HELD" not in page and "<script>alert" not in page


def test_before_any_night_the_pages_say_what_to_do(unrolled, serve: Serve):
    client = serve(unrolled.database)
    client.headers.update(HTML)
    for path in ("/", "/portfolios/x", "/status"):
        answer = client.get(path)
        assert answer.headers["content-type"].startswith("text/html"), path
        assert answer.status_code < 500 or "python run_nightly.py" in answer.text
    assert "python run_nightly.py backfill" in client.get("/").text
