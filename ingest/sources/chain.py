"""The sources of market data in the order in which they are asked, as AFTERCLOSE_PROVIDERS names them."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ingest.providers.base import Provider
from ingest.providers.files import FilesProvider
from ingest.providers.limits import Deadline
from ingest.sources.aliases import Alias, Aliased, read_aliases
from ingest.sources.clients import Clients
from warehouse.errors import UserError
from warehouse.phrases import and_more
from warehouse.settings import Settings

SETTING = "AFTERCLOSE_PROVIDERS"
_FILES_EXAMPLE = (
    f"{SETTING}=files:DIR, where DIR holds prices.csv, and actions.csv, profiles.csv and fund_sectors.csv if there"
)
_LIVE = ("yahoo", "fmp", "polygon")
# The sources that are left out without a key, and the variables that hold the keys.
_KEYS = {"fmp": "FMP_API_KEY", "polygon": "POLYGON_API_KEY"}


def provider_chain(
    settings: Settings,
    *,
    today: date,
    deadline: Deadline,
    relative_to: Path | None = None,
    clients: Clients | None = None,
) -> list[Provider]:
    """Build the providers of a setting such as `files:DIR,yahoo,fmp`, the first to be asked first.

    A source that needs a key and has none is left out: `left_out` says so.

    Args:
        settings: their names, keys, addresses and limits.
        today: the date in New York; a source is asked for nothing later.
        deadline: when nothing new is asked any more.
        clients: those of the run, with their limits; by default new ones.
        relative_to: where a relative DIR is taken from, by default the current directory; `~` is the home folder.

    Raises:
        UserError: it names none, one that is not known, one twice, a folder that is not there, or none that has a key.
        BadInput: what is wrong in the file of symbol aliases.
    """
    entries = _entries(settings)
    make = _Maker(clients or Clients(settings, deadline), today, relative_to or Path.cwd(), read_aliases())
    chain = [make.provider(entry) for entry in entries if not _lacks_key(entry, settings)]
    if not chain:
        raise UserError(f"no source of market data: {'; '.join(left_out(settings))}; or set {_FILES_EXAMPLE}")
    return chain


def source_order(settings: Settings) -> list[str]:
    """Return the names of the sources in the order in which they are believed, with or without their keys."""
    return list(dict.fromkeys(entry.partition(":")[0].strip().lower() for entry in _entries(settings)))


def left_out(settings: Settings) -> list[str]:
    """Return a line for each source that is named and not asked, since it has no key."""
    return [
        f"{name}: no key, left out (set {_KEYS[name]})" for name in _entries(settings) if _lacks_key(name, settings)
    ]


def _entries(settings: Settings) -> list[str]:
    entries = [entry for text in settings.providers.split(",") if (entry := text.strip())]
    if not entries:
        raise UserError(f"no source of market data: set {SETTING} to some of {', '.join(_LIVE)}, or {_FILES_EXAMPLE}")
    entries = [entry.lower() if entry.lower() in _LIVE else entry for entry in entries]
    for name in _LIVE:
        if entries.count(name) > 1:
            raise UserError(f"{SETTING}: {name} is named {entries.count(name)} times")
    return entries


def _lacks_key(entry: str, settings: Settings) -> bool:
    return entry in _KEYS and getattr(settings, _KEYS[entry].lower()) is None


@dataclass
class _Maker:
    """Makes providers of the entries of the setting."""

    clients: Clients
    today: date
    relative_to: Path
    aliases: list[Alias]

    def provider(self, entry: str) -> Provider:
        if entry in _LIVE:
            return Aliased(self._live(entry), self.aliases)
        name, _, argument = entry.partition(":")
        if name.strip().lower() != FilesProvider.name:
            known = f"there are {', '.join(_LIVE)} and files:DIR"
            raise UserError(f"{SETTING}: {name.strip()!r} is not a source that this version has; {known}")
        if not argument.strip():
            raise UserError(f"{SETTING}: files needs a folder: {_FILES_EXAMPLE}")
        folder = self.relative_to / Path(argument.strip()).expanduser()
        if not folder.is_dir():
            raise UserError(f"{SETTING}: {argument.strip()} is not a folder; {_nearest(folder)}")
        files = FilesProvider(folder, label=f"files:{argument.strip()}")
        named = any(alias.provider == files.name for alias in self.aliases)
        return Aliased(files, self.aliases) if named else files

    def _live(self, name: str) -> Provider:
        # Imported here, because each provider imports the library that it uses.
        settings = self.clients.settings
        if name == "yahoo":
            from ingest.providers.yahoo import YahooProvider

            return YahooProvider(self.clients.yahoo, self.today)
        if name == "fmp":
            from ingest.providers.fmp import FmpProvider

            return FmpProvider(self.clients.fmp, self.today)
        from ingest.providers.polygon import PolygonProvider

        assert settings.polygon_api_key  # noqa: S101 - who has none is left out
        return PolygonProvider(
            settings.polygon_api_key,
            settings.polygon_url,
            self.today,
            per_minute=settings.polygon_per_minute,
            deadline=self.clients.deadline,
        )


def _nearest(folder: Path) -> str:
    """Say what there is instead of a folder: the subfolders of the nearest parent that exists."""
    parent = next(parent for parent in folder.absolute().parents if parent.is_dir())
    try:
        names = sorted(child.name for child in parent.iterdir() if child.is_dir() and not child.name.startswith("."))
    except OSError:
        names = []
    return f"{parent} has the folders {and_more(names, 8)}" if names else f"{parent} has no folders"
