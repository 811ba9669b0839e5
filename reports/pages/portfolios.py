"""The first page: one line for each portfolio."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from reports import charts, words
from reports.books import PortfolioLine
from reports.pages.environment import Dollars, Shell, render
from reports.pages.figures import percents, signed_number
from reports.tables import Column, Order, ordered, table


def render_portfolios(lines: Sequence[PortfolioLine], shell: Shell, sort: str = "name") -> str:
    """The page as HTML, the lines sorted by the column that `sort` names (a minus before it: largest first)."""
    dollars = Dollars(max((abs(line.equity) for line in lines if line.equity is not None), default=0.0))
    order = Order("/", {}, sort)
    columns = _columns(dollars)
    known = [line for line in lines if line.day is not None]
    days = {line.day for line in known}
    return render(
        "portfolios.html.j2",
        shell,
        lines=lines,
        day=max((line.day for line in known if line.day), default=None),
        one_day=len(days) == 1,
        table=table(
            columns,
            ordered(lines, columns, order),
            label="Portfolios",
            order=order,
            total=_total(known) if len(known) > 1 else None,
            style="names",
        ),
    )


def _columns(dollars: Dollars) -> list[Column[PortfolioLine]]:
    return [
        Column("name", "Portfolio", lambda line: line.name, cell=_name, left=True),
        Column("equity", "Equity, USD", lambda line: line.equity, dollars.money),
        Column("day", "Day, USD", lambda line: line.daily_pnl, dollars.signed, signed=True),
        Column("day_return", "Day", lambda line: line.daily_return, percents(2, "+"), signed=True),
        Column("month", "Month", lambda line: line.mtd_return, percents(2, "+"), signed=True),
        Column("year", "Year", lambda line: line.ytd_return, percents(2, "+"), signed=True),
        Column("", "Three months", lambda line: None, cell=_spark),
        Column("gross", "Gross", lambda line: line.gross, percents(0)),
        Column("net", "Net", lambda line: line.net, percents(0)),
        Column("beta", "Beta", lambda line: line.beta, signed_number),
        Column("vol", "Volatility", lambda line: line.ex_ante_vol, percents()),
        Column("var", "VaR 95 %, USD", lambda line: line.value_at_risk, dollars.money),
        Column("worst", "Worst stress", lambda line: line.weight(line.worst_pnl), cell=_worst),
    ]


def _total(lines: Sequence[PortfolioLine]) -> dict[str, float | str | None]:
    equity = sum(line.equity or 0.0 for line in lines)
    daily = sum(line.daily_pnl or 0.0 for line in lines)
    return {"name": words.count(len(lines), "portfolio"), "equity": equity, "day": daily}


def _name(line: PortfolioLine) -> Markup:
    flags = Markup().join(Markup('<span class="flag">{}</span>').format(flag) for flag in line.flags)
    return Markup('<a href="/portfolios/{}" dir="auto">{}</a><small>{}</small>').format(
        line.portfolio_id, line.name, flags
    )


def _worst(line: PortfolioLine) -> Markup:
    share = words.typographic(words.percent(line.weight(line.worst_pnl), "+"))
    return Markup("{}<small>{}</small>").format(share, line.worst_scenario or "")


def _spark(line: PortfolioLine) -> Markup:
    return charts.sparkline(f"Equity of {line.name}", line.spark) if len(line.spark) > 1 else Markup()
