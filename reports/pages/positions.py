"""The page of a portfolio's positions, by lot or by symbol; the address says how they are sorted and filtered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup

from reports import words
from reports.pages.environment import Book, Dollars, Shell, render
from reports.pages.figures import percents
from reports.positions import Lot, by_symbol
from reports.tables import Column, Order, ordered, table

HELD = {"open": "held", "closed": "closed", "all": "both"}
GROUPS = {"symbol": "by symbol", "lot": "every lot"}


@dataclass(frozen=True)
class Choice:
    """The choices in the address: which lots, one by one or together by symbol, and in which order."""

    by: str = "symbol"
    held: str = "open"
    search: str = ""
    sector: str = ""
    sort: str = "-value"
    period: str = "YTD"

    def query(self, book: Book) -> dict[str, str]:
        """The address's query without the order; defaults are left out."""
        plain = Choice()
        given = {"by": self.by, "held": self.held, "q": self.search, "sector": self.sector, "period": self.period}
        usual = {"by": plain.by, "held": plain.held, "q": "", "sector": "", "period": plain.period}
        return {**book.at(), **{name: value for name, value in given.items() if value != usual[name]}}


def render_positions(lots: Sequence[Lot], equity: float, shell: Shell, choice: Choice, periods: Sequence[str]) -> str:
    """The page as HTML; weights are shares of `equity`, and `periods` are the ones on offer."""
    book = shell.book
    assert book is not None  # noqa: S101  a page of one portfolio
    dollars = Dollars(max(abs(equity), sum(abs(lot.market_value) for lot in lots)))
    chosen = [lot for lot in lots if _matches(lot, choice)]
    rows = by_symbol(chosen) if choice.by == "symbol" else chosen
    order = Order(book.path("positions"), choice.query(book), choice.sort)
    columns = _columns(dollars, equity, choice)
    return render(
        "positions.html.j2",
        shell,
        choice=choice,
        periods={name: name for name in periods},
        groups=GROUPS,
        held=HELD,
        sectors=sorted({lot.sector or words.NOT_KNOWN for lot in lots}),
        rows=rows,
        lots=chosen,
        all_lots=lots,
        usd=dollars,
        table=table(
            columns,
            ordered(rows, columns, order),
            label="Positions",
            order=order,
            total=_total(rows, equity),
            style="names",
        ),
        plain=f"{book.path('positions')}?{urlencode(book.at())}" if book.at() else book.path("positions"),
    )


def _matches(lot: Lot, choice: Choice) -> bool:
    if choice.held != "all" and (lot.closed_on is None) != (choice.held == "open"):
        return False
    if choice.sector and (lot.sector or words.NOT_KNOWN) != choice.sector:
        return False
    text = f"{lot.symbol} {lot.company or ''} {lot.industry or ''} {lot.investment_class} {lot.what_happened or ''}"
    return choice.search.casefold().strip() in text.casefold()


def _columns(dollars: Dollars, equity: float, choice: Choice) -> list[Column[Lot]]:
    def weight(lot: Lot) -> float | None:
        return lot.market_value / equity if equity > 0 else None

    columns: list[Column[Lot]] = [
        Column("symbol", "Symbol", lambda lot: lot.symbol, cell=_name, left=True),
        Column("quantity", "Quantity", lambda lot: lot.quantity, words.quantity),
        Column("price", "Price", lambda lot: lot.price, words.price),
        Column("value", "Value, USD", lambda lot: lot.market_value, dollars.money),
        Column("weight", "Of equity", weight, percents()),
        Column("day", "Day, USD", lambda lot: lot.daily_pnl, dollars.signed, signed=True),
        Column("period", f"{choice.period}, USD", lambda lot: lot.period_pnl, dollars.signed, signed=True),
        Column("total", "In all, USD", lambda lot: lot.total_pnl, dollars.signed, signed=True),
        Column("cost", "Cost, USD", lambda lot: lot.cost_basis, dollars.money),
        Column("unrealized", "Unrealized, USD", lambda lot: lot.unrealized_pnl, dollars.signed, signed=True),
        Column("return", "In %", lambda lot: lot.unrealized_return, percents(1, "+"), signed=True),
        Column("risk", "Of risk", lambda lot: lot.contribution_share, percents()),
        Column("sector", "Sector", lambda lot: lot.sector, left=True),
    ]
    if choice.by == "lot":
        columns[1:1] = [Column("entry", "Entered", lambda lot: lot.entry_date, str)]
        columns[3:3] = [Column("paid", "Entry price", lambda lot: lot.entry_price, words.price)]
    return columns


def _total(rows: Sequence[Lot], equity: float) -> dict[str, object]:
    total: dict[str, object] = {
        "symbol": words.count(len(rows), "row"),
        "value": sum(row.market_value for row in rows),
        "day": sum(row.daily_pnl for row in rows),
        "period": sum(row.period_pnl for row in rows),
        "total": sum(row.total_pnl for row in rows),
        "cost": sum(row.cost_basis for row in rows),
        "unrealized": sum(row.unrealized_pnl for row in rows),
    }
    if equity > 0:
        total["weight"] = sum(row.market_value for row in rows) / equity
    shares = [row.contribution_share for row in rows if row.contribution_share is not None]
    return {**total, "risk": sum(shares)} if shares else total


def _name(lot: Lot) -> Markup:
    more = [lot.company] if lot.company and lot.company != lot.symbol else []
    if lot.investment_class != "PUBLIC":
        more.append(lot.investment_class.lower())
    if lot.lots > 1:
        more.append(f"{lot.lots} lots")
    if lot.closed_on:
        more.append(f"closed {lot.closed_on}")
    if lot.what_happened:
        more.append(lot.what_happened)
    stale = Markup()
    if lot.is_stale:
        stale = Markup('<span class="flag">{}</span>').format(
            f"price of {lot.price_date}" if lot.price_date else "at cost, never priced"
        )
    quiet = Markup("<small>{} {}</small>").format(", ".join(more), stale) if more or stale else Markup()
    return Markup('<span dir="auto">{}</span>{}').format(lot.symbol, quiet)
