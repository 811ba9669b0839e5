"""What pages are made of, on histories and books made by hand: charts, tables, rolling figures, positions."""

import re
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from reports import charts, words
from reports.charts import Line
from reports.history import History, first_session
from reports.pages.environment import Book, Shell
from reports.pages.performance import render_performance
from reports.pages.positions import Choice, render_positions
from reports.performance import Performance, calendar, extremes, rolling
from reports.positions import Lot, by_symbol
from reports.tables import Column, Order, ordered, table
from reports.view import HoldingCluster, Pair

HOSTILE = "<script>alert(1)</script>"
BOOK = Book(
    UUID(int=7), HOSTILE, date(2024, 3, 1), date(2020, 1, 1), date(2024, 3, 1), date(2024, 2, 29), None, benchmark="SPY"
)
SHELL = Shell(book=BOOK, section="performance")
NOTHING = Performance([], [], [], [], [], "YTD")


def history_of(returns: list[float | None], benchmark: list[float | None] | None = None) -> History:
    """A history from 2020 on, a session every weekday."""
    days = [day.date() for day in pd.bdate_range("2020-01-01", periods=len(returns))]
    growth = np.cumprod([1 + (each or 0.0) for each in returns])
    peak = np.maximum(np.maximum.accumulate(growth), 1.0)
    equity = [float(each) for each in 1e6 * growth]
    return History(
        days=days,
        equity=equity,
        pnl=[now - before for before, now in zip([1e6, *equity], equity, strict=False)],
        flow=[0.0] * len(days),
        returns=returns,
        benchmark_returns=benchmark or [None] * len(days),
        growth=[float(each) - 1 for each in growth],
        drawdown=[float(each) for each in growth / peak - 1],
    )


@pytest.fixture
def long() -> History:
    draws = np.random.default_rng(5).normal(0.0004, 0.01, (2, 900))
    return history_of([*map(float, draws[0])], [*map(float, 0.5 * draws[0] + draws[1])])


def test_rolling_figures_are_those_of_pandas(long: History):
    figures = rolling(long)
    frame = pd.DataFrame({"own": long.returns, "market": long.benchmark_returns})
    window = frame.rolling(63)
    expected = {
        "volatility": window["own"].std() * 252**0.5,
        "benchmark_volatility": window["market"].std() * 252**0.5,
        "beta": frame["own"].rolling(63).cov(frame["market"]) / window["market"].var(),
        "sharpe": window["own"].mean() / window["own"].std() * 252**0.5,
    }
    for name, series in expected.items():
        got = pd.Series(getattr(figures, name), dtype=float)
        pd.testing.assert_series_equal(got, series, check_names=False, rtol=1e-9)


def test_a_window_without_a_return_has_no_figures():
    figures = rolling(history_of([0.01, -0.01] * 40 + [None] + [0.01, -0.01] * 40))
    known = [place for place, value in enumerate(figures.volatility) if value is not None]
    assert known == [*range(62, 80), *range(143, 161)]
    assert not any(value is not None for value in figures.beta), "no benchmark, no beta"
    flat = rolling(history_of([0.0] * 70))
    assert flat.volatility[-1] == 0.0
    assert flat.sharpe[-1] is None, "nothing is divided by nothing"


def test_the_calendar_links_days_to_months_and_years(long: History):
    frame = pd.Series(long.returns, index=pd.to_datetime(long.days))
    linked = (1 + frame).groupby([frame.index.year, frame.index.month]).prod() - 1
    for year in calendar(long):
        for month, value in enumerate(year.months, 1):
            assert value == (pytest.approx(linked[year.year, month]) if (year.year, month) in linked.index else None)
        assert year.total == pytest.approx((1 + frame[frame.index.year == year.year]).prod() - 1)
    best, worst = extremes(long)
    assert long.returns[best[0]] == max(long.returns) and long.returns[worst[0]] == min(long.returns)
    assert extremes(history_of([0.01, 0.0, 0.02])) == ([2, 0], []), "a day that gained is not among the worst"


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        # from the close of Thursday 29 February, the last of its month, and of Friday 29 December
        ("1M", date(2024, 3, 1)),
        ("3M", date(2024, 1, 1)),
        ("YTD", date(2024, 1, 1)),
        ("1Y", date(2023, 3, 30)),
        ("3Y", date(2021, 3, 30)),
        ("SI", date(2020, 1, 1)),
    ],
)
def test_periods_begin_with_the_session_after_the_close_they_count_from(period: str, expected: date):
    days = [day.date() for day in pd.bdate_range("2020-01-01", "2024-03-29")]
    assert first_session(period, days) == expected


def test_a_period_that_begins_before_the_portfolio_begins_with_it():
    days = [day.date() for day in pd.bdate_range("2023-06-05", "2024-03-29")]
    assert {first_session(period, days) for period in ("1Y", "3Y", "SI")} == {days[0]}
    assert first_session("1M", days[-1:]) == days[-1]
    assert first_session("YTD", days) == date(2024, 1, 1)


def test_a_year_on_a_page_is_the_year_of_the_table(long: History):
    """Both count from the close of the same date a year ago."""
    year = long.period("1Y")
    last, anchor = long.days[-1], long.days[-1].replace(year=long.days[-1].year - 1)
    before = next(place for place, day in enumerate(long.days) if day >= anchor)
    assert year.days[0] == long.days[before + 1] and year.days[-1] == last
    assert year.own_growth()[-1] == pytest.approx(long.equity[-1] / long.equity[before] - 1)


def test_equity_in_the_benchmark_has_the_same_flows():
    history = replace(
        history_of([0.0] * 4, [0.1, None, 0.1, -0.5]),
        equity=[1000.0, 1500.0, 1500.0, 300.0],
        pnl=[0.0] * 4,
        flow=[0.0, 500.0, 0.0, -1200.0],
    )
    # 1,000 at the close before. The 500 count from their day on, and the 1,200 until the end of theirs.
    worth = history.benchmark_equity()
    assert worth[:3] == [pytest.approx(1100), None, pytest.approx((1100 + 500) * 1.1)]
    assert worth[3] is None, "1,760 halved do not pay 1,200: nothing is left"
    assert history_of([0.0] * 3).benchmark_equity() == [None] * 3


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.percent(0.0, "+"), "0.0%"),
        (words.percent(-1e-9, "+", 2), "0.00%"),
        (words.percent(0.00051, "+"), "+0.1%"),
        (words.money(-0.2, 1e6, "+"), "0"),
        (words.money(-0.2, 100, "+"), "-0.20"),
        (words.number(0.001, "+"), "0.00"),
        (words.short_percent(-0.025), "-2.5%"),
        (words.short_percent(0.2), "20%"),
        (words.short_percent(-0.0), "0%"),
    ],
)
def test_nothing_has_no_sign_and_ticks_are_what_they_say(written: str, expected: str):
    assert written == expected


def test_a_long_line_keeps_its_highest_and_lowest_point():
    values: list[float | None] = [100.0] * 5000
    values[1234], values[4321] = 250.0, 20.0
    days = [date(2004, 1, 1) + timedelta(days=place) for place in range(5000)]
    drawing = charts.time_chart("Line", "It goes.", days, [Line("Line", values)], str, unit="USD")
    path = re.search(r'class="stroke line" d="([^"]+)"', drawing)[1]
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)]
    assert len(heights) < 1000
    assert len(set(heights)) == 3, "the level, the highest and the lowest point"
    assert drawing.count('class="hit"') <= 261
    gaps: list[float | None] = [1.0, 2.0, None, 3.0, 4.0]
    drawing = charts.time_chart("Line", "It breaks.", days[:5], [Line("Line", gaps)], str, unit="USD")
    assert re.search(r'class="stroke line" d="([^"]+)"', drawing)[1].count("M") == 2
    assert charts.time_chart("Line", "", days[:5], [Line("Line", [None] * 4 + [1.0])], str, unit="USD") is None


def test_a_legend_has_as_many_rows_as_a_phone_needs():
    names = ["Utilities", "Growth", "Information Technology", "Communication Services"]
    days = [date(2024, 1, 1) + timedelta(days=place) for place in range(9)]

    def rows_of(unit: str, lines: list[str]) -> list[tuple[float, str]]:
        drawn = [Line(name, [float(place) for place in range(9)]) for name in lines]
        drawing = charts.time_chart("Lines", "They go.", days, drawn, str, unit=unit)
        rows = re.findall(r'class="axis keys" x="100%" y="(\d+)"[^>]*>(.*?)</text>', drawing)
        return [(float(y), re.sub("<[^>]+>", "", row)) for y, row in rows]

    assert rows_of("Beta", names[:2]) == [(11, "Utilities   Growth")], "beside the unit"
    assert rows_of("Beta", names[:1]) == [], "a line alone needs no name"
    rows = rows_of("Volatility of these holdings, of a whole year", names)
    assert [y for y, _ in rows] == [25, 39]
    assert "   ".join(row for _, row in rows) == "   ".join(names)
    assert all(len(row) <= 48 for _, row in rows)


def test_a_heatmap_is_a_few_paths_however_many_cells():
    symbols = [f"S{place:02}" for place in range(39)] + [HOSTILE]
    pairs = [
        Pair(first, second, ((place * 37 + row * 11) % 200 - 100) / 100)
        for row, first in enumerate(symbols)
        for place, second in enumerate(symbols[row + 1 :])
    ]
    drawing = charts.heatmap(symbols, pairs, [HoldingCluster(1, HOSTILE, 0.8, 1.0, 0.1, symbols[:3])], 90)
    assert drawing.count("<path") <= 25
    assert sum(path.count("M") for path in re.findall(r'd="([^"]+)"', drawing)) == 1600
    assert "<script" not in drawing and 'class="frame"' in drawing


ROWS = [("b", 2.0), ("C", None), ("a", -5.0)]
COLUMNS = [
    Column("name", "Name", lambda row: row[0], left=True),
    Column("value", "Value", lambda row: row[1], lambda value: f"{value:+.1f}", signed=True),
]


@pytest.mark.parametrize(
    ("key", "names"),
    [("name", "abC"), ("-name", "Cba"), ("value", "abC"), ("-value", "baC"), ("no such column", "bCa"), ("", "bCa")],
)
def test_rows_are_sorted_and_those_without_a_value_come_last(key: str, names: str):
    assert "".join(row[0] for row in ordered(ROWS, COLUMNS, Order("/", {}, key))) == names


def test_a_table_says_how_it_is_sorted_and_where_every_other_order_is():
    order = Order("/p", {"q": "a&b"}, "-value")
    page = table(COLUMNS, [("<b>", -5.0), ("x", None)], label="Rows", order=order, total={"value": 1.0})
    assert 'aria-sort="descending"' in page and page.count("aria-sort") == 1
    assert "/p?q=a%26b&amp;sort=value" in page and "/p?q=a%26b&amp;sort=name" in page
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert '<td class=" loses">−5.0</td>' in page and "n/a" in page and "+1.0" in page


def lot(symbol: str, value: float, **more: object) -> Lot:
    """A lot with round numbers."""
    return Lot(
        **{
            "lot": symbol,
            "symbol": symbol,
            "company": None,
            "sector": None,
            "industry": None,
            "investment_class": "PUBLIC",
            "entry_date": date(2023, 1, 3),
            "closed_on": None,
            "quantity": value / 10,
            "entry_price": 8.0,
            "price": 10.0,
            "price_date": date(2024, 3, 1),
            "is_stale": False,
            "market_value": value,
            "cost_basis": value * 0.8,
            "unrealized_pnl": value * 0.2,
            "daily_pnl": 1.0,
            "period_pnl": 2.0,
            "total_pnl": 3.0,
            "dividends": 0.0,
            "contribution_vol": 0.1,
            "contribution_share": 0.5,
            **more,
        }
    )


LOTS = [
    lot("AAA", 1000.0, company="Alpha <Ltd>", sector="Energy"),
    lot("AAA", -400.0),
    lot("BBB", 200.0, sector="Energy", contribution_vol=None, contribution_share=None),
    lot("CCC", 0.0, quantity=0.0, closed_on=date(2024, 1, 5), contribution_vol=None, contribution_share=None),
]


def test_lots_of_a_symbol_are_netted():
    aaa, bbb, ccc = by_symbol(LOTS)
    assert (aaa.symbol, aaa.market_value, aaa.quantity, aaa.lots, aaa.total_pnl) == ("AAA", 600.0, 60.0, 2, 6.0)
    assert aaa.cost_basis == pytest.approx(480) and aaa.unrealized_return == pytest.approx(0.25)
    assert bbb.contribution_share is None and aaa.contribution_share == 1.0
    assert ccc.closed_on == date(2024, 1, 5) and ccc.unrealized_return is None


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        (Choice(), ["AAA", "BBB"]),
        (Choice(by="lot"), ["AAA", "BBB", "AAA"]),
        (Choice(held="closed"), ["CCC"]),
        (Choice(held="all", sort="symbol"), ["AAA", "BBB", "CCC"]),
        (Choice(search="alpha"), ["AAA"]),
        (Choice(sector="Energy", by="lot", sort="value"), ["BBB", "AAA"]),
        (Choice(search=HOSTILE), []),
    ],
)
def test_positions_are_filtered_and_sorted_by_the_address(choice: Choice, shown: list[str]):
    page = render_positions(LOTS, 10_000.0, Shell(book=BOOK, section="positions"), choice, ["MTD", "YTD"])
    assert re.findall(r'<th scope="row" class="left"><span dir="auto">(\w+)', page) == shown
    assert "<script>alert" not in page and "<Ltd>" not in page
    if not shown:
        assert "Nothing matches." in page


def test_a_portfolio_without_equity_or_lots_has_a_page_of_positions():
    shell = Shell(book=BOOK, section="positions")
    assert "n/a" in render_positions(LOTS, -5.0, shell, Choice(), ["YTD"])
    assert "the portfolio is cash alone" in render_positions([], 5.0, shell, Choice(), ["YTD"])


def test_the_page_of_performance_says_what_is_missing(long: History):
    page = render_performance(long, NOTHING, SHELL)
    assert page.count("Not computed for this session") == 5
    assert "<script>alert" not in page
    two = replace(long, **{name: getattr(long, name)[-2:] for name in long.__dataclass_fields__})
    first = render_performance(two, NOTHING, SHELL)
    assert "These take 64 sessions; there are 2." in first
    one = replace(long, **{name: getattr(long, name)[:1] for name in long.__dataclass_fields__})
    assert "A line takes two sessions." in render_performance(one, NOTHING, SHELL)
    crashed = render_performance(history_of([None, -1.0, None]), NOTHING, SHELL)
    assert crashed.rstrip().endswith("</html>")


def test_the_page_of_performance_shows_what_was_computed(long: History):
    computed = Performance(
        periods=[
            {
                "period": "YTD",
                "start_date": date(2023, 12, 29),
                "sessions": 40,
                "twr": 0.0712,
                "sharpe": None,
                "reason": None,
            },
            {"period": "SI", "start_date": date(2020, 1, 1), "sessions": 900, "twr": 0.5, "reason": "no flows"},
        ],
        attribution=[
            {"source": "Market", "pnl": 1500.0, "day_pnl": 10.0, "reason": "20 of 40 sessions"},
            {"source": "Specific", "pnl": -300.0, "day_pnl": None, "reason": "20 of 40 sessions"},
        ],
        sector_effects=[
            {
                "sector": sector,
                **dict.fromkeys(("portfolio_weight", "benchmark_weight"), weight),
                **dict.fromkeys(("allocation", "selection", "interaction", "total"), effect),
                "reason": None,
            }
            for sector, weight, effect in (("Energy", 0.3, 0.0211), ("Trading", None, -0.0011))
        ],
        sectors=[
            {
                "sector": HOSTILE,
                **dict.fromkeys(("portfolio_weight", "benchmark_weight", "portfolio_return", "benchmark_return"), 0.1),
                **dict.fromkeys(("allocation", "selection", "interaction", "total"), 0.001),
            }
        ],
        contributions=[
            {"symbol": f"S{place:02}", "pnl": 120.0 - 10 * place, "contribution": None} for place in range(26)
        ],
        contributions_of="YTD",
    )
    page = render_performance(long, computed, SHELL)
    assert "Not computed" not in page and "<script>alert" not in page
    for text in (
        "+7.12%",
        "2023-12-29",
        "Sessions",
        "SI: no flows",
        "+1,500",
        "+0.10%",
        "Specific",
        "20 of 40 sessions",
        "+2.00%",
    ):
        assert text in page, text
    best, worst = page.split("<h2>Contributors</h2>")[1].split("<h2>Detractors</h2>")
    assert re.findall(r"S\d\d", best) == [f"S{place:02}" for place in range(10)]
    assert re.findall(r"S\d\d", worst.split("<details>")[0]) == [f"S{place:02}" for place in range(25, 15, -1)]
    assert len(set(re.findall(r"S\d\d", worst.split("<details>")[1]))) == 26
    assert "Sortino" not in page, "a figure that no period has is left out"
