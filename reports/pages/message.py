"""Pages that say one thing: a portfolio that is not there, a session without a snapshot, and the way in."""

from __future__ import annotations

from collections.abc import Sequence

from reports.pages.environment import Shell, render


def render_message(title: str, text: str, links: Sequence[tuple[str, str]], shell: Shell) -> str:
    """A page with a sentence and where to go from there, as pairs of an address and a text."""
    return render("message.html.j2", shell, title=title, text=text, links=links)


def render_login(shell: Shell, *, refused: bool = False, to: str = "/") -> str:
    """The page that takes a token."""
    return render("login.html.j2", shell, refused=refused, to=to)
