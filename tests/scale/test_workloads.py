"""Small runs of the benchmarks against a real server: they count everything, and nothing is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks import waiting
from benchmarks.__main__ import main
from tests import services


@pytest.fixture(autouse=True)
def _means() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        services.missing("a second core, for the load generator")
    if not services.find_compiler():
        services.missing("a C compiler (Debian: gcc, libc6-dev)")


def measure(tmp_path: Path, *words: str) -> dict[str, Any]:
    """Run a workload for a moment and return what it measured of Parley."""
    file = tmp_path / "figures.json"
    main([*words, "--rounds", "1", "--warmup", "0.5", "--json", str(file)])
    (line,) = map(json.loads, file.read_text().splitlines())
    (figures,) = line["rounds"]
    measured: dict[str, Any] = figures["parley"]
    return measured


def test_fanout(tmp_path: Path) -> None:
    """Each message reaches all receivers, a peer's too; the workload itself fails if one is lost."""
    words = ("fanout", "--receivers", "20", "--in-flight", "4", "--seconds", "2", "--peer", "stock")
    measured = measure(tmp_path, *words)
    assert measured["messages_per_second"] > 0
    assert measured["deliveries_per_second"] > measured["messages_per_second"]
    assert measured["server_cpu_us_per_delivery"] > 0


def test_pairs_durable(tmp_path: Path) -> None:
    """Each message reaches both of its pair, and is stored."""
    measured = measure(tmp_path, "pairs", "--rooms", "10", "--durable", "--seconds", "2")
    assert measured["messages_per_second"] > 0
    assert measured["delivery_ms"]["p50"] <= measured["delivery_ms"]["max"]


def test_steady(tmp_path: Path) -> None:
    """Messages keep to their rate."""
    measured = measure(tmp_path, "steady", "--rooms", "5", "--rate", "100", "--seconds", "1")
    assert measured["ack_ms"]["max"] > 0


def test_idle(tmp_path: Path) -> None:
    """Users with tokens connect and stay."""
    measured = measure(tmp_path, "idle", "--connections", "20", "--seconds", "1")
    assert measured["connections"] == 20


def test_connects(tmp_path: Path) -> None:
    """Users with tokens come and go."""
    measured = measure(tmp_path, "connects", "--total", "50", "--parallel", "5")
    assert measured["connects_per_second"] > 0


def test_memory(tmp_path: Path) -> None:
    """The server's memory is looked at every so many messages."""
    measured = measure(tmp_path, "memory", "--messages", "1000", "--sample-every", "250")
    assert [round(done, -2) for done, _ in measured["rss_samples"]][-1] >= 1000


def test_slow_reader(tmp_path: Path) -> None:
    """The others go on when one stops reading."""
    measured = measure(tmp_path, "slow-reader", "--room", "12", "--rate", "100", "--seconds", "3")
    assert measured["delivery_after_ms"]["p50"] > 0


def test_replay(tmp_path: Path) -> None:
    """Whoever comes back gets everything, in order; the workload itself fails if that is not so."""
    file = tmp_path / "figures.json"
    sizes = ("--events", "300", "--clients", "20", "--missed", "5", "--rounds", "1")
    main(["replay", *sizes, "--json", str(file)])
    (figures,) = json.loads(file.read_text())["rounds"]
    assert figures["parley"]["events_per_second"] > 0
    assert figures["parley"]["storm_seconds"] > 0


@pytest.mark.parametrize("door", ["rest", "sockets"])
def test_heartbeats(tmp_path: Path, door: str) -> None:
    """Sessions are kept alive through either door; the workload itself fails if one is not answered."""
    sizes = ("--sessions", "20", "--every", "0.5", "--seconds", "1", "--door", door)
    measured = measure(tmp_path, "heartbeats", *sizes)
    assert measured["heartbeats_per_second"] > 0
    assert measured["server_cpu_percent"] > 0


def test_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients wait in every way; the workload itself fails if one of them is answered."""
    monkeypatch.setattr(waiting, "FILLING", 100)
    monkeypatch.setattr(waiting, "SETTLE_SECONDS", 0.1)
    file = tmp_path / "figures.json"
    main(["waiting", "--clients", "10", "--rounds", "1", "--json", str(file)])
    (figures,) = json.loads(file.read_text())["rounds"]
    assert set(figures["parley"]) == {"socket", "poll", "stream", "http", "sse"}
