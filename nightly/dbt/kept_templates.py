"""dbt's compiled templates, kept between runs: to compile them anew takes a twelfth of the CPU of a small night.

A template is a macro, a model or a hook, as it stands in the project or in dbt. Jinja turns it into Python code, which
depends on the text, the environment's class and the versions of Jinja, Python and dbt, and on nothing else.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType
from typing import Any

from nightly.dbt.kept_files import keep, load

_FILE = "templates.marshal"


@contextmanager
def kept_templates(folder: Path, key: str) -> Iterator[None]:
    """Within the block, dbt takes the templates from those that were kept for this key, and new ones are kept."""
    from dbt_common.clients.jinja import MacroFuzzEnvironment

    stored = load(folder / _FILE, key)
    codes: dict[tuple[str, str], CodeType] = marshal.loads(stored) if stored else {}  # noqa: S302 - see `kept_files`
    n_known = len(codes)
    compile_anew = MacroFuzzEnvironment.compile

    def compile_once(environment: Any, source: Any, *arguments: Any, **options: Any) -> Any:
        if arguments or options or not isinstance(source, str):
            return compile_anew(environment, source, *arguments, **options)
        of = (type(environment).__name__, source)
        if of not in codes:
            codes[of] = compile_anew(environment, source)  # pyright: ignore[reportArgumentType] # it is no `raw` one
        return codes[of]

    MacroFuzzEnvironment.compile = compile_once  # pyright: ignore[reportAttributeAccessIssue] # for all its overloads
    try:
        yield
    finally:
        del MacroFuzzEnvironment.compile
    if len(codes) > n_known:
        with suppress(ValueError):
            keep(folder / _FILE, key, marshal.dumps(codes))
