"""The examples in the description of the API: answers from the demo's database, shortened.

python run_nightly.py serve --demo
python -m api.examples http://127.0.0.1:8750 > api/examples.json
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, cast

FILE = Path(__file__).with_name("examples.json")
NAMES = {"portfolio": "Core Growth", "symbol": "AAPL"}
_ROWS = 2


@cache
def examples() -> dict[str, Any]:
    """An answer for each endpoint, by its name."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def cut_short(body: Any) -> Any:
    """The same value with at most two items in each list."""
    if isinstance(body, dict):
        return {name: cut_short(value) for name, value in cast("dict[str, Any]", body).items()}
    return [cut_short(each) for each in cast("list[Any]", body)[:_ROWS]] if isinstance(body, list) else body


def _read(url: str) -> dict[str, Any]:
    import httpx

    from api.endpoints import ENDPOINTS
    from api.endpoints.routes import PREFIX

    found: dict[str, Any] = {}
    with httpx.Client(base_url=url, timeout=30) as client:
        for endpoint in ENDPOINTS:
            answer = client.get(PREFIX + endpoint.path.format(**NAMES))
            answer.raise_for_status()
            found[endpoint.name] = cut_short(answer.json())
    return found


if __name__ == "__main__":
    print(json.dumps(_read(sys.argv[1]), indent=1, ensure_ascii=False))
