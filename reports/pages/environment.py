"""The common parts of all pages: one template environment, made once, and the frame around a page."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import words

TEMPLATES = Path(__file__).parents[1] / "templates"
STATIC = Path(__file__).parents[1] / "static"

SECTIONS = {
    "": "Overview",
    "performance": "Performance",
    "positions": "Positions",
    "risk": "Risk",
    "stress": "Stress",
    "correlations": "Correlations",
}


@dataclass(frozen=True)
class Book:
    """The portfolio and session of a page, and the sessions before and after.

    `latest` is the last session that is fully published; `benchmark` is the symbol for comparison.
    """

    portfolio_id: UUID
    name: str
    day: date
    first: date
    latest: date
    previous: date | None
    next: date | None
    benchmark: str | None = None

    def path(self, section: str = "") -> str:
        """The address of one of its pages, without a query."""
        return f"/portfolios/{self.portfolio_id}" + (f"/{section}" if section else "")

    def address(self, section: str = "", **query: Any) -> str:
        """The address of one of its pages on this session."""
        return _address(self.path(section), {**self.at(), **query})

    def at(self) -> dict[str, str]:
        """The part of an address that chooses this session; empty for the latest."""
        return {} if self.day == self.latest else {"as_of": str(self.day)}

    def csv(self, resource: str, **query: Any) -> str:
        """The address of the same numbers as CSV, in the API."""
        path = f"/api/v1/portfolios/{self.portfolio_id}" + (f"/{resource}" if resource else "")
        return _address(path, {"format": "csv", **query})


@dataclass(frozen=True)
class Shell:
    """The frame around a page: a dashboard with links, or a self-contained file where `served` is false."""

    served: bool = True
    signed_in: bool = False
    sees_status: bool = True
    book: Book | None = None
    section: str | None = None
    query: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def other_query(self) -> dict[str, str]:
        """The rest of this page's address; the form that changes the session keeps it."""
        return {name: value for name, value in self.query.items() if name != "as_of"}


@dataclass(frozen=True)
class Dollars:
    """Formats the amounts of one page, all with the same number of decimals, which fits the size of the portfolio."""

    scale: float

    def money(self, amount: float | None) -> str:
        """An amount without a plus sign."""
        return words.typographic(words.money(amount, self.scale))

    def signed(self, amount: float | None) -> str:
        """An amount with its sign."""
        return words.typographic(words.money(amount, self.scale, "+"))


def render(template: str, shell: Shell, **values: Any) -> str:
    """A page as HTML."""
    return _environment().get_template(template).render(shell=shell, **values)


def read_static(name: str) -> str:
    """The content of one of the files that pages need."""
    return (STATIC / name).read_text(encoding="utf-8")


@cache
def style_digest() -> str:
    """The digest by which a page that stands alone allows its own style sheet, and nothing else."""
    return "sha256-" + b64encode(hashlib.sha256(_style().encode()).digest()).decode()


@cache
def static_version(name: str) -> str:
    """A digest of a file, for its address."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


@cache
def _style() -> str:
    return read_static("afterclose.css")


@cache
def _environment() -> Environment:
    # Jinja types its filters and globals as plain dicts.
    environment: Any = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters: dict[str, Callable[..., str]] = {
        "percent": _percent,
        "signed_percent": _signed_percent,
        "number": _number,
        "signed_number": _signed_number,
        "side": _side,
        "long_date": words.long_date,
        "quoted": _quoted,
    }
    environment.filters.update(filters)
    named: dict[str, Any] = {
        "and_more": words.and_more,
        "count": words.count,
        "sections": SECTIONS,
        "style": lambda: Markup(_style()),  # noqa: S704  our own file
        "style_digest": style_digest,
        "static": _static_address,
    }
    environment.globals.update(named)
    return environment


def _percent(share: float | None, places: int = 1) -> str:
    return words.typographic(words.percent(share, places=places))


def _signed_percent(share: float | None, places: int = 1) -> str:
    return words.typographic(words.percent(share, "+", places))


def _number(value: float | None, places: int = 2) -> str:
    return words.typographic(words.number(value, places=places))


def _signed_number(value: float | None) -> str:
    return words.typographic(words.number(value, "+"))


def _side(value: float | None) -> str:
    """The class of a gain or a loss."""
    return "" if not value else "gains" if value > 0 else "loses"


def _quoted(text: object) -> str:
    return quote(str(text), safe="")


def _static_address(name: str) -> str:
    return f"/static/{static_version(name)}/{name}"


def _address(path: str, query: Mapping[str, Any]) -> str:
    return path + (f"?{urlencode(query)}" if query else "")
