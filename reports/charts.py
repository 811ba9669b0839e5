"""The plots of the HTML page, each one an SVG whose colours and type come from the page's style sheet.

Every plot has a title and a description for those who cannot see it, and its marks tell their numbers when pointed at.
ElementTree does the escaping.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

from reports import words
from reports.scales import Scale, ticks
from reports.view import Cluster, Pair, RiskView, Session

FULL, HALF = 1000, 490
PNL_SESSIONS = 60
_LETTER = 6.4
_ROW = 24
_MONTH_WIDTH = 62
_NUMBERS_UP_TO = 14


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart: `value` as a bar, `thin` as a thinner one below it, `texts` to the right of both."""

    label: str
    value: float | None
    texts: tuple[str, ...]
    tip: str
    thin: float | None = None


def equity_chart(sessions: Sequence[Session]) -> Markup:
    """Equity and, below it on the same days, the drawdown."""
    first, last = sessions[0], sessions[-1]
    deepest = min(session.drawdown for session in sessions)
    svg = _svg(
        FULL,
        340,
        "Equity and drawdown",
        f"Equity went from {_dollars(first.equity_balance)} on {first.session_date} to "
        f"{_dollars(last.equity_balance)} on {last.session_date}; the deepest drawdown was {words.percent(deepest)}.",
    )
    balances = [session.equity_balance for session in sessions]
    marks = ticks(min(balances), max(balances), 5)
    top, bottom = 26, 210
    across = Scale(0, max(len(sessions) - 1, 1), 62, FULL - 14)
    up = Scale(marks[0], marks[-1], bottom, top)
    _text(svg, 0, 12, "Equity, USD", "axis")
    _rows_of_grid(svg, marks, up, words.short_money, 62, FULL - 14)
    _flows(svg, sessions, across, top, bottom)
    points = [(across(place), up(balance)) for place, balance in enumerate(balances)]
    _path(svg, [*points, (points[-1][0], bottom), (points[0][0], bottom)], "area")
    _path(svg, points, "line", closed=False)
    _dot(svg, *points[-1])

    falls = [session.drawdown for session in sessions]
    marks = ticks(min(falls), 0.0, 3) if deepest < 0 else [-0.01, 0.0]
    top, bottom = 250, 312
    down = Scale(marks[0], marks[-1], bottom, top)
    _text(svg, 0, 238, "Drawdown from the peak since inception, %", "axis")
    _rows_of_grid(
        svg, marks, down, lambda share: words.percent(share, places=0 if deepest < -0.03 else 1), 62, FULL - 14
    )
    points = [(across(place), down(fall)) for place, fall in enumerate(falls)]
    _path(svg, [(points[0][0], down(0)), *points, (points[-1][0], down(0))], "area-loss")
    _path(svg, points, "line-loss", closed=False)
    _months(svg, [session.session_date for session in sessions], across, 332)
    step = across(1) - across(0)
    for place, session in enumerate(sessions):
        flow = session.daily_capital_flow
        moved = f", flow {_dollars(flow, '+')}" if flow else ""
        fall = words.percent(session.drawdown)
        tip = f"{session.session_date}: {_dollars(session.equity_balance)}{moved}, drawdown {fall}"
        _rect(svg, across(place) - step / 2, 20, step, 292, "hit", tip)
    return _markup(svg)


def pnl_chart(sessions: Sequence[Session]) -> Markup:
    """The P&L of each of the last sessions as a column."""
    shown = sessions[-PNL_SESSIONS:]
    values = [session.daily_pnl for session in shown]
    up_days = len([value for value in values if value > 0])
    svg = _svg(
        FULL,
        190,
        "Daily P&L",
        f"{up_days} of {len(values)} sessions were up; the best made {_dollars(max(values), '+')}, "
        f"the worst {_dollars(min(values), '+')}.",
    )
    marks = ticks(min(*values, 0.0), max(*values, 0.0), 5)
    scale = Scale(marks[0], marks[-1], 162, 26)
    across = Scale(0, len(shown), 62, FULL - 14)
    _text(svg, 0, 12, "Daily P&L, USD", "axis")
    _rows_of_grid(svg, marks, scale, words.short_money, 62, FULL - 14)
    step = min(across(1) - across(0), 28)
    for place, session in enumerate(shown):
        top, bottom = sorted((scale(session.daily_pnl), scale(0)))
        tip = f"{session.session_date}: {_dollars(session.daily_pnl, '+')}"
        _rect(svg, across(place) + step * 0.12, top, step * 0.76, bottom - top, _side(session.daily_pnl), tip)
    _line(svg, 62, scale(0), FULL - 14, scale(0), "zero")
    places = Scale(0, max(len(shown) - 1, 1), across(0) + step / 2, across(len(shown) - 1) + step / 2)
    _months(svg, [session.session_date for session in shown], places, 184)
    return _markup(svg)


def bar_chart(
    title: str,
    description: str,
    bars: Sequence[Bar],
    unit: str,
    tick: Callable[[float], str],
    heads: Sequence[str],
    *,
    width: int = HALF,
    label_width: int = 160,
    text_widths: Sequence[int] = (60,),
    neutral: bool = False,
) -> Markup:
    """Rows of bars to both sides of zero, with their labels on the left and their numbers on the right.

    Args:
        title: for those who cannot see it, like the description.
        description: what it shows, in a sentence.
        bars: from top to bottom.
        unit: what the axis is in.
        tick: how its values are written.
        heads: of the columns of numbers.
        width: in user units.
        label_width: room for the labels at most.
        text_widths: room for each column of numbers.
        neutral: one colour for all bars, where negative is not bad.
    """
    height = 26 + _ROW * len(bars) + 40
    label_width = min(label_width, int(max(len(bar.label) for bar in bars) * _LETTER) + 4)
    svg = _svg(width, height, title, description)
    right = width - sum(text_widths)
    known = [each for bar in bars for each in (bar.value, bar.thin) if each is not None]
    marks = ticks(min([*known, 0.0]), max([*known, 0.0]), 5 if width > HALF else 4)
    scale = Scale(marks[0], marks[-1], label_width + 8, right - 8)
    bottom = 22 + _ROW * len(bars)
    for mark in marks:
        _line(svg, scale(mark), 20, scale(mark), bottom, "zero" if mark == 0 else "grid")
        _text(svg, scale(mark), bottom + 15, words.typographic(tick(mark)), "tick", anchor="middle")
    _text(svg, (scale(marks[0]) + scale(marks[-1])) / 2, bottom + 32, unit, "axis", anchor="middle")
    ends = [right + sum(text_widths[: place + 1]) for place in range(len(text_widths))]
    for head, end in zip(heads, ends, strict=True):
        _text(svg, end, 12, head, "axis", anchor="end")
    for row, bar in enumerate(bars):
        top = 22 + _ROW * row
        _text(svg, label_width, top + 15.5, _short(bar.label, label_width), "label", anchor="end")
        for value, offset, thickness, style in ((bar.value, 4, 15, ""), (bar.thin, 10, 3, "thin ")):
            if value is not None:
                start, end = sorted((scale(0), scale(value)))
                side = "line-fill" if neutral else _side(value)
                _rect(svg, start, top + offset, end - start, thickness, style + side)
        for place, (text, end) in enumerate(zip(bar.texts, ends, strict=True)):
            _text(
                svg, end, top + 15.5, words.typographic(text), "number" if place == 0 else "number quiet", anchor="end"
            )
        _rect(svg, 0, top, width, _ROW, "hit", f"{bar.label}: {bar.tip}")
    return _markup(svg)


def heatmap(symbols: Sequence[str], pairs: Sequence[Pair], clusters: Sequence[Cluster], window: int) -> Markup:
    """The correlation of every two symbols, in the order given; clusters, which stand together in it, are framed."""
    known = {(pair.symbol_1, pair.symbol_2): pair.correlation for pair in pairs}
    known |= {(second, first): correlation for (first, second), correlation in known.items()}
    strongest = max(pairs, key=lambda pair: abs(pair.correlation))
    svg_width, left = HALF, 78
    size = min((svg_width - left - 4) / len(symbols), 46)
    side = size * len(symbols)
    svg = _svg(
        svg_width,
        side + left + 46,
        "Correlation of holdings",
        f"Correlations of {len(symbols)} symbols over {window} sessions; the strongest is {strongest.symbol_1} with "
        f"{strongest.symbol_2}, {words.number(strongest.correlation)}.",
    )
    letters = "label" if size >= 13 else "label small"
    for row, symbol in enumerate(symbols):
        middle = left + (row + 0.5) * size + 4
        _text(svg, left - 6, middle, _short(symbol, left - 8), letters, anchor="end")
        name = _text(svg, left + (row + 0.5) * size + 4, left - 6, _short(symbol, left - 8), letters)
        name.set("transform", f"rotate(-90 {left + (row + 0.5) * size + 4:.1f} {left - 6})")
        for column, other in enumerate(symbols):
            correlation = 1.0 if row == column else known.get((symbol, other))
            x, y = left + column * size, left + row * size
            tip = f"{symbol} and {other}: {words.number(correlation)}"
            if correlation is None:
                _rect(svg, x + 0.5, y + 0.5, size - 1, size - 1, "unknown", tip)
                continue
            cell = _rect(
                svg, x + 0.5, y + 0.5, size - 1, size - 1, "itself" if row == column else _heat(correlation), tip
            )
            if row != column:
                cell.set("fill-opacity", f"{min(abs(correlation), 1):.2f}")
            if len(symbols) <= _NUMBERS_UP_TO and row != column:
                strong = "number on-fill" if abs(correlation) > 0.6 else "number"
                _text(
                    svg,
                    x + size / 2,
                    y + size / 2 + 4,
                    words.typographic(f"{correlation:.2f}"),
                    strong,
                    anchor="middle",
                )
    for cluster in clusters:
        places = [place for place, symbol in enumerate(symbols) if symbol in cluster.symbols]
        if len(places) > 1:
            start = left + min(places) * size
            length = (max(places) - min(places) + 1) * size
            _rect(svg, start, start, length, length, "frame", f"Cluster {cluster.nickname}")
    bottom = left + side + 16
    step = side / 21
    for place in range(21):
        correlation = (place - 10) / 10
        cell = _rect(svg, left + place * step, bottom, step, 8, _heat(correlation))
        cell.set("fill-opacity", f"{abs(correlation):.2f}")
    for place, label in ((0, "−1"), (0.5, "0"), (1, "+1")):
        _text(svg, left + place * side, bottom + 22, label, "tick", anchor="middle")
    _text(svg, left - 6, bottom + 9, "correlation", "axis", anchor="end")
    return _markup(svg)


def in_cluster_order(view: RiskView) -> list[str]:
    """The symbols that have correlations: cluster by cluster, then the others, the largest first."""
    correlated = {symbol for pair in view.pairs for symbol in (pair.symbol_1, pair.symbol_2)}
    by_value = [s for s in dict.fromkeys(holding.market_symbol for holding in view.holdings) if s in correlated]
    number = {symbol: cluster.cluster_number for cluster in view.clusters for symbol in cluster.symbols}
    return sorted(by_value, key=lambda symbol: (number.get(symbol, len(view.clusters) + 1), by_value.index(symbol)))


def _svg(width: float, height: float, title: str, description: str) -> Element:
    svg = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width:g} {height:g}",
            "role": "img",
            "aria-label": f"{title}. {description}",
        },
    )
    SubElement(svg, "desc").text = description
    return svg


def _markup(svg: Element) -> Markup:
    return Markup(tostring(svg, encoding="unicode"))  # noqa: S704  ElementTree has escaped its texts


def _rect(parent: Element, x: float, y: float, width: float, height: float, style: str, tip: str = "") -> Element:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{max(width, 0):.1f}", "height": f"{max(height, 0):.1f}"}
    rect = SubElement(parent, "rect", {"class": style, **place})
    if tip:
        SubElement(rect, "title").text = tip
    return rect


def _line(parent: Element, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
    ends = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    SubElement(parent, "line", {"class": style, **ends})


def _text(parent: Element, x: float, y: float, content: str, style: str, anchor: str = "start") -> Element:
    text = SubElement(parent, "text", {"class": style, "x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor})
    text.text = content
    return text


def _path(parent: Element, points: Sequence[tuple[float, float]], style: str, closed: bool = True) -> None:
    drawn = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if closed else "")
    SubElement(parent, "path", {"class": style, "d": drawn})


def _dot(parent: Element, x: float, y: float) -> None:
    SubElement(parent, "circle", {"class": "line-fill", "cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "3.5"})


def _rows_of_grid(
    svg: Element, marks: Sequence[float], scale: Scale, name: Callable[[float], str], left: float, right: float
) -> None:
    for mark in marks:
        _line(svg, left, scale(mark), right, scale(mark), "grid")
        _text(svg, left - 8, scale(mark) + 4, words.typographic(name(mark)), "tick", anchor="end")


def _flows(svg: Element, sessions: Sequence[Session], across: Scale, top: float, bottom: float) -> None:
    for place, session in enumerate(sessions):
        if session.daily_capital_flow:
            _line(svg, across(place), top, across(place), bottom, "flow")
            flow = words.typographic(words.short_money(session.daily_capital_flow))
            sign = "+" if session.daily_capital_flow > 0 else ""
            near_end = across(place) > across.end - 60
            x = across(place) + (-4 if near_end else 4)
            _text(svg, x, top + 8, f"{sign}{flow} flow", "tick", anchor="end" if near_end else "start")


def _months(svg: Element, days: Sequence[date], across: Scale, y: float) -> None:
    """Name months where they begin, as many as there is room for; a single month by its first day."""
    starts = [
        place
        for place, (before, day) in enumerate(pairwise(days), 1)
        if (before.year, before.month) != (day.year, day.month)
    ]
    named = -_MONTH_WIDTH
    for place in starts or [0]:
        if across(place) - named < _MONTH_WIDTH:
            continue
        named = across(place)
        _text(svg, across(place), y, f"{days[place]:%b %Y}", "tick", anchor="middle")
        _line(svg, across(place), y - 18, across(place), y - 14, "tick-mark")


def _side(value: float) -> str:
    return "gain" if value >= 0 else "loss"


def _heat(correlation: float) -> str:
    return "warm" if correlation >= 0 else "cold"


def _dollars(amount: float, sign: str = "") -> str:
    return f"{words.money(amount, amount, sign)} USD"


def _short(text: str, room: float) -> str:
    letters = max(int(room / _LETTER), 2)
    return text if len(text) <= letters else text[: letters - 1] + "…"
