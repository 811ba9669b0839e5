"""The pages: HTML for people, from the same read layer and with the same bytes kept by version."""

from fastapi import APIRouter

from api.pages import portfolio, session, site

router = APIRouter(include_in_schema=False)
router.include_router(site.router)
router.include_router(session.router)
router.include_router(portfolio.router)
