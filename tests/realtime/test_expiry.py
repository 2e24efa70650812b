"""Connections end with the credential that they were opened with."""

import time
from typing import Any

import jwt
import orjson
import pytest

from rooms import keys
from rooms.errors import Unavailable
from rooms.principals import ALL_SCOPES, Kind
from server import expiry
from server.engine import Engine
from server.sockets import SocketServer
from tests.realtime.raw import RawWebSocket, held_by, open_poller, raw_websocket
from tests.running import Parley, Start, run_parley
from tests.talking import NATIVE

SECRET = "a secret that is long enough " * 3
GONE = f"41{NATIVE}"
HOUR = 3_600


def token(seconds: int) -> str:
    """Return a token of ann's that is good for so many seconds from now on."""
    return jwt.encode({"sub": "ann", "exp": int(time.time()) + seconds}, SECRET, "HS256")


async def key_id(parley: Parley, who: str) -> str:
    """Return the id of somebody's only key."""
    (found,) = [key.id for key in await keys.list_all(parley.node.ctx) if key.principal_id == who]
    return found


@pytest.fixture
def _watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look after credentials all the time."""
    monkeypatch.setattr(expiry, "LOOK_SECONDS", 0.02)


async def assert_sent_away(socket: RawWebSocket, engine: Engine) -> None:
    """Check that a client was told not to come back, and that nothing of it is left."""
    assert await socket.closed() == 1000
    assert socket.packets[-1] == GONE
    assert isinstance(engine.owner, SocketServer)
    assert held_by(engine.owner.admissions) == []


@pytest.mark.usefixtures("_watchful")
async def test_a_connection_ends_when_its_token_expires(start: Start, engines: list[Engine]) -> None:
    """Not before; the client is told that it need not come back, on both transports."""
    parley = await start(jwt_secret=SECRET)
    poller = await open_poller(parley)
    async with raw_websocket(parley) as socket:
        await socket.join(token(HOUR))
        await poller.join(token(HOUR))
        parley.pass_time(HOUR / 2)
        await socket.settle()
        parley.pass_time(HOUR / 2)
        await poller.hear(lambda: GONE in poller.heard)
        await assert_sent_away(socket, engines[0])
    await poller.assert_ended()


@pytest.mark.parametrize("said", ["submit", "nothing new"])
async def test_nothing_is_accepted_with_an_expired_token(
    start: Start, engines: list[Engine], monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """Before anybody has looked, too: the first event after the hour ends the connection."""
    monkeypatch.setattr(expiry, "LOOK_SECONDS", 3_600.0)
    parley = await start(jwt_secret=SECRET)
    channel_id = await parley.service.new_channel("talk", "ann")
    async with raw_websocket(parley) as socket:
        await socket.join(token(HOUR))
        await socket.settle()
        parley.pass_time(HOUR)
        socket.say(f'42{NATIVE},1["{said}",{{"channel_id":"{channel_id}","content":"too late"}}]')
        await assert_sent_away(socket, engines[0])
        assert not [packet for packet in socket.packets if packet.startswith(f"43{NATIVE},1[")]
    assert await parley.service.texts(channel_id) == []


@pytest.mark.usefixtures("_watchful")
async def test_a_token_is_good_for_as_long_as_clocks_may_differ(start: Start) -> None:
    """What a leeway lets in, it lets stay."""
    parley = await start(jwt_secret=SECRET, jwt_leeway=600)
    async with raw_websocket(parley) as socket:
        await socket.join(token(-200))
        async with raw_websocket(parley) as other:
            await other.join(token(-400))
            parley.pass_time(300)
            await other.over()
        await socket.settle()


async def test_a_connection_ends_when_its_key_is_revoked(parley: Parley) -> None:
    """Also if another process revokes the key; connections of other keys stay."""
    revoked, kept = await parley.key(Kind.USER, "ann"), await parley.key(Kind.USER, "ben")
    async with raw_websocket(parley) as other:
        await other.join(kept)
        async with raw_websocket(parley) as socket:
            await socket.join(revoked)
            code, said = await run_parley(
                "keys", "revoke", await key_id(parley, "ann"), "--data-dir", str(parley.data_dir)
            )
            assert code == 0, said
            assert await socket.closed() == 1000
            assert socket.packets[-1] == GONE
        await other.settle()


@pytest.mark.usefixtures("_watchful")
async def test_a_revoked_key_ends_what_it_opened_and_nothing_else(start: Start) -> None:
    """One transport may carry connections of several keys, and a service's may act as somebody else."""
    parley = await start()
    service, own = (
        await parley.key(Kind.SERVICE, "bridge", None, *ALL_SCOPES),
        await parley.key(Kind.USER, "ann"),
    )
    async with raw_websocket(parley) as socket:
        await socket.join(own)
        socket.say(f"40{orjson.dumps({'token': service, 'entityId': 'ben'}).decode()}")
        await socket.packet('42["authenticated",{"entityId":"ben"')
        await keys.revoke(parley.node.ctx, await key_id(parley, "bridge"))
        await socket.have(lambda: "41" in socket.packets)
        await socket.settle()
        assert GONE not in socket.packets


@pytest.mark.usefixtures("_watchful")
async def test_a_revoked_key_is_found_when_the_database_is_back(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Look-ups that fail are made again, whatever was the matter."""
    failures: list[Exception] = [Unavailable("away"), ValueError("broken")]
    find = keys.find_revoked

    async def find_later(*arguments: Any) -> set[str]:
        if failures:
            raise failures.pop()
        return await find(*arguments)

    monkeypatch.setattr(keys, "find_revoked", find_later)
    parley = await start()
    secret = await parley.key(Kind.USER, "ann")
    async with raw_websocket(parley) as socket:
        await socket.join(secret)
        await keys.revoke(parley.node.ctx, await key_id(parley, "ann"))
        assert await socket.closed() == 1000
    assert failures == []
