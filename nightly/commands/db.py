"""The commands `db …`: run the embedded server by hand, connect other tools, back up and restore the database."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import psycopg

from nightly.command_group import CommandGroup
from nightly.commands.options import choose_settings, demo_option, open_chosen
from nightly.output.terminal import echo
from warehouse import postgres_tools
from warehouse.database import Database
from warehouse.distribution import distribute as spread_tables
from warehouse.distribution import forget, require_workers
from warehouse.errors import UserError
from warehouse.locks import let_writers_in, run_lock
from warehouse.migrate import grant_reader, migrate
from warehouse.phrases import count
from warehouse.queries import fetch_one
from warehouse.server import EmbeddedServer
from warehouse.settings import Settings


@click.group(cls=CommandGroup)
def db() -> None:
    """Start and stop the embedded PostgreSQL, reach the database, back it up, restore it, spread it over servers."""


@db.command()
def start() -> None:
    """Start the embedded PostgreSQL and leave it running until `db stop`."""
    settings = _embedded_settings()
    with _open(demo=False, leave_running=True):
        pass
    echo(f"PostgreSQL {settings.postgres_version} runs in {settings.home}; stop it with: python run_nightly.py db stop")


@db.command()
def stop() -> None:
    """Stop the embedded PostgreSQL."""
    settings = _embedded_settings()
    if EmbeddedServer(settings.home, settings.postgres_version).stop():
        click.echo("PostgreSQL is stopped")
    else:
        click.echo("Another command uses PostgreSQL: it stops when that command has ended")


@db.command()
@demo_option
def url(demo: bool) -> None:
    """Print the database's URL and nothing else; leave the embedded PostgreSQL running until `db stop`."""
    with _open(demo, leave_running=True) as database:
        click.echo(database.url)


@db.command()
@demo_option
def env(demo: bool) -> None:
    """Print `export PG…` lines for dbt, psql or a notebook; leave the embedded PostgreSQL running until `db stop`."""
    with _open(demo, leave_running=True) as database:
        for name, value in database.libpq_environment().items():
            click.echo(f"export {name}={shlex.quote(value)}")


@db.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@demo_option
def psql(arguments: tuple[str, ...], demo: bool) -> int:
    """Open psql on the database; ARGUMENTS are psql's own, such as -c "select …". It need not be installed."""
    with _open(demo) as database:
        return postgres_tools.psql(database, arguments)


@db.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@demo_option
def dump(file: Path, demo: bool) -> None:
    """Back the database up into FILE, in one consistent state, also while a run is going.

    FILE is in PostgreSQL's own archive format, and `db restore` reads it. It appears when it is complete, in place of
    an older one of that name. It holds our schemas and everything in them, results included, and no password.
    """
    with _open(demo) as database:
        postgres_tools.dump(database, file)
    back = shlex.join(["python", "run_nightly.py", "db", "restore", str(file), *(["--demo"] if demo else [])])
    echo(f"{file}: {file.stat().st_size:,} bytes; bring it back with: {back}")


@db.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--replace", is_flag=True, help="Replace the portfolios of the database, if there are any, by those of FILE."
)
@demo_option
def restore(file: Path, replace: bool, demo: bool) -> None:
    """Bring back what `db dump` has written to FILE: all of it, or on any error nothing.

    A database that has portfolios is left alone unless --replace is given.
    """
    with _open(demo) as database, database.connect("afterclose restore") as conn, run_lock(conn, f"restore {file}"):
        if not replace and (loaded := postgres_tools.count_portfolios(conn)):
            has = f"the database has {count(loaded, 'portfolio')}"
            raise UserError(f"{has}, which {file} would replace: `db dump` them first, and pass --replace")
        postgres_tools.restore(database, file)
        migrate(conn)
        forget(conn)
        if warning := grant_reader(conn):
            click.echo(f"warning: {warning}", err=True)
        restored = postgres_tools.count_portfolios(conn)
    click.echo(f"{file}: restored, {count(restored, 'portfolio')}")


@db.command()
def distribute() -> None:
    """Spread the large tables over the workers of a database that has Citus; tables already spread are left alone.

    What has a portfolio in its rows is spread by portfolio, and pairs of symbols by the first symbol. What an earlier
    version has spread is carried on.

    Every command and the API work as before. A single server needs none of this: see docs/scale.md.
    """
    settings = choose_settings(demo=False)
    with (
        open_chosen(settings, demo=False) as database,
        database.connect("afterclose distribute") as conn,
        run_lock(conn, "db distribute"),
    ):
        require_workers(conn)
        migrate(conn)
        if warning := grant_reader(conn):
            click.echo(f"warning: {warning}", err=True)
        done = spread_tables(conn)
        _build_views(conn, database, home=settings.home)
    for table, column, rows in done.moved:
        how = f"by {column}" if column else "the whole to each"
        click.echo(f"{table}: {count(rows, 'row')} moved to {count(done.workers, 'worker')}, {how}")
    for table in done.already:
        click.echo(f"{table}: lies on {count(done.workers, 'worker')} already")
    if done.to_come:
        click.echo(f"not built yet, and spread when they are: {', '.join(done.to_come)}")


def _build_views(conn: psycopg.Connection[Any], database: Database, home: Path) -> None:
    """Build the published views as they are on a spread database; where no night has run, the first one does."""
    from nightly.dbt.runner import Dbt
    from nightly.prepare import project_version, remember_built, views_to_build

    if fetch_one(conn.execute("select to_regclass('analytics.positions')"))[0] is None:
        return
    dbt = Dbt(replace(database, run_token=let_writers_in(conn, "db distribute")), home / "dbt")
    dbt.tell_spread(is_spread=True)
    version = project_version(conn, dbt)
    if views := views_to_build(conn, dbt):
        results = dbt.run(views).results
        remember_built(conn, dbt, results, version)
        if failed := [f"{result.name}: {result.message}" for result in results if not result.well]:
            raise UserError(f"the tables are spread, and views are not built: {'; '.join(failed)}")


def _embedded_settings() -> Settings:
    settings = choose_settings(demo=False)
    if settings.database_url is not None:
        raise UserError("DATABASE_URL is set: that server is not ours to start or stop; unset it for the embedded one")
    return settings


@contextmanager
def _open(demo: bool, *, leave_running: bool = False) -> Iterator[Database]:
    """Open the database; in an embedded one, create the schemas first, so that other tools find them."""
    with open_chosen(choose_settings(demo), demo, leave_running=leave_running) as database:
        if database.embedded:
            with database.connect() as conn:
                migrate(conn)
                grant_reader(conn)
        yield database
