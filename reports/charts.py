"""The plots of the pages. Colours and type come from the style sheet; what is drawn here are lines, bars and labels.

Every plot has a label and a description for those who cannot see it, its marks tell their numbers when pointed at, and
the page puts the same numbers into a table below it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from markupsafe import Markup

from reports import svg, words
from reports.scales import Scale, ticks
from reports.view import HoldingCluster, Pair, RiskView

_UNITS = 1000
_POINTS = 600
_TIPS = 260
_NAMES_OF_DAYS = 6
_NAMED_BY_DAY_UP_TO = 70
# the width of a plot on a phone
_ROOM_FOR_A_LETTER = 0.022
# what a phone has room for above a plot
_LETTERS_ABREAST, _LETTERS_BETWEEN = 48, 3
_LEGEND_ROW = 14
_NUMBERS_UP_TO = 14
_COLOUR_STEPS = 10


@dataclass(frozen=True)
class Line:
    """One line of a plot over time: a value for each session, None where there is none."""

    label: str
    values: Sequence[float | None]
    style: str = "line"
    area: bool = False


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart: `value` as a bar, `thin` as a thinner one below it."""

    label: str
    value: float | None
    tip: str
    thin: float | None = None


def time_chart(
    title: str,
    description: str,
    days: Sequence[date],
    lines: Sequence[Line],
    show: Callable[[float], str],
    *,
    unit: str,
    tick: Callable[[float], str] | None = None,
    height: float = 220,
    include: Sequence[float] = (),
    marks: Mapping[int, str] | None = None,
) -> Markup | None:
    """Lines over sessions; None where no line has two values.

    Args:
        title: read to those who cannot see the plot, as is the description.
        description: the content of the plot in one sentence.
        days: the sessions, oldest first.
        lines: a value for each session.
        show: how a value is written when pointed at.
        unit: what the axis is in.
        tick: how a value is written beside the axis; `show` by default.
        height: in pixels.
        include: values that the axis always covers, such as zero.
        marks: events by the place of their session: each is a dashed upright with a short text.
    """
    known = [value for line in lines for value in line.values if value is not None]
    if len(days) < 2 or max((sum(value is not None for value in line.values) for line in lines), default=0) < 2:
        return None
    rungs = ticks(min([*known, *include]), max([*known, *include]), max(int(height / 48), 3))
    legend = _legend(unit, lines)
    below_the_unit = _LEGEND_ROW * (len(legend) - 1)
    height += below_the_unit
    drawing = svg.plot(height, title, description)
    top, bottom = 34.0 + below_the_unit, height - 22
    up = Scale(rungs[0], rungs[-1], bottom, top)
    across = Scale(0, len(days) - 1, 0, _UNITS)
    drawing.text(0, 11, unit, "axis")
    for place, names in enumerate(legend):
        drawing.key("100%", 11 + _LEGEND_ROW * place, names)
    for rung in rungs:
        drawing.line(0, up(rung), "100%", up(rung), "zero" if rung == 0 else "grid")
    for place, text in (marks or {}).items():
        x = across(place) / _UNITS
        drawing.line(svg.percent(x), top, svg.percent(x), bottom, "flow")
        drawing.text(svg.percent(x), top + 9, words.typographic(text), "tick", "end" if x > 0.8 else "start")
    shown = _thinned(lines, len(days))
    paths: list[tuple[str, str]] = []
    for line in lines:
        points = [_point(line.values[place], place, across, up, top) for place in shown]
        if line.area and (solid := [point for point in points if point]):
            base = up(min(max(0.0, rungs[0]), rungs[-1])) - top
            edge = [*solid, (solid[-1][0], base), (solid[0][0], base)]
            paths.append((f"area {line.style}", svg.polyline(edge) + "Z"))
        paths.append((f"stroke {line.style}", svg.polyline(points)))
    # behind the lines: a label never hides a value
    for rung in rungs:
        drawing.text(0, up(rung) - 3, words.typographic((tick or show)(rung)), "tick")
    drawing.stretch(top, bottom - top, _UNITS, paths)
    _name_days(drawing, days, bottom + 16)
    _tips(drawing, days, lines, show, top, bottom)
    return drawing.markup()


def columns_chart(
    title: str,
    description: str,
    days: Sequence[date],
    values: Sequence[float],
    show: Callable[[float], str],
    *,
    unit: str,
    height: float = 180,
) -> Markup:
    """A column for each session, up or down from zero."""
    rungs = ticks(min(*values, 0.0), max(*values, 0.0), 4)
    drawing = svg.plot(height, title, description)
    top, bottom = 34.0, height - 22
    up = Scale(rungs[0], rungs[-1], bottom, top)
    drawing.text(0, 11, unit, "axis")
    for rung in rungs:
        drawing.line(0, up(rung), "100%", up(rung), "zero" if rung == 0 else "grid")
        drawing.text(0, up(rung) - 3, words.typographic(words.short_money(rung)), "tick")
    step = 1 / max(len(values), 20)
    for place, value in enumerate(values):
        high, low = sorted((up(value), up(0)))
        drawing.rect(
            svg.percent((place + 0.12) * step), high, svg.percent(step * 0.76), max(low - high, 0.6), _side(value)
        )
    for place, (day, value) in enumerate(zip(days, values, strict=True)):
        tip = words.typographic(f"{day}: {show(value)}")
        drawing.rect(svg.percent(place * step), top, svg.percent(step), bottom - top, "hit", tip=tip)
    _name_days(drawing, days, bottom + 16, len(days) * step)
    return drawing.markup()


def bars(title: str, description: str, rows: Sequence[Bar], *, neutral: bool = False) -> Markup:
    """Bars to both sides of zero, one for each row, as a column of a table whose rows are equally high.

    `neutral` draws all bars in one colour, for values where negative is not bad.
    """
    drawing = svg.Drawing(f'<svg class="bars" width="100%" height="100%" {svg.described(title, description)}')
    known = [value for row in rows for value in (row.value, row.thin) if value is not None]
    scale = Scale(min([*known, 0.0]), max([*known, 0.0]), 0.01, 0.99)
    zero = scale(0.0) if known and scale.low < scale.high else 0.5
    drawing.line(svg.percent(zero), 0, svg.percent(zero), "100%", "zero")
    for place, row in enumerate(rows):
        for value, offset, thickness, style in ((row.value, 0.2, 0.6, ""), (row.thin, 0.42, 0.16, "thin ")):
            if value is None:
                continue
            start, end = sorted((zero, scale(value) if scale.low < scale.high else zero))
            drawing.rect(
                svg.percent(start),
                svg.percent((place + offset) / len(rows)),
                svg.percent(end - start),
                svg.percent(thickness / len(rows)),
                style + ("neutral" if neutral else _side(value)),
            )
        tip = words.typographic(f"{row.label}: {row.tip}")
        drawing.rect(0, svg.percent(place / len(rows)), "100%", svg.percent(1 / len(rows)), "hit", tip=tip)
    return drawing.markup()


def split(title: str, description: str, share: float) -> Markup:
    """One bar in two parts; the first part is the given share."""
    drawing = svg.plot(10, title, description)
    share = min(max(share, 0.0), 1.0)
    drawing.rect(0, 0, svg.percent(share), 10, "neutral")
    drawing.rect(svg.percent(share), 0, svg.percent(1 - share), 10, "neutral", opacity=0.4)
    return drawing.markup()


def sparkline(title: str, values: Sequence[float]) -> Markup:
    """A line without axes, beside its numbers; its colour says whether it ends higher than it began."""
    drawing = svg.picture(
        110, 26, title, f"from {words.short_money(values[0])} to {words.short_money(values[-1])}", "spark"
    )
    across, up = Scale(0, max(len(values) - 1, 1), 1, 109), Scale(min(values), max(values), 24, 2)
    style = "stroke gain" if values[-1] >= values[0] else "stroke loss"
    drawing.path(svg.polyline([(across(place), up(value)) for place, value in enumerate(values)]), style)
    return drawing.markup()


def heatmap(symbols: Sequence[str], pairs: Sequence[Pair], clusters: Sequence[HoldingCluster], window: int) -> Markup:
    """The correlations of all pairs of symbols, in the given order, which keeps clusters together; they are framed.

    There is one path for each step of colour, whatever the number of cells.
    """
    known = correlations_of(pairs)
    strongest = max(pairs, key=lambda pair: abs(pair.correlation))
    width, left = 520.0, 84.0
    size = min((width - left - 4) / len(symbols), 46.0)
    side = size * len(symbols)
    drawing = svg.picture(
        width,
        left + side + 40,
        "Correlation of holdings",
        f"Correlations of {len(symbols)} symbols over {window} sessions; the strongest is {strongest.symbol_1} with "
        f"{strongest.symbol_2}, {words.number(strongest.correlation)}.",
        "picture heat",
    )
    letters = "label" if size >= 13 else "label small"
    gap = 1 if size > 8 else 0.5
    cell = f"h{size - gap:.1f}v{size - gap:.1f}h{gap - size:.1f}z"
    steps: dict[tuple[str, int], list[str]] = {}
    for row, symbol in enumerate(symbols):
        middle = left + (row + 0.5) * size + 4
        drawing.text(left - 6, middle, _short(symbol), letters, "end")
        drawing.text(middle, left - 6, _short(symbol), letters, turned=True)
        for column, other in enumerate(symbols):
            correlation = known.get((symbol, other))
            if row == column:
                step = ("itself", _COLOUR_STEPS)
            elif correlation is None:
                step = ("unknown", _COLOUR_STEPS)
            else:
                step = ("warm" if correlation >= 0 else "cold", round(min(abs(correlation), 1) * _COLOUR_STEPS))
            steps.setdefault(step, []).append(f"M{left + column * size:.1f} {left + row * size:.1f}{cell}")
    for (style, opacity), cells in steps.items():
        drawing.path("".join(cells), style, opacity=opacity / _COLOUR_STEPS)
    if len(symbols) <= _NUMBERS_UP_TO:
        for row, symbol in enumerate(symbols):
            for column, other in enumerate(symbols):
                if (correlation := known.get((symbol, other))) is not None:
                    strong = "number on-fill" if abs(correlation) > 0.6 else "number"
                    x, y = left + (column + 0.5) * size, left + (row + 0.5) * size + 4
                    drawing.text(x, y, words.typographic(f"{correlation:.2f}"), strong, "middle")
    for cluster in clusters:
        places = [place for place, symbol in enumerate(symbols) if symbol in cluster.symbols]
        if len(places) > 1:
            start, length = left + min(places) * size, (max(places) - min(places) + 1) * size
            drawing.rect(start, start, length, length, "frame", tip=f"Cluster {cluster.nickname}")
    bottom, step_width = left + side + 14, side / 21
    for place in range(21):
        correlation = (place - 10) / 10
        drawing.rect(
            left + place * step_width, bottom, step_width, 8, "warm" if place > 10 else "cold", opacity=abs(correlation)
        )
    for place, label in ((0, "−1"), (0.5, "0"), (1, "+1")):
        drawing.text(left + place * side, bottom + 21, label, "tick", "middle")
    drawing.text(left - 12, bottom + 9, "correlation", "axis", "end")
    return drawing.markup()


def correlations_of(pairs: Sequence[Pair]) -> dict[tuple[str, str], float]:
    """The correlation of two symbols, whichever is named first."""
    known = {(pair.symbol_1, pair.symbol_2): pair.correlation for pair in pairs}
    return known | {(second, first): correlation for (first, second), correlation in known.items()}


def in_cluster_order(view: RiskView) -> list[str]:
    """The symbols that have correlations: cluster by cluster, then the others, the largest first."""
    correlated = {symbol for pair in view.pairs for symbol in (pair.symbol_1, pair.symbol_2)}
    by_value = [s for s in dict.fromkeys(holding.market_symbol for holding in view.holdings) if s in correlated]
    number = {symbol: cluster.cluster_number for cluster in view.clusters for symbol in cluster.symbols}
    place = {symbol: index for index, symbol in enumerate(by_value)}
    return sorted(by_value, key=lambda symbol: (number.get(symbol, len(view.clusters) + 1), place[symbol]))


def _point(value: float | None, place: int, across: Scale, up: Scale, top: float) -> tuple[float, float] | None:
    return None if value is None else (across(place), up(value) - top)


def _thinned(lines: Sequence[Line], length: int) -> Sequence[int]:
    """The places to draw: all, or in a long history the highest and lowest of each stretch, so that no peak is lost."""
    if length <= _POINTS:
        return range(length)
    kept = {0, length - 1}
    stretch = -(-length * 2 * len(lines) // _POINTS)
    for start in range(0, length, stretch):
        places = range(start, min(start + stretch, length))
        for line in lines:
            solid = [place for place in places if line.values[place] is not None]
            if solid:
                kept |= {pick(solid, key=lambda place, line=line: line.values[place] or 0.0) for pick in (min, max)}
            else:
                kept.add(places[-1])
    return sorted(kept)


def _tips(
    drawing: svg.Drawing,
    days: Sequence[date],
    lines: Sequence[Line],
    show: Callable[[float], str],
    top: float,
    bottom: float,
) -> None:
    """The text of each session when pointed at; in a long history, of every nth session."""
    stretch = -(-len(days) // _TIPS)
    last = len(days) - 1
    for place in [*range(last % stretch, last, stretch), last]:
        told = "; ".join(
            f"{line.label} {words.NOT_KNOWN if (value := line.values[place]) is None else show(value)}"
            for line in lines
        )
        start, end = (max(place - stretch / 2, 0) / last, min(place + stretch / 2, last) / last)
        drawing.rect(
            svg.percent(start),
            top,
            svg.percent(end - start),
            bottom - top,
            "hit",
            tip=words.typographic(f"{days[place]}: {told}"),
        )


def _legend(unit: str, lines: Sequence[Line]) -> list[list[tuple[str, str]]]:
    """The names and styles of several lines, in rows that a phone has room for; the first row is beside the unit."""
    rows: list[list[tuple[str, str]]] = [[]]
    free = _LETTERS_ABREAST - len(unit)
    for line in lines if len(lines) > 1 else ():
        if len(line.label) + _LETTERS_BETWEEN > free:
            rows.append([])
            free = _LETTERS_ABREAST
        rows[-1].append((line.label, line.style))
        free -= len(line.label) + _LETTERS_BETWEEN
    return rows


def _name_days(drawing: svg.Drawing, days: Sequence[date], y: float, width: float = 1.0) -> None:
    """Name months or years where they begin, as many as a phone has room for; a single month by its first day."""
    span = (days[-1] - days[0]).days
    by_year = span > 365 * 3
    if span < _NAMED_BY_DAY_UP_TO:
        _name_places(
            drawing,
            [(place, f"{days[place].day} {days[place]:%b}") for place in _spread(len(days))],
            y,
            width,
            len(days),
        )
        return
    starts = [
        place
        for place, (before, day) in enumerate(pairwise(days), 1)
        if before.year != day.year or (not by_year and before.month != day.month)
    ] or [0]
    kept = starts[:: -(-len(starts) // _NAMES_OF_DAYS)]
    names: list[tuple[int, str]] = []
    for place in kept:
        with_year = not names or days[place].month == 1
        names.append(
            (place, f"{days[place]:%Y}" if by_year else f"{days[place]:%b %Y}" if with_year else f"{days[place]:%b}")
        )
    _name_places(drawing, names, y, width, len(days))


def _name_places(drawing: svg.Drawing, names: Sequence[tuple[int, str]], y: float, width: float, places: int) -> None:
    """Write names below places, leaving out those that would touch the one before."""
    free = 0.0
    for place, name in names:
        x = place / max(places - 1, 1) * width
        if x < free:
            continue
        free = x + _ROOM_FOR_A_LETTER * (len(name) + 1)
        anchor = "start" if x < 0.08 else "end" if x > 0.92 else "middle"
        drawing.text(svg.percent(x), y, name, "tick", anchor)
        drawing.line(svg.percent(x), y - 16, svg.percent(x), y - 12, "tick-mark")


def _spread(length: int) -> list[int]:
    """Up to five places, equally far apart, the first and the last among them."""
    number = min(length, _NAMES_OF_DAYS - 1)
    return [round(step * (length - 1) / max(number - 1, 1)) for step in range(number)]


def _side(value: float) -> str:
    return "gain" if value >= 0 else "loss"


def _short(text: str, letters: int = 11) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"
