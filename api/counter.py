"""Where kept answers are handed out: on the connection itself, without the framework, a task or a message.

Most requests are for an answer that is kept. The framework takes three times as much of the processor for one. What is
answered, and to whom, is the gate's to say; everything that is not plain goes on to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api.answers import Kept, Shelf, head_of
from api.incoming import Incoming

if TYPE_CHECKING:
    from starlette.types import Scope
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from api.access import Access, Caller
    from api.freshness import Freshness


class Counter:
    """Answers requests for what is kept, on a connection of uvicorn's."""

    def __init__(self, access: Access, freshness: Freshness, shelf: Shelf) -> None:
        self._access = access
        self._freshness = freshness
        self._shelf = shelf

    def serve(self, cycle: RequestResponseCycle, hand_on: Callable[[], None]) -> None:
        """Answer a request with what is kept, or let `hand_on` have it answered, once the state is known."""
        scope = cast("Scope", cycle.scope)
        incoming = Incoming(scope)

        def to_gate() -> None:
            scope["state"]["incoming"] = incoming
            hand_on()

        def answer(_: object) -> None:
            found = None if cycle.flow.write_paused else self._find(incoming)
            if found:
                self._send(cycle, incoming, *found)
            else:
                to_gate()

        if scope["method"] != "GET" or incoming.is_open_to_all:
            to_gate()
        else:
            incoming.state = self._freshness.ask()
            incoming.state.add_done_callback(answer)

    def _find(self, incoming: Incoming) -> tuple[Kept, Caller] | None:
        """The kept answer, and its caller; None where there is none, or for the gate to say."""
        assert incoming.state  # noqa: S101
        if incoming.state.exception():
            return None
        state = incoming.state.result()
        caller = self._access.admit_known(incoming.headers, incoming.cookies, state)
        if caller is None:
            return None
        kept = self._shelf.find(incoming.asked(caller, state).key, state.version)
        return (kept, caller) if kept else None

    def _send(self, cycle: RequestResponseCycle, incoming: Incoming, kept: Kept, caller: Caller) -> None:
        status, head, body = kept.written(incoming.headers.get("if-none-match", ""))
        if not cycle.disconnected:
            extra = [*cycle.default_headers, *incoming.headers_of_answer(self._access.origins)]
            if not cycle.keep_alive:
                extra.append((b"connection", b"close"))
            cycle.transport.write(b"".join((STATUS_LINE[status], head, head_of(extra), b"\r\n", body)))
            cycle.response_started = cycle.response_complete = True
            cycle.message_event.set()
            if not cycle.keep_alive:
                cycle.transport.close()
            cycle.on_response()
        incoming.write_line(status, len(body), "kept", caller)
