"""Identifiers: UUIDv5 of a row's natural key, so that loading the same row twice finds the row that is there."""

from uuid import UUID, uuid5

# This never changes. Another value would give every portfolio, lot, close and flow a second identity.
_NAMESPACE = UUID("6f1d8a52-3c0e-5b7a-9d44-1e2f7c90ab35")
# No cell may hold a control character, so joining with one keeps different keys different.
_SEPARATOR = "\x1f"


def natural_id(kind: str, *key: object) -> UUID:
    """Return the identifier of the `kind` of row ("portfolio", "position", …) with this natural key.

    Key parts are compared by their text: pass dates as dates and decimals in one spelling (`plain`).
    """
    return uuid5(_NAMESPACE, _SEPARATOR.join([kind, *map(str, key)]))
