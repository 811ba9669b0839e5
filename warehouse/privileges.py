"""The operating system's account that PostgreSQL runs as: ours, or one of the checkout's own where we are root.

PostgreSQL refuses to run as root. An account that other programs run as, such as `nobody`, will not do instead: each of
them could rewrite the server's files and steer the server. So the server runs under a user id that nothing else has. It
needs no entry in /etc/passwd, and the owner of the server's folder is its record.
"""

import os
import pwd
import random
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse.errors import UserError

# Ids that no distribution and no container gives away (https://systemd.io/UIDS-GIDS). The second range is for
# containers that have no larger ids.
PRIVATE_IDS = (range(1_879_048_192, 2_147_483_647), range(60_578, 61_184))
_NO_LOGIN = ("nologin", "false")


@dataclass(frozen=True)
class Account:
    """An account and how a process gets there."""

    name: str
    uid: int
    gid: int
    dropped: bool

    def own(self, folder: Path) -> None:
        """Make the account the owner of `folder` and its contents, unless it is our own account.

        Raises:
            UserError: this root may not, as in a container without the capability.
        """
        if not self.dropped:
            return
        try:
            self._give(folder)
            for parent, folders, files in os.walk(folder):
                for name in (*folders, *files):
                    self._give(Path(parent, name))
        except OSError as error:
            raise UserError(
                f"root may not give {folder} to {self.name} here ({error.strerror}), and PostgreSQL does not run "
                "as root: run as an ordinary user, or set DATABASE_URL"
            ) from None

    def _give(self, path: Path) -> None:
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
            raise UserError(f"{path} has a second name elsewhere, and PostgreSQL makes no such files: remove it")
        os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def launcher(self, needed: Iterable[Path]) -> tuple[list[str], dict[str, Any]]:
        """Return the command prefix and the `subprocess` arguments that run a command as this account.

        The account may not be able to enter the folders `needed`, since home and temporary folders are often closed
        (0700). Their permissions are not ours to change, so the one capability to search and read them is lent with the
        drop; where root itself lacks that one, as in most containers, the wider one.

        Raises:
            UserError: the account may not enter a folder, and no capability can be lent.
        """
        if not self.dropped:
            return [], {}
        closed = [folder for path in needed for folder in (path, *path.parents) if not _others_may_enter(folder)]
        if not closed:
            return [], {"user": self.uid, "group": self.gid, "extra_groups": []}
        setpriv = shutil.which("setpriv")
        for capability in ("dac_read_search", "dac_override"):
            if setpriv is None:
                break
            prefix = [
                setpriv,
                f"--reuid={self.uid}",
                f"--regid={self.gid}",
                "--clear-groups",
                f"--inh-caps=-all,+{capability}",
                f"--ambient-caps=-all,+{capability}",
                # Without this, access(2) ignores the capability, and PostgreSQL calls it for its files.
                "--securebits=+no_setuid_fixup",
            ]
            if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
                return prefix, {}
        remedy = "" if setpriv else "install util-linux (setpriv), "
        raise UserError(
            f"root runs PostgreSQL as {self.name}, who may not enter {closed[-1]}, and cannot lend it the capability: "
            f"{remedy}run as an ordinary user, or set DATABASE_URL"
        )


def server_account(folder: Path) -> Account:
    """Return the account of the server whose files are in `folder`: ours, or as root one that nothing else runs as.

    Raises:
        UserError: we have no name, which PostgreSQL asks for.
    """
    if os.geteuid() != 0:
        try:
            entry = pwd.getpwuid(os.geteuid())
        except KeyError:
            raise UserError(
                "PostgreSQL needs an ordinary user with a name to run as, and this machine knows no user with the id "
                f"{os.geteuid()}: run as another user, or set DATABASE_URL"
            ) from None
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=False)
    owner = folder.stat().st_uid if folder.exists() else 0
    uid = owner if any(owner in ids for ids in PRIVATE_IDS) else _free_id()
    return Account(f"user id {uid}", uid, uid, dropped=True)


def idle_account() -> Account:
    """Return an account with a name that no process runs as now: `initdb` works for nobody without a name.

    Raises:
        UserError: this machine has none.
    """
    busy = _ids_at_work()
    idle = [
        entry
        for entry in pwd.getpwall()
        if entry.pw_uid and entry.pw_shell.rpartition("/")[2] in _NO_LOGIN and entry.pw_uid not in busy
    ]
    if not idle:
        raise UserError(
            "as root, a new PostgreSQL is made under a system account that runs nothing else, and all of this machine "
            "run something: run as an ordinary user, or set DATABASE_URL"
        )
    # not `nobody`, which other programs use as well
    entry = max(idle, key=lambda entry: (entry.pw_name != "nobody", entry.pw_uid))
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=True)


def is_given_up(uid: int) -> bool:
    """Whether files of this owner (root, `nobody`) are left by an older version or a copy: ours to take, as root."""
    if os.geteuid() != 0:
        return False
    if uid == 0:
        return True
    try:
        return pwd.getpwuid(uid).pw_name == "nobody"
    except KeyError:
        return False


def _free_id() -> int:
    busy = _ids_at_work()
    for ids in PRIVATE_IDS:
        if _is_mapped(ids[-1]):
            while True:
                uid = random.SystemRandom().choice(ids)
                if uid not in busy and not _has_name(uid):
                    return uid
    raise UserError(
        "as root, PostgreSQL runs under a user id of its own, and this container knows none to spare: run as an "
        "ordinary user, or set DATABASE_URL"
    )


def _is_mapped(uid: int) -> bool:
    """Whether the id exists here: a container may know a part of the machine's alone."""
    for file in (Path("/proc/self/uid_map"), Path("/proc/self/gid_map")):
        if file.exists():
            ranges = [[int(number) for number in line.split()] for line in file.read_text().splitlines()]
            if not any(first <= uid < first + count for first, _, count in ranges):
                return False
    return True


def _has_name(uid: int) -> bool:
    try:
        return bool(pwd.getpwuid(uid))
    except KeyError:
        return False


def _ids_at_work() -> set[int]:
    """The user ids of all processes: real, effective, saved and of the file system."""
    found: set[int] = set()
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text().splitlines()
        except OSError:  # it has ended
            continue
        found.update(int(uid) for line in lines if line.startswith("Uid:") for uid in line.split()[1:])
    return found


def _others_may_enter(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH)
