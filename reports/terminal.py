"""The page for a terminal: text of 80 to 160 columns, in colour where the terminal has it.

Colour only repeats what signs and words say already, and everything drawn has an ASCII form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.text import Text

from reports import words
from reports.notes import surprises
from reports.terminal_performance import performance_blocks
from reports.terminal_text import (
    ASCII as ASCII,
)
from reports.terminal_text import (
    GAIN,
    GAP,
    HEAD,
    LOSS,
    PNL_ROWS,
    QUIET,
    UNICODE,
    Block,
    Glyphs,
    beside,
    clean,
    colour,
    draw_columns,
    draw_line,
    row,
    wrapped,
)
from reports.view import Exposure, Holding, RiskView

NARROWEST, WIDEST = 80, 160
# The widths from which two and three blocks fit side by side.
_TWO_FROM, _THREE_FROM = 96, 152
_HEADER_FIGURES = 77
_LABELS = 9
_NARROWEST_BAR = 7
_EQUITY_ROWS = 7
_PNL_SESSIONS = 60
_CONTRIBUTORS = 8
_SCENARIOS = 10
_POSITIONS = 10


def render(view: RiskView, notes: Sequence[str], width: int, glyphs: Glyphs = UNICODE) -> Text:
    """The whole page, in lines of at most `width` columns; widths outside of 80 to 160 are limited to these."""
    width = min(max(width, NARROWEST), WIDEST)
    page = _Page(view, width, glyphs)
    across = 1 if width < _TWO_FROM else 2 if width < _THREE_FROM else 3
    column = (width - GAP * (across - 1)) // across
    narrow = [
        block(column)
        for block in (
            *(page.risk, page.exposures, page.contributors),
            *(page.sectors, page.positions, page.correlations),
        )
    ]
    rows = [_abreast(narrow[first : first + across], column) for first in range(0, len(narrow), across)]
    # the scenarios come before the holdings and their correlations
    rows.insert(len(rows) - 2 if across == 1 else len(rows) - 1, page.stress())
    blocks = [
        *(page.header(), page.equity(), page.daily_pnl(), *performance_blocks(view, width, glyphs)),
        *rows,
        page.notes(notes),
    ]
    return Text("\n\n").join(Text("\n").join(block) for block in blocks if block)


def _abreast(blocks: Sequence[Block], column: int) -> Block:
    """Blocks of one width from left to right."""
    joined = blocks[0]
    for place, block in enumerate(blocks[1:], start=1):
        joined = beside(joined, block, place * column + (place - 1) * GAP)
    return joined


class _Page:
    """The blocks of a page. Those that may stand side by side take their width."""

    def __init__(self, view: RiskView, width: int, glyphs: Glyphs) -> None:
        self._view = view
        self._width = width
        self._glyphs = glyphs
        self._scale = max(abs(view.snapshot.equity_balance), view.snapshot.gross_exposure)

    def header(self) -> Block:
        view, snapshot = self._view, self._view.snapshot
        lots = f"{snapshot.num_long_positions} long {snapshot.num_short_positions} short"
        stale = f" {snapshot.num_stale_positions} stale" if snapshot.num_stale_positions else ""
        gap = (self._width - _HEADER_FIGURES) // 2
        exposure = {
            "long": snapshot.long_value,
            "short": snapshot.short_value,
            "gross": snapshot.gross_exposure,
            "net": snapshot.net_exposure,
        }
        periods = {
            "day": (snapshot.daily_pnl, snapshot.daily_return),
            "month": (snapshot.mtd_pnl, snapshot.mtd_return),
            "year": (snapshot.ytd_pnl, snapshot.ytd_return),
            "all": (snapshot.cumulative_pnl, snapshot.cumulative_return),
        }
        balance = {
            "equity": self._money(snapshot.equity_balance),
            "cash": self._money(snapshot.cash_value),
            "positions": f"{snapshot.num_positions}",
            "": f"{lots}{stale}",
        }
        date = words.long_date(view.day)
        title = row((clean(view.name), self._width - len(date) - 2, HEAD), (date, -len(date) - 2, ""))
        lines = [title, self._rule()]
        for (name, value), (period, (pnl, earned)), (side, amount) in zip(
            balance.items(), periods.items(), exposure.items(), strict=True
        ):
            left = [(value, 23 + gap, QUIET)] if not name else [(name, 10, QUIET), (value, -13, HEAD), ("", gap, "")]
            lines.append(
                row(
                    *left,
                    (period, 6, QUIET),
                    (self._signed(pnl), -12, colour(pnl)),
                    (words.percent(earned, "+", 2), -9, colour(earned)),
                    ("", gap, ""),
                    (side, 6, QUIET),
                    (self._money(amount), -13, ""),
                    (words.percent(view.weight(amount)), -8, QUIET),
                )
            )
        return lines

    def equity(self) -> Block:
        sessions = self._view.sessions
        values = [session.equity_balance for session in sessions]
        lines = [self._head("Equity", f"USD, {words.count(len(sessions), 'session')}")]
        if len(sessions) < 2:
            return [*lines, Text("a line takes two sessions", QUIET)]
        low, high = min(values), max(values)
        if low == high:
            return [*lines, Text(f"{self._money(low)} on every one of them", QUIET)]
        columns = self._width - _LABELS - 2
        drawn = draw_line(values, columns, _EQUITY_ROWS, self._glyphs)
        labels = {0: high, _EQUITY_ROWS // 2: (low + high) / 2, _EQUITY_ROWS - 1: low}
        for place, text in enumerate(drawn):
            label = words.short_money(labels[place]) if place in labels else ""
            lines.append(row((label, -_LABELS, QUIET), (f" {self._glyphs.axis}", 2, QUIET), (text, columns, "cyan")))
        first, last = str(sessions[0].session_date), str(sessions[-1].session_date)
        lines.append(row(("", _LABELS + 2, ""), (first, columns - len(last), QUIET), (last, len(last), QUIET)))
        fall = sessions[-1].drawdown
        deepest = min(sessions, key=lambda session: session.drawdown or 0.0)
        lines.append(
            Text(
                f"{'':{_LABELS + 2}}drawdown {words.percent(fall)} now, at its deepest here "
                f"{words.percent(deepest.drawdown)} on {deepest.session_date}",
                QUIET,
            )
        )
        return lines

    def daily_pnl(self) -> Block:
        columns = self._width - _LABELS - 2
        sessions = self._view.sessions[-min(columns, _PNL_SESSIONS) :]
        broad = 2 if columns >= 2 * _PNL_SESSIONS else 1
        values = [session.daily_pnl for session in sessions]
        lines = [self._head("Daily P&L", f"USD, {words.count(len(sessions), 'session')}")]
        largest = max(map(abs, values))
        if not largest:
            return [*lines, Text("nothing was earned or lost on any of them", QUIET)]
        rows = draw_columns(values, largest, self._glyphs)
        labels = {0: words.short_money(largest), PNL_ROWS * 2 - 1: words.short_money(-largest)}
        for place, text in enumerate(rows):
            style = GAIN if place < PNL_ROWS else LOSS
            axis = f" {self._glyphs.axis}"
            drawn = "".join(letter * broad for letter in text)
            lines.append(row((labels.get(place, ""), -_LABELS, QUIET), (axis, 2, QUIET), (drawn, columns, style)))
        days = len([value for value in values if value > 0])
        best, worst = (pick(sessions, key=lambda session: session.daily_pnl) for pick in (max, min))
        summary = (
            f"{days} of {len(values)} days up, best {self._signed(best.daily_pnl)} on {best.session_date}, "
            f"worst {self._signed(worst.daily_pnl)} on {worst.session_date}"
        )
        return [*lines, *wrapped(summary, self._width, " " * (_LABELS + 2), first=" " * (_LABELS + 2))]

    def risk(self, width: int) -> Block:
        risk, head = self._view.risk, self._head("Risk", "annual volatility", width)
        if risk is None:
            return [head, Text("not computed", QUIET)]
        specific = risk.specific_variance
        variance = (risk.ex_ante_vol or 0) ** 2
        shares = f"{words.percent(specific / variance, places=0)} specific" if specific and variance else ""
        trend = "" if risk.vol_percentile is None else f"percentile {100 * risk.vol_percentile:.0f}"
        weight = self._view.weight
        figures: list[tuple[str, str, str]] = [
            ("ex-ante volatility", words.percent(risk.ex_ante_vol), shares),
            ("expected, 21 days", words.percent(risk.expected_vol_21d), ""),
            ("realized, 21 days", words.percent(risk.realized_vol_21d), trend),
            ("realized, 63 days", words.percent(risk.realized_vol_63d), risk.vol_trend or ""),
            ("VaR 95 %, 1 day", self._money(risk.value_at_risk), _of_equity(weight, risk.value_at_risk)),
            ("exp. shortfall", self._money(risk.expected_shortfall), _of_equity(weight, risk.expected_shortfall)),
            ("VaR, not scaled", self._money(risk.var_95_1d), _of_equity(weight, risk.var_95_1d)),
            *self._forecasts(),
            ("max drawdown", words.percent(risk.max_drawdown), "since inception"),
            ("beta of returns", words.number(risk.beta_portfolio_regression), "to the market"),
        ]
        return [
            head,
            *(
                row((name, 20, ""), (figure, -10, HEAD), (f"  {more}", width - 30, QUIET))
                for name, figure, more in figures
            ),
        ]

    def _forecasts(self) -> list[tuple[str, str, str]]:
        """The backtest: how often the loss stayed within the value at risk of the night before."""
        backtest = self._view.backtest
        if backtest is None or backtest.share_right is None:
            return []
        return [
            ("VaR held on", words.percent(backtest.share_right), f"of {words.count(backtest.observations, 'day')}"),
            ("bias statistic", words.number(backtest.bias_statistic), "1 is right"),
        ]

    def exposures(self, width: int) -> Block:
        joint = self._view.exposures_of("ridge")
        lines = [self._head("Factor exposures", "beta, USD", width)]
        if not joint:
            return [*lines, Text("none", QUIET)]
        bar = width - 15 - 7 - 12
        # dollars are shown even where equity is not positive; divided by equity they are the betas
        dollars = [exposure.exposure_dollar for exposure in joint]
        lines += [self._exposure(exposure, dollars, bar) for exposure in joint]
        covered = joint[0]
        lines.append(
            Text(
                f"{words.count(covered.positions_covered, 'position')}, {covered.positions_without} without a beta",
                QUIET,
            )
        )
        alone = [
            f"{exposure.factor} {words.number(exposure.exposure_value, '+')}"
            for model in ("market", "interest_rate", "spread")
            for exposure in self._view.exposures_of(model)
        ]
        return [*lines, *wrapped("each alone: " + f" {self._glyphs.dot} ".join(alone), width)]

    def contributors(self, width: int) -> Block:
        lines = [self._head("Risk contributions", "share, annual volatility", width)]
        contributors = self._view.contributors()
        if not contributors:
            return [*lines, Text("none", QUIET)]
        shown = [*contributors[:_CONTRIBUTORS]]
        tail = contributors[_CONTRIBUTORS:]
        hedges = [holding for holding in tail[-3:] if (holding.contribution_vol or 0.0) < 0]
        shares = [holding.contribution_share for holding in (*shown, *hedges)]
        return [*lines, *(self._contribution(holding, shares, width) for holding in (*shown, *hedges))]

    def sectors(self, width: int) -> Block:
        lines = [self._head("Sectors", "of equity, benchmark, difference", width)]
        bar = max(width - 47, 0)
        active = [sector.active_weight for sector in self._view.sectors]
        for sector in self._view.sectors:
            lines.append(
                row(
                    (clean(sector.sector), 23, ""),
                    (words.percent(sector.weight), -7, ""),
                    (words.percent(sector.benchmark_weight), -7, QUIET),
                    (words.percent(sector.active_weight, "+"), -8, colour(sector.active_weight)),
                    ("", 2, ""),
                    (self._bar(sector.active_weight, active, bar), bar, colour(sector.active_weight)),
                )
            )
        return lines

    def stress(self) -> Block:
        lines = [self._head("Stress", "worst scenarios, USD: direct, correlated, of equity")]
        scenarios = self._view.ranked_scenarios()
        if not scenarios:
            return [*lines, Text("none", QUIET)]
        shown = scenarios[:_SCENARIOS]
        name = 33
        bar = self._width - name - 13 - 13 - 9 - 2
        pnl = [scenario.pnl for scenario in shown]
        for scenario in shown:
            lines.append(
                row(
                    (clean(scenario.name), name, ""),
                    (self._signed(scenario.direct_pnl), -13, QUIET),
                    (self._signed(scenario.correlated_pnl), -13, colour(scenario.correlated_pnl)),
                    (words.percent(self._view.weight(scenario.pnl), "+"), -9, colour(scenario.pnl)),
                    ("", 2, ""),
                    (self._bar(scenario.pnl, pnl, bar), bar, colour(scenario.pnl)),
                )
            )
        for sentence in surprises(self._view):
            lines += wrapped(clean(sentence), self._width)
        return lines

    def positions(self, width: int) -> Block:
        lines = [self._head("Largest positions", "USD, of equity, unrealized", width)]
        for holding in self._view.holdings[:_POSITIONS]:
            lines.append(
                row(
                    (_named(holding), width - 29, ""),
                    (self._money(holding.market_value), -11, ""),
                    (words.percent(self._view.weight(holding.market_value)), -7, ""),
                    (self._signed(holding.unrealized_pnl), -11, colour(holding.unrealized_pnl)),
                )
            )
        if not self._view.holdings:
            lines.append(Text("none", QUIET))
        return lines

    def correlations(self, width: int) -> Block:
        lines = [self._head("Correlation", "90 sessions", width)]
        summary = self._view.correlations
        if summary is None or summary.overall_correlation is None:
            return [*lines, Text("none", QUIET)]
        figures = (
            ("mean, by value", words.number(summary.overall_correlation)),
            ("first component", words.percent(summary.correlation_concentration_score, places=0)),
            (
                "effective positions",
                f"{words.number(summary.effective_positions, places=1)} of {summary.positions_included}",
            ),
        )
        lines += [row((name, 20, ""), (figure, width - 20, HEAD)) for name, figure in figures]
        if not self._view.clusters:
            return [*lines, Text("no clusters: no two holdings correlate by 0.7", QUIET)]
        for cluster in self._view.clusters:
            figure = words.number(cluster.avg_correlation)
            lines.append(
                row(
                    (clean(cluster.nickname), width - 22, HEAD),
                    (f"{words.percent(cluster.weight)} of equity", -16, ""),
                    (figure, -6, ""),
                )
            )
            lines += [line.append("") for line in wrapped("  " + words.and_more(cluster.symbols, 12), width)]
        return lines

    def notes(self, notes: Sequence[str]) -> Block:
        if not notes:
            return []
        lines = [self._head("What is missing")]
        for note in notes:
            lines += wrapped(f"- {clean(note)}", self._width, indent="  ", style="")
        return lines

    def _exposure(self, exposure: Exposure, dollars: Sequence[float | None], bar: int) -> Text:
        beta = exposure.exposure_value
        return row(
            (clean(exposure.factor), 15, ""),
            (self._bar(exposure.exposure_dollar, dollars, bar), bar, "cyan"),
            (words.number(beta, "+"), -7, HEAD),
            (self._signed(exposure.exposure_dollar), -12, QUIET),
        )

    def _contribution(self, holding: Holding, shares: Sequence[float | None], width: int) -> Text:
        share = holding.contribution_share
        bar = width - 20 - 7 - 7
        return row(
            (clean(holding.symbol), 20, ""),
            (self._bar(share, shares, bar), bar, "cyan" if (share or 0) > 0 else GAIN),
            (words.percent(share), -7, HEAD),
            (words.percent(holding.contribution_vol), -7, QUIET),
        )

    def _head(self, title: str, unit: str = "", width: int | None = None) -> Text:
        width = width or self._width
        text = Text(title.upper(), HEAD)
        text.append(f"  {unit} " if unit else " ", QUIET)
        text.append(self._glyphs.rule * (width - text.cell_len), QUIET)
        return text

    def _rule(self) -> Text:
        return Text(self._glyphs.rule * self._width, QUIET)

    def _bar(self, value: float | None, all_values: Iterable[float | None], width: int) -> str:
        """A bar from zero, to the left for what is negative, on an axis that holds all values."""
        known = [each for each in all_values if each is not None]
        low, high = min(0.0, *known, 0.0), max(0.0, *known, 0.0)
        if value is None or low == high or width < _NARROWEST_BAR:
            return ""
        per_half = 2 * (width - 1) / (high - low)
        room = round(-low * per_half / 2)
        halves = min(round(abs(value) * per_half), 2 * (room if value < 0 else width - 1 - room))
        bar, half = self._glyphs.full * (halves // 2), halves % 2
        if value < 0:
            return f"{(self._glyphs.right if half else '') + bar:>{room}}{self._glyphs.axis}"
        return " " * room + self._glyphs.axis + bar + (self._glyphs.left if half else "")

    def _money(self, amount: float | None) -> str:
        return words.money(amount, self._scale)

    def _signed(self, amount: float | None) -> str:
        return words.money(amount, self._scale, "+")


def _named(holding: Holding) -> str:
    marks = ["stale"] if holding.is_stale else []
    if holding.earlier_names:
        marks.append(f"was {clean(holding.earlier_names)}")
    return clean(holding.symbol) + (f" ({', '.join(marks)})" if marks else "")


def _of_equity(weight: Callable[[float], float | None], amount: float | None) -> str:
    return "" if amount is None or weight(amount) is None else f"{words.percent(weight(amount), places=2)} of equity"
