"""Whatever others do to the server, a conversation goes on: every message stored, heard once, in order."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from rooms.principals import Kind
from server import dialects
from server.engine import Engine
from tests.realtime.raw import (
    BINARY,
    PING,
    PONG,
    Poller,
    frame,
    handshake,
    open_poller,
    raw_connection,
    raw_websocket,
    text,
    until,
)
from tests.realtime.test_transport import HOSTILE, PLACE
from tests.rest import API
from tests.running import Parley
from tests.talking import ELIZA, NATIVE, Connect, Talker, talking

ROUNDS = 40
WAYS = {
    "websocket": (NATIVE, "websocket", "message"),
    "polling": (NATIVE, "polling", "message"),
    "eliza": (ELIZA, "websocket", "messageBroadcast"),
}


async def break_every_rule(parley: Parley, secret: str) -> None:
    """Send each kind of hostile bytes over a connection of its own."""
    for data, code in HOSTILE.values():
        async with raw_websocket(parley) as socket:
            await socket.join(secret)
            socket.send(data)
            assert await socket.closed() == code


async def ping_without_end(parley: Parley, secret: str) -> None:
    """Send twenty thousand pings, and read the answers."""
    async with raw_websocket(parley) as socket:
        await socket.join(secret)
        for _ in range(20):
            socket.received.clear()
            socket.send(frame(PING, b"x" * 125) * 1_000 + frame(PING, b"last"))
            await socket.have(lambda: socket.received.endswith(b"\x04last"))


async def open_ten_thousand_namespaces(parley: Parley, secret: str) -> None:
    """Ask for namespace after namespace, some of which exist."""
    async with raw_websocket(parley) as socket:
        for number in range(10_000):
            socket.say(f'40/n{number},{{"token":"{secret}"}}')
        assert await socket.closed() == 1002


async def connect_again_and_again(parley: Parley, secret: str) -> None:
    """Enter and leave a namespace, as fast as it goes."""
    async with raw_websocket(parley) as socket:
        for _ in range(200):
            socket.say(f'40{NATIVE},{{"token":"{secret}"}}')
            socket.say(f"41{NATIVE},")
        await socket.have(lambda: sum('["ready"' in packet for packet in socket.packets) == 200)


async def announce_and_never_send(parley: Parley, secret: str) -> None:
    """Begin events, frames, handshakes and payloads, and leave them unfinished."""
    async with raw_websocket(parley) as events, raw_websocket(parley) as frames:
        await events.join(secret)
        events.say(f'4510-{NATIVE},["submit",{PLACE % 0}]')
        events.send(frame(BINARY, b"x" * 100_000) * 9)
        frames.send(frame(1, b"4" * 900_000, final=False))
        async with raw_connection(parley) as greeting, raw_connection(parley) as payload:
            greeting.send(handshake()[:-3])
            sid = (await open_poller(parley)).sid
            head = f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: localhost\r\n"
            payload.send(head.encode() + b"Content-Length: 999999\r\n\r\n4")
            assert (await parley.anonymous.get("/healthz")).status == 200


async def flood_with_events(parley: Parley, secret: str) -> None:
    """Send thousands of events at once, each of which is answered."""
    async with raw_websocket(parley) as socket:
        await socket.join(secret)
        socket.send(b"".join(text(f'42{NATIVE},{number}["settle"]') for number in range(5_000)))
        await socket.packet(f"43{NATIVE},4999[")


async def poll_wrongly(parley: Parley, secret: str) -> None:
    """Post what is no packet, poll twice at once, and post more than is allowed."""
    wrong: list[Callable[[Poller], Awaitable[object]]] = [
        lambda poller: poller.post(*["x"] * 1_000),
        lambda poller: poller.post("4" + "x" * 1_000_000),
        lambda poller: asyncio.gather(poller.request("GET"), poller.request("GET")),
        lambda poller: asyncio.gather(*(poller.post(f'42{NATIVE},1["settle"]') for _ in range(5))),
    ]
    for act in wrong:
        poller = await open_poller(parley)
        await poller.join(secret)
        await act(poller)
        await poller.post("1")


async def answer_nothing_but_pongs(parley: Parley, secret: str) -> None:
    """Send a flood of frames that mean nothing."""
    async with raw_websocket(parley) as socket:
        await socket.join(secret)
        socket.send(frame(PONG, b"x" * 125) * 50_000)
        await socket.settle()


ATTACKS = [
    break_every_rule,
    ping_without_end,
    open_ten_thousand_namespaces,
    connect_again_and_again,
    announce_and_never_send,
    flood_with_events,
    poll_wrongly,
    answer_nothing_but_pongs,
]


@pytest.mark.parametrize("way", WAYS)
async def test_an_attacked_server_serves_everybody_else(
    parley: Parley, engine: Engine, secret: str, way: str
) -> None:
    """While one principal does all that it must not, two others talk as if it were not there."""
    channel_id = await parley.service.new_channel("talk", "ben", "carla")
    ben = await parley.key(Kind.USER, "ben")
    carla = await parley.key(Kind.USER, "carla")
    namespace, transport, heard_as = WAYS[way]
    said = [f"{number}" for number in range(ROUNDS)]

    async def talk(talker: Talker) -> None:
        for content in said:
            await talker.data("submit", {"channel_id": channel_id, "content": content})

    async with (
        talking(parley.url, {"token": ben}) as talker,
        talking(parley.url, {"token": carla}, namespace, transport) as listener,
    ):
        attacks = [asyncio.create_task(attack(parley, secret)) for attack in ATTACKS]
        while not all(attack.done() for attack in attacks):
            before = len(listener.all(heard_as))
            await talk(talker)
            heard = await listener.wait_for(heard_as, before + ROUNDS)
            texts = [message.get("text") for message in heard[before:]]
            assert texts == said
        for attack in attacks:
            await attack
        await talk(talker)
        await listener.wait_for(heard_as, len(heard) + ROUNDS)
        await until(lambda: len(engine.sockets) == 2)


async def test_an_event_that_cannot_be_told_keeps_nobody_from_the_others(
    parley: Parley, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of other channels that were committed with it are heard, and so is what comes next."""
    native = dialects.native

    def refuse_bad_words(namespace: str, kind: str, payload: bytes, cursor: bytes) -> bytes:
        if b"unspeakable" in payload:
            raise ValueError
        return native(namespace, kind, payload, cursor)

    monkeypatch.setattr(dialects, "native", refuse_bad_words)
    bad, good = [await parley.service.new_channel(name, "ann") for name in ("bad", "good")]
    ann = await connect("ann")
    said = [(bad, "unspeakable"), (good, "one"), (bad, "two")]
    messages = [{"channel_id": place, "author_id": "ann", "content": text} for place, text in said]
    assert (await parley.service.post(f"{API}/submit/batch", {"messages": messages})).status == 201
    assert [heard["text"] for heard in await ann.wait_for("message", 2)] == ["one", "two"]
