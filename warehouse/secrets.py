"""Secrets never reach a log, an error or the database: they are masked on the way out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import quote, quote_plus

MASK = "***"
# Shorter ones are words of every day, and masking those would spoil the text.
_SHORTEST = 4


def mask(value: Any, secrets: Sequence[str]) -> Any:
    """Return `value` with every secret in it replaced by ***: text, or JSON values of any depth, keys included.

    A secret is found as it is and percent-encoded, as addresses hold it.
    """
    if isinstance(value, str):
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                for written in {secret, quote(secret, safe=""), quote_plus(secret)}:
                    value = value.replace(written, MASK)
        return value
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value)
        return {mask(name, secrets): mask(item, secrets) for name, item in items.items()}
    if isinstance(value, list | tuple):
        return [mask(item, secrets) for item in cast("list[Any]", value)]
    return value
