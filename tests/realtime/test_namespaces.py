"""Namespaces as the protocol has them: who connects, where to, and what leaving one means."""

from typing import Any

import aiohttp
import orjson
import pytest

from rooms.principals import Kind
from server.engine import Engine
from tests.realtime.raw import RawWebSocket, raw_websocket, until
from tests.running import Parley
from tests.talking import ELIZA, NATIVE, PATIENCE

NAMESPACES = [ELIZA, NATIVE]
GREETINGS = {ELIZA: '42["authenticated",', NATIVE: f'42{NATIVE},["ready",'}


def address(namespace: str) -> str:
    """Return what stands for a namespace in a packet."""
    return "" if namespace == ELIZA else f"{namespace},"


def settle(namespace: str, number: int) -> str:
    """Return an event that is acknowledged under this number."""
    return f'42{address(namespace)}{number}["settle"]'


async def connect(socket: RawWebSocket, secret: str, namespace: str) -> None:
    """Enter a namespace."""
    socket.say(f'40{address(namespace)}{{"token":"{secret}"}}')
    await socket.packet(GREETINGS[namespace])


async def assert_acknowledged(socket: RawWebSocket, namespace: str, number: int) -> None:
    """Check that events of a namespace are answered under the number that the client chose."""
    socket.say(settle(namespace, number))
    await socket.packet(f"43{address(namespace)}{number}[")


async def next_packet(socket: aiohttp.ClientWebSocketResponse) -> str:
    """Return the next packet."""
    return await socket.receive_str(timeout=PATIENCE)


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("is_in_the_packet", [True, False], ids=["auth", "header"])
async def test_a_connect_is_answered_by_an_id_of_its_own(
    parley: Parley, secret: str, namespace: str, is_in_the_packet: bool
) -> None:
    """With a payload, or without one, the first answer is CONNECT with an id that is not the session's."""
    headers = {} if is_in_the_packet else {"Authorization": f"Bearer {secret}"}
    payload = f'{{"token":"{secret}"}}' if is_in_the_packet else ""
    url = f"{parley.url}/socket.io/?EIO=4&transport=websocket"
    async with parley.session.ws_connect(url, headers=headers) as socket:
        session = orjson.loads((await next_packet(socket))[1:])
        await socket.send_str(f"40{address(namespace)}{payload}")
        head = f"40{address(namespace)}"
        answer = await next_packet(socket)
        assert answer.startswith(head + "{")
        opened = orjson.loads(answer.removeprefix(head))
        assert list(opened) == ["sid", "pid"]
        assert isinstance(opened["sid"], str)
        assert opened["sid"] not in ("", session["sid"])
        assert (await next_packet(socket)).startswith(f"42{address(namespace)}[")


@pytest.mark.parametrize("said", [f"40{NATIVE}", f"40{NATIVE},"], ids=["bare", "comma"])
async def test_a_connect_without_a_payload_may_leave_the_comma_out(parley: Parley, said: str) -> None:
    """Both ways to write it name the same namespace."""
    async with raw_websocket(parley) as socket:
        socket.say(said)
        refusal = await socket.packet("44")
        assert refusal.startswith(f'44{NATIVE},{{"message":"Invalid or missing authorization token"')


UNKNOWN = ["/random", "/servers", "/servers/", "/servers/nobody/else", "/Servers/x"]


@pytest.mark.parametrize("namespace", UNKNOWN)
@pytest.mark.parametrize("comma", ["", ","], ids=["bare", "comma"])
async def test_an_unknown_namespace_is_refused_and_the_connection_stays(
    parley: Parley, secret: str, namespace: str, comma: str
) -> None:
    """The refusal is CONNECT_ERROR under that namespace's name, and another one may be entered."""
    async with raw_websocket(parley) as socket:
        await connect(socket, secret, ELIZA)
        socket.say(f"40{namespace}{comma}" + (f'{{"token":"{secret}"}}' if comma else ""))
        refusal = await socket.packet("44")
        assert refusal.startswith(f"44{namespace},{{")
        said: Any = orjson.loads(refusal.removeprefix(f"44{namespace},"))
        assert set(said) == {"message", "data"}
        assert set(said["data"]) == {"code", "details"}
        if comma:
            assert (said["message"], said["data"]["code"]) == ("Invalid namespace", "RESOURCE_NOT_FOUND")
        await connect(socket, secret, NATIVE)
        await assert_acknowledged(socket, ELIZA, 1)


@pytest.mark.parametrize("comma", ["", ","], ids=["bare", "comma"])
@pytest.mark.parametrize(("left", "kept"), [(ELIZA, NATIVE), (NATIVE, ELIZA)])
async def test_leaving_one_namespace_leaves_the_other_alone(
    parley: Parley, secret: str, left: str, kept: str, comma: str
) -> None:
    """What is said in a namespace after DISCONNECT is unheard; the other one goes on as before."""
    channel_id = await parley.service.new_channel("talk", "ann")
    names = {ELIZA: '"messageBroadcast"', NATIVE: '"message"'}
    async with raw_websocket(parley) as socket:
        await connect(socket, secret, left)
        await connect(socket, secret, kept)
        socket.say("41" if left == ELIZA else f"41{left}{comma}")
        socket.say(settle(left, 1))
        await assert_acknowledged(socket, kept, 2)
        await parley.service.submit(channel_id, "hello", author_id="ann")
        await socket.packet(f"42{address(kept)}[{names[kept]}")
        await assert_acknowledged(socket, kept, 3)
        assert not any(packet.startswith(f"43{address(left)}1[") for packet in socket.packets)
        assert not any(packet.startswith(f"42{address(left)}[{names[left]}") for packet in socket.packets)


async def test_who_has_left_every_namespace_may_come_back(brisk: Parley) -> None:
    """DISCONNECT does not end the session: heartbeats go on, and a namespace may be entered again."""
    secret = await brisk.key(Kind.USER, "ann")
    async with raw_websocket(brisk) as socket:
        await connect(socket, secret, ELIZA)
        socket.say("41")
        first = socket.packets.count("2")
        for count in range(first + 1, first + 4):
            await socket.have(lambda count=count: socket.packets.count("2") >= count)
            socket.say("3")
        await connect(socket, secret, NATIVE)
        await assert_acknowledged(socket, NATIVE, 1)


@pytest.mark.parametrize("number", [0, 7, 456, 999_999_999_999_999])
async def test_an_ack_has_the_clients_number(parley: Parley, secret: str, number: int) -> None:
    """The ack repeats the number of its event, up to the largest that every language counts to."""
    async with raw_websocket(parley) as socket:
        await socket.join(secret)
        await assert_acknowledged(socket, NATIVE, number)


async def test_an_event_without_a_number_has_no_ack(parley: Parley, secret: str) -> None:
    """Nobody is answered who did not ask for it."""
    async with raw_websocket(parley) as socket:
        await socket.join(secret)
        before = len(socket.packets)
        socket.say(f'42{NATIVE},["settle"]')
        await assert_acknowledged(socket, NATIVE, 1)
        assert len(socket.packets) == before + 1


EARLY = [
    "4abc",
    "4",
    "47",
    "4{}",
    "42{}",
    '42abc["x"]',
    "40,",
    '40["x"]',
    '401{"token":"x"}',
    "45",
    "46",
    "44{}",
]


@pytest.mark.parametrize("packet", EARLY)
async def test_a_first_packet_that_is_none_closes(parley: Parley, engine: Engine, packet: str) -> None:
    """Whoever begins with no packet of the protocol is closed at once, long before any heartbeat is due."""
    async with raw_websocket(parley) as socket:
        socket.say(packet)
        assert await socket.closed() == 1002
        assert socket.packets[1:] == []
        await until(lambda: not engine.sockets)
