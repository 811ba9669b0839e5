"""What there is to ask: one module a subject, put together in `router`."""

from fastapi import APIRouter

from api.endpoints import lists, performance, portfolios, symbols
from api.endpoints.routes import Endpoint, add

# Where an endpoint also answers: the addresses of the platform.
ENDPOINTS: tuple[Endpoint, ...] = (
    *lists.ENDPOINTS,
    *portfolios.ENDPOINTS,
    *performance.ENDPOINTS,
    *symbols.ENDPOINTS,
)

router = APIRouter()
for endpoint in ENDPOINTS:
    add(router, endpoint)
router.include_router(portfolios.router)
