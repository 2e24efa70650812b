"""What elizaOS's clients say in channels over REST: stored once, and answered on each transport."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from handlers import reply_stream
from rooms.ids import new_id
from rooms.rules import DEFAULT_SERVER_ID
from tests.realtime.posting import Stage, next_run, rest_of, stage, streaming
from tests.rest import API
from tests.running import Parley, Start, serving
from tests.talking import talking

REFUSED = (400, "VALIDATION_ERROR")
FAMILIES = ["channels", "central-channels"]


@pytest.fixture
async def channel(parley: Parley) -> Stage:
    """Give a channel of a user and two agents, with a client for each."""
    return await stage(parley, "one", "two")


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_post_is_stored_and_told(parley: Parley, channel: Stage, family: str) -> None:
    """The answer has what every generation of elizaOS's clients looks for; sockets hear the message."""
    async with talking(parley.url, {"token": channel.ann.secret}) as socket:
        reply = await channel.ann.post(f"{API}/{family}/{channel.id}/messages", {"content": "hello"})
        (heard,) = await socket.wait_for("message")
    assert reply.status == 201
    assert set(reply.body) == {"success", "userMessage", "data"}
    message, data = reply.body["userMessage"], reply.body["data"]
    assert (message["content"], message["channel_id"], message["author_id"]) == ("hello", channel.id, "ann")
    assert (message["message_server_id"], message["source_type"]) == (DEFAULT_SERVER_ID, "eliza_gui")
    assert isinstance(message["created_at"], int)
    assert data["userMessage"] == message
    assert (data["id"], data["authorId"], data["content"]) == (message["id"], "ann", "hello")
    assert data["createdAt"].endswith("Z")
    assert (heard["id"], heard["text"]) == (message["id"], "hello")
    assert await channel.ann.texts(channel.id) == ["hello"]


async def test_the_author_is_whom_the_credential_or_the_header_says(parley: Parley, channel: Stage) -> None:
    """A service names the author in the body or the header; a user may name itself alone."""
    path = f"{API}/channels/{channel.id}/messages"
    by_header = parley.service.having(X_Entity_Id="ann")
    for client, body in (
        (channel.ann, {}),
        (channel.ann, {"author_id": "ann"}),
        (channel.ann, {"authorId": "ann"}),
        (by_header, {}),
        (parley.service, {"author_id": "ann"}),
    ):
        reply = await client.post(path, {"content": "mine", **body})
        assert reply.body["userMessage"]["author_id"] == "ann"
    refused = await channel.ann.post(path, {"content": "not mine", "author_id": "one"})
    assert refused.refusal == (403, "PERMISSION_DENIED")
    assert (await parley.service.post(path, {"content": "whose?"})).refusal == REFUSED


async def test_a_service_says_what_its_author_is_called(parley: Parley, channel: Stage) -> None:
    """Where elizaOS's clients state it; somebody with a name is called by that."""
    path = f"{API}/channels/{channel.id}/messages"
    stated = {"content": "hello", "metadata": {"user_display_name": "Zoe"}}
    for author, name in (("zoe", "Zoe"), ("ann", "ann")):
        message = (await parley.service.post(path, stated | {"author_id": author})).body["userMessage"]
        assert message["author_display_name"] == name
    mine = (await channel.ann.post(path, stated)).body["userMessage"]
    assert mine["author_display_name"] == "ann"


@pytest.mark.parametrize("field", ["message_server_id", "messageServerId", "server_id", "serverId"])
async def test_the_server_is_the_channels(parley: Parley, channel: Stage, field: str) -> None:
    """It may be said under each of its names; another one does not have the channel."""
    path = f"{API}/channels/{channel.id}/messages"
    assert (await channel.ann.post(path, {"content": "here", field: DEFAULT_SERVER_ID})).status == 201
    refused = await channel.ann.post(path, {"content": "elsewhere", field: new_id()})
    assert refused.refusal == (404, "RESOURCE_NOT_FOUND")


async def test_a_repeated_post_is_one_message(channel: Stage) -> None:
    """The same messageId answers with the first message, whatever transport asks for it."""
    key = new_id()
    for transport in ("websocket", "http"):
        reply = await channel.post("hello", messageId=key, transport=transport, wait=0)
        assert reply.body["userMessage"]["id"] == key
    assert (await channel.post("other", messageId=key)).refusal == (409, "CONFLICT")
    assert await channel.ann.texts(channel.id) == ["hello"]


@pytest.mark.parametrize("how", [{"transport": "http"}, {"transport": "sync"}, {"mode": "sync"}])
async def test_the_first_reply_is_waited_for(channel: Stage, how: dict[str, str]) -> None:
    """Of two agents one has nothing to say: the answer comes with what the other says."""
    waiting = asyncio.create_task(channel.post("well?", **how))
    await channel.complete("one")
    await channel.complete("two", response="well.")
    reply = await asyncio.wait_for(waiting, 10)
    assert reply.status == 201
    for body in (reply.body, reply.body["data"]):
        assert body["userMessage"]["content"] == "well?"
        assert (body["agentResponse"]["text"], body["status"], body["reason"]) == ("well.", "completed", None)
    assert await channel.ann.texts(channel.id, order="asc") == ["well?", "well."]


async def test_a_reply_is_not_waited_for_twice(channel: Stage) -> None:
    """One agent has answered: what the other still does keeps nobody waiting."""
    waiting = asyncio.create_task(channel.post("well?", transport="http"))
    await channel.complete("two", response="well.")
    assert (await asyncio.wait_for(waiting, 10)).body["agentResponse"]["text"] == "well."


async def test_the_reply_of_one_agent_may_be_meant(channel: Stage) -> None:
    """With ``targetAgentId`` the other agent's reply does not count."""
    meant = {"targetAgentId": "two"}
    waiting = asyncio.create_task(channel.post("well?", transport="http", metadata=meant))
    await channel.complete("one", response="not asked")
    await channel.complete("two", response="well.")
    assert (await asyncio.wait_for(waiting, 10)).body["agentResponse"]["text"] == "well."


async def test_a_thought_comes_with_the_reply(channel: Stage) -> None:
    """What agents of elizaOS say of their thoughts and actions stands in the raw message."""
    waiting = asyncio.create_task(channel.post("well?", transport="http"))
    run = await next_run(channel.agents["one"], "one")
    raw = {"thought": "easy", "actions": ["REPLY"]}
    fields = {"raw_message": raw, "in_reply_to_message_id": run["message_id"]}
    await channel.agents["one"].submit(channel.id, "well.", **fields)
    reply = (await asyncio.wait_for(waiting, 10)).body["agentResponse"]
    assert (reply["text"], reply["thought"], reply["actions"]) == ("well.", "easy", ["REPLY"])


async def test_no_reply_in_time_is_said_plainly(channel: Stage) -> None:
    """The run goes on, and its id is there to wait for."""
    body = (await channel.post("well?", transport="http", wait=0)).body
    assert (body["agentResponse"], body["status"]) == (None, "queued")
    assert (await channel.ann.get(f"{API}/runs/{body['runId']}")).data["state"] == "queued"


async def test_where_no_agent_is_nobody_is_waited_for(parley: Parley) -> None:
    """The message is stored once, and the answer says that there is nobody to give a reply."""
    channel = await stage(parley)
    body = (await channel.post("anybody?", transport="http")).body
    assert (body["agentResponse"], body["status"], body["reason"]) == (None, "ignored", "no_agents")
    async with streaming(channel, "hello?") as blocks:
        (first, told), (last, end) = await rest_of(blocks)
    assert (first, told["content"], last) == ("user_message", "hello?", "done")
    assert (end["text"], end["type"], end["reason"]) == ("", "complete", "no_agents")
    assert await channel.ann.texts(channel.id, order="asc") == ["anybody?", "hello?"]


async def test_a_reply_is_streamed(parley: Parley, channel: Stage) -> None:
    """Both dialects of events, of the agent that speaks first; it is stored and told like any reply."""
    async with talking(parley.url, {"token": channel.ann.secret}) as socket, streaming(channel) as blocks:
        assert (await anext(blocks))[0] == "user_message"
        run = await next_run(channel.agents["two"], "two")
        for index, chunk in enumerate(["we", "ll."]):
            await channel.say("two", run, index, chunk)
        await channel.complete("one", response="me, too")
        await channel.complete("two", run)
        *chunks, (last, end) = await rest_of(blocks)
        heard = await socket.wait_for("message", 3)
    assert (
        "".join(data["text"] for _, data in chunks) == "".join(data["chunk"] for _, data in chunks) == "well."
    )
    assert {(name, data["type"], data["agentId"]) for name, data in chunks} == {("chunk", "chunk", "two")}
    assert {data["messageId"] for _, data in chunks} == {run["reply_id"]}
    assert (last, end["type"], end["text"], end["id"]) == ("done", "complete", "well.", run["reply_id"])
    assert sorted(message["text"] for message in heard) == ["hello", "me, too", "well."]


async def test_a_stream_goes_on_with_whoever_has_something_to_say(channel: Stage) -> None:
    """One agent keeps silent: the other one's reply ends the stream."""
    async with streaming(channel) as blocks:
        await channel.complete("one")
        await channel.complete("two", response="well.")
        assert [(name, data.get("text")) for name, data in (await rest_of(blocks))[1:]] == [("done", "well.")]


async def test_a_stream_ends_where_everything_goes_wrong(channel: Stage) -> None:
    """Silence is no fault, a failure is: the last word is an error if nobody has answered."""
    async with streaming(channel) as blocks:
        await channel.complete("one")
        await channel.complete("two", failed=True)
        _, (last, end) = await rest_of(blocks)
    assert (last, end["type"], end["status"], end["agentResponse"]) == ("error", "error", "failed", None)
    assert end["error"] == "The agent has not answered: agent_error"


async def test_a_stream_that_ends_with_its_server_says_that_the_reply_is_to_come(tmp_path: Path) -> None:
    """Nothing has gone wrong: the run goes on when the server does."""
    async with aiohttp.ClientSession() as session, serving(tmp_path / "data") as served:
        service = served.rest(session)
        await service.request("PUT", f"{API}/agents/bot", json={})
        channel_id = await service.new_channel("talk", "ann", "bot")
        async with streaming(Stage(channel_id, service.having(X_Entity_Id="ann"), {})) as blocks:
            await anext(blocks)
            served.process.terminate()
            ((last, end),) = await rest_of(blocks)
    assert (last, end["status"]) == ("error", "queued")
    assert end["error"] == "This server stops; the reply is still to come, and will be in the history"


async def test_a_quiet_stream_is_kept_alive(channel: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment comes again and again while nothing is said."""
    monkeypatch.setattr(reply_stream, "BEAT_SECONDS", 0.05)
    async with channel.asking(transport="sse") as response:
        async with asyncio.timeout(10):
            for _ in range(3):
                await response.content.readuntil(b"\n:\n\n")


@pytest.mark.parametrize(
    "fields",
    [
        {"content": None},
        {"content": ""},
        {"content": 5},
        {"content": "x" * 4_001},
        {"content": "a\0b"},
        {"author_id": 5},
        {"author_id": "a b"},
        {"message_server_id": "x"},
        {"in_reply_to_message_id": "x"},
        {"in_reply_to_message_id": "00000000-0000-0000-0000-00000000abcd"},
        {"source_type": ""},
        {"raw_message": "x"},
        {"raw_message": {"a": "x" * 65_536}},
        {"metadata": []},
        {"metadata": {"a": "x" * 16_384}},
        {"attachments": "image"},
        {"attachments": [{"url": "ftp://x", "type": "image"}]},
        {"transport": "pigeon"},
        {"transport": 5},
        {"mode": "pigeon"},
        {"messageId": ""},
        {"messageId": "x" * 129},
        {"wait": "soon", "transport": "http"},
    ],
    ids=str,
)
async def test_a_bad_post_is_refused(channel: Stage, fields: dict[str, Any]) -> None:
    """Nothing is stored; the refusal names the field."""
    (field, *_) = fields
    reply = await channel.post(fields.pop("content", "x"), **fields)
    assert reply.refusal == REFUSED
    assert f"'{field}" in reply.error["details"]
    assert await channel.ann.texts(channel.id) == []


async def test_a_channel_that_one_may_not_see_does_not_exist(parley: Parley, channel: Stage) -> None:
    """Neither does one that nobody has made, nor what can be no id."""
    ben = await parley.user("ben")
    for channel_id in (channel.id, new_id(), "nonsense"):
        reply = await ben.post(f"{API}/channels/{channel_id}/messages", {"content": "hello"})
        assert reply.refusal == (404, "RESOURCE_NOT_FOUND")


async def test_a_post_may_begin_its_channel(start: Start) -> None:
    """Where channels may begin with their first message, any UUID will do; what is refused makes none."""
    parley = await start(auto_create_channels=True)
    one = parley.service.having(X_Entity_Id="ann")
    channel_id = new_id()
    path = f"{API}/channels/{channel_id}/messages"
    assert (await one.post(path, {"content": "x" * 4_001})).refusal == REFUSED
    assert (await one.get(f"{API}/channels/{channel_id}")).status == 404
    assert (await one.post(path, {"content": "first"})).status == 201
    made = (await one.get(f"{API}/channels/{channel_id}")).data
    assert (made["type"], made["metadata"]["created_by"]) == ("GROUP", "gui_auto_creation")
    assert await one.texts(channel_id) == ["first"]
