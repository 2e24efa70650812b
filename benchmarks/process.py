"""Servers as processes of their own: started on a core, watched through /proc, stopped. Linux only."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.failure import BenchmarkFailed

HOST = "127.0.0.1"
STOP_SECONDS = 30

_PARLEY = Path(sys.executable).parent / "parley"
_LISTENS = re.compile(r"listens on http://[^:]+:(\d+)")
_KEY = re.compile(r"^\s*(parley_\S+)$")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Cores(NamedTuple):
    """Where the server runs and where the generator does."""

    server: int
    generator: int


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens, and the service key that it made at its first start."""

    data_dir: Path
    port: int
    key: str
    pid: int

    @property
    def address(self) -> str:
        """What clients put into their Host header."""
        return f"{HOST}:{self.port}"

    def cpu_seconds(self) -> float:
        """Return the processor time that the server has used, in user and in system mode."""
        # The name before it is in brackets and may hold anything.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        utime, stime = fields[11:13]
        return (int(utime) + int(stime)) / _TICKS

    def rss_bytes(self) -> int:
        """Return how much memory the server holds."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE


def busy_seconds(core: int) -> float:
    """Return the processor time that everybody together has used on a core."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            return (user + nice + system + irq + softirq + steal) / _TICKS
    raise BenchmarkFailed(f"/proc/stat does not know core {core}")


def choose_cores() -> Cores:
    """Return a core for the server and another for the generator; raise BenchmarkFailed on a single core."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise BenchmarkFailed("the server and the generator need a core each, and there is only one")
    return Cores(*available[:2])


def allow_open_files(needed: int) -> None:
    """Raise the limit for this process and for those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BenchmarkFailed(f"so many connections need {needed} open files, and the limit is {hard}")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], cores: Cores, log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Run a server on its core, and the calling process on the other; what it logs goes to a file."""
    before = os.sched_getaffinity(0)
    # A process inherits the cores of the one that starts it, for all its later threads too.
    os.sched_setaffinity(0, {cores.server})
    try:
        with log.open("w") as errors:
            process = subprocess.Popen(  # noqa: S603 - our own command, or a peer's
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            os.sched_setaffinity(0, {cores.generator})
            yield process
            _stop(process)
        finally:
            _end(process)
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def serving(data_dir: Path, cores: Cores, **settings: str) -> Iterator[Server]:
    """Run a Parley server with an empty directory, and with settings by their variables."""
    # Settings of the caller's shell must not change what is measured.
    environment = {name: value for name, value in os.environ.items() if not is_setting(name)}
    environment |= {"PARLEY_RATE_LIMITS": "off", **settings}
    options = ("--no-demo", "--host", HOST, "--port", "0", "--data-dir", data_dir)
    log = data_dir / "log"
    with running([_PARLEY, "serve", *options], cores, log, environment) as process:
        yield _wait_until_ready(process, data_dir, log)


def check(data_dir: Path) -> None:
    """Verify with ``parley check`` that the log of a stopped server is whole; raise BenchmarkFailed."""
    done = subprocess.run(  # noqa: S603 - our own command
        [_PARLEY, "check", "--data-dir", data_dir], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkFailed(f"parley check found damage:\n{done.stdout}{done.stderr}")


def is_setting(name: str) -> bool:
    """Tell whether an environment variable changes how Parley runs."""
    return name.startswith("PARLEY_") or name in {"DATABASE_URL", "REDIS_URL", "SERVER_HOST", "SERVER_PORT"}


def _wait_until_ready(process: subprocess.Popen[str], data_dir: Path, log: Path) -> Server:
    """Read from the greeting where the server listens, and its key."""
    port = None
    for line in process.stdout or ():
        if found := _LISTENS.search(line):
            port = int(found[1])
        elif port and (found := _KEY.match(line)):
            return Server(data_dir, port, found[1], process.pid)
    raise BenchmarkFailed(f"the server did not start:\n{log.read_text()}")


def _stop(process: subprocess.Popen[str]) -> None:
    """End the server as an operator would."""
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        raise BenchmarkFailed(f"the server did not stop within {STOP_SECONDS} s") from None
    if status:
        raise BenchmarkFailed(f"the server ended with status {status}")


def _end(process: subprocess.Popen[str]) -> None:
    """Make sure that nothing is left of a process."""
    if process.poll() is None:
        process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()
