"""The pages: HTML for people, with the same read layer and the same cache as the API."""

from fastapi import APIRouter

from api.pages import portfolio, session, site

router = APIRouter(include_in_schema=False)
router.include_router(site.router)
router.include_router(session.router)
router.include_router(portfolio.router)
