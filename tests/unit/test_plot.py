"""Charts are drawn from what the workloads wrote down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.__main__ import main
from benchmarks.plot import PERCENTILES


def figures(factor: float) -> dict[str, Any]:
    """Return as much as the charts look at."""
    return {
        "messages_per_second": 1_000 * factor,
        "server_cpu_us_per_message": 50 / factor,
        "server_cpu_us_per_delivery": 25 / factor,
        "delivery_ms": {name: 0.1 * (place + 1) for place, name in enumerate(PERCENTILES)},
        "rss_samples": [[0, 60 * factor], [50_000, 61 * factor], [100_000, 61 * factor]],
    }


def write_line(file: Path, workload: str, title: str) -> None:
    """Append what a workload would."""
    rounds = [{"parley": figures(factor), "node": figures(factor / 2)} for factor in (1, 2, 3)]
    with file.open("a") as lines:
        lines.write(json.dumps({"workload": workload, "options": {"title": title}, "rounds": rounds}) + "\n")


def test_each_kind_of_figure_has_its_chart(tmp_path: Path) -> None:
    """The files are SVG, with the title and every server in them."""
    for workload in ("fanout", "steady", "memory"):
        write_line(tmp_path / "figures.json", workload, f"{workload}: 1,000 < 2,000 & more")
    main(["plot", str(tmp_path / "figures.json"), "--to", str(tmp_path / "charts")])
    drawn = {file.stem: file.read_text() for file in (tmp_path / "charts").iterdir()}
    assert sorted(drawn) == [
        "cpu-per-delivery",
        "cpu-per-message",
        "memory-1000-2000-more",
        "messages",
        "steady-1000-2000-more",
    ]
    for text in drawn.values():
        texts = ["".join(found.itertext()) for found in ElementTree.fromstring(text).iter()]
        assert {"parley", "node"} <= set(texts)
        assert any("1,000 < 2,000 & more" in found for found in texts)
    assert "2,000 /s" in drawn["messages"]


def test_files_without_figures_are_refused_with_a_sentence(tmp_path: Path) -> None:
    """Nobody looks for files that were not written."""
    file = tmp_path / "figures.json"
    file.write_text(json.dumps({"workload": "submit", "options": {}, "rounds": []}) + "\n")
    with pytest.raises(SystemExit, match="nothing to plot"):
        main(["plot", str(file), "--to", str(tmp_path / "charts")])
