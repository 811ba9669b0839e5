"""Pages with a single message: no such portfolio, a session without a snapshot, and the sign-in."""

from __future__ import annotations

from collections.abc import Sequence

from reports.pages.environment import Shell, render


def render_message(title: str, text: str, links: Sequence[tuple[str, str]], shell: Shell) -> str:
    """A page with a sentence and links, given as pairs of an address and a text."""
    return render("message.html.j2", shell, title=title, text=text, links=links)


def render_login(shell: Shell, *, refused: bool = False, to: str = "/") -> str:
    """The page for signing in with a token."""
    return render("login.html.j2", shell, refused=refused, to=to)
