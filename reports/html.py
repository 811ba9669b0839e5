"""The page for a browser: one file without a script or an address in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from errno import EISDIR
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import charts, words
from reports.charts import Bar
from reports.view import RiskView
from warehouse.errors import UserError

_CONTRIBUTORS = 14
_HEDGES = 4
_WORST, _BEST = 11, 4
_POSITIONS = 15


def render(view: RiskView, notes: Sequence[str]) -> str:
    """The page as HTML; every text of a user in it is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scale = max(abs(view.snapshot.equity_balance), view.snapshot.gross_exposure)
    environment.filters |= {
        "money": lambda amount: words.typographic(words.money(amount, scale)),
        "signed": lambda amount: words.typographic(words.money(amount, scale, "+")),
        "percent": lambda share, places=1: words.typographic(words.percent(share, places=places)),
        "signed_percent": lambda share, places=1: words.typographic(words.percent(share, "+", places)),
        "number": lambda value, places=2: words.typographic(words.number(value, places=places)),
        "signed_number": lambda value: words.typographic(words.number(value, "+")),
        "side": lambda value: "" if not value else "gains" if value > 0 else "loses",
    }
    return environment.get_template("page.html.j2").render(
        view=view,
        snapshot=view.snapshot,
        risk=view.risk,
        date=words.long_date(view.day),
        notes=notes,
        positions=view.holdings[:_POSITIONS],
        and_more=words.and_more,
        count=words.count,
        charts={
            "equity": charts.equity_chart(view.sessions) if len(view.sessions) > 1 else None,
            "pnl": charts.pnl_chart(view.sessions),
            "exposures": _exposures(view, scale),
            "contributions": _contributions(view),
            "stress": _stress(view, scale),
            "sectors": _sectors(view),
            "correlations": _correlations(view),
        },
    )


def write(file: Path, page: str) -> None:
    """Put the page into a file at once: what was there stays until all of the new one is written.

    Raises UserError where that cannot be done.
    """
    target = file.resolve()
    try:
        if target.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            unfinished.write_text(page, encoding="utf-8")
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"--html {file}: cannot be written ({error.strerror}): name a file in a folder of yours"
        ) from None


def _exposures(view: RiskView, scale: float) -> Markup | None:
    joint = [exposure for exposure in view.exposures_of("ridge") if exposure.exposure_dollar is not None]
    if not joint:
        return None
    of_equity = all(exposure.exposure_value is not None for exposure in joint)
    bars = [
        Bar(
            exposure.factor,
            exposure.exposure_value if of_equity else exposure.exposure_dollar,
            (words.number(exposure.exposure_value, "+"), words.money(exposure.exposure_dollar, scale, "+")),
            f"{words.money(exposure.exposure_dollar, scale, '+')} USD of factor",
        )
        for exposure in joint
    ]
    largest = max(joint, key=lambda exposure: abs(exposure.exposure_dollar or 0.0))
    return charts.bar_chart(
        "Factor exposures",
        f"The largest exposure is {largest.factor}, {words.money(largest.exposure_dollar, scale, '+')} USD, "
        f"beta {words.number(largest.exposure_value, '+')}.",
        bars,
        "beta: return of equity per unit of factor return" if of_equity else "exposure, USD",
        words.number if of_equity else words.short_money,
        ("beta", "USD"),
        text_widths=(48, 84),
        neutral=True,
    )


def _contributions(view: RiskView) -> Markup | None:
    contributors = view.contributors()
    if not contributors:
        return None
    tail = contributors[_CONTRIBUTORS:]
    hedges = [holding for holding in tail[-_HEDGES:] if (holding.contribution_vol or 0.0) < 0]
    bars = [
        Bar(
            holding.symbol,
            holding.contribution_share,
            (words.percent(holding.contribution_share), words.percent(view.weight(holding.market_value))),
            f"{words.percent(holding.contribution_vol, places=2)} of volatility",
        )
        for holding in (*contributors[:_CONTRIBUTORS], *hedges)
    ]
    first = contributors[0]
    return charts.bar_chart(
        "Risk contributions",
        f"{first.symbol} adds most, {words.percent(first.contribution_share)} of the ex-ante volatility.",
        bars,
        "share of ex-ante volatility, %",
        lambda share: words.percent(share, places=0),
        ("of risk", "of equity"),
        text_widths=(56, 68),
        neutral=True,
    )


def _stress(view: RiskView, scale: float) -> Markup | None:
    scenarios = view.ranked_scenarios()
    if not scenarios:
        return None
    shown = scenarios if len(scenarios) <= _WORST + _BEST else [*scenarios[:_WORST], *scenarios[-_BEST:]]
    bars = [
        Bar(
            scenario.name,
            scenario.correlated_pnl,
            (
                words.money(scenario.correlated_pnl, scale, "+"),
                words.percent(view.weight(scenario.pnl), "+"),
                words.money(scenario.direct_pnl, scale, "+"),
            ),
            scenario.reason or scenario.description or scenario.category,
            thin=scenario.direct_pnl,
        )
        for scenario in shown
    ]
    worst = scenarios[0]
    return charts.bar_chart(
        "Stress scenarios",
        f"The worst is {worst.name}, {words.money(worst.pnl, scale, '+')} USD.",
        bars,
        "P&L, USD (wide: correlated, thin: direct)",
        words.short_money,
        ("correlated, USD", "of equity", "direct, USD"),
        width=charts.FULL,
        label_width=240,
        text_widths=(120, 76, 104),
    )


def _sectors(view: RiskView) -> Markup | None:
    if not any(sector.active_weight is not None for sector in view.sectors):
        return None
    bars = [
        Bar(
            sector.sector,
            sector.active_weight,
            (
                words.percent(sector.active_weight, "+"),
                words.percent(sector.weight),
                words.percent(sector.benchmark_weight),
            ),
            f"{words.percent(sector.weight)} of equity, {words.percent(sector.benchmark_weight)} of the benchmark",
        )
        for sector in view.sectors
    ]
    most = max(view.sectors, key=lambda sector: abs(sector.active_weight or 0.0))
    return charts.bar_chart(
        "Sector weights against the benchmark",
        f"The largest difference is {most.sector}, {words.percent(most.active_weight, '+')}.",
        bars,
        "weight less benchmark weight, % of equity",
        lambda share: words.percent(share, places=0),
        ("active", "weight", "bench."),
        text_widths=(54, 52, 50),
        neutral=True,
    )


def _correlations(view: RiskView) -> Markup | None:
    if not view.pairs or view.correlations is None:
        return None
    symbols = charts.in_cluster_order(view)
    return charts.heatmap(symbols, view.pairs, view.clusters, view.correlations.window_days)
