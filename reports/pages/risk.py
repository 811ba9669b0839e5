"""Risk over time: volatility and what came, exposures, contributions, and how the forecasts did."""

# Of a column's function the checker does not see that it indexes a sequence: its argument is known too late.
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reports import charts, words
from reports.charts import Line
from reports.pages import figures
from reports.pages.environment import Dollars, Shell, render
from reports.pages.figures import Figure, percents, told
from reports.risk_history import RiskHistory
from reports.tables import Column, table
from reports.view import RiskView

_STYLES = ("line", "second", "third", "fourth")
_FACTORS_TOGETHER = 4
# Rows of the backtest: column, name, how it is written, and what it should be.
_BACKTEST: tuple[tuple[str, str, Callable[[Any], str], str], ...] = (
    ("observations", "Forecasts judged", str, "60 or more"),
    ("bias_statistic", "Bias statistic", words.number, "1; above it, risk was forecast too low"),
    ("scaled_var_breaches", "Sessions beyond the value at risk", str, "about one in twenty"),
    ("scaled_kupiec_p_value", "Kupiec's p-value", words.number, "above 0.05: as many as there should be"),
    ("scaled_christoffersen_p_value", "Christoffersen's p-value", words.number, "above 0.05: not in clusters"),
    ("var_breaches", "Sessions beyond the one that is not scaled", str, "about one in twenty"),
    ("kupiec_p_value", "Its p-value by Kupiec", words.number, "above 0.05"),
    ("christoffersen_p_value", "Its p-value by Christoffersen", words.number, "above 0.05"),
    ("qlike", "QLIKE loss", lambda value: words.number(value, places=3), "lower is better"),
)


def render_risk(view: RiskView, history: RiskHistory, notes: Sequence[str], shell: Shell) -> str:
    """The page as HTML."""
    dollars = Dollars(figures.scale_of(view))
    return render(
        "risk.html.j2",
        shell,
        view=view,
        risk=view.risk,
        usd=dollars,
        notes=notes,
        history=history,
        volatility=_volatility(history),
        value_at_risk=_value_at_risk(history, dollars),
        exposures_over_time=_exposures(history),
        exposures=figures.exposures(view, dollars),
        contributions=figures.contributions(view),
        backtest=_backtest(history.backtest),
        reason=(history.backtest or {}).get("reason"),
    )


def _volatility(history: RiskHistory) -> Figure | None:
    lines = [
        Line("Ex-ante", history.ex_ante_vol),
        Line("Expected", history.expected_vol_21d, "second"),
        Line("Realized, 21 sessions", history.realized_vol_21d, "fourth"),
    ]
    return _over_time("Volatility", "Volatility of the holdings, annual", history, lines, percents(), 230)


def _value_at_risk(history: RiskHistory, dollars: Dollars) -> Figure | None:
    """The loss that one session of twenty should exceed, and the P&L of the session after."""
    floor = [None if value is None else -value for value in history.value_at_risk]
    beyond = [
        place
        for place, (low, pnl) in enumerate(zip(floor, history.next_pnl, strict=True))
        if low is not None and pnl is not None and pnl < low
    ]
    judged = len([1 for low, pnl in zip(floor, history.next_pnl, strict=True) if low is not None and pnl is not None])
    drawing = charts.time_chart(
        "Value at risk and what came",
        f"{len(beyond)} of {words.count(judged, 'session')} lost more than the value at risk of the session before.",
        history.days,
        [Line("P&L of the next session", history.next_pnl, "fourth"), Line("Value at risk", floor, "loss")],
        lambda value: f"{dollars.signed(value)} USD",
        unit="USD",
        tick=words.short_money,
        height=230,
        include=(0.0,),
    )
    if drawing is None:
        return None
    columns: list[Column[int]] = [
        Column("day", "Session", lambda place: history.days[place], left=True),
        Column("var", "Value at risk, USD", lambda place: history.value_at_risk[place], dollars.money),
        Column("pnl", "P&L of the next, USD", lambda place: history.next_pnl[place], dollars.signed, signed=True),
        Column("beyond", "", lambda place: "beyond it" if place in beyond else "", left=True),
    ]
    return Figure(drawing, table(columns, told(history.days), label="Value at risk and what came"))


def _exposures(history: RiskHistory) -> list[Figure]:
    """Exposures over time, a few factors to a chart, those that were largest first."""
    by_size = sorted(
        history.exposures,
        key=lambda factor: -max((abs(value or 0.0) for value in history.exposures[factor]), default=0),
    )
    made: list[Figure] = []
    for start in range(0, len(by_size), _FACTORS_TOGETHER):
        together = by_size[start : start + _FACTORS_TOGETHER]
        lines = [
            Line(factor, history.exposures[factor], style) for factor, style in zip(together, _STYLES, strict=False)
        ]
        title = "Exposure to " + ", ".join(together)
        figure = _over_time(title, "Beta", history, lines, _beta, 200, (0.0,))
        if figure:
            made.append(figure)
    return made


def _beta(value: float) -> str:
    """A beta with three figures, however small: those of some factors are hundredths."""
    return f"{value:+.3g}" if value else "0"


def _over_time(
    title: str,
    unit: str,
    history: RiskHistory,
    lines: Sequence[Line],
    show: Callable[[float], str],
    height: float,
    include: Sequence[float] = (),
) -> Figure | None:
    last = [
        f"{line.label} {words.NOT_KNOWN if line.values[-1] is None else show(line.values[-1])}"
        for line in lines
        if line.values
    ]
    drawing = charts.time_chart(
        title, f"Last: {', '.join(last)}.", history.days, lines, show, unit=unit, height=height, include=include
    )
    if drawing is None:
        return None
    columns: list[Column[int]] = [Column("day", "Session", lambda place: history.days[place], left=True)]
    columns += [Column(line.label, line.label, lambda place, line=line: line.values[place], show) for line in lines]
    return Figure(drawing, table(columns, told(history.days), label=title))


def _backtest(row: dict[str, Any] | None):
    if row is None:
        return None
    columns: list[Column[Any]] = [
        Column("name", "", lambda line: line[1], left=True),
        Column(
            "value", "", lambda line: None if row.get(line[0]) is None else line[2](row[line[0]]), lambda text: text
        ),
        Column("should", "Should be", lambda line: line[3], left=True),
    ]
    return table(columns, [line for line in _BACKTEST if line[0] in row], label="How the forecasts came out")
