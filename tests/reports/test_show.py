"""`show` on rolled portfolios whose risk results are written by hand, and how it says what is wrong or missing."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nightly import cli
from nightly.invocation import as_typed
from nightly.record import RunRecord
from reports import html as html_page
from reports.drawdowns import Fall, falls
from reports.history import History
from reports.notes import notes
from reports.reading import read_view
from reports.scales import ticks
from reports.terminal import ASCII, UNICODE, render
from reports.view import RiskView
from tests.nightly.small_nights import ROLLED_TO, Night
from warehouse.database import Database, libpq_url
from warehouse.settings import PROJECT_ROOT, Settings

HOSTILE = """O'Brien & "Söhne" <script>alert(1)</script></title>{{ 7*7 }}"""
PRIVATE = "Maple <b>Street</b> Partners LP"
RESULTS = (
    "portfolio_factor_exposures",
    "portfolio_risk_metrics",
    "risk_backtest",
    "position_risk_contributions",
    "correlation_calculations",
    "correlation_clusters",
    "correlation_cluster_positions",
    "stress_test_results",
    "pairwise_correlations",
)
# Growth: 100 AAA and 10 BBB. Every number is a round one, so the numbers of the page can be told from the database's.
BY_HAND = """
insert into analytics.portfolio_factor_exposures
select day, growth, model, factor, beta, beta * 100000, 2, 1, reason from input
cross join (values
    ('ridge', 'Value', -0.25, null), ('ridge', 'Market', 1.25, null), ('market', 'Market', 1.5, null),
    ('spread', 'Size', null, 'no position has a beta')
) as exposure (model, factor, beta, reason);
insert into analytics.portfolio_risk_metrics
select
    day, growth, 0.11, 0.12, 0.13, 'stable', 0.2, 0.75, 100, 0.1, 'limited_history',
    0.03, 0.01, 0.2, 1111, 2222, -0.0625, 1.125, 1, null, 1234, 2345
from input;
insert into analytics.risk_backtest
select day, growth, 250, 1.0625, 1.5, 15, 0.5, 0.5, 12, 0.875, 0.25, null from input;
insert into analytics.position_risk_contributions
select day, growth, position_id, share, share * 0.2, share from input
inner join analytics.positions on portfolio_id = growth
inner join (values ('AAA', 1.1), ('BBB', -0.1)) as given (symbol, share) on positions.symbol = given.symbol;
insert into analytics.correlation_calculations
select day, growth, 90, 0.42, 0.6, 1.5, 2, 1, 'limited_history' from input;
insert into analytics.correlation_clusters select day, growth, 1, 'Energy <i>', 0.77, 13000, 0.13 from input;
insert into analytics.correlation_cluster_positions
select day, growth, 1, symbol from input cross join (values ('AAA'), ('BBB')) as member (symbol);
insert into analytics.pairwise_correlations select day, 'AAA', 'BBB', 0.77, 40, 0.01 from input;
insert into analytics.stress_test_results
select day, growth, scenario, direct, correlated, correlated - direct, null, null, 1, reason from input
cross join (values
    ('market_down_10', -1000, -1500, null), ('market_up_10', 1000, 1600, null),
    ('replay_crisis_2008', -9000, null, 'the shocks are 76 daily standard deviations, more than 60')
) as result (scenario, direct, correlated, reason);
"""


@pytest.fixture(scope="module")
def shown(
    server: dict[str, str], first_night: tuple[str, RunRecord], night_settings: Settings
) -> Iterator[tuple[Night, RiskView]]:
    """The rolled portfolios, with results written by hand for Growth and none for Income, and Growth's page."""
    with Database(libpq_url({**server, "dbname": "postgres"}), embedded=True).connect() as maintenance:
        maintenance.execute(f"create database show template {first_night[0]} strategy file_copy")
        night = Night(Database(libpq_url({**server, "dbname": "show"}), embedded=True), night_settings)
        with night.database.connect() as conn:
            (growth,) = conn.execute("select portfolio_id from raw.portfolios where name = 'Growth'").fetchone()
            for table in RESULTS:
                conn.execute(f"delete from analytics.{table}")
            conn.execute("create temp table input as select %s::date as day, %s::uuid as growth", [ROLLED_TO, growth])
            for statement in BY_HAND.split(";\n")[:-1]:
                conn.execute(statement)
            yield night, read_view(conn, "Growth")
        maintenance.execute("drop database show with (force)")


@pytest.fixture
def growth(shown: tuple[Night, RiskView]) -> RiskView:
    return shown[1]


@pytest.fixture
def here(shown: tuple[Night, RiskView], monkeypatch: pytest.MonkeyPatch) -> Night:
    """The command line works on that database."""
    for name, value in shown[0].environment().items():
        monkeypatch.setenv(name, value)
    return shown[0]


def page_of(view: RiskView, width: int = 100, glyphs=UNICODE) -> str:
    return render(view, notes(view), width, glyphs).plain


def test_the_terminal_page_says_what_the_tables_hold(growth: RiskView):
    page = " ".join(page_of(growth).split())
    for text in (
        "Growth Wednesday 14 February 2024",
        "equity 103,300 day +110 +0.11%",
        "positions 2",
        "2 long 0 short all +3,300 +3.30%",
        "long 16,500 16.0%",
        "EQUITY USD, 31 sessions",
        "30 of 31 days up",
        "ex-ante volatility 20.0% 25% specific",
        "expected, 21 days 13.0%",
        "realized, 21 days 11.0% percentile 75",
        "VaR 95 %, 1 day 1,234 1.19% of equity",
        "exp. shortfall 2,345",
        "VaR, not scaled 1,111 1.08% of equity",
        "VaR held on 95.2% of 250 days",
        "bias statistic 1.06 1 is right",
        "max drawdown -6.2% since inception",
        "beta of returns 1.12 to the market",
        "+1.25 +125,000",
        "2 positions, 1 without a beta",
        "each alone: Market +1.50 · Size n/a",
        "110.0% 22.0%",
        "-10.0% -2.0%",
        "Energy <i> 13.0% of equity 0.77",
        "AAA, BBB",
        "- No correlated P&L of Financial crisis 2007-09: the shocks are 76 daily standard deviations",
        "- Volatilities rest on limited history (100 returns of 252).",
        "- No exposure to Size: no position has a beta.",
        "- 1 symbol left out of the correlations: too little common history.",
    ):
        assert text in page, text
    lines = page_of(growth).splitlines()
    worst = [line for line in lines if re.match("Financial crisis|Market ±?", line) and "%" in line[40:]]
    assert [line.split("  ")[0] for line in worst][-3:] == ["Financial crisis 2007-09", "Market -10 %", "Market +10 %"]
    market, value = (next(line for line in lines if f"    {factor} " in line) for factor in ("Market", "Value"))
    assert "│█" in market and "█│" in value, "bars grow to both sides of zero"


def test_a_book_that_owes_or_holds_nothing_is_told_once(growth: RiskView):
    owing = replace(growth, snapshot=replace(growth.snapshot, equity_balance=-500.0))
    page = " ".join(page_of(owing).split())
    assert "Equity is not positive, so weights, betas and volatilities are empty. Amounts in dollars are right." in page
    assert "Volatilities rest on" not in page and "No exposure to" not in page
    assert "VaR 95 %, 1 day 1,234.00 exp. shortfall 2,345.00 VaR, not scaled 1,111.00 VaR held on" in page, (
        "a small book shows cents, and no share of equity"
    )
    nothing = replace(growth, holdings=[], clusters=[], pairs=[])
    assert notes(nothing) == ["The portfolio holds nothing but cash on this day."]
    assert "Market -10 %" not in page_of(nothing)
    for view in (owing, nothing):
        assert html_page.render(view, notes(view)).rstrip().endswith("</html>")


@pytest.mark.parametrize(
    ("low", "high", "about", "expected"),
    [
        (0.0, 1.0, 5, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (-3.0, 12.0, 4, [-5.0, 0.0, 5.0, 10.0, 15.0]),
        (982_000.0, 1_130_000.0, 5, [950_000.0, 1_000_000.0, 1_050_000.0, 1_100_000.0, 1_150_000.0]),
        (0.0, 0.0, 3, [-1.0, 0.0, 1.0]),
    ],
)
def test_axes_have_round_ticks_that_cover_the_values(low: float, high: float, about: int, expected: list[float]):
    assert ticks(low, high, about) == expected


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("width", [60, 80, 95, 96, 100, 151, 152, 250])
def test_the_terminal_page_fits(growth: RiskView, width: int, glyphs):
    page = page_of(growth, width, glyphs)
    assert max(map(len, page.splitlines())) <= min(max(width, 80), 160)
    assert page.isascii() == (glyphs is ASCII)
    assert "STRESS" in page and "CORRELATION" in page and "WHAT IS MISSING" in page


def test_a_wide_terminal_has_broader_columns(growth: RiskView):
    def columns(width: int) -> int:
        lines = page_of(growth, width).splitlines()
        place = next(place for place, line in enumerate(lines) if line.startswith("DAILY P&L"))
        return max(len(line.rstrip()) for line in lines[place + 1 : place + 7]) - 11

    assert columns(100) <= 60
    assert columns(160) == 2 * columns(100)


def test_a_scenario_whose_result_surprises_is_explained(growth: RiskView):
    rates = replace(growth.scenarios[0], name="Rates -200 bp", direct_pnl=-100.0, correlated_pnl=-23_760.0, reason=None)
    page = " ".join(page_of(replace(growth, scenarios=[rates])).split())
    assert "Rates -200 bp costs 23.0% of equity, and the shock itself only costs 0.1%" in page
    assert "only costs" not in page_of(replace(growth, scenarios=[replace(rates, direct_pnl=-23_000.0)]))


def test_a_pipe_gets_plain_text_and_any_encoding_will_do(here: Night):
    def run(**environment: str) -> bytes:
        return subprocess.run(
            [sys.executable, "run_nightly.py", "show", "Growth"],
            cwd=PROJECT_ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout

    here.execute("update analytics.position_values set symbol = 'Grüße 漢字' where symbol = 'BBB'")
    try:
        plain = run(PYTHONIOENCODING="ascii").decode("ascii")
        assert plain.startswith("Growth ")
        assert "Gr??e ??" in plain
        page = run(PYTHONIOENCODING="utf-8").decode()
        assert "Grüße 漢字  " in page and "│" in page
        assert "\x1b" not in plain + page
        widths = [
            max(map(len, run(PYTHONIOENCODING="utf-8", COLUMNS=wide).decode().splitlines())) for wide in ("", "150")
        ]
        assert widths == [100, 150]
        coloured = run(FORCE_COLOR="1", TERM="xterm", PYTHONIOENCODING="utf-8").decode()
        assert "\x1b[32m" in coloured
        without = run(FORCE_COLOR="1", NO_COLOR="1", TERM="xterm", PYTHONIOENCODING="utf-8").decode()
        assert not re.search(r"\x1b\[3\dm", without)
    finally:
        here.execute("update analytics.position_values set symbol = 'BBB' where symbol like 'Gr%'")


def test_json_holds_the_same(here: Night, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["show", "Growth", "--json"]) == 0
    page = json.loads(capsys.readouterr().out)
    assert page["name"] == "Growth"
    assert page["snapshot"]["snapshot_date"] == "2024-02-14"
    assert page["risk"]["ex_ante_vol"] == 0.2
    assert [exposure["factor"] for exposure in page["exposures"] if exposure["model"] == "ridge"] == ["Market", "Value"]
    assert page["scenarios"][0] == {
        "scenario_id": "replay_crisis_2008",
        "name": "Financial crisis 2007-09",
        "category": "replay",
        "description": page["scenarios"][0]["description"],
        "direct_pnl": -9000.0,
        "correlated_pnl": None,
        "positions_excluded": 1,
        "reason": "the shocks are 76 daily standard deviations, more than 60",
    }
    assert any("Financial crisis" in note for note in page["notes"])
    (portfolio_id,) = here.rows("select portfolio_id::text from raw.portfolios where name = 'Growth'")[0]
    assert cli.main(["show", portfolio_id.upper(), "--date", "2024-01-03", "--json"]) == 0
    earlier = json.loads(capsys.readouterr().out)
    assert earlier["snapshot"]["num_positions"] == 2
    assert len(earlier["sessions"]) == 2
    assert earlier["risk"] is None


def test_without_results_it_says_what_to_run(here: Night, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["show", "Income"]) == 0
    page = " ".join(capsys.readouterr().out.split())
    assert "No risk has been computed for 2024-02-14. Compute it: " in page
    assert "python run_nightly.py analytics --date 2024-02-14 --portfolio Income" in page
    assert cli.main(["show", "Growth", "--date", "2024-01-02"]) == 0
    page = " ".join(capsys.readouterr().out.split())
    assert "There are results from 2024-02-14 to 2024-02-14" in page
    assert "a line takes two sessions" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Groth"], "Groth: no such portfolio; there are: Growth, Income"),
        (["Growth", "--date", "2024-02-03"], "has no snapshot of that day; nearest: 2024-02-02 and 2024-02-05"),
        (["Growth", "--date", "2023-12-29"], "nearest: 2024-01-02"),
        (["Growth", "--date", "2024-02-16"], "nearest: 2024-02-14"),
        (["Growth", "--date", "2.3.2024"], "does not match the format"),
        (
            ["Growth", "--html", "/no/such/folder/page.html"],
            "/no/such/folder/page.html: cannot be written (No such file",
        ),
        (["Growth", "--html", "/proc/page.html"], "cannot be written"),
        (["Growth", "--html", "/"], "cannot be written (it is a folder)"),
        ([], "Missing argument 'PORTFOLIO'"),
    ],
)
def test_a_wrong_request_is_one_line(here: Night, capsys: pytest.CaptureFixture[str], arguments, said):
    assert cli.main(["show", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_database_without_portfolios_or_nights(unrolled: Night, monkeypatch, capsys, small_book: Path):
    for name, value in unrolled.environment().items():
        monkeypatch.setenv(name, value)
    assert cli.main(["show", "Growth"]) == 2
    assert "no portfolio is loaded: load some first" in capsys.readouterr().err
    assert cli.main(["load", str(small_book)]) == 0
    capsys.readouterr()
    assert cli.main(["show", "Growht"]) == 2
    assert "error: Growht: no such portfolio; there are: Growth" in (said := capsys.readouterr().err)
    assert "did you mean Growth?" in said
    assert cli.main(["show", "growth"]) == 2
    assert as_typed("Growth has no snapshot yet: `python run_nightly.py backfill`") in capsys.readouterr().err


class Reader(HTMLParser):
    """What a browser makes of a page: its elements, their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_html_page_is_one_file_that_hurts_nobody(here: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "a page.html"
    file.write_text("what was there")
    with here.database.connect() as conn:
        conn.execute("update raw.portfolios set name = %s where name = 'Growth'", [HOSTILE])
        conn.execute("update analytics.position_values set symbol = %s where symbol = 'BBB'", [PRIVATE])
        conn.execute("update analytics.pairwise_correlations set symbol_2 = %s", [PRIVATE])
    try:
        assert cli.main(["show", HOSTILE, "--html", str(file)]) == 0
        assert capsys.readouterr().out == f"{file}: {HOSTILE}, 2024-02-14\n"
    finally:
        with here.database.connect() as conn:
            conn.execute("update raw.portfolios set name = 'Growth' where name = %s", [HOSTILE])
            conn.execute("update analytics.position_values set symbol = 'BBB' where symbol = %s", [PRIVATE])
            conn.execute("update analytics.pairwise_correlations set symbol_2 = 'BBB'")
    assert list(tmp_path.iterdir()) == [file], "nothing is left beside it"
    page = file.read_text(encoding="utf-8")
    read = Reader(page)
    names = {tag for tag, _ in read.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "form"}
    assert HOSTILE in read.text and PRIVATE in read.text and "Energy <i>" in read.text
    assert not re.search(r"<(script|b>Street|i>)", page)
    assert not re.findall(r"https?://", page)
    assert not [attributes for _, attributes in read.tags if {"src", "href", "onload"} & {*attributes}]
    assert not re.search(r"url\(|@import", page)
    plots = [attributes for tag, attributes in read.tags if tag == "svg" and "aria-hidden" not in attributes]
    assert len(plots) == 11
    assert all(plot["role"] == "img" and len(plot["aria-label"]) > 30 for plot in plots)
    assert len([tag for tag, _ in read.tags if tag == "details"]) == 11, "the numbers of every plot stand below it"
    assert not [attributes for _, attributes in read.tags if "style" in attributes], "the policy allows the sheet alone"
    for text in (
        "Return, time-weighted",
        "Drawdowns",
        "Contributors",
        "103,300",
        "+1.25",
        "−1,500",
        "20.0%",
        "the return of equity for each unit",
        "n/a",
        "Equity, USD",
        "What is missing",
    ):
        assert text in read.text


def test_the_html_page_without_results_is_whole(here: Night, tmp_path: Path):
    for arguments in (["Income"], ["Growth", "--date", "2024-01-02"]):
        file = tmp_path / "page.html"
        assert cli.main(["show", *arguments, "--html", str(file)]) == 0
        read = Reader(file.read_text(encoding="utf-8"))
        assert "No risk has been computed" in read.text
        assert "None; see below." in read.text


def test_the_statements_do_not_grow_with_the_book(shown: tuple[Night, RiskView], monkeypatch: pytest.MonkeyPatch):
    import psycopg

    counted: list[int] = []
    with shown[0].database.connect() as conn:
        execute = psycopg.Cursor.execute
        monkeypatch.setattr(
            psycopg.Cursor, "execute", lambda *given, **more: (counted.append(1), execute(*given, **more))[1]
        )
        read_view(conn, "Growth")
        of_growth = len(counted)
        read_view(conn, "Income")
        assert len(counted) - of_growth == of_growth < 25


def test_the_page_stays_with_the_last_session_that_is_whole(here: Night, capsys: pytest.CaptureFixture[str]):
    with here.database.connect() as conn:
        conn.execute(
            "insert into analytics.portfolio_snapshots select portfolio_id, '2024-02-15', "
            + ", ".join(
                name
                for (name,) in conn.execute(
                    "select column_name::text from information_schema.columns"
                    " where table_schema = 'analytics' and table_name = 'portfolio_snapshots' order by ordinal_position"
                )
                if name not in ("portfolio_id", "snapshot_date")
            )
            + " from analytics.portfolio_snapshots join analytics.portfolios using (portfolio_id)"
            " where name = 'Growth' and snapshot_date = '2024-02-14'"
        )
        conn.execute("update ops.risk_state set stale_because = 'AAA close of 2024-02-13 restated'")
    try:
        assert cli.main(["show", "Growth"]) == 0
        page = " ".join(capsys.readouterr().out.split())
    finally:
        with here.database.connect() as conn:
            conn.execute("delete from analytics.portfolio_snapshots where snapshot_date = '2024-02-15'")
            conn.execute("update ops.risk_state set stale_because = null")
    assert "Wednesday 14 February 2024" in page
    assert "P&L is rolled to 2024-02-15, risk to 2024-02-14" in page
    assert "Risk rests on inputs that have changed since: AAA close of 2024-02-13 restated." in page


# How the portfolio did


def test_the_page_tells_how_the_portfolio_did(growth: RiskView):
    page = page_of(growth, 100)
    history = growth.history
    assert history.days[0] == date(2024, 1, 2)
    assert len(growth.sessions) == len(history.days)
    own, benchmark = 100 * (1 + history.own_growth()[-1]), 100 * (1 + history.benchmark_growth()[-1])
    assert f"Growth {own:,.2f}, SPY {benchmark:,.2f} (grey)" in page
    assert own == pytest.approx(100 * (1 + growth.snapshot.cumulative_return))
    # SPY closed at 119 before the inception and gains 1 a session
    assert benchmark == pytest.approx(100 * (119 + len(history.days)) / 119)
    assert "PERIODS" in page and "MTD 2024-01-31" in page and "SI  2023-12-29" in page
    assert "2024" in page.split("MONTHS")[1].split("DRAWDOWNS")[0]
    assert "AAA" in page.split("CONTRIBUTORS")[1]
    sources = page.split("P&L BY SOURCE")[1].split("ACTIVE RETURN BY SECTOR")[0]
    assert "Specific" in sources
    active = history.returns[-1] - history.benchmark_returns[-1]
    effects = page.split("ACTIVE RETURN BY SECTOR")[1].split("CONTRIBUTORS")[0]
    assert f"{active:+.2%}" in effects and "1 of 31 sessions have an attribution" in effects


def test_json_has_the_index_the_calendar_and_the_falls(growth: RiskView):
    page = growth.as_json([])
    assert page["index"][-1]["portfolio"] == pytest.approx(100 * (1 + growth.snapshot.cumulative_return))
    assert [year["year"] for year in page["calendar"]] == [2024]
    assert page["performance"]["periods"][-1]["period"] == "SI"
    assert page["drawdowns"] == [] or page["drawdowns"][0]["depth"] < 0
    assert {row["symbol"] for row in page["performance"]["contributions"]} == {"AAA", "BBB"}
    effects = page["performance"]["sector_effects"]
    active = growth.history.returns[-1] - growth.history.benchmark_returns[-1]
    assert sum(row["total"] for row in effects) == pytest.approx(active), "one session has an attribution"
    assert page["sessions"][-1]["equity_balance"] == page["snapshot"]["equity_balance"]


def test_falls_from_one_peak_to_the_next():
    returns = [0.1, -0.2, 0.1, 0.2, None, -0.05, -0.05]
    days = [date(2024, 1, day) for day in range(2, 9)]
    history = History(days, *([[0.0] * 7] * 3), returns, *([[None] * 7] * 3))
    # 1.1, 0.88, 0.968, 1.1616 (a new peak), the same, 1.10352, 1.048344
    deepest, later = falls(history)
    assert deepest == Fall(pytest.approx(-0.2), days[0], days[1], days[3])
    assert later == Fall(pytest.approx(0.95**2 - 1), days[4], days[6], None)


def test_a_gap_of_the_benchmark_is_bridged_and_a_late_beginning_is_none():
    days = [date(2024, 1, day) for day in range(2, 6)]
    given = [[0.0] * 4] * 4
    bridged = History(days, *given, [0.1, None, 0.1, 0.0], *([[None] * 4] * 2))
    assert bridged.benchmark_growth() == [pytest.approx(0.1), None, pytest.approx(0.21), pytest.approx(0.21)]
    late = History(days, *given, [None, 0.1, 0.1, 0.0], *([[None] * 4] * 2))
    assert late.benchmark_growth() == [None] * 4
