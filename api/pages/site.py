"""The pages about no single portfolio, and the files that pages need."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from api.pages.answer import Look, NoPage, page
from reports.batch import read_batch
from reports.books import read_lines
from reports.pages.environment import read_static, static_version
from reports.pages.portfolios import render_portfolios
from reports.pages.status import render_status
from warehouse.queries import fetch_one

router = APIRouter()

_FILES = {
    "afterclose.css": "text/css; charset=utf-8",
    "afterclose.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_A_YEAR = 365 * 24 * 3600


@router.get("/")
async def portfolios(request: Request) -> Response:
    """The first page: one line for each portfolio."""

    def draw(look: Look) -> tuple[str, str]:
        lines = read_lines(look.conn, look.caller.portfolio_ids)
        (version,) = fetch_one(look.conn.execute("select version from analytics.data_version"))
        return render_portfolios(lines, look.shell("/"), look.query.get("sort", "name")), version

    return await page(request, draw)


@router.get("/status")
async def status(request: Request) -> Response:
    """The state of the batch, for those who may see all portfolios."""

    def draw(look: Look) -> tuple[str, str]:
        if not look.caller.is_operator:
            raise NoPage("Not for this token", "The state of the batch is for tokens that open all portfolios.")
        # runs begin and end without a change of data, so the page is made anew each time
        return render_status(read_batch(look.conn), look.shell("/status"), demo=look.demo), ""

    return await page(request, draw)


@router.get("/static/{version}/{name}")
async def static(version: str, name: str) -> Response:
    """A file under an address with its digest, so that browsers may cache it for a year."""
    if name not in _FILES or version != static_version(name):
        return Response(status_code=HTTPStatus.NOT_FOUND)
    headers = {"Cache-Control": f"public, max-age={_A_YEAR}, immutable"}
    return Response(read_static(name), media_type=_FILES[name], headers=headers)
