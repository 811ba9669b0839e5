"""How numbers of things, lists of names and likely misspellings are said, everywhere alike."""

import difflib
from collections.abc import Iterable, Sequence


def count(number_of: int, noun: str, plural: str = "") -> str:
    """1 lot, 2 lots; a plural that does not end in s is given."""
    return f"{number_of:,} {noun if number_of == 1 else plural or f'{noun}s'}"


def and_more(names: Sequence[str], shown: int = 10, separator: str = ", ") -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - shown
    return separator.join(names[:shown]) + (f" and {more:,} more" if more > 0 else "")


def span_of(sessions: int, first: object, last: object) -> str:
    """2024-01-02, or: 20 sessions, 2024-01-02 to 2024-01-30."""
    return str(first) if sessions == 1 else f"{sessions:,} sessions, {first} to {last}"


def did_you_mean(written: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that a word was probably meant to be, upper and lower case apart; None where none is near."""
    by_key = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(written.casefold(), by_key, n=1, cutoff=cutoff)
    return by_key[near[0]] if near else None
