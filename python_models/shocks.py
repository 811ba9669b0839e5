"""The effects of scenarios on the factors on one session: the shocks of the seed, and of history in replays."""

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
    """The shocks of each scenario on a session; a replay uses the actual returns, where there are stored prices.

    Args:
        statistics: the session's statistics of symbols and factors.
        scenarios: the scenarios that are known on that session.
        replayed: the daily returns of each replay's window (n_sessions, n_etfs), by scenario id.
        etfs: names of their columns.
        definitions: the response of the bond ETF to a change of yields.
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
