"""As much of SVG as a chart needs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

INK, FAINT = "#24292f", "#d0d7de"

Point = tuple[float, float]


class Drawing:
    """Shapes on a white sheet; lengths are in pixels, from the upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self._head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" font-family="system-ui, sans-serif" font-size="12">'
        )
        self._shapes: list[str] = []
        # White, as pages with a dark background show the file, too.
        self.rectangle(0, 0, width, height, "#ffffff")

    def rectangle(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Fill a rectangle."""
        self._add(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
        )

    def line(self, points: Sequence[Point], colour: str = FAINT, thickness: float = 1) -> None:
        """Draw a line through the points."""
        through = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        style = f'fill="none" stroke="{colour}" stroke-width="{thickness:g}" stroke-linejoin="round"'
        self._add(f'<polyline points="{through}" {style}/>')

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", is_bold: bool = False) -> None:
        """Write a text that stands on ``y``; ``anchor`` says which end of it, or its middle, is at ``x``."""
        weight = ' font-weight="bold"' if is_bold else ""
        self._add(
            f'<text x="{x:.1f}" y="{y:.1f}" fill="{INK}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'
        )

    def save(self, file: Path) -> None:
        """Write the file, with a shape on each line."""
        file.write_text("\n".join([self._head, *self._shapes, "</svg>\n"]))

    def _add(self, shape: str) -> None:
        self._shapes.append(shape)
