"""What users of other platforms say, over REST: answered by the agent, once, whoever waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from rooms import external
from rooms.external import ExternalDraft
from rooms.principals import Kind, Principal, Scope
from rooms.rules import DEFAULT_SERVER_ID, is_uuid
from server.followers import Follower, Followers
from tests.planning import noting_reads, noting_statements, plan
from tests.realtime.raw import until
from tests.rest import API, Reply, Rest
from tests.running import Parley, Start

EXTERNAL = f"{API}/external-messages"
INGEST = f"{API}/ingest-external"
REFUSED = (400, "VALIDATION_ERROR")


def body(message_id: str = "m1", content: str = "well?", **fields: Any) -> dict[str, Any]:
    """Return what dora has said in #general."""
    where = {"platform": "discord", "channelId": "general", "userId": "dora"}
    return {**where, "messageId": message_id, "content": content, **fields}


async def tell(client: Rest, *arguments: Any, prefer: str = "wait=20", **fields: Any) -> Reply:
    """Tell what dora has said, and return the answer."""
    return await client.post(EXTERNAL, body(*arguments, **fields), headers={"Prefer": prefer})


async def ingest(client: Rest, **fields: Any) -> Reply:
    """Tell it as elizaOS's connectors do."""
    said = {"channel_id": "general", "author_id": "dora", "content": "well?", "source_type": "discord"}
    return await client.post(INGEST, {**said, **fields})


async def messages(client: Rest, channel_id: str) -> list[Any]:
    """Return what was said in a channel."""
    page: list[Any] = (await client.history(channel_id, order="asc")).data["messages"]
    return page


async def complete(bot: Rest, run_id: str, **end: Any) -> None:
    """End a run."""
    assert (await bot.post(f"{API}/complete", {"run_id": run_id, **end})).status == 200


@pytest.fixture
async def bot(parley: Parley) -> Rest:
    """Give the client of an agent."""
    return await parley.agent("bot")


@asynccontextmanager
async def answering(bot: Rest) -> AsyncIterator[None]:
    """Have the agent answer everything that comes into its inbox until the block ends."""
    task = asyncio.create_task(_answer_all(bot))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _answer_all(bot: Rest) -> None:
    where: dict[str, Any] = {"limit": 500}
    while True:
        page = (await bot.get(f"{API}/agents/bot/inbox", wait=10, **where)).data
        where["after"] = page["cursor"]
        told = [event["data"] for event in page["events"] if event["event"] == "run"]
        await asyncio.gather(
            *(complete(bot, one["run"]["id"], response=f"You said: {one['message']['text']}") for one in told)
        )


async def test_the_agents_reply_is_the_answer(parley: Parley, bot: Rest) -> None:
    """It has the documented fields, and what belongs to the reply beside them."""
    async with answering(bot):
        reply = await tell(parley.service, displayName="Dora", metadata={"guild": "g"})
    assert (reply.status, reply.headers["Preference-Applied"]) == (200, "wait=20")
    data = reply.data
    assert (data["response"], data["status"], data["reason"]) == ("You said: well?", "completed", None)
    assert data["agentResponse"]["text"] == data["response"]
    said, answered = await messages(parley.service, data["channelId"])
    assert (said["id"], said["authorName"], said["metadata"]["guild"]) == (data["messageId"], "Dora", "g")
    assert answered["id"] == data["agentResponse"]["id"]


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [({}, "ignored", "silent"), ({"failed": True}, "failed", "agent_error")],
    ids=["silent", "failed"],
)
async def test_an_end_without_a_reply_is_said_plainly(
    parley: Parley, bot: Rest, end: dict[str, Any], status: str, reason: str
) -> None:
    """The response is null, and the status says why."""
    waiting = asyncio.create_task(tell(parley.service))
    (told,) = (await bot.get(f"{API}/agents/bot/inbox", wait=10)).data["events"]
    await complete(bot, told["data"]["run"]["id"], **end)
    data = (await waiting).data
    assert (data["response"], data["status"], data["reason"]) == (None, status, reason)
    assert data["runId"] == told["data"]["run"]["id"]


@pytest.mark.parametrize(
    ("prefer", "status", "applied"),
    [
        ("wait=0", 200, "wait=0"),
        ("respond-async", 202, "respond-async"),
        ('RESPOND-ASYNC; foo, wait="0"', 202, "respond-async, wait=0"),
        ("wait=0, wait=30, handling=lenient", 200, "wait=0"),
    ],
)
async def test_who_does_not_want_to_wait_is_answered_at_once(
    parley: Parley, bot: Rest, prefer: str, status: int, applied: str
) -> None:
    """The run goes on, and its id is there to wait for."""
    reply = await tell(parley.service, prefer=prefer)
    assert (reply.status, reply.headers["Preference-Applied"]) == (status, applied)
    data = reply.data
    assert (data["response"], data["status"], data["agentResponse"]) == (None, "queued", None)
    await complete(bot, data["runId"], response="well.")
    later = await tell(parley.service, prefer=prefer)
    assert (later.status, later.data["response"]) == (200, "well.")


async def test_what_is_no_preference_is_passed_over(start: Start) -> None:
    """Then it is the operator's setting that counts, and the URL before both."""
    parley = await start(external_wait_seconds=0)
    await parley.agent("bot")
    for prefer in ("", "wait=soon", "wait", "wait=-5", "respond", "wait=" + "9" * 5_000):
        reply = await tell(parley.service, prefer=prefer)
        assert (reply.status, reply.data["status"]) == (200, "queued")
        assert "Preference-Applied" not in reply.headers
    by_url = await parley.service.post(f"{EXTERNAL}?wait=0", body(), headers={"Prefer": "wait=50"})
    assert (by_url.data["status"], by_url.headers.get("Preference-Applied")) == ("queued", None)
    assert (await parley.service.post(f"{EXTERNAL}?wait=soon", body())).refusal == REFUSED


async def test_without_an_agent_the_message_is_stored_and_that_is_said(parley: Parley) -> None:
    """Nobody has to wait for that."""
    data = (await tell(parley.service)).data
    assert (data["response"], data["runId"]) == (None, None)
    assert (data["status"], data["reason"]) == ("ignored", "no_agents")
    assert [said["text"] for said in await messages(parley.service, data["channelId"])] == ["well?"]


async def test_a_repetition_waits_for_the_first_ones_reply(parley: Parley, bot: Rest) -> None:
    """All are answered alike, and a message that is another one is refused meanwhile."""
    waiting = [asyncio.create_task(tell(parley.service)) for _ in range(5)]
    (told,) = (await bot.get(f"{API}/agents/bot/inbox", wait=10)).data["events"]
    assert (await tell(parley.service, content="other")).refusal == (409, "CONFLICT")
    assert not any(task.done() for task in waiting)
    await complete(bot, told["data"]["run"]["id"], response="well.")
    answers = [reply.data for reply in await asyncio.gather(*waiting)]
    assert answers == [answers[0]] * 5
    assert answers[0]["response"] == "well."
    assert (await tell(parley.service)).data == answers[0]


async def test_a_thousand_at_once_of_which_a_fifth_come_twice(parley: Parley, bot: Rest) -> None:
    """800 are stored, and each of the thousand is answered with the reply to its message."""
    said = [n for n in range(800) for _ in range(2 if n % 4 == 0 else 1)]
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, answering(bot):
        service = Rest(session, parley.url, parley.service.headers)

        def ask(n: int) -> Any:
            where = {"channelId": f"c{n % 50}", "userId": f"u{n % 90}"}
            return tell(service, f"m{n}", f"text {n}", prefer="wait=55", **where)

        replies = await asyncio.gather(*map(ask, said))
    answers = [reply.data for reply in replies]
    assert [answer["response"] for answer in answers] == [f"You said: text {n}" for n in said]
    ids = {n: answer["messageId"] for n, answer in zip(said, answers, strict=True)}
    assert [answer["messageId"] for answer in answers] == [ids[n] for n in said]
    channels = {answer["channelId"] for answer in answers}
    totals = [(await parley.service.history(one)).data["pagination"]["total"] for one in channels]
    assert (len(set(ids.values())), len(channels), sum(totals)) == (800, 50, 2 * 800)


async def test_a_channel_is_forgotten_without_looking_through_all(parley: Parley, bot: Rest) -> None:
    """However many channels of platforms there are."""
    channel_id = (await tell(parley.service, prefer="respond-async")).data["channelId"]
    with noting_statements() as noted:
        assert (await parley.service.delete(f"{API}/central-channels/{channel_id}")).status < 300
    (forgetting,) = [statement for statement in noted if "external_channels" in statement[0]]
    assert plan(parley, forgetting) == [
        "SEARCH external_channels USING INDEX external_by_channel (channel_id=?)"
    ]


async def test_who_waits_asks_the_database_nothing(parley: Parley, bot: Rest, waits: list[Follower]) -> None:
    """However much is said elsewhere meanwhile."""
    waiting = [asyncio.create_task(tell(parley.service)) for _ in range(20)]
    await until(lambda: len(waits) == 20)
    service = Principal("bridge", Kind.SERVICE, frozenset({Scope.MESSAGES_WRITE}))
    with noting_reads(parley) as reads:
        for number in range(3):
            draft = ExternalDraft(service, "discord", f"m{number}", "elsewhere", "egon", "hello")
            await external.receive(parley.node.ctx, draft)
    assert (reads, len(waits)) == ([], 20)
    (run,) = (await bot.get(f"{API}/agents/bot/inbox", wait=10, limit=1)).data["events"]
    await complete(bot, run["data"]["run"]["id"], response="well.")
    assert {reply.data["response"] for reply in await asyncio.gather(*waiting)} == {"well."}


async def test_a_client_that_leaves_is_forgotten_and_its_run_goes_on(
    start: Start, present: list[Followers], waits: list[Follower], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks again gets the reply."""
    parley = await start()
    bot = await parley.agent("bot")
    asked = asyncio.create_task(tell(parley.service))
    await until(lambda: bool(waits))
    asked.cancel()
    await until(lambda: not present[0]._present)
    fanout = present[0]._fanout
    assert (fanout._rooms, fanout._shown_all, dict(fanout._connections)) == ({}, {}, {})
    (run,) = (await bot.get(f"{API}/agents/bot/inbox", wait=10)).data["events"]
    await complete(bot, run["data"]["run"]["id"], response="well.")
    assert (await tell(parley.service)).data["response"] == "well."


async def test_only_services_that_may_name_authors_speak_for_platforms(parley: Parley, bot: Rest) -> None:
    """Neither a user nor an agent does, nor a service without that right; it needs no other."""
    reader = await parley.restricted_service(Scope.MESSAGES_READ)
    for client in (await parley.user("ann"), bot, reader):
        for answer in (await tell(client), await ingest(client)):
            assert answer.refusal == (403, "PERMISSION_DENIED")
    writer = await parley.restricted_service(Scope.MESSAGES_WRITE)
    async with answering(bot):
        assert (await tell(writer)).data["response"] == "You said: well?"
        assert (await ingest(writer)).status == 202


async def test_in_open_mode_everybody_may(start: Start) -> None:
    """As everybody may act as anybody there."""
    parley = await start(auth="open")
    async with answering(await parley.agent("bot")):
        assert (await tell(parley.anonymous)).data["response"] == "You said: well?"
        assert (await ingest(parley.anonymous)).status == 202


BAD: list[dict[str, Any]] = [
    {"platform": ""},
    {"platform": "my platform"},
    {"platform": "agent_response"},
    {"platform": "agent_action"},
    {"userId": "x" * 5_000},
    {"channelId": "x" * 257},
    {"messageId": ""},
    {"messageId": 5},
    {"userId": "a\0b"},
    {"content": "x" * 4_001},
    {"content": ""},
    {"metadata": {"agentId": 5}},
    {"metadata": {"agentId": "two words"}},
    {"metadata": {"agentId": "nobody"}},
    {"agentId": "nobody"},
    {"displayName": "x" * 257},
    {"attachments": [{"url": "javascript:alert(1)", "type": "image"}]},
]


async def test_a_bad_message_is_refused(parley: Parley, bot: Rest) -> None:
    """And leaves no channel behind; nor is it 404, which clients take for a server without the route."""
    channels = f"{API}/message-servers/{DEFAULT_SERVER_ID}/channels"
    before = (await parley.service.get(channels)).data
    for fields in BAD:
        assert (await tell(parley.service, **fields)).refusal == REFUSED, fields
    assert (await parley.service.get(channels)).data == before


async def test_attachments_and_names_may_have_other_words(parley: Parley, bot: Rest) -> None:
    """Those that platforms' bridges and elizaOS's clients use."""
    attachments = [{"url": "https://example.com/a.png", "type": "image", "name": "a"}]
    data = (await tell(parley.service, prefer="wait=0", userName="Dora", attachments=attachments)).data
    (said,) = await messages(parley.service, data["channelId"])
    assert (said["authorName"], said["attachments"][0]["contentType"]) == ("Dora", "image")


async def test_connectors_ingest_into_a_platforms_channel(parley: Parley, bot: Rest) -> None:
    """It is the one of external messages, and the same message twice is one."""
    first = await ingest(parley.service, source_id="7", author_display_name="Dora", raw_message={"x": 1})
    assert (first.status, first.body["success"]) == (202, True)
    assert (await ingest(parley.service, source_id="7", raw_message={"x": 1})).body == first.body
    assert (await ingest(parley.service, source_id="7", content="other")).refusal == (409, "CONFLICT")
    data = (await tell(parley.service, prefer="wait=0")).data
    assert data["channelId"] == first.data["channelId"]
    one, other = await messages(parley.service, data["channelId"])
    assert (one["authorName"], one["author_id"], one["raw_message"]) == ("Dora", other["author_id"], {"x": 1})
    assert one["source_type"] == "discord"


@pytest.mark.parametrize("name", ["server_id", "message_server_id", "serverId", "messageServerId"])
async def test_connectors_name_servers_as_they_like(parley: Parley, bot: Rest, name: str) -> None:
    """In each spelling it is the channel's, or there is no such channel."""
    assert (await ingest(parley.service, **{name: DEFAULT_SERVER_ID})).status == 202
    other = "11111111-2222-3333-4444-555555555555"
    assert (await ingest(parley.service, **{name: other})).refusal == (404, "RESOURCE_NOT_FOUND")


async def test_connectors_ingest_into_a_channel_of_parley(parley: Parley, bot: Rest) -> None:
    """Its id is known; authors with UUIDs are users here, and others are the platform's."""
    channel_id, dora = await parley.service.new_channel("talk", "bot"), "AAAAAAAA-0000-0000-0000-000000000001"
    for author, name in ((dora, "Dora"), ("bot", "Not the bot")):
        sent = await ingest(
            parley.service, channel_id=channel_id.upper(), author_id=author, author_display_name=name
        )
        assert (sent.status, sent.data["channelId"]) == (202, channel_id)
    one, other = await messages(parley.service, channel_id)
    assert (one["author_id"], one["authorName"]) == (dora.lower(), "Dora")
    assert (other["author_id"], other["authorName"]) == (external.user_id("discord", "bot"), "Not the bot")
    assert other["agentId"] is None


async def test_who_was_removed_is_refused_on_each_way(parley: Parley, bot: Rest) -> None:
    """The service is told so, and a channel of Parley's, too, stays without them."""
    data = (await tell(parley.service, prefer="wait=0")).data
    platforms, dora = data["channelId"], external.user_id("discord", "dora")
    own = await parley.service.new_channel("talk", "bot")
    await ingest(parley.service, channel_id=own)
    for channel_id in (platforms, own):
        assert (await parley.service.remove(channel_id, dora)).status == 200
    refusals = [
        await tell(parley.service, "m2"),
        await ingest(parley.service),
        await ingest(parley.service, channel_id=own),
    ]
    for reply in refusals:
        assert reply.refusal == (403, "PERMISSION_DENIED")
        assert "was removed" in reply.error["details"]
    for channel_id in (platforms, own):
        assert len(await messages(parley.service, channel_id)) == 1


async def test_what_elizaos_documents_is_ingested(parley: Parley, bot: Rest) -> None:
    """With the names of its documentation; what it calls sourceId may be the same for each message."""
    body = {
        "agentId": "bot",
        "roomId": "room",
        "userId": "dora",
        "sourceId": "dora",
        "sourceType": "telegram",
    }
    first, second = [await parley.service.post(INGEST, {**body, "text": text}) for text in ("one", "two")]
    assert (first.status, second.status) == (202, 202)
    assert is_uuid(first.data["messageId"])
    stored = await messages(parley.service, first.data["channelId"])
    assert [message["text"] for message in stored] == ["one", "two"]


async def test_several_messages_of_a_channel_are_ingested_at_once(parley: Parley, bot: Rest) -> None:
    """In the form of the types of elizaOS's client; each once, in order, under its author's own id."""
    said = [{"id": str(n), "authorId": who, "content": who} for n, who in enumerate(("dora", "emil", "dora"))]
    said[1]["metadata"] = {"edited": True}
    wanted = {"platform": "discord", "channelId": "general", "messages": said}
    for _ in range(2):
        sent = await parley.service.post(INGEST, wanted)
        assert (sent.status, sent.data["processed"]) == (202, 3)
    stored = await messages(parley.service, sent.data["channelId"])
    assert [message["text"] for message in stored] == ["dora", "emil", "dora"]
    assert [message["metadata"]["external"]["messageId"] for message in stored] == ["0", "1", "2"]
    assert stored[0]["author_id"] == stored[2]["author_id"] != stored[1]["author_id"]
    assert stored[1]["metadata"]["edited"] is True
    assert sent.data["messageId"] == stored[2]["id"]


@pytest.mark.parametrize(
    "said",
    [
        [],
        5,
        [5],
        [{"id": "1", "authorId": "dora"}],
        [{"id": "1", "content": "x"}],
        [{"authorId": "dora", "content": "x"}],
        [{"id": "1", "authorId": "dora", "content": ""}],
        [{"id": "1", "authorId": "dora", "content": "x"}] * 101,
    ],
    ids=lambda said: str(said)[:40],
)
async def test_what_is_no_list_of_messages_is_refused(parley: Parley, bot: Rest, said: Any) -> None:
    """Nothing of it is stored."""
    sent = await parley.service.post(INGEST, {"platform": "discord", "channelId": "x", "messages": said})
    assert sent.refusal == (400, "VALIDATION_ERROR")
    assert "validation" not in sent.error["details"]
