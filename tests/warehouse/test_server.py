"""The embedded server in ordinary life: odd folders, several users, killed processes, another account."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from warehouse.database import libpq_url
from warehouse.errors import UserError
from warehouse.privileges import Account, server_account
from warehouse.server import EmbeddedServer, _reason, find_binaries
from warehouse.settings import PROJECT_ROOT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")

# Uses the server of the home given until its standard input ends.
CLIENT = """
import sys
from pathlib import Path
from warehouse.errors import UserError
from warehouse.server import EmbeddedServer
try:
    with EmbeddedServer(Path(sys.argv[1])).running() as parameters:
        print("ready", parameters["user"], flush=True)
        sys.stdin.read()
except UserError as error:
    sys.exit(f"refused: {error}")
"""
# Only the place of Python's packages, if it has to be given.
BARE = {name: value for name, value in os.environ.items() if name == "PYTHONPATH"}
CLIENT_NEEDS = [PROJECT_ROOT, Path(sys.prefix), Path(sys.executable).resolve().parent]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a space and a quote in its long name, in a folder that only we may enter."""
    closed = tmp_path_factory.mktemp("closed")
    closed.chmod(0o700)
    return closed / ("longer than a socket's may be " * 4) / "it's a home"


@pytest.fixture
def server(home: Path, careless: dict[str, str]) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(home, 18, careless)
    yield server
    assert server.stop()


@contextmanager
def client(home: Path, prefix: list[str] | None = None, **options) -> Iterator[subprocess.Popen[str]]:
    """A process that uses the server of `home`; yields when it does, or has given up."""
    process = subprocess.Popen(
        [*(prefix or []), sys.executable, "-c", CLIENT, str(home)],
        **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": PROJECT_ROOT, **options},
    )
    process.first_line = process.stdout.readline()
    yield process
    process.communicate(timeout=60)


def answers(parameters: dict[str, str]) -> bool:
    try:
        with psycopg.connect(libpq_url({**parameters, "dbname": "postgres"})) as conn:
            return conn.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def postmaster(server: EmbeddedServer) -> int:
    return int((server.home / "postgres" / "data" / "postmaster.pid").read_text().split("\n")[0])


def succeeds_as(uid: int, attempt: Callable[[], object]) -> bool:
    """Whether another user, without any of our rights, can do it: tried in a process of theirs."""
    if child := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, 1)
        return status == 0
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        attempt()
        os._exit(0)
    except PermissionError:
        os._exit(1)
    finally:
        os._exit(2)


def test_runs_inside_the_block_and_leaves_nothing_behind(server):
    with server.running() as parameters:
        assert answers(parameters)
        socket_folder = Path(parameters["host"])
        assert socket_folder.stat().st_mode & 0o777 == 0o700
        assert socket_folder.stat().st_uid == server_account(server.home / "postgres").uid
        with psycopg.connect(libpq_url({**parameters, "dbname": "postgres"})) as conn:
            assert conn.execute("show listen_addresses").fetchone() == ("",)
            assert conn.execute("show timezone").fetchone() == ("UTC",)
            assert conn.execute("show client_connection_check_interval").fetchone() == ("2s",)
            assert conn.execute("select 'z' < 'ä', lower('Ä')").fetchone() == (True, "ä")
    assert not answers(parameters)
    assert not socket_folder.exists()
    assert not list(server.home.glob("postgres/data/postmaster.pid"))


def test_is_stopped_when_the_block_fails(server):
    with pytest.raises(KeyboardInterrupt), server.running() as parameters:
        raise KeyboardInterrupt
    assert not answers(parameters)


def test_permissions_outside_the_home_stay_as_they_were(server):
    before = [folder.stat().st_mode for folder in server.home.parents]
    with server.running():
        pass
    assert [folder.stat().st_mode for folder in server.home.parents] == before


def test_two_homes_and_two_versions_at_once(server, short_folder, careless):
    other = EmbeddedServer(short_folder / "sixteen", 16, careless)
    with server.running() as here, other.running() as there:
        versions = []
        for parameters in (here, there):
            with psycopg.connect(libpq_url({**parameters, "dbname": "postgres"})) as conn:
                versions.append(conn.info.server_version // 10_000)
        assert versions == [18, 16]
        with pytest.raises(UserError, match=r"made by PostgreSQL 16 and 18 .*AFTERCLOSE_POSTGRES_VERSION=16"):
            EmbeddedServer(other.home, 18).running().__enter__()
    assert not answers(there)


def test_the_last_one_out_stops_it(server):
    with client(server.home) as starter, server.running() as parameters:
        starter.communicate(timeout=60)
        assert starter.returncode == 0
        assert answers(parameters)
    assert not answers(parameters)


def test_many_start_it_at_once(server):
    clients = [client(server.home) for _ in range(4)]
    for entered in clients:
        assert entered.__enter__().first_line.startswith("ready")
    with server.running() as parameters:
        assert answers(parameters)
    assert answers(parameters)
    for entered in clients:
        entered.__exit__(None, None, None)
    assert not answers(parameters)


def test_stays_until_it_is_told_to_stop(server):
    with server.running(leave_running=True) as parameters:
        pass
    with server.running():
        pass
    assert answers(parameters)
    with server.running():
        assert not server.stop(), "it is in use"
        assert answers(parameters)
    assert not answers(parameters), "and stops with the last use"


def test_a_killed_client_leaves_it_usable_and_it_stops_after_the_next(server):
    with client(server.home) as killed:
        killed.kill()
    with server.running() as parameters:
        assert answers(parameters)
    assert not answers(parameters)


def test_killed_while_it_makes_the_cluster(tmp_path, careless):
    server = EmbeddedServer(tmp_path / "home", 18, careless)
    process = subprocess.Popen([sys.executable, "-c", CLIENT, str(server.home)], cwd=PROJECT_ROOT)
    while not list(server.home.glob("postgres/unfinished-*/base")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    with server.running() as parameters:
        assert answers(parameters)


def test_a_killed_postmaster(server):
    with server.running() as parameters:
        os.kill(postmaster(server), signal.SIGKILL)
    with server.running() as parameters_after:
        assert answers(parameters_after)
    assert not Path(parameters["host"]).exists()


def test_a_killed_postmaster_that_nobody_swept_up_after(server):
    with client(server.home) as killed:
        os.kill(postmaster(server), signal.SIGKILL)
        killed.kill()
    with server.running() as parameters:
        assert answers(parameters)


def test_a_socket_that_was_swept_away(server):
    with server.running(leave_running=True) as parameters:
        (Path(parameters["host"]) / ".s.PGSQL.5432").unlink()
    with server.running() as parameters:
        assert answers(parameters)


def test_a_stale_pid_that_belongs_to_another_process_by_now(server):
    with server.running():
        pid_file = server.home / "postgres" / "data" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    prefix, options = server_account(server.home / "postgres").launcher([server.home])
    with subprocess.Popen([*prefix, "sleep", "60"], **options) as bystander:
        pid_file.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
        server_account(server.home / "postgres").own(pid_file)
        with server.running() as parameters:
            assert answers(parameters)
        assert bystander.poll() is None
        bystander.kill()


def test_a_copied_home_has_a_server_of_its_own(server, tmp_path, careless):
    with server.running() as original:
        subprocess.run(["cp", "-a", server.home, tmp_path / "copy"], check=True)
        copy = EmbeddedServer(tmp_path / "copy", 18, careless)
        with copy.running() as parameters:
            assert answers(parameters)
            assert parameters["host"] != original["host"]
        assert answers(original)


def test_a_bare_environment(server):
    with client(server.home, env=BARE) as process:
        assert process.first_line.startswith("ready")


def test_without_standard_input(server):
    with client(server.home, prefix=["sh", "-c", 'exec "$@" <&-', "sh"]) as process:
        assert process.first_line.startswith("ready")
    with server.running() as parameters:
        assert answers(parameters)


def test_a_server_that_does_not_start_says_why(home, server):
    with server.running():
        pass
    with pytest.raises(UserError, match=r"does not start: .*FATAL.*no_such_setting|does not start: .*no_such_setting"):
        EmbeddedServer(home, 18, {"no_such_setting": "1"}).running().__enter__()


def test_a_home_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="set AFTERCLOSE_HOME"):
        EmbeddedServer(tmp_path / "file").running().__enter__()


@as_root
class TestAnotherAccount:
    @pytest.fixture
    def daemon(self) -> Account:
        entry = pwd.getpwnam("daemon")
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=True)

    @pytest.fixture
    def own_home(self, short_folder: Path, daemon: Account) -> Path:
        folder = short_folder / "daemon"
        folder.mkdir(exist_ok=True)
        daemon.own(folder)
        return folder / "home"

    def test_an_ordinary_user(self, own_home, daemon):
        prefix, options = daemon.launcher(CLIENT_NEEDS)
        with client(own_home, prefix, env=BARE, **options) as process:
            assert process.first_line == "ready daemon\n"
            assert (own_home / "postgres" / "data" / "postmaster.pid").stat().st_uid == daemon.uid
        assert not (own_home / "postgres" / "data" / "postmaster.pid").exists()
        with pytest.raises(UserError, match="belongs to daemon: run as daemon, or set AFTERCLOSE_HOME"):
            EmbeddedServer(own_home).running().__enter__()

    def test_an_ordinary_user_in_the_home_of_root(self, short_folder, daemon, careless):
        roots = EmbeddedServer(short_folder / "sixteen", 16, careless)
        with roots.running():
            pass
        prefix, options = daemon.launcher(CLIENT_NEEDS)
        with client(roots.home, prefix, stderr=subprocess.STDOUT, **options) as process:
            assert "belongs to root: run as root, or set AFTERCLOSE_HOME" in process.first_line

    def test_a_folder_that_everybody_may_enter_lends_no_capability(self, short_folder):
        prefix, options = server_account(short_folder / "none").launcher([short_folder])
        capabilities = subprocess.run(
            [*prefix, "grep", "CapEff", "/proc/self/status"], capture_output=True, text=True, check=True, **options
        )
        assert int(capabilities.stdout.split()[1], 16) == 0

    def test_a_closed_folder_without_the_tool_that_lends_the_capability(self, tmp_path, monkeypatch):
        tmp_path.chmod(0o700)
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(UserError, match=r"root runs PostgreSQL as \S+, who may not enter .*install util-linux"):
            EmbeddedServer(tmp_path).running().__enter__()

    def test_its_programs_in_a_closed_folder(self, tmp_path):
        tmp_path.chmod(0o700)
        program = shutil.copy(find_binaries(18) / "pg_config", tmp_path)
        prefix, options = server_account(tmp_path).launcher([tmp_path])
        found = subprocess.run([*prefix, program, "--bindir"], capture_output=True, text=True, check=False, **options)
        assert (found.stdout, found.stderr) == (f"{tmp_path}\n", "")

    def test_others_of_the_same_account_are_not_let_in(self, server):
        with server.running() as parameters:
            url = libpq_url({**parameters, "dbname": "postgres"})
            binaries = find_binaries(18)
            prefix, options = server_account(server.home / "postgres").launcher([binaries, server.home])
            refused = subprocess.run(
                [*prefix, binaries / "psql", url], stdin=subprocess.DEVNULL, capture_output=True, text=True, **options
            )
        assert 'Peer authentication failed for user "root"' in refused.stderr

    def test_each_home_has_a_user_id_that_nothing_else_has(self, server, short_folder, careless):
        other = EmbeddedServer(short_folder / "sixteen", 16, careless)
        with server.running(), other.running():
            owners = {(each.home / "postgres").stat().st_uid for each in (server, other)}
            assert len(owners) == 2
            for owner in owners:
                with pytest.raises(KeyError):
                    pwd.getpwuid(owner)
            for each in (server, other):
                status = Path(f"/proc/{postmaster(each)}/status").read_text()
                owner = str((each.home / "postgres").stat().st_uid)
                assert re.search(r"^Uid:\t(.*)$", status, re.M)[1].split() == [owner] * 4

    @pytest.mark.parametrize("stranger", [65534, 1, 1_900_000_000])
    def test_a_stranger_gets_nothing(self, short_folder, careless, stranger):
        """Not through files, the socket, locks or signals, although everybody may enter the folder of the home."""
        server = EmbeddedServer(short_folder / "sixteen", 16, careless)
        with server.running() as parameters:
            data, postmaster_id = server.home / "postgres" / "data", postmaster(server)
            assert succeeds_as(stranger, lambda: (server.home / "postgres").stat())
            attempts = {
                "read the data": lambda: (data / "pg_hba.conf").read_text(),
                "change who is let in": lambda: (data / "pg_hba.conf").open("a"),
                "plant a file": lambda: (data / "postgresql.auto.conf").open("w"),
                "read the log": lambda: (server.home / "postgres" / "server.log").read_text(),
                "hold the lock": lambda: (server.home / "server" / "lock").open(),
                "connect": lambda: socket.socket(socket.AF_UNIX).connect(f"{parameters['host']}/.s.PGSQL.5432"),
                "stop the server": lambda: os.kill(postmaster_id, signal.SIGTERM),
                "see its files": lambda: list(Path(f"/proc/{postmaster_id}/fd").iterdir()),
            }
            for what, attempt in attempts.items():
                assert not succeeds_as(stranger, attempt), what
            assert answers(parameters)

    @pytest.mark.parametrize("owner", ["nobody", "root"])
    def test_a_folder_of_an_older_version_or_a_copy_is_taken_over(self, tmp_path, careless, owner):
        server = EmbeddedServer(tmp_path / "home", 18, careless)
        with server.running() as parameters, psycopg.connect(**parameters, dbname="postgres") as conn:
            conn.execute("create table kept as select 1")
        folder, entry = server.home / "postgres", pwd.getpwnam(owner)
        Account(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=True).own(folder)
        with server.running() as parameters, psycopg.connect(**parameters, dbname="postgres") as conn:
            assert conn.execute("table kept").fetchall() == [(1,)]
        assert folder.stat().st_uid not in (0, entry.pw_uid)

    def test_a_planted_name_of_another_file_is_not_given_away(self, tmp_path, careless):
        server = EmbeddedServer(tmp_path / "home", 18, careless)
        with server.running():
            pass
        folder, secret, nobody = server.home / "postgres", tmp_path / "secret", pwd.getpwnam("nobody")
        Account("nobody", nobody.pw_uid, nobody.pw_gid, dropped=True).own(folder)
        secret.touch()
        os.link(secret, folder / "planted")
        with pytest.raises(UserError, match="planted has a second name elsewhere"):
            server.running().__enter__()
        assert secret.stat().st_uid == 0

    def test_root_in_a_container_without_the_capability_to_search(self, server):
        kept = "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,setfcap"
        bounded = ["setpriv", "--nnp", f"--bounding-set=-all,+{kept.replace(',', ',+')}", "--inh-caps=-all"]
        with client(server.home, bounded) as process:
            assert process.first_line == "ready root\n"

    def test_root_without_any_capability(self, tmp_path):
        with client(tmp_path / "home", ["setpriv", "--bounding-set=-all"], stderr=subprocess.STDOUT) as process:
            assert "root may not give" in process.first_line


def test_a_full_disk_is_told_rather_than_what_follows_from_it():
    full = "FATAL:  could not extend file: No space left on device"
    follows = "PANIC:  cannot abort transaction 1, it was already committed"
    assert _reason(f"creating directory\n{full}\n{follows}\nremoving contents\n") == f"{full}: make room"
    assert _reason(f"creating directory\n{follows}\nremoving contents\n") == follows
