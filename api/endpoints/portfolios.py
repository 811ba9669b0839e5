"""One portfolio: what it is worth and earned, what it holds, and what its risk is."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import psycopg
from fastapi import APIRouter, Request, Response

from api import queries
from api.answers import caller_of
from api.asking import Ask, Body, Reads, Selection, Selects, answer_asked, find_portfolio, find_session, span_of
from api.encode import Rows, json_object, json_text
from api.endpoints.routes import PREFIX, Endpoint, Many, One, Plain, Sections
from api.missing import Missing, missing_of, not_there
from api.problems import NotThere, Problem, invalid
from api.tables import Table, of, optional, own
from reports.notes import notes
from reports.portfolios import read_stale_because
from reports.reading import read_page

_OF_SESSION = "portfolio_id = %(portfolio_id)s and calculation_date = %(as_of)s"
_KEYS = "portfolio_id calculation_date"

SNAPSHOT = Table(
    of("snapshots", "portfolio_snapshots", leave_out="portfolio_id"),
    "from analytics.portfolio_snapshots as snapshots"
    " where snapshots.portfolio_id = %(portfolio_id)s and snapshots.snapshot_date = %(as_of)s",
)
HISTORY = Table(
    SNAPSHOT.columns,
    "from analytics.portfolio_snapshots as snapshots"
    " where snapshots.portfolio_id = %(portfolio_id)s and snapshots.snapshot_date between %(start)s and %(end)s",
    key=("snapshot_date",),
    label=("snapshot_date",),
)
RISK = Table(
    of("metrics", "portfolio_risk_metrics", leave_out=_KEYS),
    f"from analytics.portfolio_risk_metrics as metrics where {_OF_SESSION}",
)
SECTORS = Table(
    of("sectors", "portfolio_sector_exposures", leave_out="portfolio_id value_date"),
    "from analytics.portfolio_sector_exposures as sectors"
    " where sectors.portfolio_id = %(portfolio_id)s and sectors.value_date = %(as_of)s"
    " order by sectors.weight desc nulls last, sectors.market_value desc, sectors.sector",
    label=("sector",),
)
RISK_HISTORY = Table(
    of("metrics", "portfolio_risk_metrics", leave_out="portfolio_id"),
    "from analytics.portfolio_risk_metrics as metrics"
    " where metrics.portfolio_id = %(portfolio_id)s and metrics.calculation_date between %(start)s and %(end)s",
    key=("calculation_date",),
    label=("calculation_date",),
)

_EQUITY = (
    " left join analytics.portfolio_snapshots as snapshots"
    " on held.portfolio_id = snapshots.portfolio_id and held.value_date = snapshots.snapshot_date"
)
_TAGS = (
    " left join analytics.position_sector_tags as position_tags on held.position_id = position_tags.position_id"
    " left join analytics.sector_tags as tags on position_tags.sector_tag_id = tags.sector_tag_id"
)
_CONTRIBUTIONS = (
    " left join analytics.position_risk_contributions as contributions"
    " on held.position_id = contributions.position_id and held.value_date = contributions.calculation_date"
)
_POSITIONS = " left join analytics.positions as positions on held.position_id = positions.position_id"
_COMPANIES = (
    " left join analytics.companies as companies"
    " on coalesce(positions.underlying_symbol, held.symbol) = companies.symbol"
    " and positions.investment_class <> 'PRIVATE'"
)
_HELD = "where held.portfolio_id = %(portfolio_id)s and held.value_date = %(as_of)s"

WEIGHT = own(
    "weight",
    "case when snapshots.equity_balance > 0 then round(held.market_value / snapshots.equity_balance, 18) end",
    "numeric",
    "Market value as a share of equity; null where equity is not positive",
)
LOTS = Table(
    (
        *of("held", "position_values", "position_id symbol"),
        *own("company", "companies.name", "text", "The issuer's name; of an option, its underlying's"),
        *own("sector", "tags.name", "text", "Its sector; null where none is known"),
        *own("industry", "companies.industry", "text", "The industry as the source names it"),
        *of("positions", "positions", "position_type investment_class investment_subtype"),
        *of("positions", "positions", "entry_date entry_price"),
        *optional(of("positions", "positions", "exit_date exit_price")),
        *optional(of("positions", "positions", "underlying_symbol option_type strike_price expiration_date")),
        *of("held", "position_values", "quantity price"),
        *of("held", "position_values", "price_date is_stale multiplier market_value"),
        *WEIGHT,
        *of("held", "position_values", "cost_basis unrealized_pnl opening_unrealized_pnl realized_pnl"),
        *of("held", "position_values", "dividend_income fees daily_pnl"),
        *optional(of("contributions", "position_risk_contributions", "marginal_vol contribution_vol")),
        *optional(of("contributions", "position_risk_contributions", "contribution_share")),
    ),
    "from analytics.position_values as held"
    + _POSITIONS
    + _TAGS
    + _COMPANIES
    + _CONTRIBUTIONS
    + _EQUITY
    + f" {_HELD} and (%(position_id)s::uuid is null or held.position_id = %(position_id)s)"
    " order by abs(held.market_value) desc, held.symbol, held.position_id",
    label=("symbol", "entry_date"),
)
NETTED = Table(
    (
        *of("held", "position_values", "symbol"),
        *own("company", "held.company", "text", "The issuer's name; of an option, its underlying's"),
        *own("sector", "held.sector", "text", "Its sector; null where none is known"),
        *optional(of("held", "positions", "underlying_symbol")),
        *of("held", "positions", "investment_class"),
        *own("lots", "held.lots", "bigint", "How many lots are netted"),
        *own("quantity", "held.quantity", "numeric", "Signed shares or contracts of all lots"),
        *own("market_value", "held.market_value", "numeric", "USD of all lots"),
        *own(
            "weight",
            "case when held.equity_balance > 0 then round(held.market_value / held.equity_balance, 18) end",
            "numeric",
            "Market value as a share of equity; null where equity is not positive",
        ),
        *own("cost_basis", "held.cost_basis", "numeric", "USD that the lots cost, signed like the market value"),
        *own("unrealized_pnl", "held.unrealized_pnl", "numeric", "USD not realized yet, of all lots"),
        *own("realized_pnl", "held.realized_pnl", "numeric", "USD realized on the session, net of fees"),
        *own("dividend_income", "held.dividend_income", "numeric", "USD of dividends on the session"),
        *own("fees", "held.fees", "numeric", "USD of fees on the session"),
        *own("daily_pnl", "held.daily_pnl", "numeric", "USD earned on the session"),
        *own("is_stale", "held.is_stale", "boolean", "Whether any lot is valued at an earlier session's price"),
        *optional(own("price_date", "held.price_date", "date", "The oldest day of a price that a lot is valued at")),
        *optional(
            own("contribution_vol", "held.contribution_vol", "double precision", "What the lots add to ex_ante_vol")
        ),
        *optional(
            own("contribution_share", "held.contribution_share", "double precision", "The same as a share of it")
        ),
    ),
    """
    from (
        select
            held.symbol,
            positions.underlying_symbol,
            coalesce(positions.investment_class, 'PUBLIC') as investment_class,
            min(companies.name) as company,
            min(tags.name) as sector,
            count(*) as lots,
            sum(held.quantity) as quantity,
            sum(held.market_value) as market_value,
            sum(held.cost_basis) as cost_basis,
            sum(held.unrealized_pnl) as unrealized_pnl,
            sum(held.realized_pnl) as realized_pnl,
            sum(held.dividend_income) as dividend_income,
            sum(held.fees) as fees,
            sum(held.daily_pnl) as daily_pnl,
            bool_or(held.is_stale) as is_stale,
            min(held.price_date) as price_date,
            sum(contributions.contribution_vol) as contribution_vol,
            sum(contributions.contribution_share) as contribution_share,
            min(snapshots.equity_balance) as equity_balance
        from analytics.position_values as held
    """
    + _POSITIONS
    + _TAGS
    + _COMPANIES
    + _CONTRIBUTIONS
    + _EQUITY
    + f"""
        {_HELD} and held.quantity <> 0
        group by held.symbol, positions.underlying_symbol, positions.investment_class
    ) as held
    order by abs(held.market_value) desc, held.symbol
    """,
    label=("symbol",),
)
VALUES = Table(
    of("held", "position_values", leave_out="portfolio_id"),
    "from analytics.position_values as held where held.portfolio_id = %(portfolio_id)s"
    " and held.value_date between %(start)s and %(end)s"
    " and (%(symbol)s::text is null or held.symbol = %(symbol)s)",
    key=("value_date", "position_id"),
    label=("symbol", "value_date"),
)
EXPOSURES = Table(
    of("exposures", "portfolio_factor_exposures", leave_out=_KEYS),
    f"from analytics.portfolio_factor_exposures as exposures where {_OF_SESSION}"
    " and exposures.model = any(%(models)s) order by exposures.model, exposures.factor",
    label=("model", "factor"),
)
EXPOSURE_HISTORY = Table(
    of("exposures", "portfolio_factor_exposures", leave_out="portfolio_id"),
    "from analytics.portfolio_factor_exposures as exposures where exposures.portfolio_id = %(portfolio_id)s"
    " and exposures.calculation_date between %(start)s and %(end)s"
    " and (%(model)s::text is null or exposures.model = %(model)s)"
    " and (%(factor)s::text is null or exposures.factor = %(factor)s)",
    key=("calculation_date", "model", "factor"),
    label=("model", "factor", "calculation_date"),
)
_BETA_COLUMNS = "position_id symbol"
_BETA_NUMBERS = of("betas", "position_market_betas", leave_out=f"{_KEYS} {_BETA_COLUMNS}")
POSITION_BETAS = Table(
    (
        *of("betas", "position_market_betas", _BETA_COLUMNS),
        *own("model", "betas.model", "text", "market: beta to SPY; interest_rate: beta to TLT"),
        *_BETA_NUMBERS,
    ),
    "from ("
    f"select 'market' as model, * from analytics.position_market_betas where {_OF_SESSION}"
    " union all "
    f"select 'interest_rate' as model, * from analytics.position_interest_rate_betas where {_OF_SESSION}"
    ") as betas where betas.model = any(%(models)s) order by betas.symbol, betas.position_id, betas.model desc",
    label=("symbol",),
)
POSITION_FACTORS = Table(
    (
        *of("exposures", "position_factor_exposures", leave_out=f"{_KEYS} regularization_alpha"),
        *optional(of("exposures", "position_factor_exposures", "regularization_alpha")),
    ),
    f"from analytics.position_factor_exposures as exposures where {_OF_SESSION}"
    " and exposures.model = any(%(models)s) order by exposures.symbol, exposures.position_id, exposures.factor",
    label=("symbol",),
)
VOLATILITY = Table(
    of(
        "metrics",
        "portfolio_risk_metrics",
        "realized_vol_21d realized_vol_63d expected_vol_21d vol_trend vol_trend_strength vol_percentile observations"
        " model_r_squared quality_flag ex_ante_vol reason",
    ),
    f"from analytics.portfolio_risk_metrics as metrics where {_OF_SESSION}",
)
POSITION_VOLATILITY = Table(
    of("volatility", "position_volatility", leave_out=_KEYS),
    f"from analytics.position_volatility as volatility where {_OF_SESSION}"
    " order by volatility.symbol, volatility.position_id",
    label=("symbol",),
)
CONTRIBUTIONS = Table(
    (
        *of("contributions", "position_risk_contributions", "position_id"),
        *of("held", "position_values", "symbol market_value"),
        *WEIGHT,
        *of("contributions", "position_risk_contributions", leave_out=f"{_KEYS} position_id"),
    ),
    "from analytics.position_risk_contributions as contributions"
    " inner join analytics.position_values as held"
    " on contributions.position_id = held.position_id and contributions.calculation_date = held.value_date"
    + _EQUITY
    + " where contributions.portfolio_id = %(portfolio_id)s and contributions.calculation_date = %(as_of)s"
    " order by contributions.contribution_vol desc nulls last, held.symbol, contributions.position_id",
    label=("symbol",),
)
CORRELATION = Table(
    of("summary", "correlation_calculations", leave_out=_KEYS),
    f"from analytics.correlation_calculations as summary where {_OF_SESSION}",
)
CLUSTERS = Table(
    (
        *of("clusters", "correlation_clusters", leave_out=_KEYS),
        *own("symbols", "members.symbols", "text[]", "The symbols of the members"),
    ),
    f"from (select * from analytics.correlation_clusters where {_OF_SESSION}) as clusters"
    " inner join (select cluster_number, to_json(array_agg(symbol order by symbol)) as symbols"
    f" from analytics.correlation_cluster_positions where {_OF_SESSION} group by cluster_number) as members"
    " using (cluster_number) order by clusters.cluster_number",
    label=("nickname",),
)
# An option counts as its underlying, and private holdings have no returns.
_LARGEST = """
    (
        select symbol
        from (
            select
                coalesce(positions.underlying_symbol, held.symbol) as symbol,
                max(sum(abs(held.market_value))) over (partition by coalesce(positions.underlying_symbol, held.symbol))
                    as size
            from analytics.position_values as held
            left join analytics.positions as positions on held.position_id = positions.position_id
            where
                held.portfolio_id = %(portfolio_id)s and held.value_date = %(as_of)s and held.quantity <> 0
                and coalesce(positions.investment_class, 'PUBLIC') <> 'PRIVATE'
            group by coalesce(positions.underlying_symbol, held.symbol)
        ) as sizes
        order by size desc, symbol
        limit %(max_symbols)s
    )
"""
LARGEST = Table(own("symbol", "largest.symbol", "text", "Ticker"), f"from {_LARGEST} as largest")
PAIRS = Table(
    of("pairs", "pairwise_correlations", leave_out="calculation_date"),
    f"from analytics.pairwise_correlations as pairs where pairs.calculation_date = %(as_of)s"
    f" and pairs.symbol_1 in {_LARGEST} and pairs.symbol_2 in {_LARGEST}"
    " order by pairs.symbol_1, pairs.symbol_2",
    label=("symbol_1", "symbol_2"),
)
STRESS = Table(
    (
        *of("results", "stress_test_results", "scenario_id"),
        *of("scenarios", "stress_test_scenarios", "name category"),
        *of("scenarios", "stress_test_scenarios", "description"),
        *of("results", "stress_test_results", "direct_pnl correlated_pnl correlation_effect"),
        *own(
            "pnl_fraction",
            "case when snapshots.equity_balance > 0"
            " then coalesce(results.correlated_pnl, results.direct_pnl) / snapshots.equity_balance::float8 end",
            "double precision",
            "correlated_pnl, else direct_pnl, as a share of equity; null where equity is not positive",
        ),
        *of("results", "stress_test_results", "stressed_equity factor_impacts positions_excluded reason"),
    ),
    "from analytics.stress_test_results as results"
    " inner join (select scenario_id, min(name) as name, min(category) as category,"
    " (array_agg(description order by factor <> 'Market', factor))[1] as description"
    " from analytics.stress_test_scenarios group by scenario_id) as scenarios using (scenario_id)"
    " left join analytics.portfolio_snapshots as snapshots"
    " on results.portfolio_id = snapshots.portfolio_id and results.calculation_date = snapshots.snapshot_date"
    " where results.portfolio_id = %(portfolio_id)s and results.calculation_date = %(as_of)s"
    " order by coalesce(results.correlated_pnl, results.direct_pnl), scenarios.name",
    label=("name",),
)
STATUS = {
    "type": "object",
    "description": "How far the portfolio is, and what has to be known of these numbers.",
    "required": ["is_complete", "rolled_to", "risk_to", "published_to", "stale_because", "notes"],
    "properties": {
        "is_complete": {"type": "boolean", "description": "P&L, sectors and risk of this session all stand."},
        "rolled_to": {"type": ["string", "null"], "format": "date", "description": "The last session of its P&L."},
        "risk_to": {"type": ["string", "null"], "format": "date", "description": "The last session of its risk."},
        "published_to": {"type": ["string", "null"], "format": "date", "description": "The last session of both."},
        "stale_because": {
            "type": ["string", "null"],
            "description": "What changed under the risk results since they were computed; null while they are current.",
        },
        "notes": {"type": "array", "items": {"type": "string"}, "description": "What is missing, why, and what to do."},
    },
}


def _risk_missing(ask: Ask, rows: Rows, table: Table, what: str) -> Missing:
    """What a section of risk lacks; without results of the session, all of it."""
    if rows.values:
        return missing_of(rows, table, what)
    assert ask.portfolio  # noqa: S101
    reach = f", results reach to {ask.portfolio.risk_to}" if ask.portfolio.risk_to else ""
    return not_there(what, f"no risk has been computed for {ask.day}{reach}")


def _snapshot(ask: Ask) -> Body:
    assert ask.portfolio and ask.day  # noqa: S101
    snapshot, risk, sectors = ask.rows(SNAPSHOT), ask.rows(RISK), ask.rows(SECTORS)
    portfolio = ask.portfolio
    status = {
        "is_complete": bool(risk.values and sectors.values),
        "rolled_to": portfolio.rolled_to,
        "risk_to": portfolio.risk_to,
        "published_to": portfolio.published_to,
        "stale_because": read_stale_because(ask.conn, portfolio.portfolio_id, ask.day),
        "notes": notes(read_page(ask.conn, portfolio, ask.day)),
    }
    missing = missing_of(snapshot, SNAPSHOT, "snapshot") + _risk_missing(ask, risk, RISK, "risk")
    missing += missing_of(sectors, SECTORS, "sectors")
    if not sectors.values:
        missing += not_there("sectors", f"phase 2.75 has not computed the sectors of {ask.day}")
    parts = {"snapshot": snapshot.first(), "risk": risk.first(), "sectors": sectors.json(), "status": json_text(status)}
    return Body(json_object(parts), missing)


def _snapshot_at_level(ask: Ask) -> Selection:
    query = ask.query
    tables = {"snapshot": SNAPSHOT, "risk": RISK, "sector": SECTORS}
    return Selection(tables[query.level if isinstance(query, queries.Snapshot) else "snapshot"], ask.parameters)


def _history_names(ask: Ask) -> list[str] | None:
    query = ask.query
    assert isinstance(query, queries.History)  # noqa: S101
    if query.columns is None:
        return None
    names = list(dict.fromkeys(["snapshot_date", *(name.strip() for name in query.columns.split(","))]))
    if unknown := [name for name in names if name not in HISTORY.names]:
        raise invalid("columns", f"{', '.join(unknown)}: no such column; there are: {', '.join(HISTORY.names)}")
    return names


def _history(ask: Ask) -> Selection:
    return Selection(HISTORY, span_of(ask), _history_names(ask))


def _positions(ask: Ask) -> Selection:
    query = ask.query
    by_symbol = isinstance(query, queries.Positions) and query.by == "symbol"
    return Selection(NETTED if by_symbol else LOTS, ask.parameters)


def _read_positions(ask: Ask) -> Body:
    table = _positions(ask).table
    rows = ask.rows(table)
    return Body(rows.json(), missing_of(rows, table))


async def _answer_positions(
    request: Request, handle: str, query: queries.Query, reads: Reads, selects: Selects | None
) -> Response:
    """The lots of a portfolio, or the one lot that an id means: the platform leaves open which it is."""
    caller = caller_of(request)
    assert isinstance(query, queries.AsOf)  # noqa: S101

    def ask(conn: psycopg.Connection[Any]) -> Ask:
        try:
            portfolio, lot = find_portfolio(conn, handle, caller), None
        except NotThere:
            if (lot := _lot_of(handle)) is None:
                raise
            owner = conn.execute(
                "select portfolio_id::text from analytics.positions where position_id = %s", [lot]
            ).fetchone()
            if owner is None:
                raise
            portfolio = find_portfolio(conn, owner[0], caller)
        day = find_session(conn, portfolio, query.as_of)
        if lot is not None and query.as_of == "latest":
            # of a lot that has been closed, its last
            last = conn.execute(
                "select max(value_date) from analytics.position_values where position_id = %s and value_date <= %s",
                [lot, day],
            ).fetchone()
            day = (last and last[0]) or day
        return Ask(conn, query, caller, portfolio, day, lot)

    return await answer_asked(request, query, ask, reads, selects)


def _lot_of(handle: str) -> UUID | None:
    try:
        return UUID(handle)
    except ValueError:
        return None


def _values(ask: Ask) -> Selection:
    query = ask.query
    assert isinstance(query, queries.PositionHistory)  # noqa: S101
    return Selection(VALUES, {**span_of(ask), "symbol": query.symbol})


def _exposure_history(ask: Ask) -> Selection:
    query = ask.query
    assert isinstance(query, queries.FactorHistory)  # noqa: S101
    return Selection(EXPOSURE_HISTORY, {**span_of(ask), "model": query.model, "factor": query.factor})


def _models(ask: Ask) -> dict[str, list[str]]:
    query = ask.query
    if isinstance(query, queries.Factors):
        return {"models": [query.model]}
    assert isinstance(query, queries.Betas)  # noqa: S101
    return {"models": [query.model] if query.model else ["market", "interest_rate"]}


def _betas(ask: Ask) -> Body:
    portfolio, positions = ask.rows(EXPOSURES, **_models(ask)), ask.rows(POSITION_BETAS, **_models(ask))
    missing = _risk_missing(ask, portfolio, EXPOSURES, "portfolio") + missing_of(positions, POSITION_BETAS, "positions")
    return Body(json_object({"portfolio": portfolio.json(), "positions": positions.json()}), missing)


def _factors(ask: Ask) -> Body:
    """The portfolio's exposures, and those of its positions as a matrix with a column for each factor."""
    models = _models(ask)
    portfolio, positions = ask.rows(EXPOSURES, **models), ask.rows(POSITION_FACTORS, **models)
    missing = _risk_missing(ask, portfolio, EXPOSURES, "portfolio")
    missing += missing_of(positions, POSITION_FACTORS, "positions")
    factors = list(dict.fromkeys(filter(None, positions.column("factor"))))
    place = {name: positions.names.index(name) for name in positions.names}
    by_position: dict[str | None, dict[str, tuple[str | None, ...]]] = {}
    for row in positions.values:
        by_position.setdefault(row[place["position_id"]], {})[row[place["factor"]] or ""] = row
    objects = []
    for position_id, of_factor in by_position.items():
        first = next(iter(of_factor.values()))
        betas = [of_factor[factor][place["beta"]] if factor in of_factor else None for factor in factors]
        shared = {name: first[place[name]] or "null" for name in ("symbol", "observations", "quality_flag")}
        fields = {"position_id": position_id or "null", **shared, "betas": f"[{','.join(b or 'null' for b in betas)}]"}
        objects.append(json_object(fields))
    parts = {
        "model": json_text(models["models"][0]),
        "portfolio": portfolio.json(),
        "factors": f"[{','.join(factors)}]",
        "positions": f"[{','.join(objects)}]",
    }
    return Body(json_object(parts), missing)


def _at_level(portfolio: Table, positions: Table, ask: Ask) -> Selection:
    query = ask.query
    assert isinstance(query, queries.Models)  # noqa: S101
    models = {} if type(query) is queries.Models else _models(ask)
    return Selection(portfolio if query.level == "portfolio" else positions, {**ask.parameters, **models})


def _volatility(ask: Ask) -> Body:
    portfolio, positions = ask.rows(VOLATILITY), ask.rows(POSITION_VOLATILITY)
    missing = _risk_missing(ask, portfolio, VOLATILITY, "portfolio")
    missing += missing_of(positions, POSITION_VOLATILITY, "positions")
    return Body(json_object({"portfolio": portfolio.first(), "positions": positions.json()}), missing)


def _risk(ask: Ask) -> Body:
    rows = ask.rows(RISK)
    return Body(rows.first(), _risk_missing(ask, rows, RISK, "risk"))


def _contributions(ask: Ask) -> Body:
    rows = ask.rows(CONTRIBUTIONS)
    missing = _risk_missing(ask, ask.rows(RISK), RISK, "risk") if not rows.values else []
    return Body(rows.json(), missing + missing_of(rows, CONTRIBUTIONS))


def _max_symbols(ask: Ask) -> dict[str, Any]:
    query = ask.query
    assert isinstance(query, queries.Correlations)  # noqa: S101
    return {"max_symbols": query.max_symbols}


def _risk_history(ask: Ask) -> Selection:
    return Selection(RISK_HISTORY, span_of(ask))


def _correlations(ask: Ask) -> Body:
    """A summary, the clusters, and the matrix of the largest holdings, in the order of `symbols`."""
    summary, clusters = ask.rows(CORRELATION), ask.rows(CLUSTERS)
    symbols = [symbol or "" for symbol in ask.rows(LARGEST, **_max_symbols(ask)).column("symbol")]
    pairs = ask.rows(PAIRS, **_max_symbols(ask))
    one, other, value = (pairs.names.index(name) for name in ("symbol_1", "symbol_2", "correlation"))
    known = {(row[one], row[other]): row[value] for row in pairs.values}

    def cell(row: str, column: str) -> str:
        if row == column:
            return "1"
        return known.get((row, column)) or known.get((column, row)) or "null"

    matrix = [f"[{','.join(cell(row, column) for column in symbols)}]" for row in symbols]
    missing = missing_of(summary, CORRELATION, "summary") + missing_of(clusters, CLUSTERS, "clusters")
    if not summary.values:
        missing += not_there("summary", "correlations take two holdings with 30 common returns")
    unknown = [
        f"{json.loads(first)} and {json.loads(second)}"
        for place, first in enumerate(symbols)
        for second in symbols[place + 1 :]
        if cell(first, second) == "null"
    ]
    if unknown:
        said = ", ".join(unknown[:20]) + (f" and {len(unknown) - 20} more" if len(unknown) > 20 else "")
        missing += not_there(f"matrix: {said}", "too little common history, or no pairs are kept of this session")
    parts = {
        "summary": summary.first(),
        "clusters": clusters.json(),
        "symbols": f"[{','.join(symbols)}]",
        "matrix": f"[{','.join(matrix)}]",
    }
    return Body(json_object(parts), missing)


def _correlations_at_level(ask: Ask) -> Selection:
    query = ask.query
    assert isinstance(query, queries.Correlations)  # noqa: S101
    if query.level == "cluster":
        return Selection(CLUSTERS, ask.parameters)
    return Selection(PAIRS, {**ask.parameters, **_max_symbols(ask)})


def _stress(ask: Ask) -> Body:
    rows = ask.rows(STRESS)
    missing = missing_of(rows, STRESS) if rows.values else _risk_missing(ask, rows, STRESS, "scenarios")
    return Body(rows.json(), missing)


ENDPOINTS = (
    Endpoint(
        "/portfolios/{portfolio}",
        "portfolio_snapshot",
        "One portfolio at a session: balance, P&L, risk, sectors, and what is missing",
        queries.Snapshot,
        _snapshot,
        _snapshot_at_level,
        Sections({"snapshot": One(SNAPSHOT), "risk": One(RISK), "sectors": Many(SECTORS), "status": Plain(STATUS)}),
        also=("/data/portfolio/{portfolio}/snapshot/latest",),
    ),
    Endpoint(
        "/portfolios/{portfolio}/history",
        "portfolio_history",
        "The snapshots of a span of sessions",
        queries.History,
        lambda ask: ask.page(_history(ask)),
        _history,
        Many(HISTORY),
    ),
    Endpoint(
        "/portfolios/{portfolio}/positions",
        "portfolio_positions",
        "What is held at a session, by lot or netted by symbol; a lot that was closed on the session is still there",
        queries.Positions,
        _read_positions,
        _positions,
        Many(LOTS, other=NETTED),
    ),
    Endpoint(
        "/positions/{portfolio}",
        "positions",
        "The lots of a portfolio, or the one lot of an id of a position",
        queries.Positions,
        _read_positions,
        _positions,
        Many(LOTS, other=NETTED),
        answers=_answer_positions,
    ),
    Endpoint(
        "/portfolios/{portfolio}/positions/history",
        "position_history",
        "The value and P&L of every lot over a span of sessions",
        queries.PositionHistory,
        lambda ask: ask.page(_values(ask)),
        _values,
        Many(VALUES),
    ),
    Endpoint(
        "/portfolios/{portfolio}/betas",
        "portfolio_betas",
        "Betas to the stock market and to Treasuries, of the portfolio and of its positions",
        queries.Betas,
        _betas,
        lambda ask: _at_level(EXPOSURES, POSITION_BETAS, ask),
        Sections({"portfolio": Many(EXPOSURES), "positions": Many(POSITION_BETAS)}),
        also=("/analytics/portfolio/{portfolio}/betas",),
    ),
    Endpoint(
        "/portfolios/{portfolio}/factors",
        "portfolio_factors",
        "Factor exposures of the portfolio, and of its positions as a matrix",
        queries.Factors,
        _factors,
        lambda ask: _at_level(EXPOSURES, POSITION_FACTORS, ask),
        Sections(
            {
                "model": Plain({"type": "string", "description": "ridge or spread"}),
                "portfolio": Many(EXPOSURES),
                "factors": Plain(
                    {"type": "array", "items": {"type": "string"}, "description": "The columns of `betas`"}
                ),
                "positions": Many(
                    Table(
                        (
                            *of("exposures", "position_factor_exposures", "position_id symbol"),
                            *of("exposures", "position_factor_exposures", "observations quality_flag"),
                        ),
                        "",
                    ),
                    {
                        "betas": {
                            "type": "array",
                            "items": {"type": ["number", "null"]},
                            "description": "Return of the position per unit of return of each of `factors`",
                        }
                    },
                ),
            }
        ),
        also=("/analytics/portfolio/{portfolio}/factors",),
    ),
    Endpoint(
        "/portfolios/{portfolio}/factors/history",
        "factor_history",
        "The portfolio's exposures over a span of sessions",
        queries.FactorHistory,
        lambda ask: ask.page(_exposure_history(ask)),
        _exposure_history,
        Many(EXPOSURE_HISTORY),
    ),
    Endpoint(
        "/portfolios/{portfolio}/volatility",
        "portfolio_volatility",
        "Realized and expected volatility, of the portfolio and of its positions",
        queries.Models,
        _volatility,
        lambda ask: _at_level(VOLATILITY, POSITION_VOLATILITY, ask),
        Sections({"portfolio": One(VOLATILITY), "positions": Many(POSITION_VOLATILITY)}),
    ),
    Endpoint(
        "/portfolios/{portfolio}/risk",
        "portfolio_risk",
        "Volatility, value at risk, expected shortfall and drawdown",
        queries.AsOf,
        _risk,
        lambda ask: Selection(RISK, ask.parameters),
        One(RISK),
    ),
    Endpoint(
        "/portfolios/{portfolio}/risk/history",
        "risk_history",
        "The same over a span of sessions",
        queries.Span,
        lambda ask: ask.page(_risk_history(ask)),
        _risk_history,
        Many(RISK_HISTORY),
    ),
    Endpoint(
        "/portfolios/{portfolio}/contributions",
        "portfolio_contributions",
        "What each position adds to the volatility of the portfolio",
        queries.AsOf,
        _contributions,
        lambda ask: Selection(CONTRIBUTIONS, ask.parameters),
        Many(CONTRIBUTIONS),
    ),
    Endpoint(
        "/portfolios/{portfolio}/correlations",
        "portfolio_correlations",
        "How much the holdings move together: a summary, clusters, and the matrix of the largest",
        queries.Correlations,
        _correlations,
        _correlations_at_level,
        Sections(
            {
                "summary": One(CORRELATION),
                "clusters": Many(CLUSTERS),
                "symbols": Plain(
                    {"type": "array", "items": {"type": "string"}, "description": "The rows and columns of `matrix`"}
                ),
                "matrix": Plain(
                    {
                        "type": "array",
                        "items": {"type": "array", "items": {"type": ["number", "null"]}},
                        "description": "Correlations of `symbols`, the largest holdings first; null where not known",
                    }
                ),
            }
        ),
        also=("/analytics/portfolio/{portfolio}/correlations",),
    ),
    Endpoint(
        "/portfolios/{portfolio}/stress-tests",
        "portfolio_stress_tests",
        "What each scenario would do to the portfolio, the worst first",
        queries.AsOf,
        _stress,
        lambda ask: Selection(STRESS, ask.parameters),
        Many(STRESS),
        also=("/analytics/portfolio/{portfolio}/stress-tests",),
    ),
)

router = APIRouter()


@router.get(PREFIX + "/analytics/position-greeks", name="position_greeks", summary="Retired", status_code=410)
async def position_greeks() -> Response:
    """Retired: what an option does to a portfolio is in its delta-equivalent exposures and in the stress tests."""
    raise Problem(
        410,
        "this address has been retired: options count at their delta-equivalent value in"
        " /api/v1/portfolios/{portfolio}/factors, and are revalued in …/stress-tests",
        see=["/api/v1/portfolios/{portfolio}/factors", "/api/v1/portfolios/{portfolio}/stress-tests"],
    )
