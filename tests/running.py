"""Parley as tests run it: a node in the test's own loop, and processes of its own."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from rooms import keys
from rooms.keys import KeyDraft
from rooms.principals import Kind, Scope
from server.app import Node, running
from server.config import Settings
from tests.migrated import lay_out
from tests.rest import Rest

DEADLINE = 60.0
COMMAND = Path(sys.executable).parent / "parley"

_SETTING = re.compile(
    r"PARLEY_(?!TEST_)|SESSION_[A-Z_]+_MINUTES$"
    r"|(DATABASE_URL|REDIS_URL|SERVER_HOST|SERVER_PORT|ELIZA_SERVER_AUTH_TOKEN|CORS_ORIGIN)$"
)

_PORT = re.compile(r"listens on https?://\S+:(\d+)\n")
_KEY = re.compile(r"\s(parley_[\w-]{43})\n")
_CODE = re.compile(r"#code=(\S+)\n")
# The last line of each greeting: the key of a first start, or what takes its place.
_GREETED = re.compile(f"{_KEY.pattern}|A new link to sign in|No credentials are asked for")


def is_setting(name: str) -> bool:
    """Tell whether an environment variable would change what Parley does."""
    return _SETTING.match(name) is not None


@dataclass(frozen=True)
class Parley:
    """A node that runs in the test's loop, and the means to talk to it."""

    node: Node
    session: aiohttp.ClientSession
    data_dir: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.node.port}"

    @property
    def service_key(self) -> str:
        """The key that the first start made."""
        assert self.node.welcome is not None
        return self.node.welcome.service_key

    @property
    def service(self) -> Rest:
        """A client with every right, in the documented dialect."""
        return self.bearer(self.service_key)

    @property
    def anonymous(self) -> Rest:
        """A client without a credential."""
        return Rest(self.session, self.url)

    def bearer(self, secret: str) -> Rest:
        """Return a client that authorises itself as documented."""
        return Rest(self.session, self.url, {"Authorization": f"Bearer {secret}"}, secret)

    def api_key(self, secret: str) -> Rest:
        """Return a client that authorises itself as elizaOS's clients do."""
        return self.bearer(secret).in_elizas_dialect()

    def pass_time(self, seconds: float) -> None:
        """Let the node's clock go ahead by so many seconds from now on."""
        ctx, clock = self.node.ctx, self.node.ctx.clock
        ctx.journal.clock = lambda: clock() + seconds
        object.__setattr__(ctx, "clock", ctx.journal.clock)

    async def key(self, kind: Kind, who: str, name: str | None = None, *scopes: Scope) -> str:
        """Make a key and return its secret."""
        made = await keys.create(self.node.ctx, KeyDraft(kind, who, name or who, frozenset(scopes)))
        return made.secret

    async def user(self, who: str, name: str | None = None) -> Rest:
        """Register a user and return a client with its key."""
        return self.bearer(await self.key(Kind.USER, who, name))

    async def agent(self, who: str, name: str | None = None) -> Rest:
        """Register an agent and return a client with its key."""
        return self.bearer(await self.key(Kind.AGENT, who, name))

    async def revoke(self, client: Rest) -> None:
        """Revoke the client's key."""
        assert client.secret is not None
        principal = await keys.authenticate(self.node.ctx, client.secret)
        assert principal.key_id is not None
        await keys.revoke(self.node.ctx, principal.key_id)

    async def restricted_service(self, *scopes: Scope) -> Rest:
        """Return a client with a service key of these scopes only."""
        return self.bearer(await self.key(Kind.SERVICE, "restricted", None, *scopes))


def secret_of(data_dir: Path) -> str:
    """Return the secret that a node on the directory has unless told."""
    return f"what is signed and encrypted in {data_dir}"


@asynccontextmanager
async def running_parley(data_dir: Path, **settings: Any) -> AsyncIterator[Parley]:
    """Run a node on a free port until the block ends.

    Unless told it has the secret of its directory, and neither rate limits nor patience.
    """
    defaults = {
        "data_dir": data_dir,
        "port": 0,
        "rate_limits": "off",
        "drain_seconds": 0.2,
        "secret": secret_of(data_dir),
    }
    chosen = Settings(**{**defaults, **settings})
    if chosen.sqlite_file is not None:
        lay_out(chosen.sqlite_file)
    async with running(chosen) as node, aiohttp.ClientSession() as session:
        yield Parley(node, session, data_dir)


Start = Callable[..., Awaitable[Parley]]


@dataclass(frozen=True)
class Served:
    """A ``parley serve`` process; the secrets are those that its first start printed."""

    process: asyncio.subprocess.Process
    url: str
    service_key: str | None
    sign_in_code: str | None
    log: Path

    def rest(self, session: aiohttp.ClientSession) -> Rest:
        """Return a client with the printed key."""
        headers = {"Authorization": f"Bearer {self.service_key}"}
        return Rest(session, self.url, headers, self.service_key)


@asynccontextmanager
async def serving(data_dir: Path, *options: str, port: int = 0, **environment: str) -> AsyncIterator[Served]:
    """Run ``parley serve`` as a process until the block ends; what it logs goes to ``Served.log``."""
    log = data_dir.with_name(f"{data_dir.name}.log")
    arguments = ("serve", "--data-dir", str(data_dir), "--port", str(port), "--no-demo", *options)
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            COMMAND, *arguments, stdout=asyncio.subprocess.PIPE, stderr=stderr, env=_environment(environment)
        )
    try:
        yield await asyncio.wait_for(_ready(process, log), DEADLINE)
    finally:
        await stop(process)


async def stop(process: asyncio.subprocess.Process) -> int:
    """Ask the process to end, make it end if it does not, and return its exit code."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.communicate(), DEADLINE)
    except TimeoutError:
        process.kill()
        await process.communicate()
    assert process.returncode is not None
    return process.returncode


async def run_parley(*arguments: str, lines: Sequence[str] = (), **environment: str) -> tuple[int, str]:
    """Run a ``parley`` command to its end, give it these lines, and return its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=_environment(environment),
    )
    typed = "".join(f"{line}\n" for line in lines).encode()
    said, _ = await asyncio.wait_for(process.communicate(typed), DEADLINE)
    assert process.returncode is not None
    return process.returncode, said.decode()


async def _ready(process: asyncio.subprocess.Process, log: Path) -> Served:
    """Read what the process prints until it has greeted, and ask it whether it is ready."""
    assert process.stdout is not None
    printed = ""
    while not _GREETED.search(printed):
        line = await process.stdout.readline()
        assert line, f"parley serve ended before it listened: {printed}, see {log}"
        printed += line.decode()
    port, key, code = (_only(pattern, printed) for pattern in (_PORT, _KEY, _CODE))
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as response:
        assert response.status == 200, await response.text()
    return Served(process, url, key, code, log)


def _only(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not is_setting(name)} | dict(more)
