"""A drawing, written as text: that is faster than a tree of elements. All text of users is escaped.

Lengths are pixels or, as strings, percentages, so that a plot fills whatever width there is and its letters keep
their size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

Length = float | str


class Drawing:
    """An SVG that is made mark by mark."""

    def __init__(self, opening: str) -> None:
        self._parts = [opening]

    def rect(
        self, x: Length, y: Length, width: Length, height: Length, style: str, *, tip: str = "", opacity: float = 1
    ) -> None:
        """A rectangle; `tip` is its text when pointed at."""
        faint = "" if opacity == 1 else f' fill-opacity="{opacity:.2f}"'
        start = f'<rect class="{style}" x="{_at(x)}" y="{_at(y)}" width="{_at(width)}" height="{_at(height)}"{faint}'
        self._parts.append(f"{start}><title>{escape(tip)}</title></rect>" if tip else f"{start}/>")

    def line(self, x1: Length, y1: Length, x2: Length, y2: Length, style: str) -> None:
        """A straight line."""
        self._parts.append(f'<line class="{style}" x1="{_at(x1)}" y1="{_at(y1)}" x2="{_at(x2)}" y2="{_at(y2)}"/>')

    def text(self, x: Length, y: Length, content: str, style: str, anchor: str = "start", turned: bool = False) -> None:
        """A text; `turned` rotates it by a quarter to the left."""
        turn = f' transform="rotate(-90 {_at(x)} {_at(y)})"' if turned else ""
        place = f'x="{_at(x)}" y="{_at(y)}" text-anchor="{anchor}"'
        self._parts.append(f'<text class="{style}" {place}{turn}>{escape(content)}</text>')

    def key(self, x: Length, y: Length, names: Sequence[tuple[str, str]]) -> None:
        """The legend: the names of the lines, each in its colour, ending at `x`; nothing where there is none."""
        if not names:
            return
        spans = "<tspan>   </tspan>".join(f'<tspan class="key {style}">{escape(name)}</tspan>' for name, style in names)
        self._parts.append(f'<text class="axis keys" x="{_at(x)}" y="{_at(y)}" text-anchor="end">{spans}</text>')

    def path(self, data: str, style: str, *, opacity: float = 1) -> None:
        """A path by its data, which is ours and never a user's."""
        faint = "" if opacity == 1 else f' fill-opacity="{opacity:.2f}"'
        self._parts.append(f'<path class="{style}" d="{data}"{faint}/>')

    def stretch(self, y: float, height: float, width: float, paths: Iterable[tuple[str, str]]) -> None:
        """Paths in `width` by `height` units, stretched over the whole width; given as style and data."""
        inner = "".join(f'<path class="{style}" d="{data}"/>' for style, data in paths)
        self._parts.append(
            f'<svg y="{_at(y)}" width="100%" height="{_at(height)}" viewBox="0 0 {_at(width)} {_at(height)}" '
            f'preserveAspectRatio="none" aria-hidden="true">{inner}</svg>'
        )

    def markup(self) -> Markup:
        """The drawing, for a template."""
        return Markup("".join(self._parts) + "</svg>")  # noqa: S704  every text in it has been escaped


def plot(height: float, title: str, description: str) -> Drawing:
    """A drawing as wide as the place it stands in."""
    return Drawing(f'<svg class="plot" width="100%" height="{_at(height)}" {described(title, description)}')


def picture(width: float, height: float, title: str, description: str, style: str = "picture") -> Drawing:
    """A drawing that keeps its shape, and grows and shrinks as a whole."""
    box = f'class="{style}" viewBox="0 0 {_at(width)} {_at(height)}"'
    return Drawing(f"<svg {box} {described(title, description)}")


def percent(share: float) -> str:
    """A share of the width or height of a plot."""
    return f"{100 * share:.2f}%"


def polyline(points: Sequence[tuple[float, float] | None]) -> str:
    """The data of a line through points; None breaks it."""
    data: list[str] = []
    drawing = False
    for point in points:
        if point is None:
            drawing = False
            continue
        data.append(f"{'L' if drawing else 'M'}{point[0]:.1f} {point[1]:.1f}")
        drawing = True
    return "".join(data)


def described(title: str, description: str) -> str:
    """The attributes and the description of a drawing for those who cannot see it."""
    label = escape(f"{title}. {description}")
    return f'role="img" aria-label="{label}"><desc>{escape(description)}</desc>'


def _at(length: Length) -> str:
    return length if isinstance(length, str) else f"{length:.1f}".removesuffix(".0")
