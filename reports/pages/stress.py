"""The page of all stress scenarios, with each factor's part of the P&L."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reports import words
from reports.notes import surprises
from reports.pages import figures
from reports.pages.environment import Dollars, Shell, render
from reports.pages.figures import percents
from reports.risk_history import Impact
from reports.tables import Column, Order, ordered, table
from reports.view import RiskView, ScenarioResult

OTHERS = "nonlinear"


def render_stress(
    view: RiskView,
    impacts: Sequence[Impact],
    notes: Sequence[str],
    shell: Shell,
    sort: str = "correlated",
    kind: str = "",
) -> str:
    """The page as HTML, scenarios of one kind or all, sorted by a column."""
    book = shell.book
    assert book is not None  # noqa: S101  a page of one portfolio
    dollars = Dollars(figures.scale_of(view))
    scenarios = [scenario for scenario in view.scenarios if not kind or scenario.category == kind]
    shown = [scenario for scenario in scenarios if scenario.pnl is not None]
    by_scenario = {impact.scenario_id: impact for impact in impacts}
    query = {**book.at(), **({"kind": kind} if kind else {})}
    order = Order(book.path("stress"), query, sort)
    columns = _columns(view, by_scenario, dollars)
    return render(
        "stress.html.j2",
        shell,
        view=view,
        kinds={"": "all", **{each: each for each in sorted({scenario.category for scenario in view.scenarios})}},
        kind=kind,
        surprises=surprises(view),
        notes=notes,
        scenarios=scenarios,
        bars=figures.stress(_only(view, shown), dollars, every=True) if shown else None,
        table=table(
            columns, ordered(scenarios, columns, order), label="Scenarios and factors", order=order, style="names"
        ),
    )


def _only(view: RiskView, scenarios: Sequence[ScenarioResult]) -> RiskView:
    return replace(view, scenarios=list(scenarios))


def _columns(view: RiskView, impacts: dict[str, Impact], dollars: Dollars) -> list[Column[ScenarioResult]]:
    known = {factor for impact in impacts.values() for factor in impact.factor_impacts}
    joint = [exposure.factor for exposure in view.exposures_of("ridge") if exposure.factor in known]
    factors = [*joint, *sorted(known - {*joint, OTHERS}), *({OTHERS} & known)]

    def impact(scenario: ScenarioResult, factor: str) -> float | None:
        found = impacts.get(scenario.scenario_id)
        return found.factor_impacts.get(factor) if found else None

    columns: list[Column[ScenarioResult]] = [
        Column("name", "Scenario", lambda scenario: scenario.name, left=True),
        Column("correlated", "Correlated, USD", lambda scenario: scenario.correlated_pnl, dollars.signed, signed=True),
        Column("share", "Of equity", lambda scenario: view.weight(scenario.pnl), percents(1, "+")),
        Column("direct", "Direct, USD", lambda scenario: scenario.direct_pnl, dollars.signed, signed=True),
    ]
    for factor in factors:
        columns.append(
            Column(
                factor,
                "Beyond delta" if factor == OTHERS else factor,
                lambda scenario, factor=factor: impact(scenario, factor),
                lambda value: ("+" if value > 0 else "") + words.short_money(value),
            )
        )
    return [*columns, Column("left_out", "Lots left out", lambda scenario: scenario.positions_excluded)]
