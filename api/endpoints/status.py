"""The endpoint of the batch's state, which belongs to no single portfolio."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import psycopg
from fastapi import Request, Response

from api import queries
from api.answers import Answer, answers_of, caller_of
from api.asking import Ask, Body, Reads, Selects
from api.encode import json_text
from api.endpoints.routes import Endpoint, Plain
from api.forms import wanted
from api.problems import NotThere
from api.queries import refuse_repeated
from reports.batch import read_batch

STATUS: dict[str, Any] = {
    "type": "object",
    "description": "How the last runs went, and what they lack",
    "required": ["trade_date", "runs", "tables", "stale", "missed", "quarantine", "decisions"],
    "properties": {
        "trade_date": {
            "type": ["string", "null"],
            "format": "date",
            "description": "The latest session that has closed",
        },
        "runs": {"type": "array", "items": {"type": "object"}, "description": "Latest first, with phases and messages"},
        "tables": {"type": "array", "items": {"type": "object"}, "description": "How far each table is"},
        "stale": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Portfolios whose risk rests on inputs that have changed since",
        },
        "missed": {"type": "array", "items": {"type": "object"}, "description": "What sources did not have"},
        "quarantine": {"type": "array", "items": {"type": "object"}, "description": "What was refused, by reason"},
        "decisions": {"type": "array", "items": {"type": "object"}, "description": "Events that people decided on"},
    },
}


def _status(ask: Ask) -> Body:
    batch = read_batch(ask.conn)
    data = {**batch.status, "tables": [asdict(table) for table in batch.tables], "stale": batch.stale}
    return Body(json_text(data))


async def _answer_status(request: Request, _: str, query: queries.Query, reads: Reads, __: Selects | None) -> Response:
    """Read the state of the batch anew for each request, because it changes without a change of data."""
    caller = caller_of(request)
    if not caller.is_operator:
        raise NotThere("the state of the batch is for tokens of all portfolios")

    refuse_repeated(request)
    wanted(query.format, request.headers.get("accept", ""), has_table=False)

    def make(conn: psycopg.Connection[Any]) -> Answer:
        body = f'{{"data":{reads(Ask(conn, query, caller, "")).data},"missing":[]}}'.encode()
        return Answer.of_json(body, keep=False)

    return await answers_of(request).make(request, make)


ENDPOINTS = (
    Endpoint(
        "/status",
        "status",
        "The state of the batch, for tokens of all portfolios",
        queries.Query,
        _status,
        None,
        Plain(STATUS),
        answers=_answer_status,
        of="all",
        versioned=False,
    ),
)
