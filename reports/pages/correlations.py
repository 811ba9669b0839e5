"""The page of correlations between holdings: the matrix with its clusters, and the strongest and weakest pairs."""

from __future__ import annotations

from collections.abc import Sequence

from reports import words
from reports.pages import figures
from reports.pages.environment import Shell, render
from reports.tables import Column, table
from reports.view import HoldingCluster, Pair, RiskView

_PAIRS = 15


def render_correlations(view: RiskView, notes: Sequence[str], shell: Shell) -> str:
    """The page as HTML."""
    by_correlation = sorted(view.pairs, key=lambda pair: (-pair.correlation, pair.symbol_1, pair.symbol_2))
    return render(
        "correlations.html.j2",
        shell,
        view=view,
        notes=notes,
        matrix=figures.correlations(view),
        shown=len({symbol for pair in view.pairs for symbol in (pair.symbol_1, pair.symbol_2)}),
        strongest=_pairs(by_correlation[:_PAIRS], "Strongest pairs"),
        weakest=_pairs(by_correlation[::-1][:_PAIRS], "Weakest pairs"),
        clusters=_clusters(view),
    )


def _pairs(pairs: Sequence[Pair], label: str):
    columns: list[Column[Pair]] = [
        Column("first", "Symbol", lambda pair: pair.symbol_1, left=True),
        Column("second", "With", lambda pair: pair.symbol_2, left=True),
        Column("correlation", "Correlation", lambda pair: pair.correlation, lambda value: words.number(value, "+")),
    ]
    return table(columns, pairs, label=label)


def _clusters(view: RiskView):
    columns: list[Column[HoldingCluster]] = [
        Column("cluster", "Cluster", lambda cluster: cluster.nickname, left=True),
        Column("members", "Symbols", lambda cluster: ", ".join(cluster.symbols), left=True),
        Column("number", "Number", lambda cluster: len(cluster.symbols)),
        Column("value", "Value, USD", lambda cluster: cluster.total_value, lambda value: words.money(value, 1e6)),
        Column("weight", "Of equity", lambda cluster: cluster.weight, figures.percents()),
        Column("mean", "Mean correlation", lambda cluster: cluster.avg_correlation, words.number),
    ]
    return table(columns, view.clusters, label="Clusters", style="texts names")
