"""Addresses of the platform that are no more."""

from fastapi import APIRouter, Request, Response

from api.answers import KEPT_BY_TAG
from api.endpoints.routes import PREFIX
from api.problems import Problem
from api.queries import refuse_all
from api.rendering import rendering

router = APIRouter()


@router.get(PREFIX + "/analytics/position-greeks", name="position_greeks", summary="Retired", status_code=410)
async def position_greeks(request: Request) -> Response:
    """Retired: what an option does to a portfolio is in its delta-equivalent exposures and in the stress tests."""
    refuse_all(request)
    raise Problem(
        410,
        "this address has been retired: options count at their delta-equivalent value in"
        " /api/v1/portfolios/{portfolio}/factors, and are revalued in …/stress-tests",
        headers=KEPT_BY_TAG | {"ETag": f'"retired-{rendering()}"'},
        see=["/api/v1/portfolios/{portfolio}/factors", "/api/v1/portfolios/{portfolio}/stress-tests"],
    )
