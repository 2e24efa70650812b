"""What came of the trials, as a table and as JSON."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaos.trial import Outcome
from chaos.verdict import Kind

SHOWN_FAULTS = 20

Figures = dict[str, Any]  # of one harm, as they are saved

_HEADINGS = ("harm", "cycles", "submitted", "acknowledged", *Kind, "recovery median", "max")
_WIDTHS = [max(8, len(heading) + 2) for heading in _HEADINGS]


def table(outcomes: Sequence[Outcome]) -> str:
    """Return a line for each harm; recovery is in seconds."""
    lines = [_HEADINGS, *(_cells(outcome) for outcome in outcomes)]
    return "\n".join(_row(cells) for cells in lines)


def faults(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what was wrong, in sentences, and with which seed that happened; the first of each harm."""
    return [
        f"{outcome.plan.harm.name} (seed {outcome.plan.seed}): {fault.kind}: {fault.what}"
        for outcome in outcomes
        for fault in outcome.faults[:SHOWN_FAULTS]
    ]


def save(outcomes: Sequence[Outcome], file: Path) -> list[Figures]:
    """Write everything that was counted and measured, and return it with what was there of other harms."""
    before = json.loads(file.read_text()) if file.exists() else []
    by_harm: dict[str, Figures] = {one["harm"]: one for one in before}
    by_harm |= {outcome.plan.harm.name: _figures(outcome) for outcome in outcomes}
    file.write_text("[\n" + ",\n".join(json.dumps(one) for one in by_harm.values()) + "\n]\n")
    return list(by_harm.values())


def _figures(outcome: Outcome) -> Figures:
    counts = Counter(fault.kind for fault in outcome.faults)
    return {
        "harm": outcome.plan.harm.name,
        "seed": outcome.plan.seed,
        "clients": outcome.plan.clients,
        "stock_clients": outcome.stock_clients,
        "cycles": outcome.cycles,
        "events": outcome.events,
        "submitted": outcome.submitted,
        "acknowledged": outcome.acknowledged,
        "faults": {kind: counts[kind] for kind in Kind},
        "recovery_seconds": [round(seconds, 3) for seconds in sorted(outcome.recoveries)],
    }


def _cells(outcome: Outcome) -> tuple[str, ...]:
    counts = Counter(fault.kind for fault in outcome.faults)
    numbers = (outcome.cycles, outcome.submitted, outcome.acknowledged, *(counts[kind] for kind in Kind))
    took = outcome.recoveries
    seconds = (f"{statistics.median(took):.2f}", f"{max(took):.2f}") if took else ("", "")
    return (outcome.plan.harm.name, *(f"{number:,}" for number in numbers), *seconds)


def _row(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()
