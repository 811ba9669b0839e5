"""How people name a portfolio, on the command line and in addresses: by its id or its name."""

from collections.abc import Mapping, Sequence
from typing import TypeVar
from unicodedata import normalize
from uuid import UUID

from warehouse.errors import UserError
from warehouse.phrases import and_more, did_you_mean

T = TypeVar("T")

_NAMED = 20


def find_portfolios(handles: Sequence[str], portfolios: Mapping[tuple[UUID, str], T], option: str = "") -> list[T]:
    """The portfolios that some handles mean: each an id, a name, or a name in other letters (upper or lower case).

    Args:
        handles: as typed.
        portfolios: all there are, by id and name.
        option: what the handles were given to, for the message.

    Raises:
        UserError: a handle means none of them, or several whose names differ by upper and lower case alone.
    """
    found = {handle: _matches(handle, portfolios) for handle in handles}
    for handle, keys in found.items():
        if len(keys) > 1:
            names = ", ".join(name for _, name in keys)
            raise UserError(f"{option}{handle}: that may be {names}: write the name as it stands, or its id")
    names = sorted(name for _, name in portfolios)
    if unknown := [handle for handle, keys in found.items() if not keys]:
        near = [name for handle in unknown if (name := did_you_mean(handle, names))]
        guess = f"; did you mean {', '.join(dict.fromkeys(near))}?" if near else ""
        there_are = and_more(names, _NAMED)
        raise UserError(f"{option}{', '.join(unknown)}: no such portfolio; there are: {there_are}{guess}")
    return [portfolios[keys[0]] for keys in found.values()]


def _matches(handle: str, portfolios: Mapping[tuple[UUID, str], T]) -> list[tuple[UUID, str]]:
    exact = [key for key in portfolios if str(key[0]) == handle.lower() or key[1] == handle]
    # Accents composed, as names are loaded.
    loose = normalize("NFC", handle.strip()).casefold()
    return exact or [key for key in portfolios if key[1].casefold() == loose]
