"""The settings that each connection needs, whatever defaults the server, the database or the role has."""

from collections.abc import Mapping
from typing import Any

import psycopg

from warehouse.errors import UserError

# Formats in which values are read, and time limits that would end a night's own statements.
WANTED: Mapping[str, str] = {
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "client_encoding": "UTF8",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
# The settings for which libpq has a variable. All others need PGOPTIONS, which some connection poolers refuse.
VARIABLES = {"timezone": "PGTZ", "datestyle": "PGDATESTYLE", "client_encoding": "PGCLIENTENCODING"}

# One statement sets those that differ, and returns their names.
_SET = """
select settings.name, set_config(settings.name, wanted.setting, false)
from unnest(%s::text[], %s::text[]) as wanted (name, setting)
inner join pg_settings as settings on lower(settings.name) = wanted.name
where lower(settings.setting) <> lower(wanted.setting)
"""


def settle(conn: psycopg.Connection[Any]) -> dict[str, str]:
    """Set on a new connection what differs; returns those settings with their new values."""
    names, settings = list(WANTED), list(WANTED.values())
    return {name.lower(): WANTED[name.lower()] for name, _ in conn.execute(_SET, [names, settings])}


def refuse_unfit(conn: psycopg.Connection[Any]) -> None:
    """Refuse a database that nothing can be set right in.

    Raises:
        UserError: it is not in UTF-8, it is the copy of another server that is read only, or its triggers are off.
    """
    status, name = conn.info.parameter_status, conn.info.dbname
    if (encoding := status("server_encoding")) != "UTF8":
        raise UserError(
            f"the database {name} is in {encoding}, and names in all languages need UTF8: make one with "
            "`create database … encoding 'UTF8' template template0`"
        )
    if status("in_hot_standby") == "on":
        raise UserError(
            f"{conn.info.host} is a read-only standby: let DATABASE_URL lead to the primary server (several hosts and "
            "target_session_attrs=read-write find it)"
        )
    role = conn.execute("select current_setting('session_replication_role')").fetchone()
    if role != ("origin",):
        raise UserError(
            f"session_replication_role is {role and role[0]} in the database {name}, and no trigger would note what is "
            "changed: reset it with `alter database … reset session_replication_role`, or for the role"
        )
