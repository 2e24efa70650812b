"""A client that waits is outside of aiohttp, and its connection is as good as any before and after."""

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from handlers import stream
from server.followers import Follower, Followers
from server.parked import Parked
from tests.following import EVENTS, following, position, say, texts
from tests.realtime.raw import RawSocket, raw_connection, until
from tests.rest import Rest
from tests.running import Parley, Start, running_parley

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
pause = Parked.pause_writing
END = b"\r\n\r\n"


def request(client: Rest, path: str, *lines: str, version: str = "1.1") -> bytes:
    """Return a request as it stands on the wire."""
    head = [f"GET {path} HTTP/{version}", "Host: localhost", f"Authorization: Bearer {client.secret}", *lines]
    return "\r\n".join(head).encode() + END


class Answer:
    """One answer as it came."""

    def __init__(self, head: bytes, body: bytes) -> None:
        status, *lines = head.decode().split("\r\n")
        self.version, self.status = status.split(" ")[:2]
        self.headers = dict(line.split(": ", 1) for line in lines)
        self.body = body

    @property
    def texts(self) -> list[str]:
        """What was said, as a poll answered it."""
        return texts(orjson.loads(self.body)["data"])


def answers_in(received: bytes) -> list[Answer]:
    """Return the whole answers that came, all of which tell their length."""
    found = []
    while END in received:
        head, _, rest = received.partition(END)
        answer = Answer(head, b"")
        size = int(answer.headers["Content-Length"])
        if len(rest) < size:
            break
        answer.body, received = rest[:size], rest[size:]
        found.append(answer)
    return found


async def answered(raw: RawSocket, count: int) -> list[Answer]:
    """Wait for so many answers, and return them."""
    await raw.have(lambda: len(answers_in(bytes(raw.received))) >= count)
    return answers_in(bytes(raw.received))


async def test_a_connection_serves_one_poll_after_the_other(
    parley: Parley, ann: Rest, channel_id: str, waits: list[Follower]
) -> None:
    """And requests of any other kind between them."""
    cursor = await position(ann)
    async with raw_connection(parley) as raw:
        for number in range(3):
            waits.clear()
            raw.send(request(ann, f"{EVENTS}?wait=55&after={cursor}"))
            await until(lambda: len(waits) == 1)
            await say(parley, channel_id, f"{number}")
            *_, answer = await answered(raw, 2 * number + 1)
            assert (answer.status, answer.texts) == ("200", [f"{number}"])
            assert answer.headers["Server"] == "Parley"
            assert len(answer.headers["X-Request-ID"]) == 32
            cursor = orjson.loads(answer.body)["data"]["cursor"]
            raw.send(HEALTH)
            await answered(raw, 2 * number + 2)


async def test_what_is_asked_during_a_poll_is_answered_behind_it(
    parley: Parley, ann: Rest, channel_id: str, waits: list[Follower]
) -> None:
    """Also a request that comes in pieces, the last of them after the answer."""
    async with raw_connection(parley) as raw:
        raw.send(request(ann, f"{EVENTS}?wait=55"))
        await until(lambda: len(waits) == 1)
        raw.send(HEALTH + HEALTH[:20])
        await say(parley, channel_id, "hello")
        first, second = await answered(raw, 2)
        assert (first.texts, second.status) == (["hello"], "200")
        assert b'"events"' not in second.body
        raw.send(HEALTH[20:])
        assert [answer.status for answer in await answered(raw, 3)] == ["200"] * 3


async def test_what_was_asked_in_one_breath_with_a_poll_is_to_be_asked_again(
    parley: Parley, ann: Rest, channel_id: str, waits: list[Follower]
) -> None:
    """The answer says that the connection ends, which tells a client that nothing else was heard."""
    async with raw_connection(parley) as raw:
        raw.send(request(ann, f"{EVENTS}?wait=55") + HEALTH)
        await until(lambda: len(waits) == 1)
        raw.send(HEALTH)
        await say(parley, channel_id, "hello")
        await raw.over()
        (answer,) = answers_in(bytes(raw.received))
        assert (answer.texts, answer.headers["Connection"]) == (["hello"], "close")


async def test_a_client_that_wants_its_connection_closed_has_it_closed(
    parley: Parley, ann: Rest, channel_id: str, waits: list[Follower]
) -> None:
    """With the answer to a poll, in either version of the protocol, and at the end of a stream."""
    for version, line in (("1.1", "Connection: close"), ("1.0", "Accept: */*")):
        waits.clear()
        async with raw_connection(parley) as raw:
            raw.send(request(ann, f"{EVENTS}?wait=55", line, version=version))
            await until(lambda: len(waits) == 1)
            await say(parley, channel_id, version)
            await raw.over()
            (answer,) = answers_in(bytes(raw.received))
            assert (answer.version, answer.texts) == (f"HTTP/{version}", [version])


async def test_a_stream_without_chunks_ends_with_its_connection(
    parley: Parley, ann: Rest, channel_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an earlier version of the protocol has it."""
    monkeypatch.setattr("handlers.sse.BEAT_SECONDS", 0.05)
    async with raw_connection(parley) as raw:
        raw.send(request(ann, EVENTS, "Connection: keep-alive", version="1.0"))
        await raw.have(lambda: b"event: ready" in raw.received)
        await say(parley, channel_id, "hello")
        await raw.have(lambda: b"event: message" in raw.received)
        await parley.revoke(ann)
        await raw.over()
    head, _, body = bytes(raw.received).partition(END)
    assert b"Transfer-Encoding" not in head
    assert body.startswith(b"retry: 2000\n\nid: ")
    assert body.endswith(b"\n\n")


async def test_a_connection_is_used_again_after_a_stream(
    parley: Parley, ann: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked meanwhile is answered behind its end."""
    monkeypatch.setattr("handlers.sse.BEAT_SECONDS", 0.05)
    async with raw_connection(parley) as raw:
        raw.send(request(ann, EVENTS))
        await raw.have(lambda: b"event: ready" in raw.received)
        raw.send(HEALTH)
        await parley.revoke(ann)
        await raw.have(lambda: b"\r\n0\r\n\r\nHTTP/1.1 200" in raw.received)
        raw.send(HEALTH)
        await raw.have(lambda: raw.received.count(b"HTTP/1.1 200") == 3)


@pytest.mark.parametrize("leave", ["close", "shut down", "reset"])
async def test_a_client_that_leaves_is_forgotten_at_once(
    start: Start, present: list[Followers], waits: list[Follower], leave: str
) -> None:
    """However it leaves: nobody waits for the next beat, nor for the end of the poll."""
    parley = await start()
    ann = await parley.user("ann")
    for path in (f"{EVENTS}?wait=55", EVENTS):
        waits.clear()
        async with raw_connection(parley) as raw:
            raw.send(request(ann, path))
            await until(lambda: len(waits) == 1)
            if leave == "close":
                raw.transport.close()
            elif leave == "reset":
                raw.transport.abort()
            else:
                raw.transport.write_eof()
            await until(lambda: not present[0]._present)


async def test_an_answer_that_is_known_already_is_not_sent_again(ann: Rest, parley: Parley) -> None:
    """A late answer has a tag, too."""
    cursor = await position(ann)
    first = await ann.get(EVENTS, wait=1, after=cursor)
    again = await ann.having(If_None_Match=first.headers["ETag"]).get(EVENTS, wait=1, after=cursor)
    assert (first.status, again.status, again.raw) == (200, 304, b"")


async def test_a_late_answer_is_marked_as_every_other(
    parley: Parley, ann: Rest, channel_id: str, waits: list[Follower], caplog: pytest.LogCaptureFixture
) -> None:
    """Compressed if that is wanted; a refusal has its request's id, and a line in the log."""
    caplog.set_level(logging.INFO)
    client = ann.having(X_Request_ID="mine", Accept_Encoding="gzip")
    asked = asyncio.create_task(client.get(EVENTS, wait=55))
    await until(lambda: len(waits) == 1)
    await say(parley, channel_id, "x" * 2_000)
    reply = await asked
    assert (reply.headers["Content-Encoding"], reply.headers["X-Request-ID"]) == ("gzip", "mine")
    asked = asyncio.create_task(client.get(EVENTS, wait=55))
    await until(lambda: len(waits) == 2)
    await parley.revoke(ann)
    await say(parley, channel_id, "secret")
    reply = await asked
    assert (reply.refusal, reply.headers["X-Request-ID"]) == ((401, "AUTHENTICATION_FAILED"), "mine")
    assert f"GET {EVENTS} -> 401 AUTHENTICATION_FAILED [mine] 127.0.0.1" in caplog.text


async def test_a_wait_that_fails_says_no_more_than_that(
    parley: Parley,
    ann: Rest,
    waits: list[Follower],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A poll is answered with a 500, a stream is cut off; the log has what happened."""

    async def fail(*_arguments: Any) -> None:
        raise LookupError("what nobody is to know")

    monkeypatch.setattr(stream, "look_up_view", fail)
    monkeypatch.setattr("handlers.sse.look_up_view", fail)
    reply = await ann.get(EVENTS, wait=55)
    assert reply.refusal == (500, "INTERNAL_ERROR")
    assert b"nobody" not in reply.raw
    with pytest.raises(aiohttp.ClientError):
        async with following(ann) as told:
            await told.end()
    failures = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert [text.partition(" failed")[0] for text in failures] == [
        f"GET {EVENTS}",
        "an answer could not be finished",
    ]


async def test_a_client_that_takes_nothing_keeps_no_node_from_stopping(
    tmp_path: Path,
    present: list[Followers],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is cut off at the end of the drain, and leaves nothing."""
    full: list[Parked] = []
    monkeypatch.setattr(Parked, "pause_writing", lambda parked: (full.append(parked), pause(parked)))
    async with AsyncExitStack() as outside:
        async with running_parley(tmp_path / "data") as parley:
            channel_id = await parley.service.new_channel("talk", "ben")
            deaf = await outside.enter_async_context(raw_connection(parley))
            deaf.transport.pause_reading()
            deaf.send(request(parley.service, EVENTS))
            await until(lambda: len(present[0]._present) == 1)
            while not full:
                fields = {"author_id": "ben", "raw_message": {"blob": "x" * 60_000}}
                await parley.service.submit(channel_id, "hello", **fields)
        assert not present[0]._present
    assert "1 clients were not done in time and are cut off" in caplog.text
