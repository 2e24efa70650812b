"""An agent's memories: the messages of its channels, for those who may read them there."""

from typing import Any

import pytest

from rooms.principals import Scope
from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API, Rest
from tests.running import Parley

BOT = "/api/memory/bot"
MISSING = "11111111-2222-3333-4444-555555555555"
NOT_FOUND = (404, "RESOURCE_NOT_FOUND")


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of a user and an agent."""
    await parley.agent("bot", "Bot")
    return await parley.service.new_channel("talk", "ann", "bot")


async def texts(client: Rest, path: str = f"{BOT}/memories", **query: Any) -> list[str]:
    """Return what an agent remembers."""
    found = (await client.get(path, **query)).data["memories"]
    return [memory["content"]["text"] for memory in found]


async def test_what_was_said_is_remembered(parley: Parley, channel_id: str) -> None:
    """In elizaOS's shape, the newest first, of all of the agent's channels or of one."""
    other = await parley.service.new_channel("other", "ann", "bot")
    await parley.service.new_channel("elsewhere", "ann")
    said = []
    for place, text in ((channel_id, "one"), (other, "two"), (channel_id, "three")):
        said.append((await parley.service.submit(place, text, author_id="ann", metadata={"a": 1})).data)
    assert await texts(parley.service) == ["three", "two", "one"]
    assert await texts(parley.service, limit=2) == ["three", "two"]
    for query in ({"channelId": channel_id}, {"roomId": channel_id.upper()}):
        assert await texts(parley.service, **query) == ["three", "one"]
    room = f"{BOT}/rooms/{channel_id}/memories"
    assert await texts(parley.service, room, includeEmbedding="false", tableName="messages") == [
        "three",
        "one",
    ]
    assert await texts(parley.service, room, before=said[0]["created_at"] + 1) == ["one"]
    assert await texts(parley.service, room, tableName="documents") == []
    newest = (await parley.service.get(room)).data["memories"][0]
    assert newest == {
        "id": said[2]["id"],
        "entityId": "ann",
        "agentId": "bot",
        "roomId": channel_id,
        "worldId": DEFAULT_SERVER_ID,
        "type": "messages",
        "content": {"text": "three", "source": said[2]["source_type"]},
        "createdAt": said[2]["created_at"],
        "updatedAt": said[2]["created_at"],
        "unique": True,
        "metadata": newest["metadata"],
    }
    assert newest["metadata"].items() >= {"a": 1, "isAgent": False, "type": "message"}.items()


async def test_rooms_are_the_agents_channels(parley: Parley, channel_id: str) -> None:
    """The one in which something happened last comes first."""
    other = await parley.service.new_channel("other", "ann", "bot")
    await parley.service.submit(channel_id, "hello", author_id="ann")
    rooms = (await parley.service.get(f"{BOT}/rooms")).data["rooms"]
    assert [room["id"] for room in rooms] == [channel_id, other]
    room = (await parley.service.get(f"{BOT}/rooms/{channel_id.upper()}")).data
    assert room == rooms[0]
    assert (room["name"], room["agentId"], room["worldId"]) == ("talk", "bot", DEFAULT_SERVER_ID)


async def test_nobody_reads_more_than_in_the_channel(parley: Parley, channel_id: str) -> None:
    """Somebody who knows the agent from another channel is shown that one alone; a stranger nothing."""
    await parley.service.submit(channel_id, "for ann", author_id="ann")
    shared = await parley.service.new_channel("shared", "ben", "bot")
    await parley.service.submit(shared, "for ben", author_id="ben")
    ann, ben, eve = [await parley.user(name) for name in ("ann", "ben", "eve")]
    assert await texts(ann) == ["for ann"]
    assert await texts(ben) == ["for ben"]
    assert [room["id"] for room in (await ben.get(f"{BOT}/rooms")).data["rooms"]] == [shared]
    bot = await parley.agent("bot")
    assert await texts(bot) == ["for ben", "for ann"]
    for path in (f"{BOT}/rooms/{channel_id}", f"{BOT}/rooms/{channel_id}/memories"):
        assert (await ben.get(path)).refusal == NOT_FOUND
    for path in ("memories", "rooms", f"rooms/{channel_id}", f"rooms/{channel_id}/memories"):
        assert (await eve.get(f"{BOT}/{path}")).refusal == NOT_FOUND


async def test_a_room_that_is_not_the_agents_is_not_found(parley: Parley, channel_id: str) -> None:
    """Nor one that does not exist; nor an agent that does not, or that is none."""
    elsewhere = await parley.service.new_channel("elsewhere", "ann")
    for room in (elsewhere, MISSING, "x"):
        assert (await parley.service.get(f"{BOT}/rooms/{room}/memories")).refusal == NOT_FOUND
        assert (await parley.service.get(f"{BOT}/rooms/{room}")).refusal == NOT_FOUND
        assert (await parley.service.get(f"{BOT}/memories", roomId=room)).refusal == NOT_FOUND
    for agent in (MISSING, "ann"):
        assert (await parley.service.get(f"/api/memory/{agent}/memories")).refusal == NOT_FOUND


async def test_a_memory_is_changed_and_deleted_as_a_message(parley: Parley, channel_id: str) -> None:
    """By whoever may do that in the channel."""
    ann, bot = await parley.user("ann"), await parley.agent("bot")
    memory_id = (await ann.submit(channel_id, "one")).data["id"]
    path = f"{BOT}/memories/{memory_id}"
    assert (await bot.request("PATCH", path, json={"content": "mine"})).refusal == (403, "PERMISSION_DENIED")
    assert (await bot.delete(path)).refusal == (403, "PERMISSION_DENIED")
    for content in ({"text": "two", "source": "x"}, "three"):
        changed = (await ann.request("PATCH", path, json={"content": content, "metadata": {}})).data
        assert (changed["id"], changed["roomId"]) == (memory_id, channel_id)
    assert changed["content"]["text"] == "three"
    assert await texts(parley.service) == ["three"]
    assert (await ann.delete(path)).data == {"success": True, "message": "Memory deleted successfully"}
    assert await texts(parley.service) == []
    assert (await ann.delete(path)).refusal == NOT_FOUND


async def test_a_room_is_cleared_by_whoever_manages_the_channel(parley: Parley, channel_id: str) -> None:
    """Other channels of the agent keep what was said there."""
    other = await parley.service.new_channel("other", "ann", "bot")
    for place in (channel_id, channel_id, other):
        await parley.service.submit(place, "hello", author_id="ann")
    path = f"{BOT}/memories/all"
    ann = await parley.user("ann")
    assert (await ann.delete(f"{path}/{channel_id}")).refusal == (403, "PERMISSION_DENIED")
    for unknown in (MISSING, "x", await parley.service.new_channel("elsewhere", "ann")):
        assert (await parley.service.delete(f"{path}/{unknown}")).refusal == NOT_FOUND
    assert len(await texts(parley.service)) == 3
    assert (await parley.service.delete(f"{path}/{channel_id}")).status == 204
    assert [await parley.service.texts(place) for place in (channel_id, other)] == [[], ["hello"]]


async def test_all_memories_are_cleared_by_whoever_manages_all(parley: Parley, channel_id: str) -> None:
    """Somebody who manages but one of them clears none; what the agent takes no part in stays."""
    ann = await parley.user("ann")
    own = (await ann.create_channel("own")).data["id"]
    elsewhere = await parley.service.new_channel("elsewhere", "ann")
    await ann.add(own, "bot")
    for place in (channel_id, own, elsewhere):
        await ann.submit(place, "hello")
    assert (await ann.delete(f"{BOT}/memories")).refusal == (403, "PERMISSION_DENIED")
    assert (await (await parley.user("eve")).delete(f"{BOT}/memories")).refusal == NOT_FOUND
    assert await texts(parley.service) == ["hello", "hello"]
    assert (await parley.service.delete(f"{BOT}/memories")).data["deleted"] == 2
    assert await texts(parley.service) == []
    assert await ann.texts(elsewhere) == ["hello"]


async def test_a_worlds_memories_are_cleared_by_services(parley: Parley, channel_id: str) -> None:
    """Those of another message server stay."""
    server = (await parley.service.post(f"{API}/message-servers", {"name": "Acme"})).data["server"]["id"]
    there = await parley.service.new_channel("there", "ann", serverId=server)
    for place in (channel_id, there):
        await parley.service.submit(place, "hello", author_id="ann")
    path = f"/api/memory/groups/{server}/memories"
    for client in (await parley.user("ann"), await parley.restricted_service(Scope.CHANNELS_WRITE)):
        assert (await client.delete(path)).refusal == (403, "PERMISSION_DENIED")
    for unknown in (MISSING, "x"):
        assert (await parley.service.delete(path.replace(server, unknown))).refusal == NOT_FOUND
    assert (await parley.service.delete(path)).data["deleted"] == 1
    assert [await parley.service.texts(place) for place in (there, channel_id)] == [[], ["hello"]]


async def test_a_memory_of_another_agent_is_not_found(parley: Parley, channel_id: str) -> None:
    """It stays as it is."""
    elsewhere = await parley.service.new_channel("elsewhere", "ann")
    memory_id = (await parley.service.submit(elsewhere, "one", author_id="ann")).data["id"]
    for unknown in (memory_id, MISSING, "x"):
        path = f"{BOT}/memories/{unknown}"
        assert (await parley.service.delete(path)).refusal == NOT_FOUND
        assert (await parley.service.request("PATCH", path, json={"content": "x"})).refusal == NOT_FOUND
    assert await parley.service.texts(elsewhere) == ["one"]


@pytest.mark.parametrize(
    "body",
    [{}, {"content": None}, {"content": {}}, {"content": {"text": 5}}, {"content": ""}, {"content": "a\0b"}],
)
async def test_what_a_memory_cannot_say_is_refused(parley: Parley, channel_id: str, body: Any) -> None:
    """The rules are those of a message."""
    memory_id = (await parley.service.submit(channel_id, "one", author_id="ann")).data["id"]
    path = f"{BOT}/memories/{memory_id}"
    assert (await parley.service.request("PATCH", path, json=body)).refusal == (400, "VALIDATION_ERROR")
    assert await texts(parley.service) == ["one"]


async def test_a_room_is_created_with_the_agent_in_it(parley: Parley, channel_id: str) -> None:
    """Whoever creates it takes part, too; a dm is the pair's."""
    ann = await parley.user("ann")
    made = (await ann.post(f"{BOT}/rooms", {"name": "A room", "metadata": {"a": 1}})).data
    assert (made["name"], made["type"], made["metadata"]) == ("A room", "GROUP", {"a": 1})
    assert (await ann.get(f"{BOT}/rooms/{made['id']}")).data == made
    present = (await ann.get(f"{API}/channels/{made['id']}/participants")).data["participants"]
    assert {participant["userId"] for participant in present} == {"ann", "bot"}
    dm = (await ann.post(f"{BOT}/rooms", {"name": "two", "type": "DM"})).data
    assert (await ann.post(f"{BOT}/rooms", {"name": "again", "type": "DM"})).data["id"] == dm["id"]
    eve = await parley.user("eve")
    assert (await eve.post(f"{BOT}/rooms", {"name": "A room"})).refusal == NOT_FOUND
    for bad in (
        {},
        {"name": ""},
        {"name": 5},
        {"name": "x", "metadata": []},
        {"name": "x", "messageServerId": "x"},
    ):
        assert (await ann.post(f"{BOT}/rooms", bad)).refusal == (400, "VALIDATION_ERROR")
    missing = {"name": "x", "messageServerId": MISSING}
    assert (await ann.post(f"{BOT}/rooms", missing)).refusal == NOT_FOUND


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "x"}, {"before": "yesterday"}])
async def test_a_bad_parameter_is_refused(parley: Parley, channel_id: str, query: dict[str, str]) -> None:
    """Whatever is wrong with it."""
    assert (await parley.service.get(f"{BOT}/memories", **query)).refusal == (400, "VALIDATION_ERROR")
