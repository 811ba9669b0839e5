"""The rules for the seeds of risk, in a single place: valid factors, scenarios and benchmark weights.

The reader refuses a seed that breaks a rule. So does the check of the files before they are loaded, which adds the
line.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from python_models.statistics.factors import INTEREST_RATE, MARKET, STYLE_FACTORS
from python_models.statistics.stress import Scenario

KIND_MARKET, KIND_RATE, KIND_STYLE, KIND_SECTOR = KINDS = ("market", "rate", "style", "sector")
SECTORS = (
    "Communication Services",
    "Consumer Discretionary",
    "Consumer Staples",
    "Energy",
    "Financials",
    "Health Care",
    "Industrials",
    "Information Technology",
    "Materials",
    "Real Estate",
    "Utilities",
)
KIND_OF = {
    MARKET: KIND_MARKET,
    INTEREST_RATE: KIND_RATE,
    **dict.fromkeys(STYLE_FACTORS, KIND_STYLE),
    **dict.fromkeys(SECTORS, KIND_SECTOR),
}
# Without any of these the model would be a different one. Sectors join where they are defined.
NEEDED_FACTORS = (MARKET, INTEREST_RATE, *STYLE_FACTORS)

REPLAY = "replay"
CATEGORIES = ("market", "rates", "rotation", "combination", REPLAY)
LARGEST_RATE_CHANGE = 300  # basis points


class Fault(NamedTuple):
    """A fault in a seed: the place of its row among those given, the column, and a message.

    `see` is the place of another row that the fault concerns, too.
    """

    place: int
    column: str
    what: str
    see: int | None = None


class FactorRow(NamedTuple):
    """A line of `factor_definitions`: a factor's ETFs, the preferred first, and how the bond ETF answers to yields."""

    factor: str
    kind: str
    symbols: tuple[str, ...]
    duration_years: float | None = None
    convexity: float | None = None


class ShockRow(NamedTuple):
    """A line of `stress_test_scenarios`: the effect of one scenario on one factor.

    `shock` is a return as a fraction, but for Interest Rate outside of replays, where it is basis points.
    """

    scenario_id: str
    category: str
    factor: str
    shock: Decimal
    window_start: date | None = None
    window_end: date | None = None
    name: str = ""


class WeightRow(NamedTuple):
    """A line of `benchmark_sector_weights`: a sector's share of the benchmark from a date on."""

    effective_date: date
    sector: str
    weight: Decimal


@dataclass(frozen=True)
class Definitions:
    """The defined factors, in the order of the models: market, rate, styles, sectors."""

    factors: tuple[FactorRow, ...]

    @cached_property
    def candidates(self) -> dict[str, tuple[str, ...]]:
        """Each factor's ETFs in order of preference."""
        return {row.factor: row.symbols for row in self.factors}

    @cached_property
    def sectors(self) -> tuple[str, ...]:
        """The sector factors."""
        return tuple(row.factor for row in self.factors if row.kind == KIND_SECTOR)

    @cached_property
    def etfs(self) -> tuple[str, ...]:
        """Every ETF that may stand for a factor, sorted."""
        return tuple(sorted({symbol for row in self.factors for symbol in row.symbols}))

    @property
    def duration(self) -> float:
        """The duration of the interest-rate ETF in years; NaN where it is not defined."""
        return next((row.duration_years for row in self.factors if row.duration_years is not None), float("nan"))

    @property
    def convexity(self) -> float:
        """The convexity of the interest-rate ETF in years squared; NaN where it is not defined."""
        return next((row.convexity for row in self.factors if row.convexity is not None), float("nan"))


@dataclass(frozen=True)
class StressScenario:
    """A scenario of the seed. A replay's window runs from the close of `start` to the close of `end`.

    The shocks of a replay are constants for factors whose stored prices do not reach back to it.
    """

    scenario: Scenario
    start: date | None = None
    end: date | None = None


def define_factors(rows: Iterable[FactorRow]) -> Definitions:
    """Put the factors into the order of the models; lines that `factor_faults` refuses are left out."""
    order = {factor: place for place, factor in enumerate(KIND_OF)}
    return Definitions(tuple(sorted((row for row in rows if row.factor in order), key=lambda row: order[row.factor])))


def define_scenarios(rows: Iterable[ShockRow]) -> list[StressScenario]:
    """The scenarios of the seed's lines, in the order of their ids."""
    scenarios = []
    by_id = groupby(sorted(rows, key=lambda row: (row.scenario_id, row.factor)), key=lambda row: row.scenario_id)
    for scenario_id, lines in by_id:
        first, *_ = own = list(lines)
        shocks = {row.factor: float(row.shock) for row in own}
        is_replay = first.category == REPLAY
        rate_change = None if is_replay else shocks.pop(INTEREST_RATE, None)
        scenario = Scenario(scenario_id, shocks, rate_change, is_replay)
        scenarios.append(StressScenario(scenario, first.window_start, first.window_end))
    return scenarios


def factor_faults(rows: Sequence[FactorRow]) -> list[Fault]:
    """All faults of the factors."""
    faults = _doubles([(row.factor,) for row in rows], "factor", "stands twice")
    for place, row in enumerate(rows):
        if row.factor not in KIND_OF:
            faults.append(Fault(place, "factor", f"{row.factor!r} is no factor; there are: {', '.join(KIND_OF)}"))
        elif row.kind != KIND_OF[row.factor]:
            faults.append(Fault(place, "kind", f"{row.factor} is of kind {KIND_OF[row.factor]}, not {row.kind!r}"))
        for column in ("duration_years", "convexity"):
            amount = getattr(row, column)
            if row.factor == INTEREST_RATE and (amount is None or not amount > 0):
                faults.append(Fault(place, column, f"{INTEREST_RATE} needs one, above zero"))
            elif row.factor != INTEREST_RATE and amount is not None:
                faults.append(Fault(place, column, f"is for {INTEREST_RATE} only: leave it empty"))
    named = {row.factor for row in rows}
    if missing := [factor for factor in NEEDED_FACTORS if factor not in named]:
        faults.append(Fault(len(rows) - 1, "factor", f"not every factor is there; missing: {', '.join(missing)}"))
    return faults


def scenario_faults(
    rows: Sequence[ShockRow], factors: Collection[str] = tuple(KIND_OF), incomplete: Collection[str] = ()
) -> list[Fault]:
    """All faults of the scenarios.

    Args:
        rows: the lines of all scenarios.
        factors: the factors that may be shocked.
        incomplete: ids of scenarios with missing rows, whose lines can only be checked one by one.
    """
    faults = []
    scenarios: dict[str, dict[int, ShockRow]] = {}
    for place, row in enumerate(rows):
        scenarios.setdefault(row.scenario_id, {})[place] = row
        faults += [Fault(place, column, what) for column, what in _shock_faults(row, factors)]
    unsound = {rows[fault.place].scenario_id for fault in faults if fault.column != "shock"}
    for scenario_id, lines in scenarios.items():
        faults += _differences(lines)
        if scenario_id not in {*incomplete, *unsound}:
            faults += _combination_faults(lines)
    first_lines = [min(lines) for lines in scenarios.values()]
    named = _doubles([(rows[place].name or rows[place].scenario_id,) for place in first_lines], "name", "")
    return faults + [
        Fault(first_lines[each.place], "name", f"{each.what}is the name of another scenario too", first_lines[each.see])
        for each in named
        if each.see is not None
    ]


def weight_faults(rows: Sequence[WeightRow]) -> list[Fault]:
    """All faults of the benchmark's weights; the weights of each date must add up to 1."""
    faults = _doubles([(row.sector, row.effective_date) for row in rows], "sector", "stands twice on this date")
    last: dict[date, int] = {}
    for place, row in enumerate(rows):
        last[row.effective_date] = place
        if not 0 <= row.weight <= 1:
            faults.append(Fault(place, "weight", f"{plain_number(row.weight)} is not a share, 0 to 1"))
    for effective_date, place in last.items():
        total = sum((row.weight for row in rows if row.effective_date == effective_date), Decimal(0))
        if total != 1:
            what = f"the weights of {effective_date} add up to {plain_number(total)}, not to 1"
            faults.append(Fault(place, "weight", what))
    return faults


def _doubles(keys: Sequence[tuple[object, ...]], column: str, what: str) -> list[Fault]:
    """The rows that repeat the key of an earlier row; the message begins with the first part of the key."""
    first: dict[tuple[object, ...], int] = {}
    faults = []
    for place, key in enumerate(keys):
        if key in first:
            faults.append(Fault(place, column, f"{key[0]} {what}", see=first[key]))
        first.setdefault(key, place)
    return faults


def plain_number(number: Decimal) -> str:
    """A number without an exponent and without zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _shock_faults(row: ShockRow, factors: Sequence[str]) -> list[tuple[str, str]]:
    """The faults of one shock by itself, as (column, message)."""
    if row.category not in CATEGORIES:
        return [("category", f"{row.category!r} is not one of {', '.join(CATEGORIES)}")]
    if row.factor not in factors:
        return [("factor", f"{row.factor!r} is no factor; there are: {', '.join(factors)}")]
    if not row.shock.is_finite():
        return [("shock", f"{row.shock} is not a finite number")]
    amount = plain_number(row.shock)
    in_basis_points = row.factor == INTEREST_RATE and row.category != REPLAY
    if in_basis_points and abs(row.shock) > LARGEST_RATE_CHANGE:
        limit = LARGEST_RATE_CHANGE
        return [("shock", f"{amount} basis points is beyond -{limit} to {limit}")]
    if in_basis_points and 0 < abs(row.shock) < 1:
        return [("shock", f"{amount} is less than a basis point: 100 is one percent")]
    if not in_basis_points and abs(row.shock) > 1:
        return [("shock", f"{amount} is beyond -1 to 1: it is a fraction, -0.2 is -20 %")]
    if not row.shock and row.category != REPLAY:
        return [("shock", "must not be zero: leave the line out")]
    return []


def _differences(lines: Mapping[int, ShockRow]) -> list[Fault]:
    """The lines of one scenario that do not fit together, by place."""
    (first_place, first), *others = lines.items()
    return [
        Fault(place, column, f"is not what the first line says of {first.scenario_id}", first_place)
        for place, row in others
        for column in ("name", "category", "window_start", "window_end")
        if getattr(row, column) != getattr(first, column)
    ]


def _combination_faults(lines: Mapping[int, ShockRow]) -> list[Fault]:
    """The faults of one scenario as a whole, by place."""
    (first_place, first), *_ = lines.items()
    places = list(lines)
    faults = [
        Fault(places[each.place], each.column, each.what, None if each.see is None else places[each.see])
        for each in _doubles([(row.factor,) for row in lines.values()], "factor", "is shocked twice in this scenario")
    ]
    by_factor = {row.factor: (place, row.shock) for place, row in lines.items()}
    if first.category == REPLAY:
        return faults + _replay_faults(first_place, first, by_factor)
    faults += [
        Fault(first_place, column, "is for replays only: leave it empty")
        for column in ("window_start", "window_end")
        if getattr(first, column) is not None
    ]
    value, growth = by_factor.get("Value"), by_factor.get("Growth")
    if value and growth:
        if value[1] * growth[1] >= 0:
            what = "Value and Growth must be shocked in opposite directions"
            faults.append(Fault(growth[0], "shock", what, see=value[0]))
    elif alone := value or growth:
        one, other = ("Value", "Growth") if value else ("Growth", "Value")
        what = f"{one} must not be shocked without {other}, in the opposite direction"
        faults.append(Fault(alone[0], "factor", what))
    return faults


def _replay_faults(place: int, first: ShockRow, by_factor: Mapping[str, object]) -> list[Fault]:
    faults = [
        Fault(place, column, "is empty: a replay needs its window")
        for column in ("window_start", "window_end")
        if getattr(first, column) is None
    ]
    if first.window_start and first.window_end and first.window_start >= first.window_end:
        faults.append(Fault(place, "window_end", f"{first.window_end} is not after the start, {first.window_start}"))
    if missing := [factor for factor in NEEDED_FACTORS if factor not in by_factor]:
        what = f"a replay shocks market, rates and all styles; missing: {', '.join(missing)}"
        faults.append(Fault(place, "factor", what))
    return faults
