"""Files that keep for the next run what dbt has made of the project, each under a key.

What is read back from such a file is run. So a file is believed only where nobody but its owner, who is us, could have
written it. A file that does not fit counts as none; nothing here can fail a run.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

_WRITE_BITS_OF_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def load(path: Path, key: str) -> bytes | None:
    """The content that was kept for this key; None if there is none, or if it cannot be trusted."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not (_is_ours_alone(os.fstat(descriptor)) and _is_ours_alone(path.parent.stat())):
            return None
        head, content = file.readline(), file.read()
    return content if head == _head(key, content) else None


def keep(path: Path, key: str, content: bytes) -> None:
    """Keep content for this key, where that is possible."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_head(key, content) + content)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)


def _head(key: str, content: bytes) -> bytes:
    """The first line of the file: its key, and a digest that proves it is whole."""
    return f"{key} {hashlib.sha256(content).hexdigest()}\n".encode()


def _is_ours_alone(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & _WRITE_BITS_OF_OTHERS
