"""Finds, by halving, which members of a group break a statement that covers all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

# Enough to find four among a thousand.
MOST_ATTEMPTS = 80


def find_culprits(
    members: Sequence[T], attempt: Callable[[Sequence[T]], str | None], most_attempts: int
) -> tuple[dict[T, str], list[T]]:
    """Work through `members`, which failed together, in halves, down to the single ones that fail.

    Args:
        members: two at least, or one.
        attempt: does the work for some of them; returns why it failed, or None when it is done for good.
        most_attempts: after so many, whoever is left is given up.

    Returns:
        The members that fail alone, each with the reason; and those that were given up, for which nothing was done.
    """
    culprits: dict[T, str] = {}
    left_alone: list[T] = []
    waiting = _halves(members)
    attempts = 0
    while waiting:
        group = waiting.pop(0)
        if attempts == most_attempts:
            left_alone += group
            continue
        attempts += 1
        reason = attempt(group)
        if reason is None:
            continue
        if len(group) == 1:
            culprits[group[0]] = reason
        else:
            waiting = _halves(group) + waiting
    return culprits, left_alone


def _halves(members: Sequence[T]) -> list[list[T]]:
    middle = len(members) // 2
    return [list(half) for half in (members[:middle], members[middle:]) if half]
