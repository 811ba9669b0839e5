"""The page for a browser: one file without a script or an address in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from errno import EISDIR
from pathlib import Path

from reports.pages.overview import render_overview
from reports.view import RiskView
from warehouse.errors import UserError


def render(view: RiskView, notes: Sequence[str]) -> str:
    """The page as HTML; every text of a user in it is escaped."""
    return render_overview(view, notes)


def write(file: Path, page: str) -> None:
    """Write the page to a file: an older file stays in place until the new one is complete.

    Raises UserError where that cannot be done.
    """
    target = file.resolve()
    try:
        if target.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            unfinished.write_text(page, encoding="utf-8")
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"--html {file}: cannot be written ({error.strerror}): name a file in a folder of yours"
        ) from None
