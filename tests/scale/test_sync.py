"""Nothing is acknowledged before it is on the disk: the system calls of a real server, under strace."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests import running, services
from tests.rest import Rest
from tests.scale import tracing
from tests.scale.tracing import Call
from tests.talking import Talker, talking

AUTHOR = "author"
SOCKETS = 20
REQUESTS = 100

SAFE = "from server.cli import main; main()"
UNSAFE = """
from rooms import database

prepare = database._prepare_sqlite


def prepare_without_care(connection, record):
    prepare(connection, record)
    connection.execute("PRAGMA synchronous=OFF")


database._prepare_sqlite = prepare_without_care
from server.cli import main
main()
"""


@dataclass(frozen=True)
class Traced:
    """A server that is being watched, and clients at its doors."""

    rest: Rest
    talkers: list[Talker]
    channel_id: str

    async def request(self, content: str) -> None:
        """Submit through REST."""
        assert (await self.rest.submit(self.channel_id, content, author_id=AUTHOR)).status == 201

    async def emit(self, talker: Talker, content: str) -> None:
        """Submit through a socket."""
        message = {"channel_id": self.channel_id, "content": content, "author_id": AUTHOR}
        await talker.data("submit", message)

    async def submit_in_turn(self, count: int) -> None:
        """Submit so often through either door, one message after the other."""
        for number in range(count):
            await self.request(f"message {number}")
            await self.emit(self.talkers[0], f"message {number}")

    async def submit_at_once(self) -> None:
        """Submit through all connections, on each of them one message at a time."""
        requests = [self.request(f"message {number}") for number in range(REQUESTS)]
        events = [self.emit(talker, "message") for talker in self.talkers]
        await asyncio.gather(*requests, *events)


@pytest.fixture
def strace(strace_path: str) -> str:
    """Give the path of strace, if it may trace here."""
    probe = [strace_path, "-D", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fsync", "true"]
    if subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
        services.missing("the permission to trace processes (strace)")
    return strace_path


class Tracer:
    """Starts servers under strace."""

    def __init__(self, strace: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._strace = strace
        self._directory = directory
        self._monkeypatch = monkeypatch
        self._trace = directory / "trace"

    @asynccontextmanager
    async def running(self, program: str) -> AsyncIterator[Traced]:
        """Run a Python program that serves, until the block ends."""
        self._monkeypatch.setattr(running, "COMMAND", self._script(program))
        async with (
            running.serving(self._directory / "data", PARLEY_RATE_LIMITS="off") as served,
            aiohttp.ClientSession() as session,
            AsyncExitStack() as sockets,
        ):
            auth = {"token": served.service_key}
            talkers = [await sockets.enter_async_context(talking(served.url, auth)) for _ in range(SOCKETS)]
            rest = served.rest(session)
            yield Traced(rest, talkers, await rest.new_channel())
        await self._finished(served.process.pid)

    def calls(self) -> list[Call]:
        """Return what the server did, once it has ended."""
        return tracing.read_calls(self._lines())

    def _script(self, program: str) -> Path:
        options = [*tracing.OPTIONS, "-e", f"trace={tracing.CALLS}", "-o", str(self._trace)]
        command = [self._strace, *options, sys.executable, "-c", program]
        script = self._directory / "serve-traced"
        script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        script.chmod(0o755)
        return script

    async def _finished(self, pid: int) -> None:
        """Wait until strace has written down the end of the server, which must have been in peace."""
        async with asyncio.timeout(running.DEADLINE):
            # Strace is no child of this process, so that nothing else tells when it has written all.
            while not (end := self._end_of(pid)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert end == ["+++ exited with 0 +++"]

    def _end_of(self, pid: int) -> list[str]:
        """Return what strace says of the process's end; it pads short pids."""
        parts = [line.split(maxsplit=1) for line in self._lines()]
        return [said for number, said in parts if number == str(pid) and said.startswith("+++ ")]

    def _lines(self) -> list[str]:
        return self._trace.read_text().splitlines()


@pytest.fixture
def tracer(strace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracer:
    """Give the means to start a server under strace."""
    return Tracer(strace, tmp_path, monkeypatch)


def count_acknowledged(calls: Iterable[Call]) -> int:
    """Count the messages that were acknowledged: the channel was created by an answer of its own."""
    return sum(call.is_acknowledgement for call in calls) - 1


async def test_each_message_is_on_the_disk_before_it_is_acknowledged(tracer: Tracer) -> None:
    """One after another, through either door: the request arrives, the log is synced, the answer leaves."""
    async with tracer.running(SAFE) as traced:
        await traced.submit_in_turn(20)
    calls = tracer.calls()
    assert count_acknowledged(calls) == 40
    assert tracing.find_unsafe(calls) == []
    assert sum(call.is_sync for call in calls) >= 40


async def test_messages_that_share_a_commit_share_its_sync(tracer: Tracer) -> None:
    """Many at once: no commit goes without a sync, and no answer leaves before it."""
    async with tracer.running(SAFE) as traced:
        await traced.submit_at_once()
    calls = tracer.calls()
    commits, syncs = sum(call.is_commit for call in calls), sum(call.is_sync for call in calls)
    assert count_acknowledged(calls) == REQUESTS + SOCKETS > commits
    assert syncs >= commits
    assert tracing.find_unsynced(calls) == []
    assert tracing.find_unsafe(calls) == []


async def test_a_server_that_does_not_sync_is_found_out(tracer: Tracer) -> None:
    """The same check fails where SQLite is told not to sync, so that it proves something elsewhere."""
    async with tracer.running(UNSAFE) as traced:
        await traced.submit_in_turn(5)
    calls = tracer.calls()
    assert count_acknowledged(calls) == 10
    assert len(tracing.find_unsafe(calls)) >= 10
    assert len(tracing.find_unsynced(calls)) >= 10
