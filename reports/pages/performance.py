"""What a portfolio earned: since inception against its benchmark, by period, by month, and from what."""

# Of a column's function the checker does not see that it indexes a sequence: its argument is known too late.
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from reports import charts, words
from reports.charts import Bar, Line
from reports.history import PERIODS, History, first_day
from reports.pages.environment import Dollars, Shell, render
from reports.pages.figures import Figure, percents, told
from reports.performance import ROLLING_SESSIONS, Performance, Year, calendar, extremes, rolling
from reports.tables import Column, table

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# What a return must be to be coloured more strongly; of a year three times as much.
_HEAT = (0.0, 0.015, 0.04)
# The rows of the table of periods: column, name, and how it is written.
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


def render_performance(history: History, performance: Performance, shell: Shell, period: str = "SI") -> str:
    """The page as HTML; `period` is what the charts over time show."""
    dollars = Dollars(history.equity[-1])
    benchmark = (shell.book.benchmark if shell.book else None) or "Benchmark"
    shown = history.since(first_day(period, history.days[-1], history.days[0]))
    best, worst = extremes(history)
    return render(
        "performance.html.j2",
        shell,
        usd=dollars,
        benchmark=benchmark,
        history=history,
        shown=shown,
        period=period,
        periods={name: name for name in PERIODS},
        window=ROLLING_SESSIONS,
        growth=_growth(shown, benchmark),
        drawdown=_drawdown(shown),
        calendar=_calendar(calendar(history), benchmark),
        rolling=_rolling(history, len(shown.days), benchmark),
        period_table=_periods(performance.periods),
        best=_extreme(history, best, "Best days", dollars, benchmark),
        worst=_extreme(history, worst, "Worst days", dollars, benchmark),
        performance=performance,
        attribution=_attribution(performance, dollars),
        sectors=_sectors(performance),
        contributions=_contributions(performance, dollars),
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
        tick=percents(0),
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


def _drawdown(history: History) -> Markup | None:
    deepest = min((fall for fall in history.drawdown if fall is not None), default=0.0)
    return charts.time_chart(
        "Drawdown",
        f"The deepest fall from the peak since inception was {words.percent(deepest)}.",
        history.days,
        [Line("Drawdown", history.drawdown, "loss", area=True)],
        percents(2),
        unit="Drawdown from the peak since inception",
        tick=percents(0 if deepest < -0.03 else 1),
        height=120,
        include=(0.0,),
    )


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
    for name, unit, lines, show, include in (
        (
            "Rolling volatility",
            "Volatility, annual",
            [
                Line("Portfolio", figures.volatility[-shown:]),
                Line(benchmark, figures.benchmark_volatility[-shown:], "second"),
            ],
            percents(),
            (0.0,),
        ),
        ("Rolling beta", f"Beta to {benchmark}", [Line("Beta", figures.beta[-shown:])], words.number, (0.0,)),
        ("Rolling Sharpe ratio", "Sharpe ratio", [Line("Sharpe", figures.sharpe[-shown:])], words.number, (0.0,)),
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
            height=170,
            include=include,
        )
        columns: list[Column[int]] = [Column("day", "Session", lambda place: days[place], left=True)]
        columns += [Column(line.label, line.label, lambda place, line=line: line.values[place], show) for line in lines]
        made.append(Figure(drawing or Markup(), table(columns, told(days), label=name)))
    return made


def _periods(periods: Sequence[dict[str, Any]]) -> Markup | None:
    """Figures down, periods across; a row that no period has a number in is left out."""
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
    return table(columns, rows, label="Performance by period")


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
    more: list[Column[dict[str, Any]]] = [*columns, Column("sessions", "Sessions", lambda row: row["sessions"])]
    return Figure(
        table(columns, rows, label="P&L by source", plot=("source", drawing), style="barred"),
        table(more, rows, label="P&L by source in numbers", total=total),
    )


def _sectors(performance: Performance) -> Markup | None:
    if not performance.sectors:
        return None

    def column(name: str, head: str, places: int = 2) -> Column[dict[str, Any]]:
        return Column(name, head, lambda row: row[name], percents(places, "+"), signed=True)

    columns: list[Column[dict[str, Any]]] = [
        Column("sector", "Sector", lambda row: row["sector"], left=True),
        Column("portfolio_weight", "Weight", lambda row: row["portfolio_weight"], percents()),
        Column("benchmark_weight", "Benchmark", lambda row: row["benchmark_weight"], percents()),
        column("portfolio_return", "Return"),
        column("benchmark_return", "Its return"),
        column("allocation", "Allocation", 3),
        column("selection", "Selection", 3),
        column("interaction", "Interaction", 3),
        column("total", "Total", 3),
    ]
    return table(columns, performance.sectors, label="Active return by sector")


def _contributions(performance: Performance, dollars: Dollars) -> Markup | None:
    if not performance.contributions:
        return None
    columns: list[Column[dict[str, Any]]] = [
        Column("symbol", "Symbol", lambda row: row["symbol"], left=True),
        Column("pnl", "P&L, USD", lambda row: row["pnl"], dollars.signed, signed=True),
        Column("contribution", "Of the return", lambda row: row["contribution"], percents(2, "+"), signed=True),
    ]
    return table(columns, performance.contributions, label="Contribution of each symbol to the return")
