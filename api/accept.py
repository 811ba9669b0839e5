"""Content negotiation: the lists of Accept and Accept-Encoding against what can be served (RFC 9110, 12.5)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache


def preferred(accept: str, there_are: Sequence[str]) -> str | None:
    """The media type to answer with: the first where the caller has no preference, None where it accepts none.

    The greater `q` wins; then a type that is named rather than matched by `*`; then the one that is named first.
    """
    asked_for = _weights(accept)
    if not asked_for:
        return there_are[0]
    best: tuple[float, int, int] | None = None
    chosen = None
    for media_type in there_are:
        matches = [
            (_closeness(name, media_type), -place, weight)
            for place, (name, weight) in enumerate(asked_for)
            if _closeness(name, media_type)
        ]
        if not matches:
            continue
        closeness, place, weight = max(matches)
        rank = (weight, closeness, place)
        if weight > 0 and (best is None or rank > best):
            best, chosen = rank, media_type
    return chosen


@lru_cache(maxsize=64)
def takes_gzip(accept_encoding: str) -> bool:
    """Whether the caller accepts a gzipped body."""
    weights = dict(_weights(accept_encoding))
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _closeness(asked_for: str, media_type: str) -> int:
    if asked_for == media_type:
        return 3
    if asked_for == media_type.partition("/")[0] + "/*":
        return 2
    return 1 if asked_for == "*/*" else 0


def _weights(header: str) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for part in header.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        if not name:
            continue
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    weight = min(max(float(value), 0.0), 1.0)
                except ValueError:
                    weight = 0.0
        found.append((name, weight if weight == weight else 0.0))
    return found
