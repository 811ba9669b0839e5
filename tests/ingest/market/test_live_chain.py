"""The chain over live sources: what they are asked, what is believed, and what is left for another night."""

import random
from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest

from ingest.market.collection import collect_market_data
from ingest.providers.base import Answer, Outcome
from ingest.rows import Profile
from tests.ingest.live_source import LiveSource
from tests.ingest.market.test_market_data import PRICES, all_rows, stored_closes
from tests.ingest.market_book import Book, day, define_factors, write_folder
from warehouse.errors import UserError
from warehouse.sessions import session_before, sessions_between

START = day("2021-03-01")


@pytest.fixture
def book(conn):
    define_factors(conn)
    book = Book(conn, inception="2021-02-26")
    book.lot("AAPL", "2021-02-26")
    return book


@pytest.fixture
def sessions(conn):
    """Sixty sessions to the night of 2021-03-01, and ten after it."""
    return sessions_between(conn, session_before(conn, START, 59), day("2021-03-15"))


@pytest.fixture
def yahoo(sessions):
    source = LiveSource("yahoo")
    for symbol, close in (("AAPL", 100), ("SPY", 380)):
        source.say(symbol, sessions, [close + n / 10 for n in range(len(sessions))])
    return source


@pytest.fixture
def night(conn, book):
    def run(session, *sources, history_sessions=40, **arguments):
        now = datetime.combine(session, time(18, 30), ZoneInfo("America/New_York"))
        return collect_market_data(
            conn, sources, session, session, history_sessions=history_sessions, today=session, now=now, **arguments
        )

    return run


def closes_of(conn, symbol="AAPL"):
    return {day(text): close for text, close in stored_closes(conn, symbol).items()}


def states(conn, **where):
    condition = " and ".join(f"{name} = '{value}'" for name, value in where.items())
    return conn.execute(
        "select symbol, consecutive_failures, (next_attempt_at at time zone 'UTC')::date::text, gap_attempts"
        f" from ops.fetch_state where {condition} order by 1"
    ).fetchall()


def test_each_night_asks_once_for_the_new_session_and_the_overlap(conn, night, sessions, yahoo):
    first = night(sessions[59], yahoo)
    assert len(stored_closes(conn)) == 41
    assert yahoo.asked("AAPL") == [(str(sessions[19]), str(sessions[59]))]
    assert (first.providers[0].requests, first.providers[0].asked, yahoo.probes) == (5, 2, 1)

    # 50 sessions ago, the oldest session of the overlap, and a value that has changed since
    yahoo.say("AAPL", [sessions[30], sessions[53]], [77, 105.35])
    report = night(sessions[60], yahoo)
    assert len(yahoo.asked("AAPL")) == 2
    assert closes_of(conn)[sessions[53]] == 105.35
    assert closes_of(conn)[sessions[60]] == 106.0
    assert closes_of(conn)[sessions[30]] == 103.0
    assert (report.prices.inserted, report.prices.updated, report.restated) == (2, 1, {"AAPL": 1})

    before = all_rows(conn)
    report = night(sessions[60], yahoo)
    assert all_rows(conn) == before
    assert report.prices.unchanged == report.prices.fetched == 14

    # a history that is wanted from an earlier day is completed in the same request
    night(sessions[61], yahoo, history_sessions=55)
    assert min(closes_of(conn)) == sessions[6]
    assert len(yahoo.asked("AAPL")) == 4


def test_what_a_source_does_not_have_is_asked_for_less_and_less_often(conn, book, night, sessions, yahoo):
    # listed in the middle of what is wanted, with a hole
    young = dict(zip(sessions[30:], (50 + n / 10 for n in range(60)), strict=False))
    del young[sessions[40]]
    yahoo.closes["YOUNG"] = young
    book.lot("YOUNG")
    firsts = []
    for n in range(59, 69):
        night(sessions[n], yahoo)
        firsts.append(sessions.index(day(yahoo.asked("YOUNG")[-1][0])) - n)
    # on the first night, and 1, 3 and 7 days later, the whole span; other nights look back 30 sessions from the overlap
    assert [first == -40 for first in firsts] == [True, True, False, False, True, False, False, False, False, True]
    assert [state[3] for state in states(conn, symbol="YOUNG", kind="prices")] == [4]

    book.lot("GONE")
    report = night(sessions[69], yahoo)
    assert ("GONE", "no price of 2021-03-15, there is none before: yahoo: not found") in report.warnings()
    assert states(conn, symbol="GONE", kind="prices") == [("GONE", 1, "2021-03-16", 0)]
    report = night(sessions[69], yahoo)
    assert len(yahoo.asked("GONE")) == 1
    assert report.providers[0].resting == 1
    reason = "yahoo: not asked (not found on one night, asked again from 2021-03-16)"
    assert ("GONE", f"no price of 2021-03-15, there is none before: {reason}") in report.warnings()


def test_not_found_backs_off_and_is_forgotten_when_it_is_found(conn, book, night, sessions, yahoo):
    book.lot("LATE")
    asked = []
    for n in range(59, 70):
        before = len(yahoo.asked("LATE"))
        night(sessions[n], yahoo)
        asked.append(len(yahoo.asked("LATE")) - before)
    # Monday, the next day, three days later (Friday), a week later (Friday), a month later
    assert asked == [1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0]
    assert states(conn, symbol="LATE", kind="prices") == [("LATE", 4, "2021-04-11", 0)]
    yahoo.say("LATE", sessions, [5] * 70)
    conn.execute("update ops.fetch_state set next_attempt_at = '2021-03-15' where symbol = 'LATE'")
    night(sessions[69], yahoo)
    assert states(conn, symbol="LATE", kind="prices") == [("LATE", 0, None, 4 - 4)]
    assert len(closes_of(conn, "LATE")) == 41


def test_a_source_whose_probe_fails_is_asked_for_nothing_and_leaves_no_trace(conn, book, night, sessions, yahoo):
    book.lot("GONE")
    down = LiveSource("fmp")
    down.standing = Answer(Outcome.RATE_LIMITED, "429")
    report = night(sessions[59], down, yahoo)
    assert (down.wants, down.probes, down.profiles_asked) == ([], 1, [])
    assert conn.execute("select count(*) from ops.fetch_state where source = 'fmp'").fetchone() == (0,)
    reason = "it did not answer for a symbol that must be there: rate limited (429)"
    assert [warning for warning in report.warnings() if warning[0] == "fmp"] == [
        ("fmp", f"asked for nothing, {reason}")
    ]
    gone = f"no price of {START}, there is none before: fmp: not asked ({reason}); yahoo: not found"
    assert ("GONE", gone) in report.warnings()
    assert len(closes_of(conn)) == 41


def test_a_source_that_cannot_work_on_this_machine_leaves_the_work_to_the_next(conn, night, sessions, yahoo):
    broken = LiveSource("fmp")

    def refuse():
        raise UserError("the wrong version is installed: install 1.7.0")

    broken.probe = refuse
    report = night(sessions[59], broken, yahoo)
    assert len(closes_of(conn)) == 41
    assert any("refused (the wrong version is installed: install 1.7.0)" in what for _, what in report.warnings())


def test_trouble_is_no_answer_about_the_symbol_and_the_next_source_fills(conn, night, sessions, yahoo):
    fmp = LiveSource("fmp")
    fmp.say("AAPL", sessions, [100.01 + n / 10 for n in range(70)])
    yahoo.trouble["AAPL"] = Answer(Outcome.RATE_LIMITED, "429")
    yahoo.trouble["SPY"] = Answer(Outcome.UNREACHABLE)
    night(sessions[59], yahoo, fmp)
    assert states(conn, source="yahoo", kind="prices") == []
    assert closes_of(conn)[sessions[59]] == 105.91
    # on the next night the first source decides again, within the overlap
    yahoo.trouble.clear()
    night(sessions[60], yahoo, fmp)
    sources = conn.execute(
        "select source, count(*) from raw.market_data_cache where symbol = 'AAPL' group by 1 order by 1"
    )
    assert sources.fetchall() == [("fmp", 34), ("yahoo", 8)]
    assert len(fmp.asked("AAPL")) == 1  # and the second source was not asked, because nothing was missing


def test_a_history_restated_by_a_constant_ratio_is_fetched_again_as_a_whole(conn, night, sessions, yahoo):
    night(sessions[59], yahoo, history_sessions=50)
    before = closes_of(conn)
    yahoo.closes["AAPL"] = {session: float(close) * 0.98 for session, close in yahoo.closes["AAPL"].items()}
    report = night(sessions[60], yahoo, history_sessions=20)
    # beyond the sessions that are wanted tonight
    assert yahoo.asked("AAPL")[-1] == (str(sessions[9]), str(sessions[60]))
    after = closes_of(conn)
    assert all(after[session] == pytest.approx(close * 0.98) for session, close in before.items())
    assert report.refetched == {"AAPL": "every close is 0.98 times what was stored"}
    assert any(
        line.startswith("whole histories fetched again: 1 (AAPL: every close is 0.98") for line in report.lines()
    )
    traces = conn.execute("select reason, count(*) from ops.price_restatements group by 1").fetchall()
    assert traces == [("every close is 0.98 times what was stored", 51)]
    before = all_rows(conn)
    night(sessions[60], yahoo, history_sessions=20)
    assert all_rows(conn) == before


def test_restated_histories_beyond_the_cap_wait_for_the_next_night(conn, night, sessions, yahoo, monkeypatch):
    from ingest.market import collection as market_data

    monkeypatch.setattr(market_data, "MOST_REFETCHES", 1)
    night(sessions[59], yahoo)
    for symbol in ("AAPL", "SPY"):
        yahoo.closes[symbol] = {session: float(close) * 0.98 for session, close in yahoo.closes[symbol].items()}
    report = night(sessions[60], yahoo)
    assert (list(report.refetched), report.postponed) == (["SPY"], ["AAPL"])
    assert "restated histories left for a later night: AAPL" in report.lines()
    assert sessions[60] not in closes_of(conn)
    assert list(night(sessions[60], yahoo).refetched) == ["AAPL"]
    assert closes_of(conn)[sessions[59]] == pytest.approx(105.9 * 0.98)


def test_half_a_restated_history_is_none(conn, night, sessions, yahoo):
    night(sessions[59], yahoo)
    before = closes_of(conn)
    yahoo.closes["AAPL"] = {session: float(close) * 0.98 for session, close in yahoo.closes["AAPL"].items()}
    ask = yahoo.fetch_prices

    def only_once(wants):
        reply = ask(wants)
        yahoo.trouble["AAPL"] = Answer(Outcome.UNREACHABLE, "timeout")
        return reply

    yahoo.fetch_prices = only_once
    report = night(sessions[60], yahoo)
    assert closes_of(conn) == before
    assert report.postponed == ["AAPL"]
    assert any("unreachable (every close is 0.98 times" in message for _, message in report.warnings())


@pytest.mark.parametrize("ratio", [0.25, 4, 2 / 3, 100, 0.01])
def test_a_history_on_another_scale_is_put_aside_and_the_next_source_asked(conn, night, sessions, yahoo, ratio):
    fmp = LiveSource("fmp")
    fmp.say("AAPL", sessions, [100.01 + n / 10 for n in range(70)])
    night(sessions[59], yahoo, fmp)
    honest = yahoo.closes["AAPL"]
    yahoo.closes["AAPL"] = {session: float(close) * ratio for session, close in honest.items()}
    report = night(sessions[60], yahoo, fmp)
    stored = conn.execute("select price_date, close::float, source from raw.market_data_cache where symbol = 'AAPL'")
    yahoos = [(sessions[n], 100 + n / 10, "yahoo") for n in range(19, 60)]
    assert sorted(stored.fetchall()) == [*yahoos, (sessions[60], 106.01, "fmp")]
    (rejected,) = conn.execute("select symbol, row_date, reason, payload from ops.rejected_rows").fetchall()
    assert rejected[:2] == ("AAPL", None)
    assert ("another unit" if ratio in (100, 0.01) else "reports no split") in rejected[2]
    assert report.providers[0].rejected == 1
    # on the next night it agrees with what is stored again
    yahoo.closes["AAPL"] = honest
    night(sessions[61], yahoo, fmp)
    assert conn.execute("select count(*) from raw.market_data_cache where source = 'fmp'").fetchone() == (0,)


def split(sessions, n, ratio):
    """Closes as traded of 100 and more, split into `ratio` on the n-th session."""
    return {session: (100 + k / 10) / (ratio if k >= n else 1) for k, session in enumerate(sessions)}


@pytest.mark.parametrize("ratio", [2, 4, 10, 1.5])
def test_a_split_that_is_reported_a_night_late_heals(conn, night, sessions, yahoo, ratio):
    night(sessions[59], yahoo)
    # the first night after the split: the new close, and no split
    yahoo.closes["AAPL"] = split(sessions, 60, ratio)
    report = night(sessions[60], yahoo)
    assert sessions[60] not in closes_of(conn)
    assert any("moved as in a split that the source does not report" in row.reason for row in report.rejected)
    # then the restated history, still without the split
    yahoo.closes["AAPL"] = {
        day: float(c) / (ratio if n < 60 else 1) for n, (day, c) in enumerate(split(sessions, 60, ratio).items())
    }
    night(sessions[61], yahoo)
    assert max(closes_of(conn)) == sessions[59]
    # then the split, and the provider undoes the restatement
    yahoo.closes["AAPL"] = split(sessions, 60, ratio)
    yahoo.splits["AAPL"] = {sessions[60]: ratio}
    night(sessions[62], yahoo)
    assert closes_of(conn)[sessions[60]] == pytest.approx(106 / ratio, abs=1e-6)
    assert closes_of(conn)[sessions[58]] == 105.8
    assert conn.execute("select value::float from raw.corporate_actions").fetchall() == [(ratio,)]
    assert conn.execute("select count(*) from ops.price_restatements").fetchone() == (0,)


@pytest.mark.parametrize("ratio", [2, 4, 0.5])
def test_so_does_one_whose_day_moves_five_percent_off_its_ratio(conn, night, sessions, yahoo, ratio):
    dice = random.Random(3)  # noqa: S311
    closes = [100 + dice.uniform(-3, 3) for _ in sessions]
    traded = {
        day: close / (ratio / 1.05 if n >= 60 else 1)
        for n, (day, close) in enumerate(zip(sessions, closes, strict=True))
    }
    traded[sessions[60]] = closes[59] / ratio * 1.05
    yahoo.closes["AAPL"] = traded
    night(sessions[59], yahoo)
    for n in (60, 61):
        report = night(sessions[n], yahoo)
        assert max(closes_of(conn)) == sessions[59]
        assert any("moved as in a split that the source does not report" in row.reason for row in report.rejected)
    yahoo.splits["AAPL"] = {sessions[60]: ratio}
    report = night(sessions[62], yahoo)
    assert closes_of(conn) == pytest.approx({day: traded[day] for day in sessions[19:63]}, abs=1e-6)
    assert (report.rejected, report.jumps) == ([], [])


@pytest.mark.parametrize("ratio", [2, 4, 1.5])
def test_a_split_that_is_reported_before_the_history_is_restated_waits(conn, night, sessions, yahoo, ratio):
    night(sessions[59], yahoo)
    honest = split(sessions, 60, ratio)
    # undone twice, as a provider does with bars that are not restated yet
    yahoo.closes["AAPL"] = {day: float(c) * (ratio if n < 60 else 1) for n, (day, c) in enumerate(honest.items())}
    yahoo.splits["AAPL"] = {sessions[60]: ratio}
    report = night(sessions[60], yahoo)
    assert max(closes_of(conn)) == sessions[59]
    (row,) = report.rejected
    assert row.reason.startswith(f"the split of {sessions[60]} ({ratio}) is told, and the closes do not move by it")
    assert conn.execute("select count(*) from raw.corporate_actions").fetchone() == (0,)
    yahoo.closes["AAPL"] = honest
    night(sessions[61], yahoo)
    assert closes_of(conn)[sessions[61]] == pytest.approx(106.1 / ratio, abs=1e-6)
    assert conn.execute("select count(*) from raw.corporate_actions").fetchone() == (1,)


def test_a_history_first_loaded_without_its_split_is_mended_when_the_split_comes(conn, night, sessions, yahoo):
    honest = split(sessions, 56, 4)
    yahoo.closes["AAPL"] = {day: float(c) / (4 if n < 56 else 1) for n, (day, c) in enumerate(honest.items())}
    night(sessions[59], yahoo)
    assert closes_of(conn)[sessions[55]] == pytest.approx(105.5 / 4)
    yahoo.closes["AAPL"] = honest
    yahoo.splits["AAPL"] = {sessions[56]: 4}
    report = night(sessions[60], yahoo)
    assert list(report.refetched) == ["AAPL"]
    assert closes_of(conn) == pytest.approx(
        {s: c for n, (s, c) in enumerate(honest.items()) if 19 <= n <= 60}, abs=1e-6
    )


def test_a_real_crash_to_the_half_is_believed_after_a_week(conn, night, sessions, yahoo):
    night(sessions[59], yahoo)
    yahoo.closes["AAPL"] = split(sessions, 60, 2)
    for n in range(60, 66):
        night(sessions[n], yahoo)
        # closes that continue from a suspected one are suspected too
        assert max(closes_of(conn)) == sessions[59] if n < 66 else True
    night(sessions[66], yahoo)
    assert closes_of(conn)[sessions[60]] == 53.0


def test_a_late_split_of_weeks_ago_still_comes_in(conn, night, sessions, yahoo):
    yahoo.closes["AAPL"] = split(sessions, 40, 4)
    night(sessions[59], yahoo)
    yahoo.splits["AAPL"] = {sessions[40]: 4}
    night(sessions[60], yahoo)
    assert conn.execute("select ex_date from raw.corporate_actions").fetchall() == [(sessions[40],)]


def test_a_later_source_on_another_basis_is_not_spliced_in(conn, night, sessions, yahoo):
    night(sessions[59], yahoo)
    fmp = LiveSource("fmp")
    fmp.say("AAPL", sessions, [(100 + n / 10) * 0.97 for n in range(70)])
    del yahoo.closes["AAPL"][sessions[60]]
    report = night(sessions[60], yahoo, fmp)
    assert max(closes_of(conn)) == sessions[59]
    assert [row.reason for row in report.rejected] == [
        "every close is 0.97 times another source's: adjusted for dividends?"
    ]
    # a difference of cents is not another basis
    fmp.say("AAPL", sessions, [(100 + n / 10) * 1.002 for n in range(70)])
    night(sessions[60], yahoo, fmp)
    assert closes_of(conn)[sessions[60]] == pytest.approx(106 * 1.002)


def test_a_hundredfold_bar_and_one_said_twice_are_refused_alone(conn, night, sessions, yahoo):
    night(sessions[59], yahoo)
    yahoo.say("AAPL", [sessions[60]], [10600])
    ask = yahoo.fetch_prices

    def twice(wants):
        reply = ask(wants)
        reply.bars += [
            b._replace(close=b.close + 1) for b in reply.bars if (b.symbol, b.price_date) == ("SPY", sessions[60])
        ]
        return reply

    yahoo.fetch_prices = twice
    report = night(sessions[60], yahoo)
    reasons = {row.symbol: row.reason for row in report.rejected}
    assert reasons["AAPL"].endswith("about a hundredfold, in another unit?")
    assert reasons["SPY"] == "another row of the reply has this session differently"
    assert max(closes_of(conn)) == max(closes_of(conn, "SPY")) == sessions[59]


def test_contracts_are_queued_the_neediest_first_and_taken_up_again(conn, book, night, sessions, yahoo):
    contracts = [f"AAPL210319C001{n}0000" for n in range(4)]
    for contract in contracts:
        book.option(contract, "AAPL", "2021-03-19", entry_date="2021-02-26")
    polygon = LiveSource("polygon", overlap_sessions=0, options=True)
    for contract in contracts:
        polygon.say(contract, sessions, [5] * 70)
    polygon.most = 2
    report = night(sessions[59], yahoo, polygon)
    line = f"queued for a later night, the neediest first: 2 ({', '.join(contracts[2:])})"
    assert line in report.lines()
    assert report.warnings() == []
    assert report.counts()["queued"] == contracts[2:]
    assert report.providers[1].line().startswith("polygon: asked for 2 symbols, got 2, missed 0, 2 queued, rejected 0")
    night(sessions[60], yahoo, polygon)
    assert [want.symbol for want in polygon.wants[-1]] == [*contracts[2:], *contracts[:2]]
    # a rerun asks nothing about a contract that is complete
    night(sessions[60], yahoo, polygon)
    assert [want.symbol for want in polygon.wants[-1]] == contracts[:2]
    night(sessions[60], yahoo, polygon)
    assert len(polygon.wants) == 3


def test_symbols_missed_for_one_reason_share_a_line(conn, book, night, sessions, yahoo):
    names = [f"GONE{n}" for n in range(7)]
    for name in names:
        book.lot(name)
    (warning,) = night(sessions[59], yahoo).warnings()
    assert warning == ("7 symbols", f"no price of {START}: yahoo: not found ({', '.join(names)})")


def test_profiles_are_asked_of_live_sources_once_a_month_and_of_files_always(conn, night, sessions, yahoo, tmp_path):
    yahoo.profiles["AAPL"] = Profile("AAPL", "Apple", "Technology")
    fmp = LiveSource("fmp")
    fmp.profiles["SPY"] = Profile("SPY", "SPDR S&P 500", quote_type="ETF")
    night(sessions[59], yahoo, fmp)
    assert (yahoo.profiles_asked, fmp.profiles_asked) == ([["AAPL", "SPY"]], [["SPY"]])
    night(sessions[60], yahoo, fmp)
    assert (len(yahoo.profiles_asked), len(fmp.profiles_asked)) == (1, 1)
    folder = write_folder(tmp_path, prices=PRICES, profiles="symbol,name\nAAPL,Apple Inc.")
    night(sessions[60], folder, yahoo, fmp)
    assert conn.execute("select name, source from raw.company_profiles where symbol = 'AAPL'").fetchone() == (
        "Apple Inc.",
        "files",
    )
    conn.execute("update ops.fetch_state set last_success_at = last_success_at - interval '30 days'")
    night(sessions[61], yahoo, fmp)
    assert [len(asked) for asked in yahoo.profiles_asked] == [2, 2]


def test_loading_a_lot_anew_forgets_that_its_symbol_was_not_found(conn, book, night, sessions, yahoo):
    from ingest.sources.fetch_state import forget_failures_of_new_lots

    for symbol in ("GONE", "LOST"):
        book.lot(symbol)
    night(sessions[59], yahoo)
    conn.execute("update raw.positions set loaded_at = loaded_at - interval '1 hour'")
    with conn.transaction():
        conn.execute("update raw.positions set quantity = 50, loaded_at = now() where symbol = 'GONE'")
        forget_failures_of_new_lots(conn)
    night(sessions[59], yahoo)
    assert (len(yahoo.asked("GONE")), len(yahoo.asked("LOST"))) == (2, 1)
