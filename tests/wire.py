"""A wire between clients and a real PostgreSQL that notes every statement and can be cut at any of them.

It hears the client's half of the protocol (a message is a letter, its length, its content) and passes both halves on as
they are. Cut, it drops all connections and lets nobody in until it is mended: to the server that is what the death of
a client is.
"""

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

PORT = 5432
# What a client may ask for before it introduces itself: SSL and GSS encryption.
_ENCRYPTION = (80877103, 80877104)
# A statement that may end a transaction, and so change what others see.
ENDING = re.compile(r"commit\b", re.IGNORECASE)


class Wire:
    """A wire to a server; `statements` holds what went through it since it was last mended.

    Args:
        server: libpq parameters of the server: a socket folder as host, and a port.
        folder: where its own end is, to be used as host with PORT.
    """

    def __init__(self, server: Mapping[str, str], folder: Path) -> None:
        self.statements: list[str] = []
        self.is_cut = False
        self._address = f"{server['host']}/.s.PGSQL.{server['port']}"
        self._own_address = str(folder / f".s.PGSQL.{PORT}")
        self._cut_before: Callable[[list[str]], bool] = lambda _: False
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()

    def mend(self) -> None:
        """Let clients in again, and forget what was said."""
        with self._lock:
            self.statements, self.is_cut, self._cut_before = [], False, lambda _: False

    def cut_before(self, number: int, pattern: re.Pattern[str] = re.compile("")) -> None:
        """Mend it, to be cut when the `number`th statement (from 1) that begins like `pattern` is about to pass."""
        self.mend()
        self._cut_before = lambda statements: (
            bool(pattern.match(statements[-1]))
            and sum(bool(pattern.match(statement)) for statement in statements) == number
        )

    @contextmanager
    def open(self) -> Iterator["Wire"]:
        """Listen, for the length of the block."""
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self._own_address)
            listening.listen()
            threading.Thread(target=self._accept, args=(listening,), daemon=True).start()
            try:
                yield self
            finally:
                with suppress(OSError):
                    listening.shutdown(socket.SHUT_RDWR)
                self._drop()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.socket(socket.AF_UNIX)
                with self._lock:
                    self._ends |= {client, server}
                if self.is_cut:
                    self._hang_up(client, server)
                    continue
                server.connect(self._address)
                for pump in (self._listen, self._pass_back):
                    threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _listen(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what the client says, message by message."""
        with suppress(OSError, EOFError):
            while True:
                head = _receive(client, 8)
                length, code = struct.unpack("!ii", head)
                server.sendall(head + _receive(client, length - 8))
                if code not in _ENCRYPTION:
                    break
            parsed = ""
            while True:
                head = _receive(client, 5)
                kind, length = struct.unpack("!ci", head)
                content = _receive(client, length - 4)
                text = content.rstrip(b"\0").decode(errors="replace")
                if kind == b"P":
                    parsed = text.partition("\0")[2]
                if kind in b"QE" and not self._note(text if kind == b"Q" else parsed):
                    self._drop()
                    return
                server.sendall(head + content)
        self._hang_up(client, server)

    def _pass_back(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while said := server.recv(65536):
                client.sendall(said)
        self._hang_up(client, server)

    def _note(self, statement: str) -> bool:
        """Note a statement; returns whether it may pass."""
        with self._lock:
            if not self.is_cut:
                self.statements.append(" ".join(_without_comments(statement).split()))
                self.is_cut = self._cut_before(self.statements)
            return not self.is_cut

    def _drop(self) -> None:
        with self._lock:
            ends = list(self._ends)
        self._hang_up(*ends)

    def _hang_up(self, *ends: socket.socket) -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        with self._lock:
            self._ends -= set(ends)


def _receive(end: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        some = end.recv(length - len(received))
        if not some:
            raise EOFError
        received += some
    return received


def _without_comments(statement: str) -> str:
    """dbt begins each statement with a comment that says which node it is of."""
    return re.sub(r"/\*.*?\*/", "", statement, flags=re.DOTALL)
