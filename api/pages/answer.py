"""The common parts of all pages: the viewer, the page or an error as HTML, and the security headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from api.access import Caller
from api.answers import Answer, answers_of, caller_of
from api.problems import Problem
from api.rendering import rendering
from reports.pages.environment import Book, Shell
from reports.pages.message import render_message

# Scripts and styles come only from our files, forms go only to us, and no site may frame a page.
POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind} 'self'" for kind in ("script-src", "style-src", "img-src", "connect-src", "form-action")),
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
FENCE = {"Content-Security-Policy": POLICY, "X-Frame-Options": "DENY"}
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Look:
    """A request for a page, with the connection that answers it."""

    conn: psycopg.Connection[Any]
    caller: Caller
    query: Mapping[str, str]
    signed_in: bool
    demo: bool

    def shell(self, section: str | None, book: Book | None = None) -> Shell:
        """The frame around the page."""
        return Shell(
            signed_in=self.signed_in, sees_status=self.caller.is_operator, book=book, section=section, query=self.query
        )

    def choice(self, name: str, options: Sequence[str] | Mapping[str, Any], usual: str) -> str:
        """A parameter of the address, if it is one of the options."""
        given = self.query.get(name, usual)
        return given if given in options else usual


class NoPage(Exception):  # noqa: N818
    """There is no such page: a title, a sentence, and links, as pairs of an address and a text."""

    def __init__(self, title: str, text: str, links: Sequence[tuple[str, str]] = (("/", "All portfolios"),)) -> None:
        super().__init__(title)
        self.title, self.text, self.links = title, text, links


Draw = Callable[[Look], tuple[str, str]]


async def page(request: Request, draw: Draw) -> Response:
    """Let `draw` read and render a page; it returns the HTML and the version of the data.

    The page is cached until the data change. An error becomes a page as well.
    """
    caller, signed_in = caller_of(request), request.state.asked.signed_in
    demo, query = request.app.state.options.demo, dict(request.query_params)

    def make(conn: psycopg.Connection[Any]) -> Answer:
        html, version = draw(Look(conn, caller, query, signed_in, demo))
        tag = f"{version}-{rendering()}-{'in' if signed_in else 'open'}{caller.scope}" if version else ""
        return Answer(html.encode(), HTML, tag, tuple(FENCE.items()))

    try:
        return await answers_of(request).make(request, make)
    except NoPage as nothing:
        shell = Shell(signed_in=signed_in, sees_status=caller.is_operator)
        html = render_message(nothing.title, nothing.text, nothing.links, shell)
        return HTMLResponse(html, HTTPStatus.NOT_FOUND, {**FENCE, "Cache-Control": "no-store"})
    except Problem as problem:
        return of_problem(problem, Shell(signed_in=signed_in, sees_status=caller.is_operator))


def of_problem(problem: Problem, shell: Shell) -> Response:
    """An error as a page."""
    title = HTTPStatus(problem.status).phrase
    links = () if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else (("/", "All portfolios"),)
    html = render_message(title, f"{problem.detail[0].upper()}{problem.detail[1:]}.", links, shell)
    return HTMLResponse(html, problem.status, {**FENCE, **problem.headers, "Cache-Control": "no-store"})
