"""The node that is harmed: a ``parley serve`` process on a port and a folder that outlive it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jwt

from benchmarks.process import is_setting
from chaos.failure import ChaosFailed
from chaos.history import Place
from rooms.cursors import CursorSigner

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 20.0
DRAIN_SECONDS = 1.0

# Far away, so that no clock that jumps by an hour outruns it.
_EXPIRY = 4_000_000_000
_GREETING = b"listens on"
_COMMAND = Path(sys.executable).parent / "parley"


class Keys(NamedTuple):
    """What the node believes: tokens that the trial signs itself, and a service's; and what it signs with."""

    secret: str
    tokens: str
    service: str

    @classmethod
    def make(cls) -> Keys:
        """Return keys that nobody had before."""
        return cls(*(secrets.token_urlsafe(32) for _ in cls._fields))

    def token(self, principal_id: str) -> str:
        """Return a user's credential."""
        return jwt.encode({"sub": principal_id, "exp": _EXPIRY}, self.tokens, algorithm="HS256")

    def place(self, cursor: str) -> Place:
        """Return the position in a cursor; raise ValidationFailed if the node did not write it."""
        signer = CursorSigner(hashlib.sha256(self.secret.encode()).digest(), key_id=0)
        read = signer.read(cursor)
        return Place(read.epoch, read.seq)


class Node:
    """The process, or the one that came after it."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self.data_dir = folder / "data"
        self.keys = keys
        self.port = free_port()
        self.environment: dict[str, str] = {}  # what a harm adds to the process's
        self.clock = folder / "clock"  # what libfaketime reads, if the process runs under it
        self._log = folder / "node.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a proxy in between."""
        return f"http://{HOST}:{self.port}"

    @property
    def database(self) -> Path:
        """The file that holds everything."""
        return self.data_dir / "parley.db"

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None  # noqa: S101 - it has been started
        return self._process.pid

    async def start(self) -> None:
        """Start the process and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                _COMMAND, "serve", "--no-demo", "--host", HOST, "--port", str(self.port),
                "--data-dir", str(self.data_dir),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log,
                env=self._environment(),
            )  # fmt: skip
        try:
            await asyncio.wait_for(self._listens(), START_SECONDS)
        except TimeoutError:
            raise ChaosFailed(
                f"the node does not listen after {START_SECONDS:g} s, see {self._log}"
            ) from None

    async def kill(self) -> None:
        """End the process without a warning."""
        assert self._process is not None  # noqa: S101
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def terminate(self) -> int:
        """End the process as an operator does, and return its exit code."""
        assert self._process is not None  # noqa: S101
        if self._process.returncode is None:
            self._process.terminate()
        try:
            return await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            await self.kill()
            raise ChaosFailed(f"the node did not end within {STOP_SECONDS:g} s of SIGTERM") from None

    async def end(self) -> None:
        """Leave nothing behind."""
        if self._process is not None:
            await self.kill()

    def limit_files(self, size: int | None) -> None:
        """Let the process write no file beyond so many bytes, as on a disk that is full; None lifts that."""
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        soft = hard if size is None else size
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (soft, hard))

    async def check(self) -> str | None:
        """Return what ``parley check`` finds wrong, or None."""
        process = await asyncio.create_subprocess_exec(
            _COMMAND, "check", "--data-dir", str(self.data_dir),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=self._environment(),
        )  # fmt: skip
        said, _ = await process.communicate()
        return said.decode() if process.returncode else None

    async def _listens(self) -> None:
        """Wait for the greeting, which comes when everything is there."""
        assert self._process is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        async for line in self._process.stdout:
            if _GREETING in line:
                return
        raise ChaosFailed(f"the node did not start: {self._log.read_text()[-2_000:]}")

    def _environment(self) -> Mapping[str, str]:
        """Return the environment without the settings of whoever runs this, and with those of the trial."""
        kept = {name: value for name, value in os.environ.items() if not is_setting(name)}
        return {
            **kept,
            "PARLEY_RATE_LIMITS": "off",
            "PARLEY_SECRET": self.keys.secret,
            "PARLEY_JWT_SECRET": self.keys.tokens,
            "ELIZA_SERVER_AUTH_TOKEN": self.keys.service,
            # A stalled client is noticed while the trial looks on.
            "PARLEY_PING_INTERVAL": "1",
            "PARLEY_PING_TIMEOUT": "1",
            "PARLEY_DRAIN_SECONDS": f"{DRAIN_SECONDS:g}",
            **self.environment,
        }


def free_port() -> int:
    """Return a port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
