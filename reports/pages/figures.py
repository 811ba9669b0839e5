"""The figures that several pages share: each a drawing and the table of its numbers."""

# The type checker learns the argument of a column's function too late to see that the function indexes a sequence.
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup, escape

from reports import charts, words
from reports.charts import Bar, Line
from reports.history import History
from reports.pages.environment import Dollars
from reports.tables import Column, table
from reports.view import Exposure, Holding, RiskView, ScenarioResult, Sector

CONTRIBUTORS = 14
_HEDGES = 4
_WORST, _BEST = 11, 4
_RECENT = 21


@dataclass(frozen=True)
class Figure:
    """A drawing with a table of its numbers below; bars need no such table, since they stand inside one."""

    drawing: Markup
    numbers: Markup


def percents(places: int = 1, sign: str = "") -> Callable[[float | None], str]:
    """The format of a column of shares."""
    return lambda share: words.percent(share, sign, places)


def equity(history: History, dollars: Dollars, benchmark: str) -> tuple[Figure, Markup | None]:
    """Equity with its flows marked, beside the benchmark's, and the drawdown below; the table has all the numbers."""
    days = history.days
    instead = history.benchmark_equity()
    in_benchmark = f"The same in {benchmark}"
    marks = {
        place: f"{'+' if flow > 0 else ''}{words.short_money(flow)} flow"
        for place, flow in enumerate(history.flow)
        if flow
    }
    described = (
        f"Equity went from {dollars.money(history.equity[0])} USD on {days[0]} to {dollars.money(history.equity[-1])} "
        f"USD on {days[-1]}."
    )
    lines = [Line("Equity", history.equity, area=True)]
    if any(value is not None for value in instead):
        lines.append(Line(in_benchmark, instead, "second"))
    drawing = charts.time_chart(
        "Equity",
        described,
        days,
        lines,
        lambda value: f"{dollars.money(value)} USD",
        unit="Equity, USD",
        tick=words.short_money,
        height=236,
        marks=marks if len(marks) <= 12 else {},
    )
    columns: list[Column[int]] = [
        Column("day", "Session", lambda place: days[place], left=True),
        Column("equity", "Equity, USD", lambda place: history.equity[place], dollars.money),
        Column("benchmark", f"{in_benchmark}, USD", lambda place: instead[place], dollars.money),
        Column("pnl", "P&L, USD", lambda place: history.pnl[place], dollars.signed, signed=True),
        Column("flow", "Flow, USD", lambda place: history.flow[place] or 0.0, dollars.signed),
        Column("drawdown", "Drawdown", lambda place: history.drawdown[place], percents(2)),
    ]
    numbers = table(columns, told(days), label="Equity and drawdown by session")
    return Figure(drawing or Markup(), numbers), drawdown(history)


def drawdown(history: History) -> Markup | None:
    """The fall from the peak since inception, session by session."""
    deepest = min((fall for fall in history.drawdown if fall is not None), default=0.0)
    return charts.time_chart(
        "Drawdown",
        f"The deepest fall from the peak since inception was {words.percent(deepest)}.",
        history.days,
        [Line("Drawdown", history.drawdown, "loss", area=True)],
        percents(2),
        unit="Drawdown from the peak since inception",
        tick=words.short_percent,
        height=120,
        include=(0.0,),
    )


def pnl(history: History, dollars: Dollars, sessions: int) -> Figure:
    """The P&L of each of the last sessions."""
    days, values = history.days[-sessions:], history.pnl[-sessions:]
    up_days = len([value for value in values if value > 0])
    described = (
        f"{up_days} of {words.count(len(values), 'session')} were up; the best made {dollars.signed(max(values))} USD, "
        f"the worst {dollars.signed(min(values))} USD."
    )
    drawing = charts.columns_chart(
        "Daily P&L", described, days, values, lambda value: f"{dollars.signed(value)} USD", unit="Daily P&L, USD"
    )
    columns: list[Column[int]] = [
        Column("day", "Session", lambda place: days[place], left=True),
        Column("pnl", "P&L, USD", lambda place: values[place], dollars.signed, signed=True),
        Column("return", "Return", lambda place: history.returns[-sessions:][place], percents(2, "+"), signed=True),
    ]
    return Figure(drawing, table(columns, range(len(days))[::-1], label="P&L by session"))


def exposures(view: RiskView, dollars: Dollars) -> Figure | None:
    """Exposures to all factors jointly as bars, and those by every model in the table."""
    joint = [exposure for exposure in view.exposures_of("ridge") if exposure.exposure_dollar is not None]
    if not joint:
        return None
    of_equity = all(exposure.exposure_value is not None for exposure in joint)
    largest = max(joint, key=lambda exposure: abs(exposure.exposure_dollar or 0.0))
    drawing = charts.bars(
        "Factor exposures",
        f"The largest exposure is {largest.factor}, {dollars.signed(largest.exposure_dollar)} USD, "
        f"beta {words.number(largest.exposure_value, '+')}.",
        [
            Bar(
                exposure.factor,
                exposure.exposure_value if of_equity else exposure.exposure_dollar,
                f"beta {words.number(exposure.exposure_value, '+')}, {dollars.signed(exposure.exposure_dollar)} USD",
            )
            for exposure in joint
        ],
        neutral=True,
    )
    bars: list[Column[Exposure]] = [
        Column("factor", "Factor", lambda exposure: exposure.factor, left=True),
        Column("beta", "Beta", lambda exposure: exposure.exposure_value, signed_number),
        Column("dollars", "USD", lambda exposure: exposure.exposure_dollar, dollars.signed),
    ]
    return Figure(
        table(bars, joint, label="Factor exposures", plot=("factor", drawing), style="barred"),
        exposure_table(view.exposures, dollars),
    )


def exposure_table(exposures: Sequence[Exposure], dollars: Dollars) -> Markup:
    """Exposures by every model."""
    columns: list[Column[Exposure]] = [
        Column("factor", "Factor", lambda exposure: exposure.factor, left=True),
        Column("model", "Model", lambda exposure: words.MODELS.get(exposure.model, exposure.model), left=True),
        Column("beta", "Beta", lambda exposure: exposure.exposure_value, signed_number),
        Column("dollars", "USD", lambda exposure: exposure.exposure_dollar, dollars.signed),
        Column("covered", "Lots covered", lambda exposure: exposure.positions_covered),
        Column("without", "Without a beta", lambda exposure: exposure.positions_without),
        Column("reason", "", lambda exposure: exposure.reason or "", left=True),
    ]
    return table(columns, exposures, label="Exposures by every model", style="texts")


def contributions(view: RiskView) -> Figure | None:
    """Each holding's contribution to volatility: bars for the largest ones and the best hedges, a table of all."""
    contributors = view.contributors()
    if not contributors:
        return None
    tail = contributors[CONTRIBUTORS:]
    hedges = [holding for holding in tail[-_HEDGES:] if (holding.contribution_vol or 0.0) < 0]
    shown = [*contributors[:CONTRIBUTORS], *hedges]
    first = contributors[0]
    drawing = charts.bars(
        "Risk contributions",
        f"{first.symbol} adds most, {words.percent(first.contribution_share)} of the ex-ante volatility.",
        [
            Bar(
                holding.symbol,
                holding.contribution_share,
                f"{words.percent(holding.contribution_share)} of risk, "
                f"{words.percent(holding.contribution_vol, places=2)} of volatility",
            )
            for holding in shown
        ],
        neutral=True,
    )
    columns: list[Column[Holding]] = [
        Column("symbol", "Symbol", lambda holding: holding.symbol, left=True),
        Column("share", "Of risk", lambda holding: holding.contribution_share, percents()),
        Column("weight", "Of equity", lambda holding: view.weight(holding.market_value), percents()),
    ]
    more: list[Column[Holding]] = [
        *columns,
        Column("vol", "Volatility", lambda holding: holding.contribution_vol, percents(2, "+")),
    ]
    return Figure(
        table(columns, shown, label="Risk contributions", plot=("symbol", drawing), style="barred"),
        table(more, contributors, label="Risk contributions of all holdings"),
    )


def stress(view: RiskView, dollars: Dollars, every: bool = False) -> Figure | None:
    """Scenarios as bars, wide for the correlated P&L and thin for the direct one; the worst and best, or all."""
    scenarios = view.ranked_scenarios()
    if not scenarios:
        return None
    few = every or len(scenarios) <= _WORST + _BEST
    shown = scenarios if few else [*scenarios[:_WORST], *scenarios[-_BEST:]]
    worst = scenarios[0]
    drawing = charts.bars(
        "Stress scenarios",
        f"The worst is {worst.name}, {dollars.signed(worst.pnl)} USD.",
        [
            Bar(
                scenario.name,
                scenario.correlated_pnl,
                f"correlated {dollars.signed(scenario.correlated_pnl)} USD, "
                f"direct {dollars.signed(scenario.direct_pnl)} USD. "
                f"{scenario.reason or scenario.description or scenario.category}",
                thin=scenario.direct_pnl,
            )
            for scenario in shown
        ],
    )
    columns: list[Column[ScenarioResult]] = [
        Column("name", "Scenario", lambda scenario: scenario.name, left=True),
        Column("correlated", "Correlated, USD", lambda scenario: scenario.correlated_pnl, dollars.signed),
        Column("share", "Of equity", lambda scenario: view.weight(scenario.pnl), percents(1, "+")),
        Column("direct", "Direct, USD", lambda scenario: scenario.direct_pnl, dollars.signed, wide=True),
    ]
    return Figure(
        table(columns, shown, label="Stress scenarios", plot=("name", drawing), style="barred"),
        scenario_table(view, scenarios, dollars),
    )


def scenario_table(view: RiskView, scenarios: Sequence[ScenarioResult], dollars: Dollars) -> Markup:
    """Scenarios with all that is known of them."""
    columns: list[Column[ScenarioResult]] = [
        Column("name", "Scenario", lambda scenario: scenario.name, left=True),
        Column("category", "Kind", lambda scenario: scenario.category, left=True),
        Column("direct", "Direct, USD", lambda scenario: scenario.direct_pnl, dollars.signed, signed=True),
        Column("correlated", "Correlated, USD", lambda scenario: scenario.correlated_pnl, dollars.signed, signed=True),
        Column("share", "Of equity", lambda scenario: view.weight(scenario.pnl), percents(1, "+")),
        Column("excluded", "Positions left out", lambda scenario: scenario.positions_excluded),
        Column("about", "", lambda scenario: scenario.reason or scenario.description or "", left=True),
    ]
    return table(columns, scenarios, label="All scenarios", style="texts names")


def sectors(view: RiskView) -> Figure | None:
    """Sector weights and the benchmark's as bars; None where there are no weights."""
    if not any(sector.active_weight is not None for sector in view.sectors):
        return None
    most = max(view.sectors, key=lambda sector: abs(sector.active_weight or 0.0))
    drawing = charts.bars(
        "Sector weights against the benchmark",
        f"The largest difference is {most.sector}, {words.percent(most.active_weight, '+')}.",
        [
            Bar(
                sector.sector,
                sector.active_weight,
                f"{words.percent(sector.weight)} of equity, {words.percent(sector.benchmark_weight)} of the benchmark",
            )
            for sector in view.sectors
        ],
        neutral=True,
    )
    columns: list[Column[Sector]] = [
        Column("sector", "Sector", lambda sector: sector.sector, left=True),
        Column("active", "Active", lambda sector: sector.active_weight, percents(1, "+")),
        Column("weight", "Weight", lambda sector: sector.weight, percents()),
        Column("benchmark", "Benchmark", lambda sector: sector.benchmark_weight, percents(), wide=True),
    ]
    return Figure(
        table(columns, view.sectors, label="Sectors", plot=("sector", drawing), style="barred"), sector_table(view)
    )


def sector_table(view: RiskView) -> Markup:
    """Sectors with their values and numbers of positions."""
    dollars = Dollars(scale_of(view))
    columns: list[Column[Sector]] = [
        Column("sector", "Sector", lambda sector: sector.sector, left=True),
        Column("value", "Net value, USD", lambda sector: sector.market_value, dollars.money),
        Column("weight", "Weight", lambda sector: sector.weight, percents()),
        Column("benchmark", "Benchmark", lambda sector: sector.benchmark_weight, percents()),
        Column("active", "Active", lambda sector: sector.active_weight, percents(1, "+")),
        Column("funds", "Through funds, USD", lambda sector: sector.through_funds, dollars.money),
        Column("positions", "Lots", lambda sector: sector.num_positions),
    ]
    return table(columns, view.sectors, label="Sectors and their values")


def correlations(view: RiskView) -> Figure | None:
    """The matrix as colours and as numbers."""
    if not view.pairs or view.correlations is None:
        return None
    symbols = charts.in_cluster_order(view)
    drawing = charts.heatmap(symbols, view.pairs, view.clusters, view.correlations.window_days)
    return Figure(drawing, _matrix(symbols, charts.correlations_of(view.pairs)))


def _matrix(symbols: Sequence[str], known: Mapping[tuple[str, str], float]) -> Markup:
    """The table of a matrix. It has as many cells as the rest of the page, so each is kept as short as possible."""
    names = [str(escape(symbol)) for symbol in symbols]
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = [
        f'<tr><th scope="row" class="left">{name}</th>'
        + "".join(
            "<td>1.00</td>"
            if symbol == other
            else f"<td>{words.NOT_KNOWN if (value := known.get((symbol, other))) is None else f'{value:.2f}'}</td>"
            for other in symbols
        )
        + "</tr>"
        for symbol, name in zip(symbols, names, strict=True)
    ]
    body = "".join(rows).replace("<td>-", "<td>−")
    table_of = f"<thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody>"
    return Markup(  # noqa: S704  the names have been escaped
        f'<table class="matrix" aria-label="Correlation of every two symbols">{table_of}</table>'
    )


def holdings(view: RiskView, shown: Sequence[Holding], dollars: Dollars) -> Markup:
    """Holdings with their quantity, price, cost and P&L."""
    columns: list[Column[Holding]] = [
        Column("symbol", "Symbol", _name_of_holding, lambda name: name, left=True),
        Column("quantity", "Quantity", lambda holding: holding.quantity, words.quantity),
        Column("price", "Price", lambda holding: holding.price, words.price),
        Column("value", "Value, USD", lambda holding: holding.market_value, dollars.money),
        Column("weight", "Of equity", lambda holding: view.weight(holding.market_value), percents()),
        Column("day", "Day, USD", lambda holding: holding.daily_pnl, dollars.signed, signed=True),
        Column("cost", "Cost, USD", lambda holding: holding.cost_basis, dollars.money),
        Column("unrealized", "Unrealized, USD", lambda holding: holding.unrealized_pnl, dollars.signed, signed=True),
        Column("return", "In %", lambda holding: holding.unrealized_return, percents(1, "+"), signed=True),
        Column("risk", "Of risk", lambda holding: holding.contribution_share, percents()),
        Column("sector", "Sector", lambda holding: holding.sector, left=True),
    ]
    return table(columns, shown, label="Positions, lots of one symbol together", style="names")


def told(days: Sequence[date]) -> list[int]:
    """The places of the sessions in the table below a chart, newest first: the last 21, and month ends."""
    last = len(days) - 1
    return [
        place
        for place in range(last, -1, -1)
        if place > last - _RECENT or place == 0 or (days[place].year, days[place].month) != _month(days, place + 1)
    ]


def scale_of(view: RiskView) -> float:
    """The size of the portfolio, which decides whether its page shows cents."""
    return max(abs(view.snapshot.equity_balance), view.snapshot.gross_exposure)


def signed_number(value: float) -> str:
    """A number with its sign."""
    return words.number(value, "+")


def _month(days: Sequence[date], place: int) -> tuple[int, int]:
    return days[place].year, days[place].month


def _name_of_holding(holding: Holding) -> Markup:
    more: list[str] = []
    if holding.investment_class != "PUBLIC":
        more.append(holding.investment_class.lower())
    if holding.lots > 1:
        more.append(f"{holding.lots} lots")
    if holding.is_stale:
        more.append(f"price of {holding.price_date}" if holding.price_date else "at cost, never priced")
    quiet = Markup("<small>{}</small>").format(", ".join(more)) if more else Markup()
    return Markup('<span dir="auto">{}</span>{}').format(holding.symbol, quiet)
