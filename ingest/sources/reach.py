"""How far the sources reach, where they end: folders of files do, and live sources go on to today."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg

from ingest.providers.files import FilesProvider
from ingest.providers.limits import Deadline
from ingest.sources.aliases import Aliased
from ingest.sources.chain import provider_chain
from warehouse.errors import UserError
from warehouse.queries import fetch_one
from warehouse.settings import Settings


@dataclass(frozen=True)
class Reach:
    """The last day of which there are prices, in the folders named or stored already."""

    sources: str
    last_day: date


def reach_of_files(
    conn: psycopg.Connection[Any], settings: Settings, *, today: date, relative_to: Path
) -> Reach | None:
    """How far prices go where folders are the only sources; None where a live source is asked, or nothing is known."""
    try:
        chain = provider_chain(settings, today=today, deadline=Deadline.after(0), relative_to=relative_to)
    except UserError:  # this is reported when the setup is checked
        return None
    bare = [provider.provider if isinstance(provider, Aliased) else provider for provider in chain]
    files = [provider for provider in bare if isinstance(provider, FilesProvider)]
    if len(files) < len(chain):
        return None
    (stored,) = fetch_one(conn.execute("select max(price_date) from raw.market_data_cache"))
    days = [day for day in (stored, *(provider.last_day() for provider in files)) if day]
    return Reach(", ".join(provider.label for provider in files), max(days)) if days else None
