"""Names in addresses: a slash that stands in a name, as `%2F`, ends no part of the path."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote, unquote

# No character at all (Unicode says so), hence none of a name.
_SLASH = "\uffff"
_WRITTEN = re.compile("%2f", re.IGNORECASE)


def keep_slashes(scope: MutableMapping[str, Any]) -> None:
    """Let the router see a slash within a name as another character; `name_of` turns it back."""
    raw = (scope.get("raw_path") or b"").decode("latin-1")
    if "%" in raw:
        scope["path"] = unquote(_WRITTEN.sub(quote(_SLASH), raw))


def name_of(part: str) -> str:
    """The name that a part of a path is."""
    return part.replace(_SLASH, "/")
