"""A drawing of how long clients took to see what was said after a harm."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.charts import WIDTH, Axis, logarithmic
from benchmarks.svg import INK, Drawing
from chaos.report import Figures

_LEFT, _TOP, _ROW, _FOOT, _BAR = 90, 60, 34, 44, 14
_COLOUR = "#0969da"
_SHORTEST = 0.001


def draw(harms: Sequence[Figures]) -> Drawing:
    """Draw a bar for each harm, from the quickest client to the slowest, with a mark at the median."""
    measured = [one for one in harms if one["recovery_seconds"]]
    bottom = _TOP + _ROW * len(measured)
    drawing = Drawing(WIDTH, bottom + _FOOT)
    drawing.text(16, 28, "Recovery: from the end of the harm until a client is up to date", is_bold=True)
    axis = logarithmic(_SHORTEST, max(max(one["recovery_seconds"]) for one in measured))
    for value, tick in axis.ticks.items():
        x = _place(axis, value)
        drawing.line([(x, _TOP - 8), (x, bottom)])
        drawing.text(x, bottom + 18, tick, anchor="middle")
    drawing.text(WIDTH - 24, bottom + 36, "seconds", anchor="end")
    for row, one in enumerate(measured):
        _draw_bar(drawing, axis, one, _TOP + row * _ROW)
    return drawing


def _draw_bar(drawing: Drawing, axis: Axis, harm: Figures, y: float) -> None:
    took = harm["recovery_seconds"]
    least, middle, most = (
        _place(axis, max(_SHORTEST, seconds)) for seconds in (min(took), statistics.median(took), max(took))
    )
    drawing.text(16, y + _BAR - 2, harm["harm"])
    drawing.rectangle(least, y, max(1.0, most - least), _BAR, _COLOUR)
    drawing.rectangle(middle - 1, y - 4, 3, _BAR + 8, INK)


def _place(axis: Axis, seconds: float) -> float:
    return _LEFT + (WIDTH - _LEFT - 24) * axis.place(seconds)
