"""The fixtures of clients over real connections."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from rooms.principals import Kind
from server.engine import Engine
from server.followers import Follower, Followers
from tests.realtime.raw import Poller, open_poller
from tests.rest import Rest
from tests.running import Parley, Start
from tests.talking import NATIVE, Connect, Talker, talking


@pytest.fixture(autouse=True)
def _noted(engines: list[Engine]) -> None:
    """Note engines before a node starts, whatever else the test asks for."""


@pytest.fixture
async def engine(engines: list[Engine], parley: Parley) -> Engine:
    """Give the engine inside the node."""
    assert engines
    return engines[0]


@pytest.fixture
async def brisk(start: Start) -> Parley:
    """Run a node with short heartbeats, and time enough to answer them on a busy machine."""
    return await start(ping_interval=0.2, ping_timeout=1)


@pytest.fixture
async def secret(parley: Parley) -> str:
    """Give the key of a user."""
    return await parley.key(Kind.USER, "ann")


@pytest.fixture
async def poller(parley: Parley, secret: str) -> Poller:
    """Give a polling client in the native namespace."""
    opened = await open_poller(parley)
    await opened.join(secret)
    return opened


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of two users."""
    return await parley.service.new_channel("talk", "ann", "ben")


@pytest.fixture
async def connect(parley: Parley) -> AsyncIterator[Connect]:
    """Give a function that connects a user by its id, on either kind of namespace."""
    async with AsyncExitStack() as stack:

        async def connect_user(who: str, namespace: str = NATIVE) -> Talker:
            auth = {"token": await parley.key(Kind.USER, who)}
            return await stack.enter_async_context(talking(parley.url, auth, namespace))

        yield connect_user


@pytest.fixture
async def ann(parley: Parley, channel_id: str) -> Rest:
    """Give a client of the channel's first user."""
    return await parley.user("ann")


@pytest.fixture
def present(monkeypatch: pytest.MonkeyPatch) -> list[Followers]:
    """Give whom the nodes that the test starts know, as they come."""
    started: list[Followers] = []
    begin = Followers.__init__

    def note(known: Followers, *arguments: Any) -> None:
        begin(known, *arguments)
        started.append(known)

    monkeypatch.setattr(Followers, "__init__", note)
    return started


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[Follower]:
    """Note who waits, each time anew."""
    noted: list[Follower] = []
    wait = Follower.wait

    async def note(follower: Follower, seconds: float) -> None:
        noted.append(follower)
        await wait(follower, seconds)

    monkeypatch.setattr(Follower, "wait", note)
    return noted
