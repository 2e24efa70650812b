"""Submitting one message: what is stored, for whom, and who may not."""

import pytest

from rooms.rules import DEFAULT_SERVER_ID, is_uuid
from tests.rest import API, Rest
from tests.running import Parley, Start

NOWHERE = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
async def ann(parley: Parley) -> Rest:
    """Give a user's client."""
    return await parley.user("ann", "Ann Smith")


@pytest.fixture
async def channel_id(parley: Parley, ann: Rest) -> str:
    """Give a channel in which the user takes part."""
    return await parley.service.new_channel("talk", "ann")


async def test_a_users_message_is_stored_as_its_own(ann: Rest, channel_id: str) -> None:
    """Without author_id the principal is the author; everything left out has its default."""
    stored = (await ann.submit(channel_id, "hello")).data
    assert is_uuid(stored["id"])
    assert (stored["userId"], stored["agentId"], stored["authorName"]) == ("ann", None, "Ann Smith")
    assert (stored["text"], stored["content"]) == ("hello", "hello")
    assert (stored["source_type"], stored["raw_message"], stored["metadata"]) == ("user_message", {}, {})
    assert (stored["in_reply_to_message_id"], stored["attachments"]) == (None, [])
    assert {stored[name] for name in ("roomId", "channelId", "channel_id")} == {channel_id}
    servers = {stored[name] for name in ("serverId", "server_id", "messageServerId", "message_server_id")}
    assert servers == {DEFAULT_SERVER_ID}
    assert (await ann.history(channel_id)).data["messages"] == [stored]


async def test_an_agents_message_carries_its_name(parley: Parley, channel_id: str) -> None:
    """An agent answers with agentId, and its registered name stands in the metadata whatever it says."""
    bot = await parley.agent("bot", "Helper")
    await parley.service.add(channel_id, "bot")
    stored = (await bot.submit(channel_id, "hi", metadata={"agent_name": "Impostor", "mood": "good"})).data
    assert (stored["userId"], stored["agentId"], stored["authorName"]) == (None, "bot", "Helper")
    assert stored["metadata"] == {"agent_name": "Helper", "mood": "good"}
    assert stored["source_type"] == "agent_response"


async def test_an_agent_may_be_named_before_it_has_a_key(parley: Parley, channel_id: str) -> None:
    """Who was added by its id alone is an agent, under its name, as soon as it has an agent's key."""
    await parley.service.add(channel_id, "bot")
    bot = await parley.agent("bot", "Helper")
    stored = (await bot.submit(channel_id)).data
    assert (stored["userId"], stored["agentId"], stored["authorName"]) == (None, "bot", "Helper")


async def test_a_service_relays_an_agents_reply(parley: Parley, channel_id: str) -> None:
    """With source_type agent_response the named author is an agent, under the name that is stated."""
    reply = await parley.service.submit(
        channel_id, "hi", author_id="relay", source_type="agent_response", metadata={"agent_name": "Relay"}
    )
    assert (reply.data["userId"], reply.data["agentId"]) == (None, "relay")
    assert (reply.data["authorName"], reply.data["metadata"]) == ("Relay", {"agent_name": "Relay"})


async def test_a_user_is_no_agent_by_claiming_so(ann: Rest, channel_id: str) -> None:
    """A user's source_type is kept, and it stays a user."""
    stored = (await ann.submit(channel_id, source_type="agent_response")).data
    assert (stored["userId"], stored["agentId"], stored["source_type"]) == ("ann", None, "agent_response")


async def test_a_service_names_the_author(parley: Parley, channel_id: str) -> None:
    """Somebody whom a service names for the first time is registered and takes part from then on."""
    assert (await parley.service.submit(channel_id, author_id="new-one")).data["userId"] == "new-one"
    participants = (await parley.service.get(f"{API}/channels/{channel_id}/participants")).data
    (_, newcomer) = participants["participants"]
    assert (newcomer["userId"], newcomer["role"], newcomer["kind"]) == ("new-one", "member", "user")


async def test_a_service_must_name_the_author(parley: Parley, channel_id: str) -> None:
    """A service is nobody's voice of its own accord: without author_id it is told so."""
    reply = await parley.service.submit(channel_id)
    assert reply.refusal == (400, "VALIDATION_ERROR")
    assert reply.error["details"] == "Required field 'author_id' is missing"


async def test_a_user_cannot_speak_as_another(parley: Parley, ann: Rest, channel_id: str) -> None:
    """An author_id that is somebody else's is 403, and nothing is stored."""
    await parley.service.add(channel_id, "ben")
    assert (await ann.submit(channel_id, author_id="ben")).refusal == (403, "PERMISSION_DENIED")
    assert await ann.texts(channel_id) == []


async def test_an_agent_cannot_speak_as_a_user(parley: Parley, channel_id: str) -> None:
    """An agent's key is good for that agent only."""
    bot = await parley.agent("bot")
    await parley.service.add(channel_id, "bot")
    assert (await bot.submit(channel_id, author_id="ann")).refusal == (403, "PERMISSION_DENIED")


async def test_a_stranger_cannot_post_and_learns_nothing(parley: Parley, channel_id: str) -> None:
    """Somebody else's channel answers exactly like one that does not exist."""
    stranger = await parley.user("eve")
    foreign, absent = await stranger.submit(channel_id), await stranger.submit(NOWHERE)
    assert foreign.refusal == absent.refusal == (404, "RESOURCE_NOT_FOUND")
    assert foreign.raw.replace(channel_id.encode(), NOWHERE.encode()) == absent.raw


async def test_an_observer_cannot_post(parley: Parley, channel_id: str) -> None:
    """An observer reads along and is refused with 403, also through a service."""
    watcher = await parley.user("watcher")
    await parley.service.add(channel_id, "watcher", role="observer")
    assert (await watcher.submit(channel_id)).refusal == (403, "PERMISSION_DENIED")
    assert (await parley.service.submit(channel_id, author_id="watcher")).status == 403
    assert (await watcher.history(channel_id)).data["messages"] == []


async def test_a_joinable_channel_is_read_by_anybody_and_written_to_by_members(parley: Parley) -> None:
    """Whoever has not joined may look, but not post."""
    ann, visitor = await parley.user("ann"), await parley.user("visitor")
    channel_id = await ann.new_channel("open", joinable=True)
    await ann.submit(channel_id, "welcome")
    assert await visitor.texts(channel_id) == ["welcome"]
    assert (await visitor.submit(channel_id)).refusal == (403, "PERMISSION_DENIED")
    assert (await visitor.add(channel_id, "visitor")).status == 201
    assert (await visitor.submit(channel_id)).status == 201


async def test_a_reply_must_have_its_parent_in_the_channel(
    parley: Parley, ann: Rest, channel_id: str
) -> None:
    """An unknown parent, and one of another channel, are 400."""
    elsewhere = await parley.service.new_channel("elsewhere", "ann")
    foreign = (await ann.submit(elsewhere)).data["id"]
    for parent in (foreign, NOWHERE):
        reply = await ann.submit(channel_id, in_reply_to_message_id=parent)
        assert reply.refusal == (400, "VALIDATION_ERROR")
        assert parent in reply.error["details"]
    assert await ann.texts(channel_id) == []
    parent = (await ann.submit(channel_id, "question")).data["id"]
    answer = await ann.submit(channel_id, "answer", in_reply_to_message_id=parent.upper())
    assert answer.data["in_reply_to_message_id"] == parent


@pytest.mark.parametrize("name", ["server_id", "serverId", "message_server_id", "messageServerId"])
async def test_the_server_may_be_stated_under_each_of_its_names(
    parley: Parley, ann: Rest, channel_id: str, name: str
) -> None:
    """The right server is accepted; a wrong one is a channel that does not exist there."""
    assert (await ann.submit(channel_id, **{name: DEFAULT_SERVER_ID})).status == 201
    refused = await ann.submit(channel_id, **{name: NOWHERE})
    assert refused.refusal == (404, "RESOURCE_NOT_FOUND")
    assert refused.error["message"] == "Channel not found"


async def test_ids_are_compared_without_case(parley: Parley) -> None:
    """A UUID in capitals is the same channel, author and server."""
    author = "abcdefab-1111-2222-3333-abcdefabcdef"
    channel_id = await parley.service.new_channel("talk", author.upper())
    reply = await parley.service.submit(channel_id.upper(), author_id=author.upper())
    assert (reply.data["userId"], reply.data["roomId"]) == (author, channel_id)
    assert (await parley.service.history(channel_id.upper())).data["pagination"]["total"] == 1
    assert (await parley.service.remove(channel_id, author.upper())).status == 200


async def test_the_content_comes_back_exactly(ann: Rest, channel_id: str) -> None:
    """Nothing is trimmed, normalised or escaped, in any script."""
    texts = [
        "  spaces  ",
        "tab\tline\r\nend",
        "e\u0301 é",
        "👩‍👩‍👧 🏳️‍🌈",
        "<b>&amp;</b>",
        "\u202eabc",
        "𝔘𝔫𝔦",
        "\ufeff",
    ]
    for text in texts:
        assert (await ann.submit(channel_id, text)).data["text"] == text
    assert await ann.texts(channel_id) == texts


async def test_the_length_of_a_content_is_counted_in_characters(parley: Parley, channel_id: str) -> None:
    """Users may say 4,000 code points and agents 50,000; the API's sentence says how many there were."""
    ann, bot = await parley.user("ann"), await parley.agent("bot")
    await parley.service.add(channel_id, "bot")
    for client, most in ((ann, 4_000), (bot, 50_000)):
        assert (await client.submit(channel_id, "😀" * most)).status == 201
        refused = await client.submit(channel_id, "😀" * (most + 1))
        assert refused.refusal == (400, "VALIDATION_ERROR")
        assert f"at most {most} characters" in refused.error["details"]
    assert (await parley.service.submit(channel_id, "x" * 4_001, author_id="ann")).status == 400
    relayed = {"author_id": "bot", "source_type": "agent_response"}
    assert (await parley.service.submit(channel_id, "x" * 50_000, **relayed)).status == 201


async def test_the_longest_content_can_be_set(start: Start) -> None:
    """PARLEY_MAX_CONTENT moves the users' limit."""
    parley = await start(max_content=10)
    channel_id = await parley.service.new_channel("talk")
    assert (await parley.service.submit(channel_id, "x" * 10, author_id="ann")).status == 201
    assert (await parley.service.submit(channel_id, "x" * 11, author_id="ann")).status == 400


EXECUTABLE = ["<script>x</script>", "<SCRIPT src=x>", '<img src="x" onerror="y">', "[a](javascript:alert(1))"]


@pytest.mark.parametrize("content", EXECUTABLE)
async def test_markup_that_would_run_is_kept_as_text_or_refused(start: Start, content: str) -> None:
    """By default content is text and stored exactly; with the policy ``reject`` it is 400."""
    accepting = await start()
    channel_id = await accepting.service.new_channel("talk")
    assert (await accepting.service.submit(channel_id, content, author_id="ann")).data["text"] == content
    rejecting = await start(accepting.data_dir.with_name("rejecting"), content_policy="reject")
    channel_id = await rejecting.service.new_channel("talk")
    refused = await rejecting.service.submit(channel_id, content, author_id="ann")
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert (await rejecting.service.submit(channel_id, "a script <3", author_id="ann")).status == 201
