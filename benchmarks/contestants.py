"""The servers that a workload can be run against: Parley, and the peers that it is compared with."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import jwt

from benchmarks import cache, process, setting, stored
from benchmarks.failure import BenchmarkFailed
from benchmarks.load_generator import Argument
from benchmarks.process import Cores
from benchmarks.traffic import CLIENT_ID

PEERS = Path(__file__).parent / "peers"
TOKEN_SECONDS = 24 * 3_600

_LISTENS = re.compile(r"listens on (\d+)")


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who connects: so many clients, shared evenly by so many rooms.

    With tokens each is a user with a JWT of its own. Otherwise all have one service key, by which each
    acts as an entity of its own.
    """

    clients: int
    rooms: int = 0
    with_tokens: bool = False

    def members(self) -> list[list[str]]:
        """Return the ids of each room's clients."""
        size = self.clients // max(1, self.rooms)
        ids = [CLIENT_ID.replace("{client}", str(number)) for number in range(self.clients)]
        return [ids[first : first + size] for first in range(0, self.rooms * size, size)]


class Contestant(Protocol):
    """A server of one make."""

    name: str

    def serving(
        self, directory: Path, cores: Cores, crowd: Crowd
    ) -> contextlib.AbstractContextManager[dict[str, Argument]]:
        """Run a new server, and give the generator's options that lead the crowd to it."""

    def verify(self, directory: Path, acknowledged: int) -> None:
        """Raise BenchmarkFailed if the stopped server does not hold what it acknowledged."""


class Parley:
    """Parley itself, as ``parley serve`` runs it."""

    name = "parley"

    @contextlib.contextmanager
    def serving(self, directory: Path, cores: Cores, crowd: Crowd) -> Iterator[dict[str, Argument]]:
        """Run a new server with the channels that are needed."""
        secret = secrets.token_hex(32)
        with process.serving(directory, cores, PARLEY_JWT_SECRET=secret) as server:
            # A service key may join any channel; users must be members.
            members = crowd.members() if crowd.with_tokens else []
            rooms = setting.create_channels(server, crowd.rooms, members)
            way = _way(server.port, server.pid, rooms, directory)
            yield way | _admission(crowd, server.key, secret, directory)

    def verify(self, directory: Path, acknowledged: int) -> None:
        """Compare the database with what was acknowledged, and let ``parley check`` read the log."""
        stored.verify_count(directory, acknowledged)


class Peer:
    """A server that relays the same events and stores nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    @contextlib.contextmanager
    def serving(self, directory: Path, cores: Cores, crowd: Crowd) -> Iterator[dict[str, Argument]]:
        """Run a new server; rooms come into being when they are joined."""
        secret = secrets.token_hex(32)
        environment = dict(os.environ) | ({"PEER_JWT_SECRET": secret} if crowd.with_tokens else {})
        log = directory / "log"
        with process.running(_commands[self.name](), cores, log, environment) as running:
            found = _LISTENS.search(running.stdout.readline() if running.stdout else "")
            if found is None:
                raise BenchmarkFailed(f"the peer {self.name} did not start:\n{log.read_text()}")
            rooms = [str(uuid.uuid4()) for _ in range(crowd.rooms)]
            way = _way(int(found[1]), running.pid, rooms, directory)
            yield way | _admission(crowd, "none", secret, directory)

    def verify(self, directory: Path, acknowledged: int) -> None:
        """Ask nothing: a peer stores nothing."""


def _way(port: int, pid: int, rooms: Sequence[str], directory: Path) -> dict[str, Argument]:
    """Return the options that say where the server and the rooms are, and how a room is joined."""
    way: dict[str, Argument] = {"port": port, "pid": pid, "namespace": f"/servers/{setting.SERVER_ID}"}
    if rooms:
        file = directory / "rooms"
        file.write_text("".join(f"{room}\n" for room in rooms))
        way |= {"rooms": file, "join_event": "join", "join_payload": '{"channel_id":"{room}"}'}
    return way


def _admission(crowd: Crowd, key: str, secret: str, directory: Path) -> dict[str, Argument]:
    """Return the options that say who the clients are."""
    if not crowd.with_tokens:
        return {"auth": json.dumps({"token": key, "entityId": CLIENT_ID})}
    file = directory / "tokens"
    expires = int(time.time()) + TOKEN_SECONDS
    ids = (CLIENT_ID.replace("{client}", str(number)) for number in range(crowd.clients))
    file.write_text("".join(jwt.encode({"sub": one, "exp": expires}, secret, "HS256") + "\n" for one in ids))
    return {"auth": '{"token":"{token}"}', "tokens": file}


def _node_command() -> list[str | Path]:
    """Return how the Node peer is run; its packages are installed at the first time, or when they change."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise BenchmarkFailed("the peer node needs node and npm")
    folder = cache.folder("node")
    wanted, installed = PEERS / "package-lock.json", folder / "installed-lock.json"
    # Node looks for packages beside the program, and a source tree is no place for them.
    for name in ("package.json", "package-lock.json", "node.mjs"):
        shutil.copy(PEERS / name, folder)
    if not installed.is_file() or installed.read_bytes() != wanted.read_bytes():
        done = subprocess.run(  # noqa: S603 - the user's own npm
            [npm, "ci", "--silent"], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BenchmarkFailed(f"npm ci failed:\n{done.stdout}{done.stderr}")
        shutil.copy(wanted, installed)
    return [node, folder / "node.mjs"]


def _stock_command() -> list[str | Path]:
    """Return how the stock Python peer is run."""
    return [sys.executable, PEERS / "stock.py"]


_commands = {"node": _node_command, "stock": _stock_command}
PEER_NAMES = tuple(_commands)
