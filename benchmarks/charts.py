"""The two kinds of chart: bars that compare servers, and lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.svg import Drawing, Point
from benchmarks.table import number

COLOURS = {"parley": "#0969da", "node": "#bf8700", "stock": "#8c959f"}
WIDTH = 720

_BAR, _GAP, _NAME, _VALUE = 18, 26, 70, 110
_LEFT, _TOP, _PLOT, _FOOT = 64, 56, 260, 52
_STEPS = (1, 2, 5, 10)


def bars(title: str, groups: Mapping[str, Mapping[str, float]], unit: str) -> Drawing:
    """Draw a group of bars for each workload, each group to a scale of its own."""
    height = 48 + sum(len(values) * _BAR + _GAP + 12 for values in groups.values())
    drawing = Drawing(WIDTH, height)
    drawing.text(16, 28, title, is_bold=True)
    y = 48.0
    for label, values in groups.items():
        drawing.text(16, y + 12, label)
        y += 18
        longest = max(values.values()) or 1
        for name, value in values.items():
            length = (WIDTH - 16 - _NAME - _VALUE) * value / longest
            drawing.text(16, y + 13, name)
            drawing.rectangle(16 + _NAME, y + 2, length, _BAR - 4, COLOURS[name])
            drawing.text(16 + _NAME + length + 6, y + 13, f"{number(value)} {unit}")
            y += _BAR
        y += _GAP - 6
    return drawing


@dataclass(frozen=True, slots=True)
class Axis:
    """Where a value lies between both ends, and which values are written beside the axis."""

    low: float
    high: float
    ticks: Mapping[float, str]
    is_logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return 0 for the lower end, 1 for the upper one."""
        if self.is_logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def linear(highest: float) -> Axis:
    """Return an axis from nothing to a round number."""
    step = _round_up(highest / 5)
    count = max(1, math.ceil(highest / step))
    return Axis(0, count * step, {step * i: f"{step * i:,.10g}" for i in range(count + 1)})


def logarithmic(lowest: float, highest: float) -> Axis:
    """Return an axis between powers of ten."""
    low = math.floor(math.log10(lowest))
    high = max(low + 1, math.ceil(math.log10(highest)))
    ticks = {10.0**exponent: f"{10.0**exponent:,g}" for exponent in range(low, high + 1)}
    return Axis(10.0**low, 10.0**high, ticks, is_logarithmic=True)


def named(names: Sequence[str]) -> Axis:
    """Return an axis with a place for each name, at 0, 1, 2 and so on."""
    return Axis(0, max(1, len(names) - 1), {float(place): name for place, name in enumerate(names)})


def lines(
    title: str, series: Mapping[str, Sequence[Point]], x_axis: Axis, y_axis: Axis, labels: tuple[str, str]
) -> Drawing:
    """Draw a line for each server; the labels are those of the axes."""
    drawing = Drawing(WIDTH, _TOP + _PLOT + _FOOT)
    width = WIDTH - _LEFT - 24

    def at(x: float, y: float) -> Point:
        return _LEFT + width * x_axis.place(x), _TOP + _PLOT * (1 - y_axis.place(y))

    drawing.text(16, 28, title, is_bold=True)
    for value, tick in y_axis.ticks.items():
        drawing.line([at(x_axis.low, value), at(x_axis.high, value)])
        drawing.text(_LEFT - 8, at(0, value)[1] + 4, tick, anchor="end")
    for value, tick in x_axis.ticks.items():
        drawing.text(at(value, y_axis.low)[0], _TOP + _PLOT + 18, tick, anchor="middle")
    drawing.text(WIDTH - 24, _TOP + _PLOT + 40, labels[0], anchor="end")
    drawing.text(16, _TOP - 10, labels[1])
    for place, (name, points) in enumerate(series.items()):
        drawing.line([at(x, y) for x, y in points], COLOURS[name], 2)
        drawing.rectangle(_LEFT + 90 * place, _TOP + _PLOT + 31, 14, 10, COLOURS[name])
        drawing.text(_LEFT + 90 * place + 20, _TOP + _PLOT + 40, name)
    return drawing


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50 and so on."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next((step * power for step in _STEPS if step * power >= value), 10 * power)
