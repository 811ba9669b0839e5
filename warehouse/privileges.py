"""The operating system's account that PostgreSQL runs as: ours, or an unprivileged one where we are root."""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse.errors import UserError

UNPRIVILEGED_USER = "nobody"


@dataclass(frozen=True)
class Account:
    """An account and how a process gets there."""

    name: str
    uid: int
    gid: int
    dropped: bool

    def own(self, folder: Path) -> None:
        """Give `folder` to the account, where that is not ours.

        Raises:
            UserError: this root may not, as in a container without the capability.
        """
        if self.dropped:
            try:
                os.chown(folder, self.uid, self.gid)
            except OSError as error:
                raise UserError(
                    f"root may not give {folder} to {self.name} here ({error.strerror}), and PostgreSQL does not run "
                    "as root: run as an ordinary user, or set DATABASE_URL"
                ) from None

    def launcher(self, needed: Iterable[Path]) -> tuple[list[str], dict[str, Any]]:
        """Return the command prefix and the `subprocess` arguments that run a command as this account.

        PostgreSQL refuses to run as root. The account that it runs as instead may not be able to enter the folders
        `needed`, since home and temporary folders are often closed (0700). Their permissions are not ours to change,
        so the one capability to search and read them is lent with the drop; where root itself lacks that one, as in
        most containers, the wider one.

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
                # Without this, access(2) leaves the capability out of account, and PostgreSQL asks it for its files.
                "--securebits=+no_setuid_fixup",
            ]
            if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
                return prefix, {}
        remedy = "" if setpriv else "install util-linux (setpriv), "
        raise UserError(
            f"root runs PostgreSQL as {self.name}, who may not enter {closed[-1]}, and cannot lend it the capability: "
            f"{remedy}run as an ordinary user, or set DATABASE_URL"
        )


def server_account() -> Account:
    """Return the account for the server: ours, or `nobody` as root.

    Raises:
        UserError: the machine has no such user.
    """
    is_root = os.geteuid() == 0
    try:
        entry = pwd.getpwnam(UNPRIVILEGED_USER) if is_root else pwd.getpwuid(os.geteuid())
    except KeyError:
        missing = UNPRIVILEGED_USER if is_root else f"with the id {os.geteuid()}"
        raise UserError(
            f"PostgreSQL needs an ordinary user with a name to run as, and this machine knows no user {missing}: "
            "run as another user, or set DATABASE_URL"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=is_root)


def _others_may_enter(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH)
