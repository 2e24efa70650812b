"""What a client has not taken, or the server not handled, is bounded; others do not notice."""

import asyncio
import io
from contextlib import AsyncExitStack

import orjson
import pytest

from server import session as bounds
from server.engine import Engine
from server.session import MAX_INBOX, MAX_UNSENT
from server.websocket import MAX_MESSAGE
from tests.realtime.raw import BINARY, PING, Poller, frame, raw_websocket, text, until
from tests.rest import API
from tests.running import Parley
from tests.talking import NATIVE, talking

CONTENT = "x" * 3_900


class Standstill:
    """A handler of messages that handles none until it is released."""

    def __init__(self) -> None:
        self.handled: list[str | bytes] = []
        self.released = asyncio.Event()

    async def handle(self, _session: object, message: str | bytes) -> None:
        """Wait, and note the message."""
        await self.released.wait()
        self.handled.append(message)


@pytest.fixture
def standstill(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Standstill:
    """Let the handling of messages stand still."""
    handler = Standstill()
    monkeypatch.setattr(engine.owner, "take_message", handler.handle)
    return handler


async def test_a_post_is_answered_when_its_packets_are_handled(
    engine: Engine, poller: Poller, standstill: Standstill
) -> None:
    """While much waits to be handled, the client waits for the answer, and all is handled in order."""
    messages = [f"{n}".ljust(9_000) for n in range(100)]
    post = asyncio.create_task(poller.post(*(f"4{message}" for message in messages)))
    session = engine.sockets[poller.sid]
    await until(lambda: session._inbox_bytes > MAX_INBOX)
    assert session._inbox_bytes < 2 * MAX_INBOX
    assert not post.done()
    standstill.released.set()
    assert await post == (200, "ok")
    assert standstill.handled == messages
    assert session._inbox_bytes == 0


async def test_posts_at_the_same_time_end_the_session(
    engine: Engine, poller: Poller, standstill: Standstill
) -> None:
    """Nobody gets round the wait by sending payloads side by side."""
    session = engine.sockets[poller.sid]
    first = asyncio.create_task(poller.post(*["4" + "x" * 9_000] * 100))
    await until(lambda: session._inbox_bytes > MAX_INBOX)
    assert (await poller.post("3"))[0] == 400
    standstill.released.set()
    assert (await first)[0] == 400
    await poller.assert_ended()


@pytest.mark.parametrize("size", [10, 9_000, 900_000])
async def test_a_websocket_is_not_read_while_much_waits_to_be_handled(
    parley: Parley, engine: Engine, standstill: Standstill, size: int
) -> None:
    """Reading stops until the messages have been handled; none is lost, and their order stays."""
    count = 20_000_000 // max(size, 2_000)
    async with raw_websocket(parley) as socket:
        (session,) = engine.sockets.values()
        messages = [f"{n}".ljust(size) for n in range(count)]
        for message in messages:
            socket.say(f"4{message}")
        await until(lambda: session._reading_paused)
        assert session._inbox_bytes < 2 * MAX_INBOX + 300_000 * (1 + 4_096 // size)
        standstill.released.set()
        await until(lambda: len(standstill.handled) == count)
        assert standstill.handled == messages
        assert session._inbox_bytes == 0


async def test_a_client_may_close_while_it_is_not_read(
    parley: Parley, engine: Engine, standstill: Standstill
) -> None:
    """A close right behind a flood ends the session, and what is left of the flood is let go."""
    async with raw_websocket(parley) as socket:
        socket.send(text("4x") * 5_000 + frame(8, b"\x03\xe8"))
        await until(lambda: bool(engine.sockets))
        (session,) = engine.sockets.values()
        await until(lambda: session._worker is not None)
        socket.transport.abort()
        standstill.released.set()
        await until(lambda: not engine.sockets and session._worker is None)


async def test_a_client_that_does_not_read_is_closed_and_others_hear_everything(
    parley: Parley, engine: Engine, secret: str
) -> None:
    """Who leaves more than a bound unread is closed; the others hear every message, in order."""
    channel_id = await parley.service.new_channel("talk", "ann", "ben")
    ben = await parley.user("ben")
    async with AsyncExitStack() as stack:
        slow = await stack.enter_async_context(raw_websocket(parley))
        await slow.join(secret)
        (session,) = engine.sockets.values()
        other = await stack.enter_async_context(talking(parley.url, {"token": ben.secret}))
        slow.transport.pause_reading()
        said = 0
        async with asyncio.timeout(60):
            while not session.closed:
                batch = [{"channel_id": channel_id, "content": f"{said + n} {CONTENT}"} for n in range(100)]
                await other.data("submit_many", {"messages": batch})
                said += 100
                waiting = session._websocket.waiting if session._websocket else 0
                assert session._unsent_bytes + waiting <= MAX_UNSENT + 1_000_000
        heard = await other.wait_for("message", said)
        assert [int(message["text"].split()[0]) for message in heard] == list(range(said))
        # What it did not take is not kept for it for long.
        await until(lambda: session._websocket is None or session._websocket.transport.is_closing())
        await other.settle()
        assert len(other.all("message")) == said


async def test_a_poller_that_does_not_poll_is_closed(parley: Parley, engine: Engine, poller: Poller) -> None:
    """What waits for a poll that never comes is bounded as well."""
    channel_id = await parley.service.new_channel("talk", "ann")
    session = engine.sockets[poller.sid]
    async with asyncio.timeout(30):
        while not session.closed:
            await parley.service.submit(channel_id, CONTENT, author_id="ann")
            assert session._unsent_bytes <= MAX_UNSENT + 10_000
    await poller.assert_ended()


async def test_a_poller_is_not_closed_for_what_it_may_miss(
    parley: Parley, engine: Engine, poller: Poller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two polls it stops hearing who types before it comes to the bound, and nothing else."""
    monkeypatch.setattr(bounds, "MAX_UNSENT", 150_000)
    channel_id = await parley.service.new_channel("talk", "ann", "ben")
    ben = await parley.user("ben")
    typing = {"channel_id": channel_id, "is_typing": True}
    async with talking(parley.url, {"token": ben.secret}) as talker:
        for _ in range(3):
            for _ in range(2_000):
                await talker.emit("typing", typing)
            await talker.settle()
            assert engine.sockets[poller.sid]._unsent_bytes < 100_000
            await talker.data("submit", {"channel_id": channel_id, "content": "hello"})
            heard = await poller.poll()
            assert sum('"message"' in packet for packet in heard) == 1
            assert 0 < sum('"typing"' in packet for packet in heard) < 2_000
        await talker.data("typing", typing)
        assert sum('"typing"' in packet for packet in await poller.poll()) == 1


async def test_one_tick_closes_no_poller_between_two_polls(
    parley: Parley, engine: Engine, poller: Poller
) -> None:
    """More than the bound, said at once while the client is not polling, waits for its next poll."""
    channel_id = await parley.service.new_channel("talk", "ann", "bot")
    bot = await parley.agent("bot")
    session = engine.sockets[poller.sid]
    await poller.hear(lambda: any('"participant_joined"' in packet for packet in poller.heard))
    batch = [{"channel_id": channel_id, "content": "x" * 49_000} for _ in range(24)]
    body = io.BytesIO(orjson.dumps({"messages": batch}))
    headers = {"Content-Type": "application/json"}
    await bot.request("POST", f"{API}/submit/batch", data=body, headers=headers)
    assert session._unsent_bytes > MAX_UNSENT
    assert sum('"message"' in packet for packet in await poller.poll()) == len(batch)


async def test_a_client_gets_a_full_batch_back(parley: Parley) -> None:
    """The longest batch that fits a message comes back to who reads, as ack and as events."""
    channel_id = await parley.service.new_channel("talk", "bot")
    bot = await parley.agent("bot")
    content = "x" * 49_000
    async with talking(parley.url, {"token": bot.secret}) as talker:
        batch = [{"channel_id": channel_id, "content": content} for _ in range(MAX_MESSAGE // 50_000)]
        outcomes = await talker.data("submit_many", {"messages": batch})
        assert all(outcome["success"] for outcome in outcomes)
        assert len(await talker.wait_for("message", len(batch))) == len(batch)


FLOOD = 8_000  # so many that they are not handled before anybody looks


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_others_are_served_while_a_flood_is_handled(
    parley: Parley, engine: Engine, secret: str, poller: Poller, transport: str
) -> None:
    """Thousands of events that need no waiting do not keep the server from everybody else."""
    flood = [f'42{NATIVE},{n}["settle"]' for n in range(FLOOD)]
    async with talking(parley.url, {"token": secret}) as bystander, raw_websocket(parley) as socket:
        await socket.join(secret)
        (*_, last) = engine.sockets.values()
        session = last if transport == "websocket" else engine.sockets[poller.sid]
        if transport == "websocket":
            socket.send(b"".join(map(text, flood)))
        else:
            posting = asyncio.create_task(poller.post(*flood))
            polling = asyncio.create_task(poller.hear(lambda: len(poller.acks) >= FLOOD))
        await until(lambda: bool(session._inbox))
        await bystander.settle()
        # There is more to handle: in this moment, or once the rest has come in.
        await until(lambda: bool(session._inbox))
        if transport == "websocket":
            await socket.packet(f"43{NATIVE},{FLOOD - 1}[")
        else:
            assert await posting == (200, "ok")
            await polling
            assert poller.acks == list(range(FLOOD))


async def test_a_flood_of_pings_is_answered_or_closed(parley: Parley, engine: Engine) -> None:
    """Pings from a client that never reads do not pile up pongs without bound."""
    async with raw_websocket(parley) as socket:
        (session,) = engine.sockets.values()
        socket.transport.pause_reading()
        flood = frame(PING, b"x" * 125) * 2_000
        async with asyncio.timeout(60):
            while not session.closed:
                socket.send(flood)
                await until(lambda: session.closed or socket.transport.get_write_buffer_size() == 0)
                if session._websocket is not None:
                    assert session._websocket.waiting < MAX_MESSAGE + 300_000


async def test_attachments_count_as_a_part_of_their_packet(parley: Parley, secret: str) -> None:
    """A packet with all its attachments may be as long as any message; one byte more closes."""
    places = orjson.dumps([{"_placeholder": True, "num": n} for n in range(10)]).decode()
    said = f'10-{NATIVE},1["settle",{places}]'
    size = (MAX_MESSAGE - len("5" + said)) // 10
    async with raw_websocket(parley) as socket:
        await socket.join(secret)
        socket.say(f"45{said}")
        socket.send(frame(BINARY, b"x" * size) * 10)
        await socket.packet(f"43{NATIVE},1[")
        socket.say(f"45{said}")
        socket.send(frame(BINARY, b"x" * size) * 9)
        socket.send(frame(BINARY, b"x" * (size + 10)))
        assert await socket.closed() == 1002


async def test_attachments_that_were_not_announced_close(parley: Parley, engine: Engine, secret: str) -> None:
    """An event that waits for its attachments holds as many as it announced; one more closes."""
    async with raw_websocket(parley) as socket:
        await socket.join(secret)
        socket.say(f'452-{NATIVE},["x"]')
        (session,) = engine.sockets.values()
        socket.send(frame(BINARY, b"x"))
        await until(lambda: len(session.client._attachments) == 1)
        socket.send(frame(BINARY, b"x") * 2)
        assert await socket.closed() == 1002
