"""The part of the terminal's page that tells how the portfolio did: its index, periods, months, falls and earners."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from rich.text import Text

from reports import words
from reports.drawdowns import Fall, falls
from reports.history import History
from reports.performance import Performance, calendar
from reports.terminal_text import HEAD, QUIET, Block, Glyphs, clean, colour, draw_line, row, wrapped
from reports.view import RiskView

_ROWS = 6
_LABELS = 9
_FALLS = 5
_EARNERS = 10
_EFFECTS = ("allocation", "selection", "interaction", "total")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def performance_blocks(view: RiskView, width: int, glyphs: Glyphs) -> list[Block]:
    """The blocks, each as wide as the page; a block without numbers says so."""
    history, found = view.history, view.performance
    if found is None or not history.days:
        return []
    section = _Section(view, width, glyphs)
    return [
        section.index(history),
        section.periods(found.periods),
        section.months(history),
        section.falls(falls(history)),
        section.sources(found),
        section.sectors(found),
        section.earners(found),
    ]


class _Section:
    def __init__(self, view: RiskView, width: int, glyphs: Glyphs) -> None:
        self._view, self._width, self._glyphs = view, width, glyphs

    def index(self, history: History) -> Block:
        """The index of the portfolio as a line, with the benchmark's behind it; both begin at 100."""
        own = [100 * (1 + value) for value in history.own_growth()]
        other = [None if value is None else 100 * (1 + value) for value in history.benchmark_growth()]
        benchmark = clean(self._view.benchmark)
        lines = [self._head("Index", f"100 at the close before {history.days[0]}")]
        if len(own) > 1:
            known = [value for value in other if value is not None]
            low, high = min([*own, *known]), max([*own, *known])
            columns = self._width - _LABELS - 2
            if high > low:
                drawn = draw_line(own, columns, _ROWS, self._glyphs, (low, high))
                behind = draw_line(other, columns, _ROWS, self._glyphs, (low, high)) if known else [""] * _ROWS
                labels = {0: high, _ROWS - 1: low}
                for place, text in enumerate(drawn):
                    label = f"{labels[place]:,.1f}" if place in labels else ""
                    line = row((label, -_LABELS, QUIET), (f" {self._glyphs.axis}", 2, QUIET))
                    line.append_text(_laid_over(text, behind[place]))
                    lines.append(line)
        against = other[-1]
        said = f"{clean(self._view.name)} {own[-1]:,.2f}"
        said += (
            f", {benchmark} {against:,.2f} (grey)" if against is not None else f", {benchmark}: not known since then"
        )
        return [*lines, *wrapped(said, self._width, " " * (_LABELS + 2), first=" " * (_LABELS + 2))]

    def periods(self, periods: Sequence[dict[str, Any]]) -> Block:
        lines = [self._head("Periods", "returns over each; risk (volatility) and ratios a year")]
        known = [each for each in periods if each["start_date"] is not None]
        if not known:
            return [*lines, Text("not computed", QUIET)]
        titles = ("", "from", "return", "on money", "benchmark", "active", "risk", "Sharpe", "drawdown", "beta")
        widths = (4, 11, -8, -9, -10, -8, -7, -7, -9, -6)
        lines.append(row(*((title, each, QUIET) for title, each in zip(titles, widths, strict=True))))
        for each in known:
            cells = (
                (each["period"], HEAD),
                (str(each["start_date"]), QUIET),
                (words.percent(each["twr"], "+", 2), colour(each["twr"])),
                (words.percent(each["mwr"], "+", 2), ""),
                (words.percent(each["benchmark_return"], "+", 2), ""),
                (words.percent(each["active_return"], "+", 2), colour(each["active_return"])),
                (words.percent(each["volatility"]), ""),
                (words.number(each["sharpe"]), ""),
                (words.percent(each["max_drawdown"]), ""),
                (words.number(each["beta"]), ""),
            )
            lines.append(row(*((text, size, style) for (text, style), size in zip(cells, widths, strict=True))))
        return lines

    def months(self, history: History) -> Block:
        lines = [self._head("Months", "%, linked daily returns")]
        size = (self._width - 13) // 12
        lines.append(row(("", 5, ""), *((month, -size, QUIET) for month in _MONTHS), ("year", -8, QUIET)))
        for year in calendar(history):
            months = [(_share(each, size), -size, colour(each)) for each in year.months]
            whole = (_share(year.total, 8), -8, colour(year.total))
            lines.append(row((str(year.year), 5, HEAD), *months, whole))
        return lines

    def falls(self, found: Sequence[Fall]) -> Block:
        lines = [self._head("Drawdowns", "the deepest, of linked returns")]
        if not found:
            return [*lines, Text("none", QUIET)]
        sizes = (9, 13, 13, 17)
        lines.append(row(*zip(("depth", "peak", "lowest", "back at the peak"), sizes, [QUIET] * 4, strict=True)))
        for fall in found[:_FALLS]:
            back = "not yet" if fall.end is None else str(fall.end)
            cells = (words.percent(fall.depth), str(fall.start), str(fall.trough), back)
            lines.append(row(*((text, size, "") for text, size in zip(cells, sizes, strict=True))))
        return lines

    def sources(self, found: Performance) -> Block:
        """P&L by source, in two columns, the largest first."""
        lines = [self._head("P&L by source", f"{found.contributions_of}, USD")]
        known = sorted((each for each in found.attribution if each["pnl"]), key=lambda each: -each["pnl"])
        if not known:
            return [*lines, Text("not computed" if not found.attribution else "none", QUIET)]
        half, rows = self._width // 2, -(-len(known) // 2)
        for left, right in zip_longest(known[:rows], known[rows:]):
            lines.append(_side_by_side(self._source(left, half), self._source(right, half) if right else Text(), half))
        return [*lines, *self._said(known[0]["reason"])]

    def _source(self, each: dict[str, Any], width: int) -> Text:
        pnl = words.money(each["pnl"], self._scale, "+")
        return row((clean(each["source"]), width - 18, ""), (pnl, -14, colour(each["pnl"])))

    def sectors(self, found: Performance) -> Block:
        """Effects on the active return by sector, linked over the period."""
        benchmark = clean(self._view.benchmark)
        lines = [self._head("Active return by sector", f"{found.contributions_of} against {benchmark}, linked")]
        known = [each for each in found.sector_effects if any(each[name] for name in _EFFECTS)]
        if not known:
            return [*lines, Text("not computed" if not found.sector_effects else "none", QUIET)]
        sizes = (24, *[-13] * len(_EFFECTS))
        lines.append(row(*zip(("", *_EFFECTS), sizes, [QUIET] * 5, strict=True)))
        sums: dict[str, float | None] = {
            name: None if any(each[name] is None for each in known) else sum(each[name] for each in known)
            for name in _EFFECTS
        }
        for title, each in [*((clean(each["sector"]), each) for each in known), ("Active return", sums)]:
            effects = ((words.percent(each[name], "+", 2), -13, colour(each[name])) for name in _EFFECTS)
            lines.append(row((title, 24, HEAD if each is sums else ""), *effects))
        return [*lines, *self._said(known[0]["reason"])]

    def _said(self, reason: str | None) -> Block:
        return wrapped(reason, self._width) if reason else []

    @property
    def _scale(self) -> float:
        return self._view.snapshot.equity_balance

    def earners(self, found: Performance) -> Block:
        lines = [self._head("Contributors", f"{found.contributions_of}, USD and of the return")]
        known = [each for each in found.contributions if each["pnl"]]
        if not known:
            return [*lines, Text("none", QUIET)]
        ranked = sorted(known, key=lambda each: (-each["pnl"], each["symbol"]))
        best = [each for each in ranked[:_EARNERS] if each["pnl"] > 0]
        worst = [each for each in ranked[::-1][:_EARNERS] if each["pnl"] < 0]
        half = self._width // 2
        for place in range(max(len(best), len(worst))):
            lines.append(_side_by_side(self._earner(best, place, half), self._earner(worst, place, half), half))
        return lines

    def _earner(self, ranked: Sequence[dict[str, Any]], place: int, width: int) -> Text:
        if place >= len(ranked):
            return Text()
        each = ranked[place]
        return row(
            (clean(each["symbol"]), width - 24, ""),
            (words.money(each["pnl"], self._scale, "+"), -13, colour(each["pnl"])),
            (words.percent(each["contribution"], "+", 2), -9, QUIET),
        )

    def _head(self, title: str, unit: str) -> Text:
        text = Text(title.upper(), HEAD)
        text.append(f"  {unit} ", QUIET)
        return text.append(self._glyphs.rule * (self._width - text.cell_len), QUIET)


def _side_by_side(left: Text, right: Text, width: int) -> Text:
    """Two texts in one line. The left one is padded to `width` columns where there is a right one."""
    if right.cell_len:
        left.append(" " * (width - left.cell_len))
    return left.append_text(right)


def _share(value: float | None, room: int) -> str:
    """A decimal in percent, with as many decimals as the cell has room for."""
    if value is None:
        return ""
    text = f"{100 * value:.1f}"
    return text if len(text) < room else f"{100 * value:.0f}"


def _laid_over(front: str, behind: str) -> Text:
    """A row of a line chart with a second line behind the first; it shows where the first leaves room."""
    text = Text()
    for place, letter in enumerate(front):
        other = behind[place] if place < len(behind) else " "
        text.append(letter if letter != " " else other, "cyan" if letter != " " else QUIET)
    return text
