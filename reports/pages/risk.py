"""The page of risk over time: forecast and realized volatility, exposures, contributions, and the backtest."""

# The type checker learns the argument of a column's function too late to see that the function indexes a sequence.
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

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
# The two values at risk in the backtest, and the prefixes of their columns in `risk_backtest`.
_JUDGED = (("At the volatility of its day", "scaled_"), ("Not scaled", ""))


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
        backtest=history.backtest,
        breaches=_breaches(history.backtest),
    )


def _volatility(history: RiskHistory) -> Figure | None:
    lines = [
        Line("Ex-ante", history.ex_ante_vol),
        Line("Expected", history.expected_vol_21d, "second"),
        Line("Realized, 21 sessions", history.realized_vol_21d, "fourth"),
    ]
    unit = "Volatility of the holdings, annual"
    return _over_time("Volatility", unit, history, lines, percents(), 230, tick=words.short_percent)


def _value_at_risk(history: RiskHistory, dollars: Dollars) -> Figure | None:
    """The value at risk, which one session in twenty should exceed, and the P&L of the session after."""
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
        [Line("P&L of the next session", history.next_pnl, "quiet"), Line("Value at risk", floor, "loss")],
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
    """Exposures over time, a few factors in each chart; the factors with the largest exposures come first."""
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
        # a single line needs no legend
        unit = "Beta" if len(together) > 1 else f"Beta, {together[0]}"
        figure = _over_time(title, unit, history, lines, _beta, 200, (0.0,))
        if figure:
            made.append(figure)
    return made


def _beta(value: float) -> str:
    """A beta with three significant figures: betas to some factors are only hundredths."""
    return f"{value:+.3g}" if value else "0"


def _over_time(
    title: str,
    unit: str,
    history: RiskHistory,
    lines: Sequence[Line],
    show: Callable[[float], str],
    height: float,
    include: Sequence[float] = (),
    tick: Callable[[float], str] | None = None,
) -> Figure | None:
    last = [
        f"{line.label} {words.NOT_KNOWN if line.values[-1] is None else show(line.values[-1])}"
        for line in lines
        if line.values
    ]
    drawing = charts.time_chart(
        title,
        f"Last: {', '.join(last)}.",
        history.days,
        lines,
        show,
        unit=unit,
        tick=tick,
        height=height,
        include=include,
    )
    if drawing is None:
        return None
    columns: list[Column[int]] = [Column("day", "Session", lambda place: history.days[place], left=True)]
    columns += [Column(line.label, line.label, lambda place, line=line: line.values[place], show) for line in lines]
    return Figure(drawing, table(columns, told(history.days), label=title))


def _breaches(backtest: dict[str, Any] | None) -> Markup | None:
    """A table of how often each value at risk was exceeded, and how likely that is; None without forecasts."""
    if backtest is None or backtest["var_breaches"] is None:
        return None
    days = backtest["observations"]

    def share(judged: tuple[str, str]) -> float | None:
        breaches = backtest[f"{judged[1]}var_breaches"]
        return None if breaches is None else breaches / days

    def of(column: str) -> Callable[[tuple[str, str]], Any]:
        return lambda judged: backtest[judged[1] + column]

    columns: list[Column[tuple[str, str]]] = [
        Column("name", "Value at risk", lambda judged: judged[0], left=True),
        Column("breaches", "Days beyond it", of("var_breaches"), str),
        Column("share", "Of all", share, percents()),
        Column("kupiec", "Kupiec p", of("kupiec_p_value"), words.number),
        Column("christoffersen", "Christoffersen p", of("christoffersen_p_value"), words.number),
    ]
    return table(columns, _JUDGED, label="How often the value at risk was exceeded")
