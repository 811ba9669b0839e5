"""Signing in and out: one token, and then a cookie that scripts cannot read and other sites cannot use."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.access import COOKIE, Access, is_loopback
from api.pages.answer import FENCE, of_problem
from api.problems import Problem
from reports.pages.environment import Shell
from reports.pages.message import render_login

router = APIRouter()

_MOST_BYTES = 4096
_NOBODY = Shell(sees_status=False)
_KEPT_BY_NOBODY = {**FENCE, "Cache-Control": "no-store"}


@router.get("/login")
async def ask(request: Request) -> Response:
    """The form for signing in with a token."""
    return HTMLResponse(render_login(_NOBODY, to=_ours(request.query_params.get("next"))), headers=_KEPT_BY_NOBODY)


@router.post("/login")
async def sign_in(request: Request) -> Response:
    """Exchange a token for a cookie."""
    try:
        form = await _read_form(request)
        access: Access = request.app.state.access
        session = await access.sign_in(form.get("token", ""))
    except Problem as problem:
        return of_problem(problem, _NOBODY)
    to = _ours(form.get("to"))
    if session is None:
        page = render_login(_NOBODY, refused=True, to=to)
        return HTMLResponse(page, HTTPStatus.FORBIDDEN, _KEPT_BY_NOBODY)
    answer = RedirectResponse(to, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
    answer.set_cookie(COOKIE, session, httponly=True, samesite="strict", secure=_is_secure(request), path="/")
    return answer


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """End the session."""
    try:
        await _read_form(request)
    except Problem as problem:
        return of_problem(problem, _NOBODY)
    access: Access = request.app.state.access
    access.sign_out(request.cookies.get(COOKIE))
    answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_secure(request), path="/")
    return answer


async def _read_form(request: Request) -> dict[str, str]:
    """The fields of a form that one of our own pages sent; raises Problem for a form of another site."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Problem(HTTPStatus.FORBIDDEN, "this form came from another site")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "this is more than a token")
    try:
        fields = parse_qs(body.decode(), max_num_fields=8)
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "this form cannot be read") from None
    return {name: values[-1] for name, values in fields.items()}


def _ours(address: str | None) -> str:
    """One of our own addresses to go to afterwards; the first page in place of any other address."""
    plain = address and address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if plain and address else "/"


def _is_secure(request: Request) -> bool:
    """Whether the cookie is for HTTPS only. On this machine it is not, because browsers trust it without HTTPS."""
    return request.url.scheme == "https" or not is_loopback(request.url.hostname)
