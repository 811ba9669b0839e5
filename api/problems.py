"""Errors as RFC 9457 problems: one shape for ours and for the framework's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2


class Problem(Exception):  # noqa: N818
    """An answer in place of data: a status, a sentence that says what to do, and fields for machines."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **fields: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.fields = fields

    def response(self) -> Response:
        """The problem as an HTTP answer, which must not be cached."""
        body = {"type": "about:blank", "title": _title(self.status), "status": self.status, "detail": self.detail}
        return Response(
            json.dumps({**body, **self.fields}, ensure_ascii=False, default=str),
            self.status,
            {"Cache-Control": "no-store", **self.headers},
            MEDIA_TYPE,
        )


class NotThere(Problem):
    """The requested thing does not exist, or not for this caller; the answer is the same for both."""

    def __init__(self, detail: str, **fields: Any) -> None:
        super().__init__(HTTPStatus.NOT_FOUND, detail, **fields)


class Unavailable(Problem):
    """The database cannot be reached now."""

    def __init__(self, detail: str = "the database cannot be reached now: try again in a few seconds") -> None:
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_SECONDS)})


class TooBusy(Problem):
    """More requests are waiting than are allowed to."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too many requests are waiting already: try again in a few seconds",
            headers={"Retry-After": str(RETRY_SECONDS)},
        )


class Unauthorized(Problem):
    """A token is needed, and the request has no valid one."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.UNAUTHORIZED,
            "a token is needed: send it as `Authorization: Bearer ac_…`",
            headers={"WWW-Authenticate": 'Bearer realm="afterclose"'},
        )


def handle_problems(app: FastAPI) -> None:
    """Let the app answer every error with a problem."""

    @app.exception_handler(Problem)
    async def _ours(_: Request, problem: Problem) -> Response:
        return problem.response()

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> Response:
        details = {404: "there is nothing at this address: /api/v1/openapi.json lists what there is"}
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            details[error.status_code] = "nothing can be changed here: GET is the only method"
        detail = details.get(error.status_code, str(error.detail))
        return Problem(error.status_code, detail, headers=error.headers).response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        problems = [
            {"in": str(each["loc"][0]), "name": str(each["loc"][1]), "message": _message(each)}
            for each in error.errors()
            if each["type"] != "literal_error" or each["loc"][2:] != ("literal['latest']",)
        ]
        detail = "; ".join(f"{each['name']}: {each['message']}" for each in problems)
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=problems).response()


def refused(messages: Mapping[str, str]) -> Problem:
    """The problem for wrong query parameters, with a message about each."""
    errors = [{"in": "query", "name": name, "message": message} for name, message in messages.items()]
    detail = "; ".join(f"{name}: {message}" for name, message in messages.items())
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)


def invalid(name: str, message: str) -> Problem:
    """The problem for a query parameter that can be read but means nothing here."""
    return refused({name: message})


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such parameter"
    return str(error["msg"]).removeprefix("Value error, ")


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
