"""`run_nightly.py db …`: the embedded server by hand, and the way to it for other tools."""

import shlex

import click

from warehouse.errors import UserError
from warehouse.settings import Settings, load_settings


@click.group()
def db() -> None:
    """Start and stop the embedded PostgreSQL, or print how to reach the database."""


@db.command()
def start() -> None:
    """Start the embedded PostgreSQL and leave it running until `db stop`."""
    settings = _embedded_settings()
    _open_and_leave(settings)
    click.echo(
        f"PostgreSQL {settings.postgres_version} runs in {settings.home}; stop it with: python run_nightly.py db stop"
    )


@db.command()
def stop() -> None:
    """Stop the embedded PostgreSQL."""
    from warehouse.server import EmbeddedServer

    settings = _embedded_settings()
    if EmbeddedServer(settings.home, settings.postgres_version).stop():
        click.echo("PostgreSQL is stopped")
    else:
        click.echo("Another command uses PostgreSQL: it stops when that command has ended")


@db.command()
def url() -> None:
    """Print the database's URL and nothing else; leave the embedded PostgreSQL running until `db stop`."""
    click.echo(_open_and_leave(load_settings())[0])


@db.command()
def env() -> None:
    """Print `export PG…` lines for dbt, psql or a notebook; leave the embedded PostgreSQL running until `db stop`."""
    for name, value in _open_and_leave(load_settings())[1].items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _embedded_settings() -> Settings:
    settings = load_settings()
    if settings.database_url is not None:
        raise UserError("DATABASE_URL is set: that server is not ours to start or stop; unset it for the embedded one")
    return settings


def _open_and_leave(settings: Settings) -> tuple[str, dict[str, str]]:
    """Return the database's URL and libpq environment, with the schemas in place for whoever goes there."""
    from warehouse.database import open_database
    from warehouse.migrate import grant_reader, migrate

    with open_database(settings, leave_running=True) as database:
        if database.embedded:
            with database.connect() as conn:
                migrate(conn)
                grant_reader(conn)
        return database.url, database.libpq_environment()
