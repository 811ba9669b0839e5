"""Endpoints of betas and factor exposures, of a portfolio and its positions, and of the list of factors."""

from __future__ import annotations

from api import queries
from api.asking import Ask, Body, Selection, read_table, span_of
from api.encode import json_text
from api.endpoints.parts import KEYS, at_level, models_of, risk_missing, sections
from api.endpoints.routes import Endpoint, Many, Plain, Sections
from api.missing import missing_of
from api.tables import Table, of, optional, own
from reports.sources import OF_SESSION

FACTORS = Table(
    (
        *of("factors", "factor_definitions", "factor symbols"),
        *optional(of("factors", "factor_definitions", "duration_years convexity")),
        *of("factors", "factor_definitions", "description"),
    ),
    "from analytics.factor_definitions as factors order by factors.factor",
    label=("factor",),
)
EXPOSURES = Table(
    of("exposures", "portfolio_factor_exposures", leave_out=KEYS),
    f"from analytics.portfolio_factor_exposures as exposures where {OF_SESSION}"
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
_BETA_NUMBERS = of("betas", "position_market_betas", leave_out=f"{KEYS} {_BETA_COLUMNS}")
POSITION_BETAS = Table(
    (
        *of("betas", "position_market_betas", _BETA_COLUMNS),
        *own("model", "betas.model", "text", "market: beta to SPY; interest_rate: beta to TLT"),
        *_BETA_NUMBERS,
    ),
    "from ("
    f"select 'market' as model, * from analytics.position_market_betas where {OF_SESSION}"
    " union all "
    f"select 'interest_rate' as model, * from analytics.position_interest_rate_betas where {OF_SESSION}"
    ") as betas where betas.model = any(%(models)s) order by betas.symbol, betas.position_id, betas.model desc",
    label=("symbol",),
)
POSITION_FACTORS = Table(
    (
        *of("exposures", "position_factor_exposures", leave_out=f"{KEYS} regularization_alpha"),
        *optional(of("exposures", "position_factor_exposures", "regularization_alpha")),
    ),
    f"from analytics.position_factor_exposures as exposures where {OF_SESSION}"
    " and exposures.model = any(%(models)s) order by exposures.symbol, exposures.position_id, exposures.factor",
    label=("symbol",),
)


def _known_factors(_: Ask) -> Selection:
    return Selection(FACTORS, {})


def _exposure_history(ask: Ask) -> Selection:
    query = ask.query
    assert isinstance(query, queries.FactorHistory)  # noqa: S101
    return Selection(EXPOSURE_HISTORY, {**span_of(ask), "model": query.model, "factor": query.factor})


def _betas(ask: Ask) -> Body:
    portfolio, positions = ask.rows(EXPOSURES, **models_of(ask)), ask.rows(POSITION_BETAS, **models_of(ask))
    missing = risk_missing(ask, portfolio, EXPOSURES, "portfolio") + missing_of(positions, POSITION_BETAS, "positions")
    return Body(sections({"portfolio": portfolio.json(), "positions": positions.json()}), missing)


def _factors(ask: Ask) -> Body:
    """The portfolio's exposures, and those of its positions as a matrix with a column for each factor."""
    models = models_of(ask)
    portfolio, positions = ask.rows(EXPOSURES, **models), ask.rows(POSITION_FACTORS, **models)
    missing = risk_missing(ask, portfolio, EXPOSURES, "portfolio")
    missing += missing_of(positions, POSITION_FACTORS, "positions")
    factors = list(dict.fromkeys(filter(None, positions.column("factor"))))
    place = {name: positions.names.index(name) for name in positions.names}
    by_position: dict[str | None, dict[str, tuple[str | None, ...]]] = {}
    for row in positions.values:
        by_position.setdefault(row[place["position_id"]], {})[row[place["factor"]] or ""] = row
    objects: list[str] = []
    for position_id, of_factor in by_position.items():
        first = next(iter(of_factor.values()))
        betas = [of_factor[factor][place["beta"]] if factor in of_factor else None for factor in factors]
        shared = {name: first[place[name]] or "null" for name in ("symbol", "observations", "quality_flag")}
        fields = {"position_id": position_id or "null", **shared, "betas": f"[{','.join(b or 'null' for b in betas)}]"}
        objects.append(sections(fields))
    parts = {
        "model": json_text(models["models"][0]),
        "portfolio": portfolio.json(),
        "factors": f"[{','.join(factors)}]",
        "positions": f"[{','.join(objects)}]",
    }
    return Body(sections(parts), missing)


ENDPOINTS = (
    Endpoint(
        "/factors",
        "factors",
        "The factors of the risk models",
        queries.Query,
        read_table(_known_factors),
        _known_factors,
        Many(FACTORS),
        of="all",
    ),
    Endpoint(
        "/portfolios/{portfolio}/betas",
        "portfolio_betas",
        "Betas to the stock market and to Treasuries, of the portfolio and of its positions",
        queries.Betas,
        _betas,
        lambda ask: at_level(EXPOSURES, POSITION_BETAS, ask),
        Sections({"portfolio": Many(EXPOSURES), "positions": Many(POSITION_BETAS)}),
        also=("/analytics/portfolio/{portfolio}/betas",),
    ),
    Endpoint(
        "/portfolios/{portfolio}/factors",
        "portfolio_factors",
        "Factor exposures of the portfolio, and of its positions as a matrix",
        queries.Factors,
        _factors,
        lambda ask: at_level(EXPOSURES, POSITION_FACTORS, ask),
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
        lambda ask: ask.read_page(_exposure_history(ask)),
        _exposure_history,
        Many(EXPOSURE_HISTORY),
    ),
)
