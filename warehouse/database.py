"""Connections: to the server that DATABASE_URL names, or to the embedded one."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from warehouse.errors import UserError
from warehouse.locks import join_run
from warehouse.server import EmbeddedServer
from warehouse.session_settings import VARIABLES, settle
from warehouse.settings import Settings

DEFAULT_NAME = "afterclose"
OLDEST_VERSION = 16
# For the network: how long to wait for a connection, and how soon a dead one is noticed. The address may contain other
# values.
_PATIENCE = {"connect_timeout": 15, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


@dataclass(frozen=True)
class Database:
    """One database: `url` is its libpq URL, with the password if there is one (and so is not shown).

    `server` is the embedded one if this process uses it: its log is read when it cannot be reached.
    `run_token` is that of the run which the connections write for, where they do.
    """

    url: str = field(repr=False)
    embedded: bool
    server: EmbeddedServer | None = None
    run_token: int | None = None
    # The settings that had to be made on its connections, as far as the connections made so far have shown.
    _settled: dict[str, str] = field(default_factory=dict[str, str], repr=False, compare=False)

    def connect(self, application_name: str = "afterclose", **options: Any) -> psycopg.Connection[Any]:
        """Connect, with autocommit on: `with conn.transaction()` is then a transaction and not a savepoint.

        Raises:
            UserError: the server cannot be reached, or does not let us in.
            TakenOver: it would write for a run that another has taken over from.
        """
        parameters = conninfo_to_dict(self.url)
        defaults: dict[str, Any] = {"autocommit": True} | {
            name: parameters.get(name, value) for name, value in _PATIENCE.items()
        }
        try:
            conn = psycopg.connect(self.url, application_name=application_name, **{**defaults, **options})
        except psycopg.OperationalError as error:
            if self.server and (last_words := self.server.last_words()):
                raise UserError(f"PostgreSQL has stopped: {last_words}: put that right and run it again") from None
            raise UserError(_refusal(error, parameters)) from None
        try:
            # Set after connecting, since connection poolers refuse them in the start-up message.
            self._settled.update(settle(conn))
            if not self.embedded:  # the embedded server already has it
                with suppress(psycopg.errors.InvalidParameterValue):  # a server on Windows cannot have it
                    conn.execute("select set_config('client_connection_check_interval', '2s', false)")
            if self.run_token is not None:
                join_run(conn, self.run_token)
        except BaseException:
            conn.close()
            raise
        return conn

    def revive(self) -> None:
        """Start the embedded server again, where it is ours and has died; it is where it was.

        Raises:
            UserError: it does not start.
        """
        if self.server:
            self.server.revive()

    def libpq_environment(self) -> dict[str, str]:
        """Return the PG… variables that bring any libpq client (dbt, psql) here; always the five that dbt asks for.

        What had to be set on our own connections is set on theirs as well.
        """
        parameters = {"password": "", **conninfo_to_dict(self.url)}
        variables = {option.keyword.decode(): option.envvar for option in psycopg.pq.Conninfo.get_defaults()}
        environment = {
            variable.decode(): str(parameters[keyword])
            for keyword, variable in variables.items()
            if variable and keyword in parameters
        }
        settled = {name: value for name, value in sorted(self._settled.items()) if name not in VARIABLES}
        options = [f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in settled.items()]
        if options:
            environment["PGOPTIONS"] = " ".join([*options, *filter(None, [environment.get("PGOPTIONS")])])
        return environment | {VARIABLES[name]: value for name, value in self._settled.items() if name in VARIABLES}


@contextmanager
def open_database(settings: Settings, *, leave_running: bool = False, name: str | None = None) -> Generator[Database]:
    """Open the database that the settings name.

    Args:
        settings: DATABASE_URL if set, else the embedded server, started if need be.
        leave_running: let the embedded server run on afterwards; otherwise its last user stops it.
        name: another database on the embedded server, whatever DATABASE_URL says; created if missing.

    Raises:
        UserError: there is no such server, it is too old, or it does not let us in.
    """
    if settings.database_url is not None and name is None:
        yield check_url(settings.database_url.get_secret_value())
        return
    server = EmbeddedServer(settings.home, settings.postgres_version)
    with server.running(leave_running=leave_running) as parameters:
        create_if_missing(parameters, name or DEFAULT_NAME)
        yield Database(libpq_url({**parameters, "dbname": name or DEFAULT_NAME}), embedded=True, server=server)


def create_if_missing(parameters: Mapping[str, str], name: str) -> None:
    """Create the database `name` on the server that `parameters` lead to, unless it has one."""
    with Database(libpq_url({**parameters, "dbname": "postgres"}), embedded=True).connect() as conn:
        if not conn.execute("select 1 from pg_database where datname = %s", [name]).rowcount:
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):  # somebody was faster
                conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))


def libpq_url(parameters: Mapping[str, Any]) -> str:
    """Write libpq parameters as a URL: any of them, the host also a socket folder."""
    rest = {name: quote(str(value), safe="") for name, value in parameters.items()}
    credentials = rest.pop("user", "") + (f":{password}" if (password := rest.pop("password", "")) else "")
    query = "&".join(f"{name}={value}" for name, value in rest.items() if name != "dbname")
    return f"postgresql://{credentials and credentials + '@'}/{rest.get('dbname', '')}{query and '?' + query}"


def check_url(given: str, setting: str = "DATABASE_URL") -> Database:
    """The database of a URL that a setting gives; raises UserError where it can't be read, reached or is too old."""
    try:
        parameters = conninfo_to_dict(given)
    except psycopg.ProgrammingError:
        parameters = None
    # If libpq cannot read an address, its message may hold a part of the password: so the address is parsed here first.
    if (
        parameters is None
        or any("@" in str(parameters.get(part, "")) for part in ("host", "port", "dbname"))
        or not re.fullmatch(r"[\d,]*", str(parameters.get("port", "")))
    ):
        raise UserError(
            f"{setting} cannot be read: write postgresql://user:password@host:5432/database, with special characters "
            "in the password percent-encoded (@ as %40, / as %2F)"
        )
    found_there = Database(given, embedded=False)
    with found_there.connect() as conn:
        if conn.info.server_version < OLDEST_VERSION * 10_000:
            version = conn.info.parameter_status("server_version")
            raise UserError(
                f"{setting} leads to PostgreSQL {version}, and {OLDEST_VERSION} or newer is needed: upgrade it, or "
                "unset DATABASE_URL to use the embedded server"
            )
        found = {"host": conn.info.host, "port": conn.info.port, "user": conn.info.user, "dbname": conn.info.dbname}
    return replace(found_there, url=libpq_url({**found, **parameters}))


def _refusal(error: psycopg.OperationalError, parameters: Mapping[str, Any]) -> str:
    reason = " ".join(str(error).split())
    if password := str(parameters.get("password", "")):
        reason = reason.replace(password, "***")
    return f"cannot connect to PostgreSQL: {reason}: see that it runs and lets you in, or correct DATABASE_URL"
