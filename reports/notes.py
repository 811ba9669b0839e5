"""A page's notes on numbers that are missing or rest on little data: which, why, and the next step."""

from __future__ import annotations

from collections import defaultdict

from reports import words
from reports.view import Risk, RiskView

_SURPRISE = 0.05
_OWN_SHARE = 1 / 3
_SURPRISES_TOLD = 3


def notes(view: RiskView) -> list[str]:
    """Return one sentence for each thing that is missing from the page."""
    results = _of_results(view, view.risk) if view.risk else [_no_results(view)]
    return [*_of_freshness(view), *_of_holdings(view), *results, *_of_sectors(view)]


def _of_freshness(view: RiskView) -> list[str]:
    """Notes that P&L has reached a later session than the page's, or that inputs of its risk have changed since."""
    found: list[str] = []
    if view.risk and view.day == view.risk_to and view.day < view.rolled_to:
        found.append(
            f"P&L is rolled to {view.rolled_to}, risk to {view.risk_to}: this is the last session with both."
            f" `--date {view.rolled_to}` shows the P&L alone."
        )
    if view.risk and view.stale_because:
        found.append(f"Risk rests on inputs that have changed since: {view.stale_because}. The next run renews it.")
    return found


def surprises(view: RiskView) -> list[str]:
    """Return a sentence for each scenario whose loss comes by correlation far more than by its own shock."""
    found: list[str] = []
    for scenario in view.ranked_scenarios():
        all_of_it, own = view.weight(scenario.correlated_pnl), view.weight(scenario.direct_pnl)
        if all_of_it is None or own is None or abs(all_of_it) < _SURPRISE or abs(own) > abs(all_of_it) * _OWN_SHARE:
            continue
        against = (own > 0) != (all_of_it > 0) and round(own, 3) != 0
        found.append(
            f"{scenario.name} {_costs(all_of_it)} of equity, {'though' if against else 'and'} the shock itself "
            f"{'' if against else 'only '}{_costs(own)}: the other factors have moved together with the one that is "
            "shocked, and do so in this scenario."
        )
    return found[:_SURPRISES_TOLD]


def _costs(share: float) -> str:
    return f"{'costs' if share < 0 else 'earns'} {words.percent(abs(share))}"


def _of_holdings(view: RiskView) -> list[str]:
    found: list[str] = []
    if not view.holdings:
        found.append("The portfolio holds nothing but cash on this day.")
    stale = [
        f"{holding.symbol} ({'at cost, never priced' if holding.price_date is None else f'of {holding.price_date}'})"
        for holding in view.holdings
        if holding.is_stale
    ]
    if stale:
        found.append(f"Valued at an old price: {words.and_more(stale)}. A run with newer prices puts it right.")
    if view.snapshot.equity_balance <= 0:
        found.append(
            "Equity is not positive, so weights, betas and volatilities are empty. Amounts in dollars are right."
        )
    return found


def _no_results(view: RiskView) -> str:
    there_are = f" There are results from {view.risk_from} to {view.risk_to}." if view.risk_from else ""
    what_to_do = "The demo computes its last sessions only." if view.demo else f"Compute it: {view.analytics_command}"
    return f"No risk has been computed for {view.day}.{there_are} {what_to_do}"


def _of_results(view: RiskView, risk: Risk) -> list[str]:
    if not view.holdings:
        return []
    found: list[str] = []
    # said once for all of them
    has_equity = view.snapshot.equity_balance > 0
    if risk.reason and has_equity:
        found.append(f"Risk: {risk.reason}.")
    if risk.quality_flag != "full_history" and has_equity:
        returns = words.count(risk.observations, "return")
        found.append(f"Volatilities rest on {words.flag(risk.quality_flag)} ({returns} of 252).")
    without: dict[str, list[str]] = defaultdict(list)
    for holding in view.holdings:
        if holding.contribution_vol is None:
            why = "private" if holding.investment_class == "PRIVATE" else words.flag(holding.quality_flag)
            without[why].append(holding.symbol)
    if risk.positions_without:
        left_out = "; ".join(f"{words.and_more(symbols)} ({why})" for why, symbols in without.items())
        lots = words.count(risk.positions_without, "position")
        found.append(f"No factor betas for {lots}, left out of factors, contributions and stress: {left_out}.")
    if not view.exposures_of("ridge"):
        found.append("No factor model: the factor ETFs have too few returns. Bring their prices and run again.")
    reasons: dict[str, list[str]] = defaultdict(list)
    for exposure in view.exposures:
        if exposure.reason and has_equity:
            reasons[exposure.reason].append(exposure.factor)
    found += [
        f"No exposure to {words.and_more(list(dict.fromkeys(factors)))}: {why}." for why, factors in reasons.items()
    ]
    return found + _of_scenarios(view) + _of_correlations(view)


def _of_scenarios(view: RiskView) -> list[str]:
    reasons: dict[str, list[str]] = defaultdict(list)
    for scenario in view.scenarios:
        if scenario.reason:
            reasons[scenario.reason].append(scenario.name)
    if not view.scenarios:
        return ["No stress scenario has a result: there are no factors to shock."]
    return [f"No correlated P&L of {words.and_more(names)}: {why}." for why, names in reasons.items()]


def _of_correlations(view: RiskView) -> list[str]:
    correlations = view.correlations
    if correlations is None or correlations.overall_correlation is None:
        return ["No correlations: they take two holdings with 30 common returns."]
    if correlations.positions_excluded:
        symbols = words.count(correlations.positions_excluded, "symbol")
        return [f"{symbols} left out of the correlations: too little common history."]
    return []


def _of_sectors(view: RiskView) -> list[str]:
    unknown = [each for each in view.holdings if each.sector is None and not each.is_looked_through]
    funds = [each.symbol for each in view.holdings if each.is_looked_through]
    notes: list[str] = []
    if funds:
        notes.append(f"For {words.and_more(funds)}, the sectors of what the fund holds are counted.")
    if unknown:
        symbols = words.and_more([each.symbol for each in unknown])
        notes.append(
            f"No sector is known for {symbols}: write it into sector_tags.csv, a fund's into fund_sectors.csv."
        )
    return notes
