"""The endpoints, one module for each subject; `router` joins them."""

from fastapi import APIRouter

from api.endpoints import (
    correlations,
    exposures,
    performance,
    portfolios,
    positions,
    retired,
    risk,
    status,
    stress,
    symbols,
)
from api.endpoints.routes import Endpoint, add

ENDPOINTS: tuple[Endpoint, ...] = tuple(
    endpoint
    for subject in (
        portfolios,
        positions,
        performance,
        exposures,
        risk,
        correlations,
        stress,
        symbols,
        status,
    )
    for endpoint in subject.ENDPOINTS
)

router = APIRouter()
for endpoint in ENDPOINTS:
    add(router, endpoint)
router.include_router(retired.router)
