"""The commands `serve …`: serve the API and the pages, and keep their tokens."""

from __future__ import annotations

import gc
import importlib
import json
import logging
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime, time, timedelta

import click
import psycopg

from nightly.command_group import CommandGroup
from nightly.commands.options import DAY, choose_settings, demo_option, open_chosen
from nightly.context import new_york_date
from nightly.output.log import log_handler
from nightly.output.terminal import echo, print_table
from nightly.prepare import prepare_database
from warehouse import phrases
from warehouse.database import Database, check_url
from warehouse.errors import UserError
from warehouse.portfolio_names import find_portfolios
from warehouse.reader_rights import may_do_more_than_read
from warehouse.settings import Settings

HOST, PORT = "127.0.0.1", 8750


@click.group(cls=CommandGroup, invoke_without_command=True)
@click.option("--host", default=HOST, show_default=True, help="The address to listen on.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="The port; 0: a free one.")
@demo_option
@click.pass_context
def serve(ctx: click.Context, host: str, port: int, demo: bool) -> int | None:
    """Serve the read API and the pages over HTTP, until Ctrl-C.

    \b
    http://127.0.0.1:8750/                            the pages
    http://127.0.0.1:8750/api/v1/portfolios           the API
    http://127.0.0.1:8750/api/v1/openapi.json         its description

    On 127.0.0.1 no token is needed until you add one, and web pages of other origins are kept out. On any other
    address the server does not start without a token (`serve token add NAME`), and a proxy in front of it provides
    encryption (TLS). Nothing can be changed through it. Each request is a line in the log, on standard error.

    Exit status: 0 ended by a signal; 2 the setup or the request was wrong.
    """
    ctx.obj = demo
    if ctx.invoked_subcommand:
        return None
    settings = choose_settings(demo)
    with open_chosen(settings, demo) as database:
        _prepare(database)
        return _serve(settings, database, host, port, demo)


def _serve(settings: Settings, database: Database, host: str, port: int, demo: bool) -> int:
    # Imported here, and by name alone: the orchestrator and the API know nothing of each other's insides.
    api, tokens, access, http = (
        importlib.import_module(f"api.{name}") for name in ("app", "tokens", "access", "server")
    )
    only_loopback = access.is_loopback(host)
    with database.connect() as conn:
        count = tokens.valid_tokens(conn)
    if not only_loopback and not count:
        raise UserError(
            f"--host {host} can be reached from other machines, and there is no token: make one with"
            " `python run_nightly.py serve token add NAME`, or serve on 127.0.0.1"
        )
    reads = database
    if settings.api_database_url is not None and not demo:
        reads = check_url(settings.api_database_url.get_secret_value(), "AFTERCLOSE_API_DATABASE_URL")
    log, of_http = logging.getLogger("afterclose.api"), logging.getLogger("uvicorn")
    for logger, level in ((log, logging.INFO), (of_http, logging.ERROR)):
        logger.handlers, logger.propagate = [log_handler(settings.log_format, settings.secrets)], False
        logger.setLevel(level)
    with reads.connect("afterclose api") as conn:
        if count and (more := may_do_more_than_read(conn)):
            log.warning("more than a reader", extra={"fields": {"why": more}})
    origins = [origin.strip().rstrip("/") for origin in settings.api_origins.split(",") if origin.strip()]
    app = api.create_app(api.Options(reads.url, only_loopback=only_loopback, origins=origins, demo=demo))
    server = http.make_server(app, host, port)
    # The objects made so far stay for good: searching them for garbage would hold up requests.
    gc.collect()
    gc.freeze()
    with ExitStack() as bound:
        sock = http.bind(server)
        bound.callback(sock.close)
        address = f"[{host}]" if ":" in host else host
        needed = phrases.count(count, "token") if count else "no token needed on this machine"
        click.echo(f"http://{address}:{sock.getsockname()[1]}/  ({needed}; Ctrl-C ends it)", err=True)
        with suppress(KeyboardInterrupt):
            server.run([sock])
    return 0


@serve.command()
def openapi() -> int:
    """Print the description of the API (OpenAPI); docs/openapi.json holds the same."""
    api = importlib.import_module("api.app")
    click.echo(json.dumps(api.create_app(api.Options("postgresql://")).openapi(), indent=1, ensure_ascii=False))
    return 0


@serve.group(cls=CommandGroup, no_args_is_help=True)
def token() -> None:
    """The tokens that open the API: add, list and revoke them."""


@token.command()
@click.argument("name")
@click.option("--portfolio", "portfolios", multiple=True, metavar="NAME|ID", help="Only this one; repeatable.")
@click.option("--expires", type=DAY, metavar="D", help="The last day on which it opens anything (UTC).")
@click.pass_obj
def add(demo: bool, name: str, portfolios: tuple[str, ...], expires: date | None) -> int:
    """Make a token for NAME and print it once: only a digest of it is kept.

    It opens all portfolios and the state of the batch, or only the portfolios that are named.
    """
    tokens = importlib.import_module("api.tokens")
    if expires and expires < datetime.now(UTC).date():
        raise UserError(f"--expires {expires} has passed: give a day in the future")
    if not name.strip():
        raise UserError("a token needs a name: whom or what it is for")
    end = datetime.combine(expires + timedelta(days=1), time(), UTC) if expires else None
    with open_chosen(choose_settings(demo), demo) as database:
        _prepare(database)
        with database.connect() as conn:
            made = tokens.add_token(conn, name.strip(), _ids(conn, portfolios) if portfolios else None, end)
    click.echo(made)
    return 0


@token.command(name="list")
@click.pass_obj
def list_(demo: bool) -> int:
    """List all tokens: their names, the portfolios that they open, and whether they are still valid."""
    tokens = importlib.import_module("api.tokens")
    with open_chosen(choose_settings(demo), demo) as database:
        _prepare(database)
        with database.connect() as conn:
            found = tokens.list_tokens(conn)
    if not found:
        echo("no token yet: make one with `python run_nightly.py serve token add NAME`")
        return 0
    now = datetime.now(UTC)
    print_table(
        "Tokens",
        [
            {
                "name": each.name,
                "opens": "everything" if each.portfolios is None else ", ".join(each.portfolios),
                "state": each.state(now),
                "made": f"{each.created_at:%Y-%m-%d}",
                "until": f"{each.expires_at - timedelta(days=1):%Y-%m-%d}" if each.expires_at else None,
            }
            for each in found
        ],
    )
    return 0


@token.command()
@click.argument("name")
@click.pass_obj
def revoke(demo: bool, name: str) -> int:
    """Revoke a token, at once, also in a running API."""
    tokens = importlib.import_module("api.tokens")
    with open_chosen(choose_settings(demo), demo) as database:
        _prepare(database)
        with database.connect() as conn:
            tokens.revoke_token(conn, name)
    click.echo(f"{name}: revoked")
    return 0


def _prepare(database: Database) -> None:
    with database.connect() as conn:
        prepare_database(conn, new_york_date(datetime.now(UTC)))


def _ids(conn: psycopg.Connection, handles: tuple[str, ...]) -> list:
    there = conn.execute("select portfolio_id, name from raw.portfolios where deleted_at is null").fetchall()
    return sorted(set(find_portfolios(handles, {(key, name): key for key, name in there}, "--portfolio ")))
