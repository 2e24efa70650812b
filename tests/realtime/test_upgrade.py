"""From polling to a WebSocket: nothing lost, nothing twice, and no way to do it wrongly."""

import asyncio

import pytest

from server import probe as limits
from server.engine import Engine
from tests.realtime.raw import Poller, RawWebSocket, open_poller, raw_websocket, until
from tests.running import Parley
from tests.talking import NATIVE


def event(number: int) -> str:
    """Return an event with this number as its ack id."""
    return f'42{NATIVE},{number}["settle"]'


def acks(packets: list[str]) -> list[int]:
    """Return the ids of the acks among packets."""
    head = f"43{NATIVE},"
    return [int(packet[len(head) :].partition("[")[0]) for packet in packets if packet.startswith(head)]


def contents(packets: list[str]) -> list[str]:
    """Return what the messages among packets say, as far as these tests make them."""
    return [packet.split('"text":"')[1].split('"')[0] for packet in packets if '["message",' in packet]


async def upgrade(socket: RawWebSocket) -> None:
    """Do what a client does over the new WebSocket, until it carries the session."""
    socket.say("2probe")
    await socket.packet("3probe")
    socket.say("5")


async def test_what_both_sides_say_during_an_upgrade_arrives_once_and_in_order(
    parley: Parley, poller: Poller
) -> None:
    """Messages and acks from before, during and after the upgrade are each heard once, in order."""
    channel_id = await parley.service.new_channel("talk", "ann")
    said: list[str] = []

    async def say(count: int) -> None:
        for _ in range(count):
            said.append(f"message-{len(said)}")
            await parley.service.submit(channel_id, said[-1], author_id="ann")

    waiting = asyncio.create_task(poller.poll())
    await poller.post(*map(event, range(10)))
    await say(3)
    async with raw_websocket(parley, poller.sid) as socket:
        socket.say("2probe")
        await socket.packet("3probe")
        await poller.post(*map(event, range(10, 20)))
        await say(3)
        await waiting
        await poller.hear(lambda: poller.heard[-1] == "6")
        socket.say("5")
        for number in range(20, 30):
            socket.say(event(number))
        await say(3)
        await socket.packet(f"43{NATIVE},29[")
        await socket.have(lambda: len(contents(poller.heard + socket.packets)) == len(said))
        heard = poller.heard + socket.packets
        assert acks(heard) == list(range(30))
        assert contents(heard) == said
        assert acks(socket.packets) == list(range(20, 30))
        assert (await poller.request("GET"))[0] == (await poller.post(event(99)))[0] == 400
        socket.say(event(30))
        await socket.packet(f"43{NATIVE},30[")


async def test_many_upgrades_under_way_lose_nothing(parley: Parley, secret: str) -> None:
    """Twenty clients that upgrade while a channel talks hear every message once, in order."""
    channel_id = await parley.service.new_channel("talk", "ann")
    count = 60

    async def listen() -> list[str]:
        client = await open_poller(parley)
        await client.join(secret)
        first = asyncio.create_task(client.poll())
        joined.release()
        async with raw_websocket(parley, client.sid) as socket:
            socket.say("2probe")
            await socket.packet("3probe")
            await first
            socket.say("5")
            await socket.have(lambda: len(contents(client.heard + socket.packets)) >= count)
            return contents(client.heard + socket.packets)

    joined = asyncio.Semaphore(0)
    listening = [asyncio.create_task(listen()) for _ in range(20)]
    for _ in listening:
        await joined.acquire()
    said = [f"message-{n}" for n in range(count)]
    for text in said:
        await parley.service.submit(channel_id, text, author_id="ann")
    for task in listening:
        assert await task == said


async def test_a_second_websocket_does_not_take_over(parley: Parley, poller: Poller) -> None:
    """After the upgrade another WebSocket of the same session is closed, and the first lives on."""
    async with raw_websocket(parley, poller.sid) as first:
        await upgrade(first)
        first.say(event(1))
        await first.packet(f"43{NATIVE},1[")
        async with raw_websocket(parley, poller.sid) as second:
            second.say("2probe")
            second.say("5")
            assert await second.closed() == 1008
        first.say(event(2))
        await first.packet(f"43{NATIVE},2[")


async def test_two_probes_at_once_are_one_too_many(parley: Parley, poller: Poller) -> None:
    """While one WebSocket is proving itself another one is closed, and the first may go on."""
    async with raw_websocket(parley, poller.sid) as first, raw_websocket(parley, poller.sid) as second:
        first.say("2probe")
        await first.packet("3probe")
        second.say("2probe")
        assert await second.closed() == 1002
        first.say("5")
        first.say(event(1))
        await first.packet(f"43{NATIVE},1[")


async def test_polls_carry_what_is_said_until_the_upgrade(parley: Parley, poller: Poller) -> None:
    """A WebSocket whose frames are stuck withholds nothing, and idle polls neither wait nor spin."""
    channel_id = await parley.service.new_channel("talk", "ann")
    await poller.hear(lambda: any('"participant_joined"' in packet for packet in poller.heard))
    clock = asyncio.get_running_loop().time
    async with raw_websocket(parley, poller.sid) as socket:
        socket.say("2probe")
        await socket.packet("3probe")
        for text in ("one", "two"):
            await parley.service.submit(channel_id, text, author_id="ann")
            assert contents(await poller.poll()) == [text]
            began = clock()
            assert await poller.poll() == ["6"]
            assert 0.05 < clock() - began < 5
        waiting = asyncio.create_task(poller.poll())
        await parley.service.submit(channel_id, "three", author_id="ann")
        await waiting
        await poller.hear(lambda: contents(poller.heard) == ["one", "two", "three"])
        assert socket.packets == ["3probe"]


@pytest.mark.parametrize("said", [[], ["2probe"]], ids=str)
async def test_a_probe_that_never_finishes_is_dropped(
    parley: Parley, poller: Poller, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    """After its deadline the WebSocket is closed, and polling carries the session on."""
    monkeypatch.setattr(limits, "PROBE_SECONDS", 0.2)
    async with raw_websocket(parley, poller.sid) as socket:
        for packet in said:
            socket.say(packet)
        assert await socket.closed() == 1008
    await poller.post(event(1))
    await poller.hear(lambda: poller.acks == [1])


@pytest.mark.parametrize("packet", ["5", "2", "2prob", "3probe", "4x", event(1), "", "1"])
async def test_a_probe_that_is_none_is_closed(parley: Parley, poller: Poller, packet: str) -> None:
    """A new WebSocket that says anything else first is closed, unheard, and polling goes on."""
    async with raw_websocket(parley, poller.sid) as socket:
        socket.say(packet)
        assert await socket.closed() == 1002
    await poller.post(event(2))
    await poller.hear(lambda: bool(poller.acks))
    assert poller.acks == [2]


async def test_a_client_that_goes_while_it_proves_itself_goes_on_polling(
    parley: Parley, poller: Poller
) -> None:
    """When the probing WebSocket is lost, polls wait again and are answered with messages."""
    async with raw_websocket(parley, poller.sid) as socket:
        socket.say("2probe")
        await socket.packet("3probe")
        assert await poller.poll() == ["6"]
    await poller.post(event(1))
    await poller.hear(lambda: poller.acks == [1])


async def test_an_upgraded_session_ends_with_its_websocket(
    parley: Parley, engine: Engine, poller: Poller
) -> None:
    """When the WebSocket is lost the session is, too."""
    async with raw_websocket(parley, poller.sid) as socket:
        await upgrade(socket)
        await socket.settle()
    await until(lambda: not engine.sockets)
    await poller.assert_ended()
