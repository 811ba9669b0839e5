"""Tokens: 256 random bits that are shown once. The database keeps only their digest."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from warehouse.errors import UserError

# The prefix lets scanners for secrets recognise a token.
PREFIX = "ac_"


@dataclass(frozen=True)
class Token:
    """A token for a list; `portfolios` are names, or None where it opens all of them."""

    name: str
    portfolios: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """In a word: valid, expired or revoked."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= now else "valid"


def digest(token: str) -> bytes:
    """The digest by which the database knows a token."""
    return hashlib.sha256(token.encode()).digest()


def add_token(
    conn: psycopg.Connection[Any], name: str, portfolio_ids: Sequence[UUID] | None, expires_at: datetime | None
) -> str:
    """Make a token for these portfolios, or for all, and return it. It cannot be read again later.

    Raises:
        UserError: a token of this name is in force.
    """
    token = PREFIX + secrets.token_urlsafe(32)
    ids = None if portfolio_ids is None else list(portfolio_ids)
    try:
        with conn.transaction():
            # The name of an expired token is free again.
            conn.execute(
                "update ops.api_tokens set revoked_at = now()"
                " where name = %s and revoked_at is null and expires_at <= now()",
                [name],
            )
            conn.execute(
                "insert into ops.api_tokens (name, digest, portfolio_ids, expires_at) values (%s, %s, %s, %s)",
                [name, digest(token), ids, expires_at],
            )
    except psycopg.errors.UniqueViolation:
        raise UserError(
            f"{name}: there is a token of this name: choose another, or `serve token revoke {name}` first"
        ) from None
    return token


def list_tokens(conn: psycopg.Connection[Any]) -> list[Token]:
    """All tokens, also those no longer valid, the latest first."""
    return (
        conn.cursor(row_factory=class_row(Token))
        .execute(
            """
            select
                tokens.name,
                case when portfolio_ids is not null then array(
                    select coalesce(portfolios.name, ids.portfolio_id::text)
                    from unnest(tokens.portfolio_ids) as ids (portfolio_id)
                    left join raw.portfolios using (portfolio_id)
                    order by 1
                ) end as portfolios,
                created_at,
                expires_at,
                revoked_at
            from ops.api_tokens as tokens
            order by token_id desc
            """
        )
        .fetchall()
    )


def revoke_token(conn: psycopg.Connection[Any], name: str) -> None:
    """Revoke a token.

    Raises:
        UserError: none of this name is in force.
    """
    revoked = conn.execute(
        "update ops.api_tokens set revoked_at = now() where name = %s and revoked_at is null", [name]
    )
    if not revoked.rowcount:
        raise UserError(f"{name}: no token of this name is in force: `serve token list` shows them all")


def valid_tokens(conn: psycopg.Connection[Any]) -> int:
    """The number of valid tokens."""
    row = conn.execute(
        "select count(*) from ops.api_tokens"
        " where revoked_at is null and (expires_at is null or expires_at > clock_timestamp())"
    ).fetchone()
    return row[0] if row else 0
