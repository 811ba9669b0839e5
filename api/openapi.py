"""The description of the API in OpenAPI: addresses from the routes; texts, types and nulls from the dbt YAML."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from api.answers import Answer, KeptResponse, pack
from api.endpoints import ENDPOINTS
from api.endpoints.routes import PREFIX, Endpoint, Many, One, Plain, Sections, Shape
from api.examples import NAMES, examples
from api.problems import MEDIA_TYPE
from api.queries import Span, refuse_all
from api.tables import Column, Table
from warehouse.project import project_version

router = APIRouter(include_in_schema=False)

_ABOUT = """
What the batch computes, as schema `analytics` holds it. GET only.

All parts of an answer are of one session, `as_of`: by default the latest whose P&L and risk both stand. Names and units
are those of the tables' columns: money in USD, fractions and returns 0 to 1, volatilities annual. A number that is not
there is null and stands in `missing` with the reason; it is never 0. `version` changes with all data that can change
the answer, and is its ETag. Tables come as CSV or Arrow as well (`Accept`, or `format`). Errors are RFC 9457 problems.
"""
_TYPES: dict[str, dict[str, Any]] = {
    "numeric": {"type": ["number", "string"]},
    "double precision": {"type": "number"},
    "integer": {"type": "integer"},
    "bigint": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "timestamptz": {"type": "string", "format": "date-time"},
    "timestamp with time zone": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
    "text": {"type": "string"},
    "text[]": {"type": "array", "items": {"type": "string"}},
    "jsonb": {"type": "object", "additionalProperties": {"type": "number"}},
}
_PROBLEMS = {
    "401": "There are tokens, and the request bears none that is valid",
    "403": "Without tokens, this machine's own programs alone are served",
    "404": "No such portfolio, session or symbol, or none that the token opens; `nearest` names sessions there are",
    "406": "There is no such form of this",
    "409": "The data have changed since the page that named this cursor: begin again",
    "422": "A parameter that is unknown or means nothing; `errors` names each",
    "429": "Too many requests are waiting: see Retry-After",
    "503": "The database cannot be asked now: see Retry-After",
}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and what to do"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("in", "name", "message")},
            },
        },
        "nearest": {"type": "array", "items": {"type": "string", "format": "date"}},
    },
}
_MISSING = {
    "type": "array",
    "description": "Numbers that are null, each with the reason",
    "items": {
        "type": "object",
        "required": ["what", "reason"],
        "properties": {"what": {"type": "string"}, "reason": {"type": "string"}},
    },
}
_VERSION = {"type": "string", "description": "Changes with everything that can change this answer"}


def describe(app: FastAPI) -> None:
    """Let the app describe itself."""
    app.openapi = lambda: specification(app)  # type: ignore[method-assign]
    app.include_router(router)


@router.get(PREFIX + "/openapi.json")
async def openapi_json(request: Request) -> Response:
    """The description."""
    refuse_all(request)
    body = _written(request.app)
    answer = Answer.of_json(body)
    return KeptResponse(pack(answer, gzipped=request.state.asked.gzipped, version=None))


def specification(app: FastAPI) -> dict[str, Any]:
    """The description of an app."""
    spec = get_openapi(title="Afterclose", version=project_version(), description=_ABOUT.strip(), routes=app.routes)
    schemas: dict[str, Any] = {"Problem": _PROBLEM, "Missing": _MISSING}
    for endpoint in ENDPOINTS:
        envelope = f"{_camel(endpoint.name)}Answer"
        schemas[envelope] = _envelope(endpoint, schemas)
        for path in (endpoint.path, *endpoint.also):
            operation = spec["paths"][PREFIX + path]["get"]
            operation["responses"] = _responses(endpoint, envelope)
            operation["security"] = [{"token": []}, {}]
            for parameter in operation.get("parameters", []):
                if parameter["name"] in NAMES and parameter["in"] == "path":
                    parameter["example"] = NAMES[parameter["name"]]
    retired = spec["paths"][PREFIX + "/analytics/position-greeks"]["get"]
    retired["responses"] = {"410": _problem("Retired: `see` says where to look")}
    retired["deprecated"] = True
    spec["components"] = {
        "schemas": dict(sorted(schemas.items())),
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "serve token add NAME"}},
    }
    return spec


@cache
def _written(app: FastAPI) -> bytes:
    return json.dumps(specification(app), ensure_ascii=False).encode()


def _responses(endpoint: Endpoint, envelope: str) -> dict[str, Any]:
    content: dict[str, Any] = {
        "application/json": {
            "schema": {"$ref": f"#/components/schemas/{envelope}"},
            **({"example": example} if (example := examples().get(endpoint.name)) else {}),
        }
    }
    if endpoint.selects:
        content["text/csv"] = {"schema": {"type": "string"}}
        content["application/vnd.apache.arrow.stream"] = {"schema": {"type": "string", "format": "binary"}}
    tag = {"ETag": {"schema": {"type": "string"}, "description": "The version, for If-None-Match"}}
    return {
        "200": {"description": endpoint.summary, "headers": tag, "content": content},
        "304": {"description": "What If-None-Match names is still what there is"},
        **{status: _problem(words) for status, words in _PROBLEMS.items()},
    }


def _problem(words: str) -> dict[str, Any]:
    return {
        "description": words,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _envelope(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    head: dict[str, Any] = {}
    if endpoint.of == "portfolio":
        head["portfolio_id"] = {"type": "string", "format": "uuid"}
        head["name"] = {"type": "string"}
    if endpoint.of == "symbol":
        head["symbol"] = {"type": "string"}
    if endpoint.of != "all":
        head["as_of"] = {"type": "string", "format": "date", "description": "The session that the answer is of"}
    if endpoint.versioned:
        head["version"] = _VERSION
    head["data"] = _shape(endpoint.data, _camel(endpoint.name), schemas)
    head["missing"] = {"$ref": "#/components/schemas/Missing"}
    if issubclass(endpoint.query, Span):
        head["next"] = {
            "type": ["string", "null"],
            "description": "`cursor` of the next page; null where this is the last",
        }
    return {"type": "object", "required": list(head), "properties": head}


def _shape(shape: Shape, name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    if isinstance(shape, Plain):
        return shape.schema
    if isinstance(shape, Sections):
        parts = {key: _shape(part, name + _camel(key), schemas) for key, part in shape.parts.items()}
        return {"type": "object", "required": list(parts), "properties": parts}
    row = {"$ref": f"#/components/schemas/{name}"}
    more = (
        shape.more
        if isinstance(shape, Many)
        else {key: _shape(part, name + _camel(key), schemas) for key, part in shape.parts.items()}
    )
    schemas[name] = _row(shape.tables, more)
    if isinstance(shape, One):
        return {"anyOf": [row, {"type": "null"}]}
    return {"type": "array", "items": row}


def _row(tables: tuple[Table, ...], more: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The columns of a row; where it may come from several tables, only the columns they share are required."""
    properties: dict[str, Any] = {}
    for table in tables:
        main = table.columns[0].sql.partition(".")[0]
        for column in table.columns:
            properties.setdefault(column.name, _column(column, nullable=not column.sql.startswith(f"{main}.")))
    required = [name for name in properties if all(name in table.names for table in tables)]
    return {"type": "object", "required": [*required, *more], "properties": {**properties, **more}}


def _column(column: Column, *, nullable: bool) -> dict[str, Any]:
    told = column.described
    base = told.data_type.partition("(")[0]
    schema: dict[str, Any] = dict(_TYPES.get(base, {}))
    if schema and (nullable or column.optional or not told.required):
        types: str | list[str] = schema["type"]
        schema["type"] = [*([types] if isinstance(types, str) else types), "null"]
    return {**schema, "description": told.words}


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
