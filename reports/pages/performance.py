"""The page of performance: since inception against the benchmark, by period, by month, and by source."""

# The type checker learns the argument of a column's function too late to see that the function indexes a sequence.
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from reports import charts, words
from reports.attribution import ATTRIBUTED
from reports.charts import Bar, Line
from reports.drawdowns import Fall, falls
from reports.history import PERIODS, History
from reports.pages.environment import Dollars, Shell, render
from reports.pages.figures import Figure, drawdown, percents, told
from reports.performance import ROLLING_SESSIONS, Performance, Year, calendar, extremes, rolling
from reports.tables import Column, table

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Returns of a month beyond these are coloured more strongly; a year's beyond three times as much.
_HEAT = (0.0, 0.015, 0.04)
_FALLS, _EARNERS = 10, 10
_EFFECTS = ("allocation", "selection", "interaction", "total")
_RETURNS = (("portfolio_return", "Return"), ("benchmark_return", "Benchmark's"))
# The rows of the table of periods: column, name and format.
_FIGURES: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("start_date", "From the close before", str),
    ("sessions", "Sessions", str),
    ("twr", "Return, time-weighted", percents(2, "+")),
    ("twr_annual", "Time-weighted, a year", percents(2, "+")),
    ("mwr", "Return, money-weighted", percents(2, "+")),
    ("mwr_annual", "Money-weighted, a year", percents(2, "+")),
    ("benchmark_return", "Benchmark", percents(2, "+")),
    ("benchmark_return_annual", "Benchmark, a year", percents(2, "+")),
    ("active_return", "Active return", percents(2, "+")),
    ("volatility", "Volatility, annual", percents()),
    ("downside_deviation", "Downside deviation, annual", percents()),
    ("sharpe", "Sharpe ratio", words.number),
    ("sortino", "Sortino ratio", words.number),
    ("calmar", "Calmar ratio", words.number),
    ("max_drawdown", "Maximum drawdown", percents()),
    ("drawdown_start", "Its peak", str),
    ("drawdown_trough", "Its trough", str),
    ("drawdown_end", "Recovered", str),
    ("tracking_error", "Tracking error, annual", percents()),
    ("information_ratio", "Information ratio", words.number),
    ("beta", "Beta", words.number),
    ("alpha", "Alpha, annual", percents(2, "+")),
    ("up_capture", "Up capture", percents(0)),
    ("down_capture", "Down capture", percents(0)),
    ("best_day", "Best day", percents(2, "+")),
    ("worst_day", "Worst day", percents(2, "+")),
    ("positive_days", "Days up", percents(0)),
)


@dataclass(frozen=True)
class PerformanceSections:
    """The charts and tables of performance; None where there is nothing to draw.

    `shown` are the sessions of the charts, `attributed` is the period of the attribution, and `reason` says why numbers
    are missing from it.
    """

    history: History
    shown: History
    benchmark: str
    window: int
    growth: Figure | None
    drawdown: Markup | None
    calendar: Markup
    rolling: list[Figure]
    falls: Markup | None
    n_falls: int
    periods: Markup | None
    period_reasons: list[tuple[str, str]]
    best: Markup | None
    worst: Markup | None
    attributed: str
    attribution: Figure | None
    attribution_reason: str | None
    sectors: Markup | None
    sectors_reason: str | None
    sectors_of_session: Markup | None
    contributors: Markup | None
    detractors: Markup | None
    contributions: Markup | None
    n_symbols: int


def render_performance(history: History, performance: Performance, shell: Shell, period: str = "SI") -> str:
    """The page as HTML; `period` is that of the charts over time."""
    benchmark = (shell.book.benchmark if shell.book else None) or "Benchmark"
    return render(
        "performance.html.j2",
        shell,
        performance=sections_of(history, performance, benchmark, period),
        period=period,
        periods={name: name for name in PERIODS},
        attributable={name: name for name in ATTRIBUTED},
    )


def sections_of(
    history: History, performance: Performance | None, benchmark: str, period: str = "SI"
) -> PerformanceSections | None:
    """The sections of the page; None where performance has not been read."""
    if performance is None:
        return None
    dollars = Dollars(history.equity[-1])
    shown = history.period(period)
    best, worst = extremes(history)
    of_all = falls(history)
    earned = [row for row in performance.contributions if row["pnl"]]
    effects = performance.sector_effects
    return PerformanceSections(
        history=history,
        shown=shown,
        benchmark=benchmark,
        window=ROLLING_SESSIONS,
        growth=_growth(shown, benchmark),
        drawdown=drawdown(shown),
        calendar=_calendar(calendar(history), benchmark),
        rolling=_rolling(history, len(shown.days), benchmark),
        falls=_falls(of_all[:_FALLS], history),
        n_falls=len(of_all),
        periods=_periods(performance.periods),
        period_reasons=[(row["period"], row["reason"]) for row in performance.periods if row["reason"]],
        best=_extreme(history, best, "Best days", dollars, benchmark),
        worst=_extreme(history, worst, "Worst days", dollars, benchmark),
        attributed=performance.contributions_of,
        attribution=_attribution(performance, dollars),
        attribution_reason=performance.attribution[0]["reason"] if performance.attribution else None,
        sectors=_sectors(effects, "Active return of the period by sector"),
        sectors_reason=effects[0]["reason"] if effects else None,
        sectors_of_session=_sectors(performance.sectors, "Active return of the session by sector", _RETURNS),
        contributors=_contributions([row for row in earned if row["pnl"] > 0][:_EARNERS], "Contributors", dollars),
        detractors=_contributions([row for row in earned[::-1] if row["pnl"] < 0][:_EARNERS], "Detractors", dollars),
        contributions=_contributions(performance.contributions, "Contribution of every symbol", dollars),
        n_symbols=len(performance.contributions),
    )


def _growth(history: History, benchmark: str) -> Figure | None:
    own, theirs = history.own_growth(), history.benchmark_growth()
    days = history.days
    last = theirs[-1]
    versus = f", {benchmark} by {words.percent(last, '+')}" if last is not None else ""
    drawing = charts.time_chart(
        "Return against the benchmark",
        f"From {days[0]} to {days[-1]} the portfolio changed by {words.percent(own[-1], '+')}{versus}.",
        days,
        [Line("Portfolio", own, area=True), Line(benchmark, theirs, "second")]
        if last is not None or any(value is not None for value in theirs)
        else [Line("Portfolio", own, area=True)],
        percents(2, "+"),
        unit="Return since the first close",
        tick=words.short_percent,
        height=260,
        include=(0.0,),
    )
    if drawing is None:
        return None
    columns: list[Column[int]] = [
        Column("day", "Session", lambda place: days[place], left=True),
        Column("own", "Portfolio", lambda place: own[place], percents(2, "+"), signed=True),
        Column("benchmark", benchmark, lambda place: theirs[place], percents(2, "+"), signed=True),
        Column("drawdown", "Drawdown", lambda place: history.drawdown[place], percents(2)),
    ]
    return Figure(drawing, table(columns, told(days), label="Return by session"))


def _falls(deepest: Sequence[Fall], history: History) -> Markup | None:
    if not deepest:
        return None
    columns: list[Column[Fall]] = [
        Column("depth", "Depth", lambda fall: fall.depth, percents(2), signed=True),
        Column("start", "Close of the peak", lambda fall: fall.start or f"before {history.days[0]}", str),
        Column("trough", "Lowest close", lambda fall: fall.trough, str),
        Column("end", "Back at the peak", lambda fall: fall.end or "not yet", str),
        Column("days", "Days below it", lambda fall: _days_of(fall, history), str),
    ]
    return table(columns, deepest, label="Drawdowns")


def _days_of(fall: Fall, history: History) -> int:
    return ((fall.end or history.days[-1]) - (fall.start or history.days[0])).days


def _calendar(years: Sequence[Year], benchmark: str) -> Markup:
    def heat(value: float | None, times: float = 1.0) -> Markup:
        text = words.typographic(words.percent(value, "+"))
        if not value:
            return Markup('<span class="none">{}</span>').format(text)
        level = sum(abs(value) > step * times for step in _HEAT)
        return Markup('<span class="{}{}">{}</span>').format("g" if value > 0 else "l", level, text)

    columns: list[Column[Year]] = [Column("year", "", lambda year: year.year)]
    for place, name in enumerate(_MONTHS):
        columns.append(
            Column(name, name, lambda year: None, cell=lambda year, place=place: _month(year.months[place], heat))
        )
    columns += [
        Column("total", "Year", lambda year: None, cell=lambda year: heat(year.total, 3)),
        Column("benchmark", benchmark, lambda year: year.benchmark, percents(1, "+")),
    ]
    return table(columns, years, label="Returns by month and year", style="heat-table")


def _month(value: float | None, heat: Callable[[float | None], Markup]) -> Markup:
    return Markup() if value is None else heat(value)


def _rolling(history: History, shown: int, benchmark: str) -> list[Figure]:
    figures = rolling(history)
    days = history.days[-shown:]
    made: list[Figure] = []
    volatilities = [
        Line("Portfolio", figures.volatility[-shown:]),
        Line(benchmark, figures.benchmark_volatility[-shown:], "second"),
    ]
    for name, unit, lines, show, tick in (
        ("Rolling volatility", "Volatility, annual", volatilities, percents(), words.short_percent),
        ("Rolling beta", f"Beta to {benchmark}", [Line("Beta", figures.beta[-shown:])], words.number, _plain),
        ("Rolling Sharpe ratio", "Sharpe ratio", [Line("Sharpe", figures.sharpe[-shown:])], words.number, _plain),
    ):
        known = [value for value in lines[0].values if value is not None]
        if len(known) < 2:
            continue
        drawing = charts.time_chart(
            name,
            f"The last value is {show(known[-1])}, the lowest {show(min(known))}, the highest {show(max(known))}.",
            days,
            [line for line in lines if any(value is not None for value in line.values)],
            show,
            unit=unit,
            tick=tick,
            height=170,
            include=(0.0,),
        )
        columns: list[Column[int]] = [Column("day", "Session", lambda place: days[place], left=True)]
        columns += [Column(line.label, line.label, lambda place, line=line: line.values[place], show) for line in lines]
        made.append(Figure(drawing or Markup(), table(columns, told(days), label=name)))
    return made


def _plain(value: float) -> str:
    return f"{value + 0.0:g}"


def _periods(periods: Sequence[dict[str, Any]]) -> Markup | None:
    """A table with a row for each figure and a column for each period; rows without any number are left out."""
    if not periods:
        return None
    rows = [row for row in _FIGURES if any(period.get(row[0]) is not None for period in periods)]
    columns: list[Column[Any]] = [Column("figure", "", lambda row: row[1], left=True)]
    for period in periods:
        columns.append(
            Column(
                period["period"],
                period["period"],
                lambda row, period=period: None if (value := period.get(row[0])) is None else row[2](value),
                lambda text: text,
            )
        )
    return table(columns, rows, label="Performance by period", style="names even")


def _extreme(history: History, places: Sequence[int], label: str, dollars: Dollars, benchmark: str) -> Markup | None:
    if not places:
        return None
    columns: list[Column[int]] = [
        Column("day", "Session", lambda place: history.days[place], left=True),
        Column("return", "Return", lambda place: history.returns[place], percents(2, "+"), signed=True),
        Column("benchmark", benchmark, lambda place: history.benchmark_returns[place], percents(2, "+")),
        Column("pnl", "P&L, USD", lambda place: history.pnl[place], dollars.signed, signed=True),
    ]
    return table(columns, places, label=label)


def _attribution(performance: Performance, dollars: Dollars) -> Figure | None:
    rows = [row for row in performance.attribution if row["pnl"] is not None]
    if not rows:
        return None
    rows.sort(key=lambda row: -row["pnl"])
    drawing = charts.bars(
        "P&L by source",
        f"{rows[0]['source']} gave most, {dollars.signed(rows[0]['pnl'])} USD; {rows[-1]['source']} least, "
        f"{dollars.signed(rows[-1]['pnl'])} USD.",
        [Bar(row["source"], row["pnl"], f"{dollars.signed(row['pnl'])} USD") for row in rows],
    )
    columns: list[Column[dict[str, Any]]] = [
        Column("source", "Source", lambda row: row["source"], left=True),
        Column("pnl", f"{performance.contributions_of}, USD", lambda row: row["pnl"], dollars.signed),
        Column("day", "Day, USD", lambda row: row["day_pnl"], dollars.signed),
    ]
    total = {
        "source": "All",
        "pnl": sum(row["pnl"] for row in rows),
        "day": sum(row["day_pnl"] or 0.0 for row in rows),
    }
    return Figure(
        table(columns, rows, label="P&L by source", plot=("source", drawing), style="barred"),
        table(columns, rows, label="P&L by source in numbers", total=total),
    )


def _sectors(rows: Sequence[dict[str, Any]], label: str, returns: Sequence[tuple[str, str]] = ()) -> Markup | None:
    if not rows:
        return None

    def column(name: str, head: str, places: int = 2) -> Column[dict[str, Any]]:
        return Column(name, head, lambda row: row[name], percents(places, "+"), signed=True)

    columns: list[Column[dict[str, Any]]] = [
        Column("sector", "Sector", lambda row: row["sector"], left=True),
        Column("portfolio_weight", "Weight", lambda row: row["portfolio_weight"], percents()),
        Column("benchmark_weight", "Benchmark's", lambda row: row["benchmark_weight"], percents()),
        *(column(name, head) for name, head in returns),
        *(column(name, name.capitalize()) for name in _EFFECTS),
    ]
    total = {name: _sum([row[name] for row in rows]) for name in _EFFECTS}
    return table(columns, rows, label=label, total={"sector": "Active return", **total}, style="names")


def _sum(values: Sequence[float | None]) -> float | None:
    """The sum; None where any part is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _contributions(rows: Sequence[dict[str, Any]], label: str, dollars: Dollars) -> Markup | None:
    if not rows:
        return None
    columns: list[Column[dict[str, Any]]] = [
        Column("symbol", "Symbol", lambda row: row["symbol"], left=True),
        Column("pnl", "P&L, USD", lambda row: row["pnl"], dollars.signed, signed=True),
        Column("contribution", "Of the return", lambda row: row["contribution"], percents(2, "+"), signed=True),
    ]
    return table(columns, rows, label=label)
