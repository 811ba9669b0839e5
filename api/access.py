"""Authentication and permissions: who asks, and which portfolios they may see."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID

from api.problems import Problem, Unauthorized
from api.tokens import PREFIX, digest

if TYPE_CHECKING:
    from api.freshness import Freshness, State

COOKIE = "afterclose_session"
_MOST_SESSIONS = 10_000


@dataclass(frozen=True)
class Caller:
    """The caller: the token's name, empty where no token is needed, and the portfolios that it opens (None: all)."""

    name: str = ""
    portfolio_ids: frozenset[UUID] | None = None
    expires_at: datetime | None = None

    def may_see(self, portfolio_id: UUID) -> bool:
        """Whether this caller may see a portfolio."""
        return self.portfolio_ids is None or portfolio_id in self.portfolio_ids

    @property
    def scope(self) -> str:
        """A key for answers that list only the caller's portfolios; empty for a caller who may see all."""
        if self.portfolio_ids is None:
            return ""
        return hashlib.sha256(",".join(sorted(map(str, self.portfolio_ids))).encode()).hexdigest()[:12]

    @property
    def is_operator(self) -> bool:
        """Whether the caller may see the state of the batch, which belongs to no single portfolio."""
        return self.portfolio_ids is None


class Access:
    """Lets requests in.

    Args:
        freshness: knows the tokens of the database.
        only_loopback: bound to this machine, where a token is needed only once one exists.
        origins: web pages of these origins may read the API from a browser.
    """

    def __init__(self, freshness: Freshness, *, only_loopback: bool, origins: Sequence[str] = ()) -> None:
        self._freshness = freshness
        self._only_loopback = only_loopback
        self.origins = frozenset(origins)
        # for signed-in browsers: from a random id to the digest of their token
        self._sessions: dict[str, bytes] = {}

    async def admit(self, headers: Mapping[str, str], cookies: Mapping[str, str], state: State) -> Caller:
        """Who makes a request with these headers; raises Problem where it is not let in."""
        if self._needs_no_token(state):
            self._refuse_strangers(headers)
            return Caller()
        known = self._digest_in(headers, cookies)
        caller = await self._opens(known, state) if known else None
        if caller is None:
            raise Unauthorized
        return caller

    def admit_known(self, headers: Mapping[str, str], cookies: Mapping[str, str], state: State) -> Caller | None:
        """The same without asking the database; None for a token that was not looked up, and for who is not let in."""
        if self._needs_no_token(state):
            try:
                self._refuse_strangers(headers)
            except Problem:
                return None
            return Caller()
        known = self._digest_in(headers, cookies)
        return _in_force(self._freshness.known_caller(known, state)) if known else None

    async def sign_in(self, token: str) -> str | None:
        """Open a session for the bearer of a token; returns the cookie's value, or None for an invalid token."""
        known = digest(token.strip())
        if await self._opens(known, await self._freshness.state()) is None:
            return None
        while len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session = secrets.token_urlsafe(32)
        self._sessions[session] = known
        return session

    def sign_out(self, session: str | None) -> None:
        """End a session."""
        self._sessions.pop(session or "", None)

    def _needs_no_token(self, state: State) -> bool:
        return self._only_loopback and not state.has_tokens

    def _digest_in(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> bytes | None:
        """The digest of the token that a request carries, or that its browser has signed in with."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.startswith(PREFIX):
            return digest(token.strip())
        if not scheme and (session := cookies.get(COOKIE)):
            return self._sessions.get(session)
        return None

    async def _opens(self, known: bytes, state: State) -> Caller | None:
        """The caller that a token belongs to; None where it is unknown, revoked or expired."""
        return _in_force(await self._freshness.caller(known, state))

    def _refuse_strangers(self, headers: Mapping[str, str]) -> None:
        """Without tokens, serve only programs on this machine, and no web page of another origin in its browser.

        A page can point its own name at 127.0.0.1 (DNS rebinding). Its name then stands in Host, which is checked.
        """
        if not is_loopback(_host_of(headers.get("host", ""))):
            raise Problem(
                403,
                "without tokens this answers to 127.0.0.1 and localhost alone: use one of them as the host, or make"
                " a token with `python run_nightly.py serve token add NAME`",
            )
        origin = headers.get("origin")
        if origin and origin not in self.origins and origin.partition("://")[2] != headers.get("host"):
            raise Problem(403, f"pages of {origin} may not read this: AFTERCLOSE_API_ORIGINS names those that may")


def _in_force(caller: Caller | None) -> Caller | None:
    """The caller, unless the token has expired."""
    is_over = caller and caller.expires_at and caller.expires_at <= datetime.now(UTC)
    return None if is_over else caller


@lru_cache(maxsize=64)
def is_loopback(host: str | None) -> bool:
    """Whether a host's name or address always means this machine."""
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _host_of(header: str) -> str | None:
    """The name or address in a Host header; None where it is missing or cannot be read."""
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None


def cookies_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The cookies of a request."""
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs if name}
