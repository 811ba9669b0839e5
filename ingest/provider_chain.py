"""The sources of market data in the order in which they are asked, as AFTERCLOSE_PROVIDERS names them."""

from pathlib import Path

from ingest.providers.base import Provider
from ingest.providers.files import FilesProvider
from warehouse.errors import UserError

SETTING = "AFTERCLOSE_PROVIDERS"
_EXAMPLE = f"{SETTING}=files:DIR, where DIR holds prices.csv, actions.csv and profiles.csv"


def provider_chain(setting: str, *, relative_to: Path | None = None) -> list[Provider]:
    """Build the providers of a setting such as `files:DIR,files:OTHER`, the first to be asked first.

    A relative DIR is taken from `relative_to`, by default the current directory; `~` is the home folder.

    Raises:
        UserError: it names none, one that is not known, or a folder that is not there.
    """
    entries = [entry for text in setting.split(",") if (entry := text.strip())]
    if not entries:
        raise UserError(f"no source of market data: set {_EXAMPLE}")
    return [_provider(entry, relative_to or Path.cwd()) for entry in entries]


def _provider(entry: str, relative_to: Path) -> Provider:
    name, _, argument = entry.partition(":")
    if name.strip().lower() != "files":
        raise UserError(f"{SETTING}: {name.strip()!r} is not a source that this version has; it has files: {_EXAMPLE}")
    if not argument.strip():
        raise UserError(f"{SETTING}: files needs a folder: {_EXAMPLE}")
    folder = relative_to / Path(argument.strip()).expanduser()
    if not folder.is_dir():
        raise UserError(f"{SETTING}: {argument.strip()} is not a folder; {_nearest(folder)}")
    return FilesProvider(folder, label=f"files:{argument.strip()}")


def _nearest(folder: Path) -> str:
    """Say what there is instead of a folder: the subfolders of the nearest parent that exists."""
    parent = next(parent for parent in folder.absolute().parents if parent.is_dir())
    try:
        names = sorted(child.name for child in parent.iterdir() if child.is_dir() and not child.name.startswith("."))
    except OSError:
        names = []
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"{parent} has the folders {shown}" if names else f"{parent} has no folders"
