"""What is said in sessions: stored and told like anything else, and answered on each transport."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from handlers import reply_stream
from rooms.ids import new_id
from tests.realtime.posting import Block, blocks_of, next_run, rest_of
from tests.realtime.raw import until
from tests.rest import API, Reply, Rest
from tests.running import Parley, running_parley
from tests.sessions import MINUTE, SESSIONS, Clock, begin, furnish, send
from tests.talking import talking

LINE = {"id", "content", "authorId", "isAgent", "createdAt", "metadata"}


async def run_of(bot: Rest, message_id: str) -> Any:
    """Return the run that a message has opened."""
    (run,) = (await bot.get(f"{API}/messages/{message_id}/runs")).data["runs"]
    return run


async def say(bot: Rest, run: Any, index: int, chunk: str) -> None:
    """Say a part of the reply."""
    reply = await bot.post(f"{API}/runs/{run['id']}/chunks", {"index": index, "chunk": chunk})
    assert reply.status == 200, reply.raw


async def complete(bot: Rest, run: Any, **end: Any) -> None:
    """End the run."""
    assert (await bot.post(f"{API}/complete", {"run_id": run["id"], **end})).status == 200


@asynccontextmanager
async def streaming(
    client: Rest, session: Any, content: str = "hello"
) -> AsyncIterator[AsyncIterator[Block]]:
    """Say something and give the events that answer it, as they come."""
    url = f"{client.url}{SESSIONS}/{session['sessionId']}/messages"
    body = {"content": content, "transport": "sse"}
    async with client.session.post(url, json=body, headers=client.headers) as response:
        yield blocks_of(response)


async def test_a_message_is_stored_told_and_answered_at_once(parley: Parley) -> None:
    """The answer has what every generation of elizaOS's clients looks for; sockets hear the message."""
    ann, bot = await furnish(parley)
    session = await begin(ann, metadata={"topic": "tea"})
    async with talking(parley.url, {"token": ann.secret}) as socket:
        reply = await send(ann, session, "hello", metadata={"mood": "good"})
        (heard,) = await socket.wait_for("message")
    assert reply.status == 201
    body = reply.body
    assert body["success"] is True
    assert {key: value for key, value in body.items() if key != "data"} == body["data"]
    assert set(body["data"]) == LINE | {"success", "userMessage", "sessionStatus"}
    assert (body["content"], body["authorId"], body["isAgent"]) == ("hello", "ann", False)
    assert body["metadata"] == {"topic": "tea", "sessionId": session["sessionId"], "mood": "good"}
    message = body["userMessage"]
    assert (message["id"], message["author_display_name"]) == (body["id"], "ann")
    assert (message["channel_id"], message["content"]) == (session["channelId"], "hello")
    assert (heard["id"], heard["channel_id"]) == (body["id"], session["channelId"])
    assert body["sessionStatus"]["wasRenewed"] is True
    assert body["sessionStatus"]["renewalCount"] == 1
    assert (await run_of(bot, body["id"]))["agent_id"] == "bot"


async def test_a_message_is_stored_once(parley: Parley) -> None:
    """The same messageId again is answered with the same message; another text under it is a conflict."""
    ann, _ = await furnish(parley)
    session, key = await begin(ann), new_id()
    first, second = [(await send(ann, session, messageId=key)).body for _ in range(2)]
    assert first["id"] == second["id"] == key
    assert (await send(ann, session, "other", messageId=key)).refusal == (409, "CONFLICT")
    assert await ann.texts(session["channelId"]) == ["hello"]


@pytest.mark.parametrize("how", [{"transport": "http"}, {"mode": "sync"}])
async def test_the_reply_is_waited_for(parley: Parley, how: dict[str, str]) -> None:
    """The answer comes with what the agent says, as soon as it has said it."""
    ann, bot = await furnish(parley)
    session = await begin(ann)
    waiting = asyncio.create_task(send(ann, session, "well?", **how))
    run = await next_run(bot)
    await complete(bot, run, response="well.")
    reply = await asyncio.wait_for(waiting, 10)
    assert reply.status == 201
    for body in (reply.body, reply.body["data"]):
        assert body["userMessage"]["content"] == body["content"] == "well?"
        assert (body["agentResponse"]["text"], body["status"]) == ("well.", "completed")
        assert (body["agentResponse"]["id"], body["runId"]) == (run["reply_id"], run["id"])


async def test_no_reply_in_time_is_said_plainly(parley: Parley) -> None:
    """The run goes on, and its id is there to wait for."""
    ann, bot = await furnish(parley)
    session = await begin(ann)
    path = f"{SESSIONS}/{session['sessionId']}/messages?wait=0"
    body = (await ann.post(path, {"content": "well?", "transport": "http"})).body
    assert (body["agentResponse"], body["status"]) == (None, "queued")
    assert body["runId"] == (await run_of(bot, body["id"]))["id"]


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [({}, "ignored", "silent"), ({"failed": True}, "failed", "agent_error")],
    ids=["silent", "failed"],
)
async def test_an_end_without_a_reply_is_said_plainly(
    parley: Parley, end: dict[str, Any], status: str, reason: str
) -> None:
    """Whoever waits is told how it has ended, and why."""
    ann, bot = await furnish(parley)
    waiting = asyncio.create_task(send(ann, await begin(ann), transport="http"))
    await complete(bot, await next_run(bot), **end)
    body = (await asyncio.wait_for(waiting, 10)).body
    assert (body["agentResponse"], body["status"], body["reason"]) == (None, status, reason)


async def test_the_reply_is_streamed(parley: Parley) -> None:
    """Chunks come as they are said, in both spellings, and then the whole, and the stream ends."""
    ann, bot = await furnish(parley)
    session = await begin(ann)
    async with streaming(ann, session, "well?") as blocks:
        name, message = await anext(blocks)
        assert (name, message["content"], message["author_id"]) == ("user_message", "well?", "ann")
        run = await run_of(bot, message["id"])
        for index, text in enumerate(("it ", "is ")):
            await say(bot, run, index, text)
            name, chunk = await asyncio.wait_for(anext(blocks), 10)
            assert (name, chunk["type"], chunk["messageId"]) == ("chunk", "chunk", run["reply_id"])
            assert (chunk["index"], chunk["chunk"], chunk["text"]) == (index, text, text)
        await complete(bot, run, response="it is well.")
        ((name, done),) = await rest_of(blocks)
    assert (name, done["type"], done["text"]) == ("done", "complete", "it is well.")
    assert (done["id"], done["status"]) == (run["reply_id"], "completed")


@pytest.mark.parametrize(
    ("end", "name", "status"),
    [
        ({"response": "yes."}, "done", "completed"),
        ({}, "done", "ignored"),
        ({"failed": True}, "error", "failed"),
    ],
    ids=["at once", "silent", "failed"],
)
async def test_every_stream_ends(parley: Parley, end: dict[str, Any], name: str, status: str) -> None:
    """With the reply, with none, or with why there is none."""
    ann, bot = await furnish(parley)
    async with streaming(ann, await begin(ann)) as blocks:
        await anext(blocks)
        await complete(bot, await next_run(bot), **end)
        ((last, data),) = await rest_of(blocks)
    assert (last, data["status"]) == (name, status)
    assert data["text" if name == "done" else "error"] == {"completed": "yes.", "ignored": ""}.get(
        status, "The agent has not answered: agent_error"
    )


async def test_a_reply_that_came_before_the_stream_is_told(parley: Parley) -> None:
    """A repeated message, whose reply is there already, is answered with that."""
    ann, bot = await furnish(parley)
    session, key = await begin(ann), new_id()
    first = (await send(ann, session, messageId=key)).body
    await complete(bot, await run_of(bot, first["id"]), response="yes.")
    reply = await send(ann, session, messageId=key, transport="sse")
    assert b"event: done" in reply.raw
    assert b'"text":"yes."' in reply.raw


async def test_a_quiet_stream_gives_signs_of_life(parley: Parley, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment comes now and then while the agent thinks, so that no proxy cuts the stream off."""
    monkeypatch.setattr(reply_stream, "BEAT_SECONDS", 0.02)
    ann, bot = await furnish(parley)
    session = await begin(ann)
    url = f"{ann.url}{SESSIONS}/{session['sessionId']}/messages"
    body = {"content": "well?", "transport": "sse"}
    async with ann.session.post(url, json=body, headers=ann.headers) as response:
        lines = [await response.content.readline() for _ in range(7)]
        assert lines[3:] == [b":\n", b"\n", b":\n", b"\n"]
        await complete(bot, await next_run(bot), response="well.")
        assert b"event: done" in await response.content.read()


async def test_a_stream_ends_with_the_server(tmp_path: Path) -> None:
    """Whoever streams a reply does not keep a node from stopping, and is told that it has not come."""
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        parley = await stack.enter_async_context(running_parley(tmp_path / "data"))
        ann, _ = await furnish(parley)
        client = Rest(session, ann.url, ann.headers)
        async with streaming(client, await begin(ann)) as blocks:
            await anext(blocks)
            stopping = asyncio.create_task(stack.aclose())
            ((name, data),) = await rest_of(blocks)
            await stopping
    assert (name, data["status"]) == ("error", "queued")


async def test_what_was_said_is_read_page_by_page(parley: Parley) -> None:
    """The newest comes first, from either side, and nothing is lost where messages share their time."""
    clock = Clock.of(parley)
    ann, bot = await furnish(parley)
    session = await begin(ann)
    texts = []
    for number in range(12):
        texts.append(f"text {number}")
        said = (await send(ann, session, texts[-1])).body
        if number % 3 == 2:
            clock.now += 0.001
        if number == 11:
            await complete(bot, await run_of(bot, said["id"]), response="that is all?")
    texts.append("that is all?")
    path = f"{SESSIONS}/{session['sessionId']}/messages"
    whole = (await ann.get(path)).body
    assert [line["content"] for line in whole["messages"]] == texts[::-1]
    assert (set(whole["messages"][0]), whole["hasMore"]) == (LINE, False)
    assert [line["isAgent"] for line in whole["messages"][:2]] == [True, False]
    for limit in (1, 2, 3, 4, 5, 12, 13):
        assert await pages(ann, path, "before", limit) == texts[::-1], limit
        assert await pages(ann, path, "after", limit) == texts, limit


async def pages(client: Rest, path: str, bound: str, limit: int) -> list[str]:
    """Return what is read page by page, back from the newest or on from the oldest message."""
    where: dict[str, Any] = {} if bound == "before" else {"after": 0}
    found: list[str] = []
    while True:
        page = (await client.get(path, limit=limit, **where)).body
        texts = [line["content"] for line in page["messages"]]
        assert len(texts) <= max(limit, 3)  # so many share a time
        found += texts if bound == "before" else texts[::-1]
        if not page["hasMore"]:
            return found
        where = {bound: page["cursors"][bound]}


async def test_pages_are_bounded(parley: Parley) -> None:
    """A limit is put within its bounds; what is no number, or no time, is refused."""
    ann, _ = await furnish(parley)
    session = await begin(ann)
    path = f"{SESSIONS}/{session['sessionId']}/messages"
    assert (await ann.get(path)).body == {"messages": [], "hasMore": False}
    for text in ("one", "two"):
        await send(ann, session, text)
    for limit, count in ((-5, 1), (0, 1), (1, 1), (100_000, 2)):
        assert len((await ann.get(path, limit=limit)).body["messages"]) == count
    for query in ({"limit": "many"}, {"limit": "1e3"}, {"before": "then"}, {"after": "-1"}):
        assert (await ann.get(path, **query)).refusal == (400, "VALIDATION_ERROR")
    assert len((await ann.get(path, before="2100-01-01T00:00:00Z", after="2000-01-01")).body["messages"]) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"content": ""},
        {"content": 5},
        {"content": None},
        {"content": "x" * 4_001},
        {"content": "a\u0000b"},
        {"content": "x", "metadata": {"a": "x" * 16_384}},
        {"content": "x", "transport": "pigeon"},
        {"content": "x", "mode": "pigeon"},
        {"content": "x", "attachments": [{"url": "ftp://x", "type": "image"}]},
        {"content": "x", "attachments": "image"},
    ],
    ids=str,
)
async def test_a_bad_message_is_refused(parley: Parley, fields: dict[str, Any]) -> None:
    """Nothing is stored, and the session is not renewed."""
    ann, _ = await furnish(parley)
    session = await begin(ann)
    path = f"{SESSIONS}/{session['sessionId']}"
    assert (await ann.post(f"{path}/messages", fields)).refusal == (400, "VALIDATION_ERROR")
    assert (await ann.get(path)).body["renewalCount"] == 0
    assert await ann.texts(session["channelId"]) == []


async def test_attachments_have_types_under_either_name(parley: Parley) -> None:
    """Clients of elizaOS say ``type`` where others say ``contentType``."""
    ann, _ = await furnish(parley)
    attachments = [{"url": "https://example.com/a.png", "type": "image", "name": "a"}]
    sent = (await send(ann, await begin(ann), attachments=attachments)).body
    assert sent["userMessage"]["attachments"][0]["contentType"] == "image"


async def test_nobody_speaks_in_a_session_that_is_over_or_of_another(parley: Parley) -> None:
    """Whatever the transport, nothing is said."""
    clock = Clock.of(parley)
    ann, bot = await furnish(parley)
    ben = await parley.user("ben")
    session = await begin(ann)

    async def outcomes(client: Rest) -> set[tuple[int, str]]:
        sent: list[Reply] = [
            await send(client, session, transport=way) for way in ("http", "sse", "websocket")
        ]
        read = await client.get(f"{SESSIONS}/{session['sessionId']}/messages")
        return {reply.refusal for reply in (*sent, read)}

    assert await outcomes(ben) == await outcomes(bot) == {(404, "SESSION_NOT_FOUND")}
    clock.now += 30 * MINUTE
    assert await outcomes(ann) == {(410, "SESSION_EXPIRED")}
    assert await ann.texts(session["channelId"]) == []


async def test_a_client_that_leaves_while_it_waits_leaves_nothing_behind(parley: Parley) -> None:
    """The run goes on, and the node forgets who waited."""
    ann, bot = await furnish(parley)
    session = await begin(ann)
    async with streaming(ann, session) as blocks:
        await anext(blocks)
        run = await next_run(bot)
        await say(bot, run, 0, "well")
        await anext(blocks)
    await complete(bot, run, response="well.")
    streams = parley.node.ctx.streams
    await until(lambda: not streams._watchers)
    assert await ann.texts(session["channelId"]) == ["hello", "well."]
