"""What the scenarios do to the factors on one session: the seed's shocks, and in replays what happened."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from python_models.definitions import Definitions, StressScenario
from python_models.statistics.conventions import Floats
from python_models.statistics.stress import FactorShocks, factor_shocks, replay_shocks
from python_models.statistics.symbols import SymbolStatistics


def session_shocks(
    statistics: SymbolStatistics,
    scenarios: Sequence[StressScenario],
    replayed: Mapping[str, Floats],
    etfs: Sequence[str],
    definitions: Definitions,
) -> FactorShocks:
    """What each scenario does on a session; a replay does what happened, where stored prices reach.

    Args:
        statistics: of the session.
        scenarios: those that are known on it.
        replayed: the daily returns of each replay's window (n_sessions, n_etfs), by scenario id.
        etfs: names of their columns.
        definitions: what a change of yields does to the bond ETF.
    """
    shocked = []
    for each in scenarios:
        scenario = each.scenario
        if scenario.is_replay:
            happened = replay_shocks(replayed[scenario.scenario_id], etfs, statistics.chosen)
            scenario = replace(scenario, shocks={**scenario.shocks, **happened})
        shocked.append(scenario)
    return factor_shocks(
        shocked,
        statistics.factors.names,
        statistics.stress_covariance.matrix,
        duration=definitions.duration,
        convexity=definitions.convexity,
    )
