"""An answer is kept while nothing changes and no longer; one session is never mixed with another; failures heal."""

import asyncio
import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from api.answers import Kept, Shelf
from api.problems import TooBusy
from api.reader import CONNECTIONS, WAITING, Reader
from api.rendering import rendering, rendering_of
from nightly import demo
from nightly.context import Request
from nightly.night import run_night
from nightly.output.progress import Progress
from tests.api.conftest import Serve
from warehouse.database import Database
from warehouse.settings import PROJECT_ROOT, Settings

ADDRESS = "/api/v1/portfolios/Core Growth"
PAGE = "/portfolios/Core Growth"


def test_an_answer_is_kept_and_its_tag_is_enough(own_sample: Database, serve: Serve, caplog: pytest.LogCaptureFixture):
    client = serve(own_sample)
    caplog.set_level("INFO", "afterclose.api")
    first, second = client.get(ADDRESS), client.get(ADDRESS)
    assert first.content == second.content
    assert [record.fields["how"] for record in caplog.records] == [None, "kept"]
    tag = first.headers["etag"]
    assert tag == f'"{first.json()["version"]}"'
    assert first.headers["cache-control"] == "private, no-cache"
    assert {"Accept", "Authorization"} <= set(first.headers["vary"].split(", "))
    for asked_for in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = client.get(ADDRESS, headers={"If-None-Match": asked_for})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
    assert client.get(ADDRESS, headers={"If-None-Match": '"other"'}).status_code == 200
    csv = f"{ADDRESS}/history?format=csv"
    assert client.get(csv, headers={"If-None-Match": client.get(csv).headers["etag"]}).status_code == 304
    assert client.get(ADDRESS, headers={"Accept-Encoding": "identity"}).headers.get("content-encoding") is None
    assert first.headers["content-encoding"] == "gzip"


def test_a_tag_from_before_an_upgrade_stands_for_nothing(own_sample: Database, serve: Serve, tmp_path: Path):
    """The data are the same, and written otherwise: whoever kept the old page or file is given the new one."""
    client = serve(own_sample)
    for path in (f"{ADDRESS}/history?format=csv", f"{ADDRESS}/betas?format=csv", "/", PAGE):
        tag = client.get(path).headers["etag"]
        assert rendering() in tag, path
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304, path
        before = tag.replace(rendering(), "0" * 12)
        assert client.get(path, headers={"If-None-Match": before}).status_code == 200, path
    project = shutil.copytree(PROJECT_ROOT / "reports", tmp_path / "reports").parent
    seen = {rendering_of(project)}
    for file in ("words.py", "templates/login.html.j2", "static/afterclose.css"):
        with (project / "reports" / file).open("a") as opened:
            opened.write("\n")
        seen.add(rendering_of(project))
    assert len(seen) == 4
    (project / "reports" / "__pycache__" / "new.pyc").parent.mkdir(exist_ok=True)
    (project / "reports" / "__pycache__" / "new.pyc").write_bytes(b"")
    assert rendering_of(project) in seen, "what Python keeps for itself is no upgrade"


def test_a_change_is_seen_by_the_next_request(own_sample: Database, serve: Serve):
    client = serve(own_sample)
    tags = [client.get(ADDRESS).headers["etag"]]
    with own_sample.connect() as conn:
        for change in (
            "update analytics.portfolio_snapshots set daily_pnl = daily_pnl + 1",
            "update raw.company_profiles set name = name || '!'",
            "update analytics.sector_tags set color = '#123456'",
            "update analytics.stress_test_scenarios set description = 'another'",
        ):
            conn.execute(change)
            tags.append(client.get(ADDRESS, headers={"If-None-Match": tags[-1]}).headers["etag"])
        conn.execute("update raw.portfolios set name = 'Renamed' where name = 'Core Growth'")
    assert client.get(ADDRESS).status_code == 404
    tags.append(client.get("/api/v1/portfolios/Renamed").headers["etag"])
    assert len(set(tags)) == len(tags)


def test_no_answer_mixes_sessions_while_a_night_runs(
    server, template: str, sample_settings: Settings, own_sample: Database, serve: Serve
):
    """The last session's results are taken away and computed again while a reader polls."""
    with own_sample.connect() as conn:
        conn.execute(
            "update raw.market_data_cache set close = close * 1.01 where symbol = 'AAPL' and price_date = '2016-07-01'"
        )
        for table in ("portfolio_risk_metrics", "portfolio_factor_exposures", "stress_test_results"):
            conn.execute(f"delete from analytics.{table} where calculation_date = '2016-07-01'")
        conn.execute("delete from ops.risk_state where calculation_date = '2016-07-01'")
    client = serve(own_sample)
    failed: list[BaseException] = []
    seen: list[tuple[str, bool]] = []
    ended = threading.Event()

    def poll() -> None:
        try:
            while not ended.is_set():
                for path in (ADDRESS, f"{ADDRESS}/stress-tests", f"{ADDRESS}/factors"):
                    answer = client.get(path)
                    assert answer.status_code == 200, answer.text
                    body = answer.json()
                    if path == ADDRESS:
                        data = body["data"]
                        assert data["snapshot"]["snapshot_date"] == body["as_of"] == data["status"]["published_to"]
                        assert data["risk"] is not None and data["sectors"]
                        seen.append((body["as_of"], data["status"]["is_complete"]))
                    else:
                        assert body["data"], "risk of the session is there"
                time.sleep(0.02)
        except BaseException as error:  # from another thread: raised below
            failed.append(error)

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        run = run_night(
            own_sample,
            sample_settings,
            Request("backfill", start=demo.LAST_SESSION, end=demo.LAST_SESSION),
            datetime.now(UTC),
            Progress(),
        )
    finally:
        ended.set()
        reader.join()
    assert not run.errors, run.problems
    assert not failed, failed
    assert seen[0][0] == "2016-06-30"
    assert client.get(ADDRESS).json()["as_of"] == "2016-07-01"
    assert sorted(seen) == seen, "from one session to the next, and not back"


def test_it_heals_when_the_database_has_cut_every_connection(own_sample: Database, serve: Serve):
    client = serve(own_sample)
    assert client.get(ADDRESS).status_code == 200
    with own_sample.connect() as conn:
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    assert client.get(ADDRESS).status_code == 200
    assert client.get(f"{ADDRESS}/positions").status_code == 200


def test_without_a_database_it_says_so_and_when_to_ask_again(own_sample: Database, serve: Serve):
    client = serve(Database(own_sample.url.replace("/sample_", "/gone_"), embedded=True))
    for path in (ADDRESS, "/readyz"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/healthz").status_code == 200


def test_before_any_night_it_is_not_ready(server, database: Database, serve: Serve):
    client = serve(database)
    assert client.get("/readyz").status_code == 503
    answer = client.get("/api/v1/portfolios")
    assert answer.status_code == 503
    assert "nothing has been rolled" in answer.json()["detail"]


@pytest.mark.parametrize("error", [psycopg.errors.DeadlockDetected, psycopg.errors.AdminShutdown])
def test_what_a_rebuild_did_to_a_reader_is_tried_once_more(sample: Database, serve: Serve, error):
    reader = serve(sample).app.state.answers.reader
    calls = []

    def once(conn: psycopg.Connection) -> int:
        calls.append(1)
        if len(calls) == 1:
            raise error("killed")
        return conn.execute("select 42").fetchone()[0]

    assert reader.read(once) == 42


def test_more_than_can_wait_are_sent_away(sample: Database):
    reader = Reader(sample.url)
    reader.open()
    hold = threading.Event()

    async def crowd() -> list:
        def wait(conn: psycopg.Connection) -> bool:
            return hold.wait(10)

        waiting = [asyncio.create_task(reader.run(wait)) for _ in range(CONNECTIONS + WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(TooBusy) as refused:
            await reader.run(wait)
        assert refused.value.status == 429 and refused.value.headers["Retry-After"] == "2"
        same = [asyncio.create_task(reader.run(wait, "key")) for _ in range(2)]
        hold.set()
        done = await asyncio.gather(*waiting, *same, return_exceptions=True)
        assert await reader.run(wait), "there is room again"
        return done

    try:
        assert asyncio.run(crowd())[: CONNECTIONS + WAITING] == [True] * (CONNECTIONS + WAITING)
    finally:
        hold.set()
        reader.close()


def test_what_is_kept_is_bounded():
    shelf = Shelf(most_bytes=100_000)
    for number in range(50):
        shelf.keep((number,), Kept(200, [], b"x" * 7_952, "v", "v"))
    assert [number for number in range(50) if shelf.find((number,), "v")] == list(range(40, 50)), "2 KiB beside each"
    for number in range(10_000):
        shelf.keep((number,), Kept(200, [], b"", "v", "v"))
    assert sum(shelf.find((number,), "v") is not None for number in range(10_000)) == 48, "small ones take room too"
    assert shelf.find((9_999,), "w") is None
    shelf.keep((0,), Kept(200, [], b"x", "w", "w"))
    assert shelf.find((9_999,), "v") is None, "what was made from other data is let go"
    assert shelf.find((0,), "w")


def test_a_line_for_each_request_and_no_token_in_it(sample: Database, serve: Serve, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO", "afterclose.api")
    answer = serve(sample).get(f"{ADDRESS}?token=ac_secret", headers={"Authorization": "Bearer ac_secret"})
    (record,) = caplog.records
    assert record.fields["request"] == answer.headers["x-request-id"]
    assert record.fields["path"] == ADDRESS and record.fields["status"] == 422
    assert "ac_secret" not in str(record.__dict__)
