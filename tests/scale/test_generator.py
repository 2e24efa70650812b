"""The load generator finds every fault that a server can make; one that finds none would prove nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import load_generator, traffic
from benchmarks.contest import FAULTS
from benchmarks.failure import BenchmarkFailed
from tests import services
from tests.scale.liar import lying

CLIENTS = 3
MARKED = '{"content":"{mark}"}'
UNMARKED = '{"content":"the same in every message"}'

pytestmark = pytest.mark.usefixtures("compiler")


@pytest.fixture(scope="module")
def compiler() -> str:
    """Give the path of a C compiler."""
    return services.find_compiler() or services.missing("a C compiler (Debian: gcc, libc6-dev)")


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Path]:
    """Give a file with the name of one room."""
    file = tmp_path / "rooms"
    file.write_text("a room\n")
    return file


async def generate(port: int, rooms: Path, payload: str = MARKED, **more: Any) -> dict[str, Any]:
    """Send a hundred messages and return the report."""
    arguments = {
        **traffic.DURABLE.arguments(),
        "port": port,
        "rooms": rooms,
        "join_event": "join",
        "payload": payload,
        "clients": CLIENTS,
        "senders": 1,
        "rate": 200,
        "warmup": 0.1,
        "seconds": 0.4,
        "drain": 2.0,
        **more,
    }
    return await asyncio.to_thread(load_generator.run, "load", arguments)


def faults(report: dict[str, Any]) -> dict[str, int]:
    """Return what the report complains about."""
    return {name: report[name] for name in FAULTS if report[name]}


def test_the_generator_compiles_without_a_warning(tmp_path: Path) -> None:
    """The compiler has nothing to say against it."""
    load_generator.compile_to(tmp_path / "generator", "-Wshadow", "-Werror")


def test_without_a_compiler_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to guess what is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchmarkFailed, match="needs a C compiler"):
        load_generator.compile_to(tmp_path / "generator")


@pytest.mark.parametrize("payload", [MARKED, UNMARKED])
async def test_an_honest_server_is_found_faultless(payload: str, rooms: Path) -> None:
    """Every message arrives at everybody, once, and is acknowledged."""
    async with lying() as server:
        report = await generate(server.port, rooms, payload)
    assert faults(report) == {}
    assert report["sent"] == report["acked"] > 50
    assert report["delivered"] == report["sent"] * CLIENTS


@pytest.mark.parametrize(
    ("lie", "fault"),
    [
        ("drops", "lost"),
        ("repeats", "duplicated"),
        ("swaps", "reordered"),
        ("does not acknowledge", "unacked"),
        ("refuses", "refused"),
    ],
)
async def test_one_false_message_is_found(lie: str, fault: str, rooms: Path) -> None:
    """Of all messages one is not as it should be, for one receiver; exactly that is reported."""
    async with lying(lie) as server:
        report = await generate(server.port, rooms)
    assert faults(report) == {fault: 1}


@pytest.mark.parametrize(("lie", "fault"), [("drops", "lost"), ("repeats", "duplicated")])
async def test_without_marks_the_counts_tell(lie: str, fault: str, rooms: Path) -> None:
    """An event that carries nothing of its sender's is counted."""
    async with lying(lie) as server:
        report = await generate(server.port, rooms, UNMARKED)
    assert faults(report) == {fault: 1}


async def test_a_closed_loop_keeps_to_its_window(rooms: Path) -> None:
    """With one message in flight, a message that is not acknowledged is the last one."""
    async with lying("does not acknowledge") as server:
        report = await generate(server.port, rooms, rate=0, in_flight=1)
    assert report["sent"] == 10
    assert faults(report) == {"unacked": 1}


async def test_a_server_that_is_not_there_ends_the_run_with_a_sentence(rooms: Path) -> None:
    """A load that cannot be made is no measurement."""
    async with lying() as server:
        port = server.port
    with pytest.raises(BenchmarkFailed, match="client 0 was lost: Connection refused"):
        await generate(port, rooms)
