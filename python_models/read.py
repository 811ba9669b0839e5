"""Reads the inputs of the risk models from the database, as arrays, for all portfolios and dates at once.

The number of statements does not grow with portfolios, symbols or sessions; holdings are read in blocks of sessions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import numpy as np
import psycopg
from psycopg.rows import namedtuple_row

from python_models.definitions import (
    Definitions,
    FactorRow,
    Fault,
    ShockRow,
    StressScenario,
    define_factors,
    define_scenarios,
    factor_faults,
    scenario_faults,
)
from python_models.statistics.conventions import Floats
from warehouse.errors import UserError
from warehouse.market_symbol import market_symbol
from warehouse.sessions import sessions_between

_DIVIDENDS_OF = timedelta(days=365)

# A position's symbol in the panel: its own, its underlying's for an option, none when private.
_COUNTS_AS: LiteralString = (
    "case when positions.investment_class is distinct from 'PRIVATE'"
    f" then {market_symbol('positions', held='held')} end"
)


@dataclass(frozen=True)
class Panel:
    """Daily total returns (n_sessions, n_symbols), decimals; NaN where there is none or it spans a gap.

    `sessions` ascend, `symbols` are sorted by code point.
    """

    sessions: tuple[date, ...]
    symbols: tuple[str, ...]
    returns: Floats

    @cached_property
    def rows(self) -> dict[date, int]:
        """Each session's row."""
        return {session: row for row, session in enumerate(self.sessions)}

    @cached_property
    def columns(self) -> dict[str, int]:
        """Each symbol's column."""
        return {symbol: column for column, symbol in enumerate(self.symbols)}


@dataclass(frozen=True)
class Snapshots:
    """The portfolios on each session, with equity, names, and the daily returns since inception.

    `equity` is dollars by session and portfolio; `daily_returns` (n_sessions, n_portfolios) has a row for each of
    `sessions`, from the earliest inception on, and a column for each of `portfolios`.
    """

    portfolios: tuple[UUID, ...]
    names: Mapping[UUID, str]
    equity: Mapping[date, Mapping[UUID, float]]
    sessions: tuple[date, ...]
    daily_returns: Floats

    @cached_property
    def rows(self) -> dict[date, int]:
        """Each session's row of `daily_returns`."""
        return {session: row for row, session in enumerate(self.sessions)}

    @cached_property
    def columns(self) -> dict[UUID, int]:
        """Each portfolio's column of `daily_returns`."""
        return {portfolio: column for column, portfolio in enumerate(self.portfolios)}

    def of(self, day: date, portfolios: Sequence[UUID]) -> "Snapshots":
        """The part about these portfolios on one session."""
        return Snapshots(
            portfolios=tuple(portfolios),
            names={each: self.names[each] for each in portfolios},
            equity={day: {each: self.equity[day][each] for each in portfolios}},
            sessions=self.sessions,
            daily_returns=self.daily_returns[:, [self.columns[each] for each in portfolios]],
        )


class Size(NamedTuple):
    """The size of one session."""

    portfolios: int
    positions: int


class Position(NamedTuple):
    """One position with a quantity on one session.

    `symbol` is its symbol in the panel: its own, its underlying's for an option, None when private. `units` are signed
    shares controlled (contracts × multiplier for options), `price` dollars per share as of `price_date` (None: never
    priced), `market_value` dollars. An option's `strike` is in shares of `share_date`: its first session, or the later
    day in whose shares its file is stated.
    """

    portfolio_id: UUID
    position_id: UUID
    symbol: str | None
    units: float
    price: float
    price_date: date | None
    market_value: float
    is_option: bool
    is_call: bool
    strike: float | None
    expiration: date | None
    share_date: date | None
    sector: str | None


@dataclass(frozen=True)
class Underlyings:
    """Closes, splits and dividends of the underlyings of options."""

    closes: Mapping[tuple[str, date], tuple[date, float]] = field(default_factory=dict)
    splits: Mapping[str, list[tuple[date, float]]] = field(default_factory=dict)
    dividends: Mapping[str, list[tuple[date, float]]] = field(default_factory=dict)

    def spot(self, symbol: str, day: date, base: date) -> float:
        """Last close at or before the day, in dollars per share of the day `base`; NaN without a close."""
        if (symbol, day) not in self.closes:
            return float("nan")
        price_date, close = self.closes[symbol, day]
        return close * self._growth(symbol, base, price_date) / self._growth(symbol, price_date, base)

    def dividend_yield(self, symbol: str, day: date) -> float:
        """Dividends with an ex-date in the 365 days up to the day, in shares of the day, over the spot price."""
        paid = sum(
            amount / self._growth(symbol, ex_date, day)
            for ex_date, amount in self.dividends.get(symbol, [])
            if day - _DIVIDENDS_OF < ex_date <= day
        )
        return paid / self.spot(symbol, day, day)

    def _growth(self, symbol: str, after: date, through: date) -> float:
        """The number of shares that one share has become by splits, after one day and up to another."""
        ratios = [ratio for ex_date, ratio in self.splits.get(symbol, []) if after < ex_date <= through]
        return float(np.prod(ratios))


def read_definitions(conn: psycopg.Connection[Any]) -> Definitions:
    """Read the seed `factor_definitions`; raises UserError with all of its faults."""
    rows = [
        FactorRow(factor, kind, tuple(symbols.split()), *amounts)
        for factor, kind, symbols, *amounts in conn.execute(
            "select factor, kind, symbols, duration_years, convexity from analytics.factor_definitions order by factor"
        )
    ]
    _refuse("factor_definitions.csv", [row.factor for row in rows], factor_faults(rows))
    return define_factors(rows)


def read_scenarios(conn: psycopg.Connection[Any], definitions: Definitions) -> list[StressScenario]:
    """Read the seed `stress_test_scenarios`, in the order of their ids; raises UserError naming all that are unfit."""
    rows = [
        ShockRow(scenario_id, category, factor, Decimal(repr(shock)), start, end, name)
        for scenario_id, category, factor, shock, start, end, name in conn.execute(
            """
            select scenario_id, category, factor, shock, window_start, window_end, name
            from analytics.stress_test_scenarios
            order by scenario_id collate "C", factor collate "C"
            """
        )
    ]
    _refuse(
        "stress_test_scenarios.csv",
        [row.scenario_id for row in rows],
        scenario_faults(rows, factors=tuple(definitions.candidates)),
    )
    return define_scenarios(rows)


def _refuse(seed: str, names: Sequence[str], faults: Sequence[Fault]) -> None:
    if faults:
        raise UserError(
            "\n".join(f"{seed}: {names[fault.place]}: {fault.column}: {fault.what}" for fault in faults)
            + f"\ncorrect dbt_project/seeds/{seed} and run again"
        )


def read_sector_seeds(conn: psycopg.Connection[Any]) -> list[str]:
    """The versions of the sector seeds with which the portfolios were rolled."""
    rows = conn.execute(
        "select distinct sector_seeds_fingerprint from ops.roll_forward_state"
        " where sector_seeds_fingerprint is not null order by sector_seeds_fingerprint"
    )
    return [version for (version,) in rows]


def read_symbols(conn: psycopg.Connection[Any]) -> list[str]:
    """All symbols with a market price that portfolios hold or ever held, including the underlyings of options."""
    rows = conn.execute(
        f"select {market_symbol('lots')} from raw.position_terms as lots where lots.investment_class <> 'PRIVATE'"
        " union select symbol from intermediate.lot_stages"
    )
    return [symbol for (symbol,) in rows]


def read_returns(conn: psycopg.Connection[Any], symbols: Sequence[str], sessions: Sequence[date]) -> Panel:
    """The panel of `daily_returns.total_return` over one session each; later prices than the last are not looked at."""
    panel = Panel(tuple(sessions), tuple(sorted(set(symbols))), np.full((len(sessions), len(set(symbols))), np.nan))
    if not sessions:
        return panel
    rows = conn.cursor(binary=True).execute(
        """
        with places as (
            select session_date, row_number() over (order by session_date)::integer - 1 as place
            from unnest(%s::date[]) as session_date
        )
        select daily_returns.symbol, array_agg(places.place), array_agg(daily_returns.total_return::float8)
        from analytics.daily_returns
        inner join places on daily_returns.value_date = places.session_date
        where
            daily_returns.symbol = any(%s)
            and daily_returns.value_date between %s and %s
            and daily_returns.gap_sessions = 1
        group by daily_returns.symbol
        """,
        (list(sessions), list(panel.symbols), sessions[0], sessions[-1]),
    )
    for symbol, places, values in rows:
        panel.returns[places, panel.columns[symbol]] = values
    return panel


def read_sizes(conn: psycopg.Connection[Any], start: date, end: date, further: Sequence[date] = ()) -> dict[date, Size]:
    """The sessions from `start` to `end`, and further ones, on which some portfolio has a snapshot, in order."""
    rows = conn.execute(
        "select snapshot_date, count(*), sum(num_positions) from analytics.portfolio_snapshots"
        " where snapshot_date between %s and %s or snapshot_date = any(%s) group by snapshot_date"
        " order by snapshot_date",
        (start, end, list(further)),
    )
    return {day: Size(portfolios, int(positions)) for day, portfolios, positions in rows}


def read_snapshots(conn: psycopg.Connection[Any], days: Sequence[date]) -> Snapshots:
    """The snapshots of all portfolios on these days, in order, and the returns that led to them."""
    equity: dict[date, dict[UUID, float]] = {}
    rows = conn.execute(
        "select snapshot_date, portfolio_id, equity_balance::float8 from analytics.portfolio_snapshots"
        " where snapshot_date = any(%s) order by snapshot_date, portfolio_id",
        (list(days),),
    )
    for day, portfolio, balance in rows:
        equity.setdefault(day, {})[portfolio] = balance
    portfolios = sorted({portfolio for balances in equity.values() for portfolio in balances})
    end = max(days, default=date.min)
    histories = (
        conn.cursor(binary=True)
        .execute(
            """
            select
                snapshots.portfolio_id,
                min(portfolios.name),
                array_agg(snapshots.snapshot_date order by snapshots.snapshot_date),
                array_agg(snapshots.daily_return::float8 order by snapshots.snapshot_date)
            from analytics.portfolio_snapshots as snapshots
            left join raw.portfolios as portfolios on snapshots.portfolio_id = portfolios.portfolio_id
            where snapshots.snapshot_date <= %s and snapshots.portfolio_id = any(%s)
            group by snapshots.portfolio_id
            """,
            (end, portfolios),
        )
        .fetchall()
    )
    earliest = min((history[2][0] for history in histories), default=end)
    sessions = sessions_between(conn, earliest, end)
    snapshots = Snapshots(
        portfolios=tuple(portfolios),
        names={portfolio: name or str(portfolio) for portfolio, name, _, _ in histories},
        equity=equity,
        sessions=tuple(sessions),
        daily_returns=np.full((len(sessions), len(portfolios)), np.nan),
    )
    for portfolio, _, days_known, returns in histories:
        places = [snapshots.rows[day] for day in days_known]
        snapshots.daily_returns[places, snapshots.columns[portfolio]] = np.array(returns, dtype=np.float64)
    return snapshots


def read_held(conn: psycopg.Connection[Any], portfolios: Sequence[UUID], day: date) -> dict[UUID, list[str]]:
    """The symbols that these portfolios hold on a session, an option's underlying among them."""
    rows = conn.cursor(binary=True).execute(
        f"""
        select held.portfolio_id, array_agg(distinct {_COUNTS_AS}) filter (where {_COUNTS_AS} is not null)
        from analytics.position_values as held
        left join raw.position_terms as positions on held.position_id = positions.position_id
        where held.portfolio_id = any(%s) and held.value_date = %s and held.quantity <> 0
        group by held.portfolio_id
        order by held.portfolio_id
        """,
        (list(portfolios), day),
    )
    return {portfolio: symbols or [] for portfolio, symbols in rows}


def read_holdings(
    conn: psycopg.Connection[Any], portfolios: Sequence[UUID], days: Sequence[date]
) -> dict[date, dict[UUID, list[Position]]]:
    """The positions with a quantity on each of these sessions, in a fixed order, of the portfolios that hold any."""
    holdings: dict[date, dict[UUID, list[Position]]] = {day: {} for day in days}
    rows = conn.cursor(binary=True).execute(
        f"""
        -- a strike is in shares of the first session of its lot, or of a later day that its file was stated in
        with options as materialized (
            select terms.portfolio_id, terms.position_id, positions.shares_as_of
            from raw.position_terms as terms
            left join raw.positions on terms.position_id = positions.position_id
            where terms.investment_class = 'OPTIONS' and terms.portfolio_id = any(%(portfolios)s)
        ),

        lives as (
            select distinct
                held.portfolio_id, held.position_id, greatest(first_row.value_date, options.shares_as_of) as share_date
            from options
            inner join analytics.position_values as held
                on options.portfolio_id = held.portfolio_id and options.position_id = held.position_id
            cross join lateral (
                select earlier.value_date from analytics.position_values as earlier
                where earlier.position_id = held.position_id and earlier.portfolio_id = held.portfolio_id
                order by earlier.value_date
                limit 1
            ) as first_row
            where held.value_date between %(start)s and %(end)s and held.value_date = any(%(days)s)
        )
        select
            held.value_date,
            held.portfolio_id,
            held.position_id,
            {_COUNTS_AS},
            (held.quantity * held.multiplier)::float8,
            held.price::float8,
            held.price_date,
            held.market_value::float8,
            coalesce(positions.investment_class = 'OPTIONS', false),
            coalesce(positions.option_type = 'CALL', false),
            positions.strike_price::float8,
            positions.expiration_date,
            lives.share_date,
            sector_tags.name
        from analytics.position_values as held
        -- what a spin-off gave birth to is in no file: shares, under the name of the day like all others
        left join raw.position_terms as positions on held.position_id = positions.position_id
        left join analytics.position_sector_tags as tagged on held.position_id = tagged.position_id
        left join analytics.sector_tags on tagged.sector_tag_id = sector_tags.sector_tag_id
        left join lives on held.portfolio_id = lives.portfolio_id and held.position_id = lives.position_id
        where
            held.portfolio_id = any(%(portfolios)s)
            and held.value_date between %(start)s and %(end)s
            and held.value_date = any(%(days)s)
            and held.quantity <> 0
        order by held.value_date, held.portfolio_id, held.position_id
        """,
        {"portfolios": list(portfolios), "start": min(days), "end": max(days), "days": list(days)},
    )
    for (day, portfolio), positions in groupby(rows, key=itemgetter(0, 1)):
        holdings[day][portfolio] = [Position(*position) for _, *position in positions]
    return holdings


def read_underlyings(conn: psycopg.Connection[Any], wanted: Sequence[tuple[str, date]]) -> Underlyings:
    """Closes, splits and dividends of the options' underlyings on these days."""
    if not wanted:
        return Underlyings()
    symbols, days = zip(*sorted(set(wanted)), strict=True)
    closes = conn.execute(
        """
        select wanted.symbol, wanted.day, last_price.price_date, last_price.close::float8
        from unnest(%s::text[], %s::date[]) as wanted (symbol, day)
        cross join lateral (
            select price_date, close from raw.market_data_cache as prices
            where prices.symbol = wanted.symbol and prices.price_date <= wanted.day
            order by price_date desc
            limit 1
        ) as last_price
        """,
        (list(symbols), list(days)),
    )
    underlyings = Underlyings({(symbol, day): (priced, close) for symbol, day, priced, close in closes}, {}, {})
    actions = conn.cursor(row_factory=namedtuple_row).execute(
        "select symbol, ex_date, action_type, value::float8 from raw.corporate_actions"
        " where symbol = any(%s) and action_type in ('SPLIT', 'DIVIDEND') order by symbol, ex_date",
        (list(set(symbols)),),
    )
    for action in actions:
        kind = underlyings.splits if action.action_type == "SPLIT" else underlyings.dividends
        kind.setdefault(action.symbol, []).append((action.ex_date, action.value))
    return underlyings


def read_states(conn: psycopg.Connection[Any], days: Sequence[date]) -> dict[tuple[date, UUID | None], tuple[str, str]]:
    """The fingerprints of these sessions' results: (inputs, method) by (session, portfolio or None for symbols)."""
    rows = conn.execute(
        "select calculation_date, portfolio_id, inputs, method from ops.risk_state where calculation_date = any(%s)",
        (list(days),),
    )
    return {(day, portfolio): (inputs, method) for day, portfolio, inputs, method in rows}


def read_withdrawn(conn: psycopg.Connection[Any]) -> list[tuple[date, UUID | None]]:
    """Results that have lost their snapshot: of a portfolio, or for symbols of a session."""
    return conn.execute(
        """
        select state.calculation_date, state.portfolio_id
        from ops.risk_state as state
        left join analytics.portfolio_snapshots as snapshots
            on state.portfolio_id = snapshots.portfolio_id and state.calculation_date = snapshots.snapshot_date
        where state.portfolio_id is not null and snapshots.portfolio_id is null
        union all
        select state.calculation_date, null
        from ops.risk_state as state
        where
            state.portfolio_id is null
            and state.calculation_date not in (
                select snapshots.snapshot_date from analytics.portfolio_snapshots as snapshots
            )
        """
    ).fetchall()
