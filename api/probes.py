"""For whoever watches over the process: whether it lives, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.encode import json_text
from api.problems import Unavailable

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """The process lives."""
    return _said({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """The database answers, and a night has made what is read."""
    state = await request.app.state.freshness.state()
    if state.version is None:
        raise Unavailable("nothing has been rolled on this database yet: `python run_nightly.py backfill`")
    return _said({"status": "ready", "version": state.version})


def _said(body: dict[str, str]) -> Response:
    return Response(json_text(body), headers={"Cache-Control": "no-store"}, media_type="application/json")
