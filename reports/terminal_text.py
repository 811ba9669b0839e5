"""How text is drawn for a terminal: rows of cells, lines and columns of characters, blocks side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import set_cell_size
from rich.text import Text

from reports.scales import Scale, resample

GAP = 4
PNL_ROWS = 3

GAIN, LOSS, QUIET, HEAD = "green", "red", "bright_black", "bold"
# The dots of a braille character by row, left and right.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


@dataclass(frozen=True)
class Glyphs:
    """The characters for bars, lines and rules; halves are half a character high or wide."""

    full: str = "█"
    upper: str = "▀"
    lower: str = "▄"
    left: str = "▌"
    right: str = "▐"
    axis: str = "│"
    rule: str = "─"
    dot: str = "·"
    braille: bool = True


UNICODE = Glyphs()
ASCII = Glyphs("#", "'", ".", "", "", "|", "-", "-", braille=False)

Block = list[Text]


def draw_line(
    values: Sequence[float | None],
    columns: int,
    rows: int,
    glyphs: Glyphs,
    limits: tuple[float, float] | None = None,
) -> list[str]:
    """A line chart as rows of text, the highest values on top; `limits` of the axis default to those of the values.

    A missing value is drawn as the one before it.
    """
    across, down = (2, 4) if glyphs.braille else (1, 1)
    known: list[float] = []
    for value in values:
        if value is not None or known:
            known.append(known[-1] if value is None else value)
    missing = len(values) - len(known)
    values = [known[0]] * missing + known
    low, high = limits or (min(known), max(known))
    scale = Scale(low, high, rows * down - 1, 0)
    heights = [round(scale(value)) for value in resample(values, columns * across)]
    marked: dict[tuple[int, int], int] = {}
    for place, height in enumerate(heights):
        previous = heights[place - 1] if place else height
        # close the gap to the point before
        for dot in range(min(height, previous + 1), max(height, previous - 1) + 1):
            cell = (dot // down, place // across)
            marked[cell] = marked.get(cell, 0) | _DOTS[dot % down][place % across]
    return [
        "".join(
            (chr(0x2800 + marked[row, column]) if glyphs.braille else "*") if (row, column) in marked else " "
            for column in range(columns)
        )
        for row in range(rows)
    ]


def draw_columns(values: Sequence[float], largest: float, glyphs: Glyphs) -> list[str]:
    """Columns up and down from a zero line between two rows, as rows of text; any value but zero is visible."""
    rows: list[str] = []
    halves = [max(round(abs(value) / largest * PNL_ROWS * 2), 1 if value else 0) for value in values]
    for row in range(PNL_ROWS * 2):
        above = row < PNL_ROWS
        filled_below = 2 * (PNL_ROWS - 1 - row if above else row - PNL_ROWS)
        half = glyphs.lower if above else glyphs.upper
        cells: list[str] = []
        for value, height in zip(values, halves, strict=True):
            left = height - filled_below if (value > 0) == above else 0
            cells.append(glyphs.full if left >= 2 else half if left == 1 else " ")
        rows.append("".join(cells))
    return rows


def row(*cells: tuple[str, int, str]) -> Text:
    """A line of cells, each with a text, a width (negative: aligned to the right) and a style."""
    line = Text()
    for text, width, style in cells:
        fitted = _fitted(text, abs(width))
        if width < 0:
            stripped = fitted.rstrip()
            fitted = " " * (abs(width) - Text(stripped).cell_len) + stripped
        line.append(fitted, style or None)
    line.rstrip()
    return line


def _fitted(text: str, width: int) -> str:
    """A text padded to exactly so many columns, or cut, with dots, where it is longer."""
    return set_cell_size(text, width) if Text(text).cell_len <= width else set_cell_size(text, width - 3) + ".. "


def beside(left: Block, right: Block, width: int) -> Block:
    """Two blocks side by side, the left one `width` columns wide."""
    lines: Block = []
    for row in range(max(len(left), len(right))):
        line = left[row].copy() if row < len(left) else Text()
        if row < len(right):
            line.append(" " * (width + GAP - line.cell_len))
            line.append_text(right[row])
        lines.append(line)
    return lines


def wrapped(text: str, width: int, indent: str = "  ", style: str = QUIET, first: str = "") -> Block:
    """A text in lines of at most so many columns; `first` is put before the first, `indent` before the others."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and Text(f"{lines[-1]} {word}").cell_len <= width:
            lines[-1] += f" {word}"
        else:
            lines.append((indent if lines else first) + word)
    return [Text(line, style) for line in lines]


def clean(text: str) -> str:
    """A user's text without characters that control a terminal or change the direction of writing."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def colour(value: float | None) -> str:
    """The style of a gain or a loss; none for zero."""
    return "" if not value else GAIN if value > 0 else LOSS
