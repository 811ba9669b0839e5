"""Probes for monitoring: whether the process lives, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.answers import Answer, KeptResponse, pack
from api.encode import json_text
from api.problems import Unavailable
from api.queries import refuse_all

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz(request: Request) -> Response:
    """The process lives."""
    return _said(request, {"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """The database answers, and a night has made what is read."""
    state = await request.app.state.freshness.state()
    if state.version is None:
        raise Unavailable("nothing has been rolled on this database yet: `python run_nightly.py backfill`")
    return _said(request, {"status": "ready", "version": state.version})


def _said(request: Request, told: dict[str, str]) -> Response:
    refuse_all(request)
    body = json_text(told).encode()
    answer = Answer.of_json(body)
    return KeptResponse(pack(answer, gzipped=False, version=None))
