"""Names in addresses: a slash inside a name, written as `%2F`, does not separate parts of the path."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote, unquote

# Unicode guarantees that this is no character, so no name contains it.
_SLASH = "\uffff"
_WRITTEN = re.compile("%2f", re.IGNORECASE)


def keep_slashes(scope: MutableMapping[str, Any]) -> None:
    """Let the router see a slash within a name as another character; `name_of` turns it back."""
    raw = (scope.get("raw_path") or b"").decode("latin-1")
    if "%" in raw:
        scope["path"] = unquote(_WRITTEN.sub(quote(_SLASH), raw))


def name_of(part: str) -> str:
    """The name that a part of a path stands for."""
    return part.replace(_SLASH, "/")
