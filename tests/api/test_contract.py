"""The description of the API: current, additive, from the YAML of the tables, and kept by every answer."""

import importlib.util
import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.app import Options, create_app
from api.catalogue import catalogue
from api.endpoints import ENDPOINTS
from api.endpoints.routes import PREFIX, Plain, Sections
from api.examples import NAMES, cut_short
from tests.api.conftest import LOCAL
from warehouse.database import Database
from warehouse.settings import PROJECT_ROOT

COMMITTED = PROJECT_ROOT / "docs" / "openapi.json"
PROMISED = PROJECT_ROOT / "tests" / "api" / "promised.txt"


@pytest.fixture(scope="module")
def current() -> dict[str, Any]:
    return json.loads(json.dumps(create_app(Options("postgresql://")).openapi()))


def test_the_committed_description_is_current(current: dict[str, Any]):
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == current, (
        "write it anew: python run_nightly.py serve openapi > docs/openapi.json"
    )


def promises(spec: dict[str, Any]) -> set[str]:
    """What programs rely on: each address with its parameters, and each field of an answer with its types."""
    found = set()
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            found.add(f"{method} {path}")
            found |= {f"{method} {path} takes {each['name']}" for each in operation.get("parameters", [])}
            content = operation["responses"].get("200", {}).get("content", {})
            found |= {f"{method} {path} gives {media_type}" for media_type in content}

    def fields(schema: dict[str, Any], at: str) -> None:
        for name, part in schema.get("properties", {}).items():
            kinds = part.get("type", "reference")
            found.add(f"{at}.{name} is {' or '.join(sorted([kinds] if isinstance(kinds, str) else kinds))}")
            fields(part, f"{at}.{name}")

    for name, schema in spec["components"]["schemas"].items():
        fields(schema, name)
    return found


def test_what_was_promised_is_still_kept(current: dict[str, Any]):
    """A change may add: whoever removes or retypes a field needs a new version of the address, and a new promise.

    `promised.txt` grows with each release: what is new is added to it, nothing is taken away.
    """
    promised = set(PROMISED.read_text(encoding="utf-8").splitlines())
    assert len(promised) > 500
    assert promised - promises(current) == set()


def test_words_types_and_nulls_are_those_of_the_yaml(current: dict[str, Any]):
    schemas = current["components"]["schemas"]
    told = schemas["PortfolioSnapshotSnapshot"]["properties"]
    for name, column in catalogue()["portfolio_snapshots"].columns.items():
        if name != "portfolio_id":
            assert told[name]["description"] == column.words
            assert ("null" in told[name]["type"]) == (not column.required), name
    assert "USD" in told["equity_balance"]["description"]
    without = [
        (name, key)
        for name, schema in schemas.items()
        for key, part in schema.get("properties", {}).items()
        if "type" in part and not part.get("description") and name not in ("Problem",) and not name.endswith("Answer")
    ]
    assert without == []


def form_of(body: Any) -> Any:
    """The names and kinds of what an answer holds; how many there are, and which numbers, changes with the models."""
    if isinstance(body, dict):
        return {name: form_of(value) for name, value in body.items()}
    if isinstance(body, list):
        return [form_of(each) for each in body[:1]]
    return "number" if isinstance(body, int | float) and not isinstance(body, bool) else type(body).__name__


def test_the_examples_are_answers_of_the_demo(client: TestClient, current: dict[str, Any]):
    for endpoint in ENDPOINTS:
        path = PREFIX + endpoint.path
        example = current["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["example"]
        told = cut_short(client.get(path.format(**NAMES)).json())
        assert told.keys() == example.keys()
        if endpoint.name == "status":
            assert told["data"].keys() == example["data"].keys()
        else:
            assert form_of(told["data"]) == form_of(example["data"]), f"{path}: write it anew, as api/examples.py says"


def tables_of(shape) -> Iterator:
    if isinstance(shape, Sections):
        for part in shape.parts.values():
            yield from tables_of(part)
    elif not isinstance(shape, Plain):
        yield from shape.tables


def test_the_yaml_and_the_database_agree_on_types_and_nulls(sample: Database):
    with sample.connect() as conn:
        stored = {
            (table, column): (kind, not_null)
            for table, column, kind, not_null in conn.execute(
                """
                select
                    relname::text, attname::text,
                    format_type(coalesce(nullif(typbasetype, 0), pg_type.oid), null), attnotnull
                from pg_attribute
                inner join pg_class on pg_class.oid = attrelid
                inner join pg_type on pg_type.oid = atttypid
                where relnamespace = 'analytics'::regnamespace and attnum > 0 and not attisdropped
                """
            )
        }
        views = {name for (name,) in conn.execute("select viewname::text from pg_views where schemaname = 'analytics'")}
    looked_at = set()
    for endpoint in ENDPOINTS:
        for table in tables_of(endpoint.data):
            for column in table.columns:
                if column.relation:
                    kind, not_null = stored[column.relation, column.of]
                    kind = kind.replace("timestamp with time zone", "timestamptz")
                    described = column.described
                    assert described.data_type.partition("(")[0] == kind, column
                    if described.required and column.relation not in views:
                        assert not_null or column.relation in ("stress_test_scenarios", "factor_definitions"), column
                    looked_at.add((column.relation, column.of))
    assert len(looked_at) > 150


def described() -> Any:
    """The API's own description, with portfolios that there are in the place of any text."""
    spec = json.loads(json.dumps(create_app(Options("postgresql://")).openapi()))
    names = {"portfolio": ["Core Growth", "Long Short Equity", "nobody"], "symbol": ["AAPL", "XOM", "nothing"]}
    for operations in spec["paths"].values():
        for parameter in operations["get"].get("parameters", []):
            if parameter["in"] == "path":
                parameter["schema"]["enum"] = names[parameter["name"]]
            if parameter["name"] == "format" and importlib.util.find_spec("pyarrow") is None:
                parameter["schema"]["anyOf"][0]["enum"].remove("arrow")
    return schemathesis.openapi.from_dict({**spec, "servers": [{"url": LOCAL}]})


OPERATIONS = {result.ok().path: result.ok() for result in described().get_all_operations()}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
@pytest.mark.parametrize("path", OPERATIONS)
def test_every_answer_is_as_described(client: TestClient, path: str, mode: GenerationMode):
    """Valid requests and invalid ones: no fault of ours, and nothing that the description does not know.

    A valid request may still mean nothing: a cursor that no page has named, a span whose end is before its start.
    """

    if mode is GenerationMode.NEGATIVE and not OPERATIONS[path].query:
        pytest.skip("it takes nothing that could be wrong")

    @given(case=OPERATIONS[path].as_strategy(generation_mode=mode))
    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def answers(case: schemathesis.Case) -> None:
        request = case.as_transport_kwargs(base_url=LOCAL)
        request.pop("cookies", None)
        answer = client.request(**{name: value for name, value in request.items() if value is not None})
        case.validate_response(answer, excluded_checks=[positive_data_acceptance])

    answers()
