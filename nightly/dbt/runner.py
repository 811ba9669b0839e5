"""dbt, run in this process: quietly for the phases, in the open for `dbt -- …`.

Eight things that dbt leaves to its caller are done here:
- It reports success when it ran nothing: what was expected is compared with what ran.
- Changed variables make it parse the whole project again: it is parsed once without any, and the parsed manifest handed
  on, a fresh one to each invocation, which writes into it. It is kept between runs (`parsed_project`).
- Its parse cache counts as stale when the address of the server changes, as the embedded one's does with each start:
  the parser sees a fixed address.
- It parses whole statements to put ephemeral models into them: that is done without (`ephemeral`).
- It compiles the templates that it renders in every process: they are kept between runs too (`kept_templates`).
- It searches the call stack for each of its flags: a quick way does it (`behavior_flags`).
- It keeps its adapters, which are bound to a database: they are reset.
- It takes connection and options from the environment: that is set around each call and put back.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from nightly.dbt import behavior_flags
from nightly.dbt.ephemeral import inject_quickly
from nightly.dbt.kept_templates import kept_templates
from nightly.dbt.parsed_project import keep_parsed, load_parsed, project_key, unpickle
from nightly.record import one_line
from nightly.stopwatch import Stopwatch
from warehouse.errors import UserError
from warehouse.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

    from warehouse.database import Database

PROJECT = PROJECT_ROOT / "dbt_project"
PUBLISHED = "analytics"
WRITING_COMMANDS = frozenset({"build", "retry", "run", "seed", "snapshot"})
TESTING_COMMANDS = frozenset({"build", "test"})
SEEDING_COMMANDS = frozenset({"build", "seed"})

# What the macro `join_run` reads.
_TOKEN_VARIABLE = "BATCH_RUN_TOKEN"  # noqa: S105
# What the macro `is_spread` asks for, and what the folder `for_workers` is materialized by.
_SPREAD_VARIABLE = "DBT_SPREAD"

_QUIET = ("--no-write-json", "--log-level", "none", "--log-level-file", "none", "--no-use-colors")
_NOWHERE = {"PGHOST": "parsing", "PGPORT": "5432", "PGUSER": "parsing", "PGPASSWORD": ""}
_WELL = frozenset({"success", "pass", "warn", "no-op"})


class DbtError(Exception):
    """dbt gave up before it ran any node: the project does not parse, or the database cannot be reached."""


@dataclass(frozen=True)
class Invocation:
    """One call of dbt: the id that it gave itself, and one result for each node that was asked for."""

    invocation_id: str
    results: list[NodeResult]


@dataclass(frozen=True)
class DataTest:
    """A data test that ran.

    `kind` is the name of a generic test (unique, not_null), and empty for a test that is a file of its own; `table` and
    `column` are what a generic one looks at, the column empty where that is the whole row. `file` is where it stands,
    in the dbt project. `query` selects the failing rows, and `stored_as` is the table that keeps them, if one does.
    """

    kind: str
    table: str
    column: str
    file: str
    query: str
    stored_as: str


@dataclass(frozen=True)
class NodeResult:
    """What became of one dbt node.

    `status` is dbt's word (success, error, skipped, pass, fail, warn), or `absent` for a node that dbt was asked to
    run and did not report. `failures` counts the failing rows of a test, and `test` says more of it.
    """

    unique_id: str
    name: str
    tags: tuple[str, ...]
    status: str
    seconds: float = 0.0
    failures: int | None = None
    message: str = ""
    description: str = ""
    test: DataTest | None = None

    @property
    def well(self) -> bool:
        """Whether the node did what it was asked."""
        return self.status in _WELL


@dataclass(frozen=True)
class DbtNode:
    """A node of the parsed project that dbt runs as a statement of its own."""

    unique_id: str
    name: str
    resource_type: str
    tags: tuple[str, ...]
    schema: str
    relation: str
    materialized: str


class Dbt:
    """The dbt project on one database.

    Args:
        database: where the models are built.
        workspace: a folder for the parsed project and compiled SQL, made when missing, with a subfolder for each
            database. Two processes may share it: dbt reads back the cache alone, and parses in full when it is torn.
        project: the folder of `dbt_project.yml`, `profiles.yml`, models, macros and seeds.
    """

    def __init__(self, database: Database, workspace: Path, project: Path = PROJECT):
        self._database = database
        self._workspace = workspace / database.libpq_environment()["PGDATABASE"]
        self.project = project
        self.target = self._workspace / "target"
        self._is_spread = False
        # importing dbt and parsing the project
        self.start_up = Stopwatch()
        self._preparation: Thread | None = None
        self._kept: bytes | None = None

    def tell_spread(self, *, is_spread: bool) -> None:
        """Say, before anything else is asked, whether the database is spread over servers: some models differ."""
        self._is_spread = is_spread

    def nodes(self, resource_type: str, tag: str | None = None) -> list[DbtNode]:
        """The project's enabled nodes of one type (model, seed, test), with that tag if one is given."""
        return [
            node for node in self._nodes if node.resource_type == resource_type and (tag is None or tag in node.tags)
        ]

    @property
    def is_parsed(self) -> bool:
        """Whether the project has been parsed, which takes seconds."""
        return "_manifest" in self.__dict__

    def descriptions(self) -> dict[tuple[str, str, str], str]:
        """What is said of the published tables and of the sources, by schema, relation and column ("": the whole)."""
        manifest = self._manifest
        published = [node for node in manifest.nodes.values() if node.schema == PUBLISHED]
        places = {node.unique_id: (node.schema, node.alias) for node in published if node.resource_type != "test"}
        places |= {source.unique_id: (source.schema, source.identifier) for source in manifest.sources.values()}
        said: dict[tuple[str, str, str], str] = {}
        for unique_id, place in places.items():
            node = manifest.nodes.get(unique_id) or manifest.sources[unique_id]
            texts = {"": node.description} | {column.name: column.description for column in node.columns.values()}
            said |= {(*place, name): " ".join(text.split()) for name, text in texts.items() if text.strip()}
        return said

    def run(
        self,
        select: Sequence[str],
        variables: Mapping[str, Any] | None = None,
        progress: Callable[[int, int], None] | None = None,
        once_built: Mapping[str, Callable[[], None]] | None = None,
    ) -> Invocation:
        """Build the models that `select` names: names of models, or `tag:…`; tells `progress` how many of how many.

        The results hold one for each model selected and each hook; a model that dbt did not report is `absent`.
        `once_built` holds what to do as soon as a model is there, before any that needs it is begun; it must not raise.
        Raises DbtError where dbt gave up before any node.
        """
        chosen = [node for node in self.nodes("model") if _is_selected(node, select)]
        return self._results("run", chosen, ("--select", *select), variables, progress, once_built)

    def models_behind(self, name: str) -> list[str]:
        """The names of a model and of all models that it rests on, however far away."""
        nodes = {node.unique_id: node for node in self.nodes("model")}
        (start,) = (unique_id for unique_id, node in nodes.items() if node.name == name)
        found, waiting = set(), {start}
        while waiting:
            found.add(unique_id := waiting.pop())
            waiting |= set(self._manifest.nodes[unique_id].depends_on_nodes) - found
            waiting &= self._manifest.nodes.keys()
        return sorted(nodes[unique_id].name for unique_id in found & nodes.keys())

    def seed(self, names: Sequence[str], *, full_refresh: bool = False) -> Invocation:
        """Load the seeds of these names; `full_refresh` drops and creates their tables. Raises DbtError."""
        chosen = [node for node in self.nodes("seed") if node.name in names]
        options = ("--select", *names, *(("--full-refresh",) if full_refresh else ()))
        return self._results("seed", chosen, options)

    def test(self) -> Invocation:
        """Run every data test and unit test; one result each. Raises DbtError."""
        return self._results("test", self.nodes("test") + self.nodes("unit_test"))

    def command(self, arguments: Sequence[str]) -> int:
        """Run any dbt command as typed, with its ordinary output; returns dbt's exit status.

        What it writes (the catalogue, the compiled SQL, its log) goes to the folder `target` of the workspace, apart
        from the parse cache of the phases, unless the environment or the arguments say where.
        """
        from dbt.cli.main import cli

        with self._environment():
            os.environ.setdefault("DBT_TARGET_PATH", str(self.target))
            os.environ.setdefault("DBT_LOG_PATH", str(self.target))
            try:
                cli.main(list(arguments), prog_name="dbt")
            except SystemExit as end:
                return end.code if isinstance(end.code, int) else int(end.code is not None)
        return 0

    def get_ready(self) -> None:
        """Begin to import dbt and to read the parsed project, in a thread, while the caller waits for other things."""
        self._preparation = Thread(target=self._prepare, name="dbt is got ready", daemon=True)
        self._preparation.start()

    def _prepare(self) -> None:
        import dbt.adapters.postgres
        import dbt.cli.main  # noqa: F401

        # Parsing reads the environment of the process, which all threads share, so it waits for the first call.
        self._kept = load_parsed(self._kept_in, self._key)

    def _await_preparation(self) -> None:
        if self._preparation:
            self._preparation.join()
            self._preparation = None

    @property
    def _kept_in(self) -> Path:
        return self._workspace / "parsed"

    @cached_property
    def _key(self) -> str:
        return project_key(self.project, {**os.environ, **self._database.libpq_environment(), **self._further})

    @property
    def _further(self) -> dict[str, str]:
        return {_SPREAD_VARIABLE: "yes"} if self._is_spread else {}

    def _environment(self, **overrides: str) -> AbstractContextManager[None]:
        return _environment(self._database, self.project, **self._further, **overrides)

    @cached_property
    def _pickled(self) -> bytes:
        """The parsed project: as the last run left it, if nothing that it depends on has changed; else parsed now."""
        with self.start_up:
            self._await_preparation()
            if kept := self._kept or load_parsed(self._kept_in, self._key):
                return kept
            # Parsing asks for the database's name and never connects.
            with self._environment(**_NOWHERE):
                return keep_parsed(self._kept_in, self._key, self._invoke("parse"))

    @cached_property
    def _manifest(self) -> Manifest:
        """The parsed project, for reading only; an invocation gets a copy."""
        return unpickle(self._pickled)

    @cached_property
    def _nodes(self) -> list[DbtNode]:
        manifest = self._manifest
        return [
            DbtNode(
                unique_id=node.unique_id,
                name=node.name,
                resource_type=str(node.resource_type),
                tags=tuple(getattr(node, "tags", ())),
                schema=getattr(node, "schema", ""),
                relation=getattr(node, "alias", node.name),
                materialized=getattr(node.config, "materialized", ""),
            )
            for node in (*manifest.nodes.values(), *manifest.unit_tests.values())
            if getattr(node.config, "materialized", None) != "ephemeral"
        ]

    def _results(
        self,
        command: str,
        expected: Sequence[DbtNode],
        options: Sequence[str] = (),
        variables: Mapping[str, Any] | None = None,
        progress: Callable[[int, int], None] | None = None,
        once_built: Mapping[str, Callable[[], None]] | None = None,
    ) -> Invocation:
        """Invoke a command on the parsed project and answer for every node that was expected of it."""
        from dbt_common.invocation import get_invocation_id

        manifest = unpickle(self._pickled)
        # Dates as JSON strings: YAML would read unquoted ones as date objects.
        given = ("--vars", json.dumps(dict(variables))) if variables else ()
        finished = itertools.count(1)

        def on_event(event: Any) -> None:
            if event.info.name != "NodeFinished":
                return
            if progress:
                progress(next(finished), len(expected))
            node = event.data.node_info
            if once_built and node.node_name in once_built and node.node_status == "success":
                once_built[node.node_name]()

        # What runs every night is kept, and not the many templates of tests and seeds.
        templates = kept_templates(self._workspace / "templates", self._key) if command == "run" else nullcontext()
        with self._environment(), templates:
            ran = self._invoke(command, *options, *given, manifest=manifest, on_event=on_event)
        results = {result.node.unique_id: _node_result(result) for result in ran.results}
        absent = [
            NodeResult(node.unique_id, node.name, node.tags, "absent", message="asked for, and not run by dbt")
            for node in expected
            if node.unique_id not in results
        ]
        return Invocation(get_invocation_id(), [*results.values(), *absent])

    def _invoke(
        self,
        command: str,
        *options: str,
        manifest: Manifest | None = None,
        on_event: Callable[[Any], None] = lambda event: None,
    ) -> Any:
        """One call of dbt's own runner; returns its result whether or not every node went well."""
        from dbt.adapters.factory import reset_adapters
        from dbt.cli.main import dbtRunner

        inject_quickly()
        behavior_flags.name_quickly()
        self._workspace.mkdir(parents=True, exist_ok=True)
        folders = (
            *("--project-dir", str(self.project), "--profiles-dir", str(self.project)),
            *("--target-path", str(self._workspace), "--log-path", str(self._workspace)),
        )
        try:
            runner = dbtRunner(manifest=manifest, callbacks=[on_event])
            outcome = runner.invoke([*_QUIET, command, *folders, *options])
        finally:
            reset_adapters()
            behavior_flags.forget_repeated()
        if isinstance(outcome.exception, KeyboardInterrupt | SystemExit):
            raise outcome.exception
        if outcome.exception is not None:
            raise DbtError(f"dbt {command} failed: {one_line(outcome.exception)}") from outcome.exception
        return outcome.result


def _is_selected(node: DbtNode, select: Sequence[str]) -> bool:
    return node.name in select or any(f"tag:{tag}" in select for tag in node.tags)


def _node_result(result: Any) -> NodeResult:
    return NodeResult(
        unique_id=result.node.unique_id,
        name=result.node.name,
        tags=tuple(getattr(result.node, "tags", ())),
        status=str(result.status),
        seconds=float(result.execution_time),
        failures=result.failures,
        message=one_line(result.message or ("a model that it needs failed" if result.status == "skipped" else "")),
        description=one_line(getattr(result.node, "description", "") or ""),
        test=_data_test(result.node) if result.node.resource_type == "test" else None,
    )


def _data_test(node: Any) -> DataTest:
    metadata = getattr(node, "test_metadata", None)
    # The first reference is the table that it is declared for; macros and arguments bring others.
    tables = [*(source[1] for source in node.sources), *(ref.name for ref in node.refs)]
    attached = getattr(node, "attached_node", None)
    return DataTest(
        kind=metadata.name if metadata else "",
        table=attached.split(".")[-1] if attached else tables[0] if tables else "",
        column=getattr(node, "column_name", None) or "",
        file=node.original_file_path,
        query=node.compiled_code or "",
        stored_as=(node.relation_name or "") if node.config.store_failures else "",
    )


@contextmanager
def _environment(database: Database, project: Path, **overrides: str) -> Iterator[None]:
    """The process' environment as dbt wants it for this database, put back afterwards."""
    if not (project / "dbt_project.yml").is_file():
        raise UserError(f"{project} holds no dbt_project.yml: run from a complete checkout")
    before = dict(os.environ)
    os.environ.update(database.libpq_environment())
    if database.run_token is not None:
        os.environ[_TOKEN_VARIABLE] = str(database.run_token)
    os.environ.update(overrides)
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    os.environ.setdefault("DBT_PROJECT_DIR", str(project))
    os.environ.setdefault("DBT_PROFILES_DIR", str(project))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
