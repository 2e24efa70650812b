"""A log over HTTP: each event once and in order, through whatever door, for whoever may see it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from rooms import replay, store
from rooms.cursors import Cursor, CursorSigner, Lag, Pid
from rooms.rules import DEFAULT_SERVER_ID
from tests.following import EVENTS, following, poll, position, say, texts
from tests.rest import Rest
from tests.running import Parley, Start, serving
from tests.talking import talking

OTHER_SERVER = "bbbbbbbb-0000-0000-0000-000000000001"
VALIDATION_ERROR = (400, "VALIDATION_ERROR")


# What is sent


async def test_a_stream_begins_with_where_the_client_stands(ann: Rest) -> None:
    """First how soon to come back, then ``ready`` with a cursor; the headers are as on every answer."""
    async with following(ann) as stream:
        headers = stream.response.headers
        assert stream.response.content_type == "text/event-stream"
        assert (headers["Cache-Control"], headers["Server"]) == ("no-store", "Parley")
        assert headers["X-Request-ID"]
        assert headers["Server-Timing"]
        retry, ready = stream.told
        assert (retry.id, retry.event, retry.raw) == ("", "", b"")
        assert ready.id == ready.data["cursor"]
        assert ready.data["principal"] == {"id": "ann", "kind": "user"}
        assert ready.data["server"] == {"id": DEFAULT_SERVER_ID, "name": "Default Server", "seq": 3}
        assert ready.data["recovered"] is False


async def test_a_page_of_a_named_origin_may_read_a_stream(start: Start) -> None:
    """It is marked as every answer is, before its first byte."""
    parley = await start(cors_origin="https://app.example")
    client = parley.service.having(Origin="https://app.example")
    async with following(client) as stream:
        assert stream.response.headers["Access-Control-Allow-Origin"] == "https://app.example"


async def test_what_is_sent_is_what_sockets_get(parley: Parley, ann: Rest, channel_id: str) -> None:
    """Through three doors comes the same event with the same cursor."""
    after = await position(ann)
    async with following(ann) as stream, talking(parley.url, {"token": ann.secret}) as talker:
        await say(parley, channel_id, "hello\r\n\u2028\nworld")
        (told,) = await stream.wait_for("message")
        (heard,) = await talker.wait_for("message")
        (polled,) = (await poll(ann, after))["events"]
        assert told.data == heard == polled["data"]
        assert (told.event, told.id) == (polled["event"], polled["cursor"])


async def test_nothing_is_lost_or_doubled_while_clients_arrive(
    parley: Parley, ann: Rest, channel_id: str
) -> None:
    """Streams and polls that begin amid 200 messages get all of them, once and in order."""
    said = [f"{number}" for number in range(200)]
    after = await position(ann)

    async def stream_all() -> list[str]:
        async with following(ann, after) as stream:
            await stream.wait_for("message", 200)
            seqs = [told.data["seq"] for told in stream.all("message")]
            assert seqs == sorted(set(seqs))
            return stream.texts

    async def poll_all() -> list[str]:
        found, cursor = [], after
        while len(found) < 200:
            answer = await poll(ann, cursor, wait=5, limit=7)
            assert 0 < len(answer["events"]) <= 7
            found, cursor = found + texts(answer), answer["cursor"]
        return found

    submitting = asyncio.create_task(say(parley, channel_id, *said))
    clients = [stream_all() for _ in range(5)] + [poll_all() for _ in range(5)]
    assert await asyncio.gather(*clients) == [said] * 10
    await submitting


async def test_a_poll_waits_until_something_is_said(parley: Parley, ann: Rest, channel_id: str) -> None:
    """It is answered by the first event, and at the end of its time with none and the newest cursor."""
    waiting = asyncio.create_task(poll(ann, wait=55))
    async with following(ann) as stream:
        while not waiting.done():
            await say(parley, channel_id, "here")
            await stream.wait_for("message", len(stream.texts) + 1)
    answer = await waiting
    assert texts(answer) == ["here"]
    empty = await poll(ann, stream.last_id, wait=1)
    assert empty == {"events": [], "cursor": stream.last_id}


async def test_a_quiet_client_is_moved_on(parley: Parley, ann: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said elsewhere moves its position, so that it does not have to look through that again."""
    monkeypatch.setattr("handlers.sse.BEAT_SECONDS", 0.05)
    elsewhere = await parley.service.new_channel("elsewhere", "ben")
    async with following(ann) as stream:
        await say(parley, elsewhere, "not for ann")
        present = await position(ann)
        while stream.last_id != present:
            assert await stream.block() is not None
        assert stream.all("message") == []


# Where a client goes on


async def test_a_stream_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    """A client that comes back with its Last-Event-ID gets what it missed, and then what comes."""
    async with aiohttp.ClientSession() as session:
        async with serving(tmp_path / "data") as served:
            first = served.rest(session)
            channel_id = await first.new_channel("talk", "ben")
            async with following(first) as stream:
                await first.submit(channel_id, "one", author_id="ben")
                await stream.hear("one")
                await first.submit(channel_id, "missed", author_id="ben")
                served.process.kill()
                await served.process.wait()
        async with serving(tmp_path / "data") as served:
            rest = replace(first, url=served.url)
            # The last id in the query is older than the one that a browser sends by itself.
            async with following(rest, stream.last_id, after=stream.told[1].id) as stream:
                assert stream.told[1].data["recovered"] is True
                await rest.submit(channel_id, "two", author_id="ben")
                await stream.hear("missed", "two")


async def test_a_client_may_change_doors(parley: Parley, ann: Rest, channel_id: str) -> None:
    """From a socket to a stream, to polls and back to a socket, one cursor leads through all of it."""
    said = [f"{number}" for number in range(8)]
    heard: list[str] = []
    async with talking(parley.url, {"token": ann.secret}) as talker:
        await say(parley, channel_id, *said[:2])
        await talker.wait_for("message", 2)
        heard += [message["text"] for message in talker.all("message")]
        cursor = (await talker.data("heartbeat"))["cursor"]
    await say(parley, channel_id, said[2])
    async with following(ann, cursor) as stream:
        await say(parley, channel_id, said[3])
        await stream.hear(*said[2:4])
        heard += stream.texts
    await say(parley, channel_id, said[4])
    answer = await poll(ann, stream.last_id)
    heard += texts(answer)
    await say(parley, channel_id, said[5])
    async with talking(parley.url, {"token": ann.secret, "after": answer["cursor"]}) as talker:
        await say(parley, channel_id, *said[6:])
        await talker.wait_for("message", 3)
        await talker.settle()
        heard += [message["text"] for message in talker.all("message")]
    assert heard == said


async def test_a_cursor_that_lacks_a_part_of_one_channel_is_made_up_for(
    parley: Parley, ann: Rest, channel_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First comes what is missing of that channel, page by page, then what came after the position."""
    monkeypatch.setattr(replay, "PAGE_ENTRIES", 2)
    other = await parley.service.new_channel("other", "ann", "ben")
    ctx = parley.node.ctx
    begin = ctx.cursors.read(await position(ann))
    missing = [f"missing {number}" for number in range(5)]
    await say(parley, channel_id, *missing)
    await say(parley, other, "seen")
    seen = ctx.cursors.read(await position(ann))
    await say(parley, other, "next")
    lagging = ctx.cursors.write(seen._replace(lag=Lag(channel_id, begin.seq, seen.seq)))
    expected = [*missing, "next"]
    async with following(ann, lagging) as stream:
        await stream.hear(*expected)
    cursor, found = lagging, []
    while (answer := await poll(ann, cursor, limit=1))["events"]:
        found, cursor = found + texts(answer), answer["cursor"]
    assert found == expected
    async with following(ann, lagging, channel_id=other) as stream:
        await stream.hear("next")
    assert stream.texts == ["next"]


def bad_cursors(parley: Parley, good: str) -> dict[str, str]:
    """Return texts that are no cursors of the default server's log."""
    here = parley.node.ctx.cursors.read(good)
    return {
        "no cursor": "yesterday",
        "not ASCII": "caf\u00e9",
        "truncated": good[:-1],
        "changed": ("B" if good[0] == "A" else "A") + good[1:],
        "of another deployment": CursorSigner(b"another secret").write(here),
        "of another server": parley.node.ctx.cursors.write(here._replace(server_id=OTHER_SERVER)),
        "a pid": parley.node.ctx.cursors.write_pid(Pid.make("ann", here)),
        "a ticket": parley.node.ctx.cursors.write_ticket(b"[]"),
    }


async def test_a_cursor_that_is_none_is_refused(parley: Parley, ann: Rest) -> None:
    """On both doors, in the query and in the header, and nobody else is bothered."""
    for what, cursor in bad_cursors(parley, await position(ann)).items():
        for query in ({}, {"wait": "0"}):
            reply = await ann.get(EVENTS, after=cursor, **query)
            assert (what, reply.refusal) == (what, VALIDATION_ERROR)
        if cursor.isascii():
            reply = await ann.having(Last_Event_ID=cursor).get(EVENTS)
            assert (what, reply.refusal) == (what, VALIDATION_ERROR)


async def assert_begins_anew(
    parley: Parley, client: Rest, channel_id: str, stale: Cursor, reason: str
) -> None:
    """Check on both doors that nothing is replayed, that the client learns why, and that it goes on."""
    cursor = parley.node.ctx.cursors.write(stale)
    answer = await poll(client, cursor, wait=55)
    assert answer["events"] == []
    assert answer["resync_required"]["reason"] == reason
    oldest = parley.node.ctx.cursors.read(answer["resync_required"]["oldest"])
    async with following(client, cursor) as stream:
        (told,) = await stream.wait_for("resync_required")
        assert told.data == answer["resync_required"]
        # Who is cut before it has learnt why comes back with what it came with.
        assert (stream.all("ready")[0].id, told.id) == ("", answer["cursor"])
        await say(parley, channel_id, "anew")
        await stream.hear("anew")
    assert stream.texts == texts(await poll(client, answer["cursor"])) == ["anew"]
    assert (await poll(client, parley.node.ctx.cursors.write(oldest)))["events"]


async def test_a_cursor_that_cannot_be_gone_on_from_leads_to_the_present(
    parley: Parley, ann: Rest, channel_id: str
) -> None:
    """One of another epoch, one beyond the log's top, and one of what is no longer kept."""
    here = parley.node.ctx.cursors.read(await position(ann))
    await say(parley, channel_id, "something that could be replayed")
    for stale in (here._replace(epoch=here.epoch + 1), here._replace(seq=here.seq + 1_000)):
        await assert_begins_anew(parley, ann, channel_id, stale, "epoch")
    # What lies beyond the top has shown that the log lost its end.
    here = here._replace(epoch=parley.node.ctx.tail.position(DEFAULT_SERVER_ID).epoch)
    await parley.node.ctx.database.write(
        lambda connection: connection.execute(store.servers.table.update().values(floor_seq=here.seq))
    )
    await assert_begins_anew(parley, ann, channel_id, here._replace(seq=here.seq - 1), "retention")
    assert "resync_required" not in await poll(ann, parley.node.ctx.cursors.write(here))
