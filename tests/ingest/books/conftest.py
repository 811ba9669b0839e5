"""Folders of portfolio files."""

from pathlib import Path

import pytest

from tests.ingest.books.loading import BOOK


@pytest.fixture
def write(tmp_path):
    """Write a folder of portfolio files: the book, but for the files given (None: absent)."""

    def write_folder(**changed: str | None) -> Path:
        folder = tmp_path / "book"
        folder.mkdir(exist_ok=True)
        for name, text in {**BOOK, **{f"{stem}.csv": text for stem, text in changed.items()}}.items():
            (folder / name).unlink(missing_ok=True)
            if text is not None:
                (folder / name).write_text(text.lstrip("\n"), encoding="utf-8")
        return folder

    return write_folder
