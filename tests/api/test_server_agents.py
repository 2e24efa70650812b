"""Which agents are a server's and a channel's, and who may change that."""

import pytest

from rooms import server_agents
from rooms.principals import Kind, Scope
from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API, Reply, Rest
from tests.running import Parley

SERVERS = f"{API}/message-servers"
NOWHERE = "11111111-2222-3333-4444-555555555555"
DENIED = (403, "PERMISSION_DENIED")
NOT_FOUND = (404, "RESOURCE_NOT_FOUND")
BAD = (400, "VALIDATION_ERROR")


async def new_server(parley: Parley, name: str = "two") -> str:
    """Create a message server and return its id."""
    created: str = (await parley.service.post(SERVERS, {"name": name})).data["id"]
    return created


async def add(client: Rest, server_id: str, agent_id: object) -> Reply:
    """Add an agent to a server."""
    return await client.post(f"{SERVERS}/{server_id}/agents", {"agentId": agent_id})


async def agents(client: Rest, server_id: str = DEFAULT_SERVER_ID) -> list[str]:
    """Return the agents of a server as the client sees them."""
    found: list[str] = (await client.get(f"{SERVERS}/{server_id}/agents")).data["agents"]
    return found


async def servers(client: Rest, agent_id: str) -> list[str]:
    """Return the servers of an agent as the client sees them."""
    found: list[str] = (await client.get(f"{API}/agents/{agent_id}/message-servers")).data["messageServers"]
    return found


async def test_an_agent_is_added_once_and_removed(parley: Parley) -> None:
    """The answers are elizaOS's; a second time changes nothing."""
    await parley.key(Kind.AGENT, "bot")
    server_id = await new_server(parley)
    about = {"messageServerId": server_id, "serverId": server_id, "agentId": "bot"}
    for _ in range(2):
        added = await add(parley.service, server_id.upper(), "bot")
        assert added.data == {**about, "message": "Agent added to message server successfully"}
        assert await agents(parley.service, server_id) == ["bot"]
    assert await servers(parley.service, "bot") == [server_id]
    for _ in range(2):
        removed = await parley.service.delete(f"{SERVERS}/{server_id}/agents/bot")
        assert removed.data == {**about, "message": "Agent removed from message server successfully"}
        assert await agents(parley.service, server_id) == []
    assert await servers(parley.service, "bot") == []


async def test_an_added_agent_is_known_to_whoever_may_see_the_server(parley: Parley) -> None:
    """Before they have a channel in common: on the default server to all, on others to who is in them."""
    ann, eve = await parley.user("ann"), await parley.user("eve")
    bot, hidden = await parley.agent("bot"), await parley.agent("hidden")
    server_id = await new_server(parley)
    await parley.service.new_channel("talk", "ann", serverId=server_id)
    assert await agents(ann, server_id) == await agents(ann) == []
    await add(parley.service, server_id, "bot")
    assert await agents(ann, server_id) == ["bot"]
    assert [agent["id"] for agent in (await ann.get("/api/agents")).data["agents"]] == ["bot"]
    assert (await eve.get("/api/agents")).data["agents"] == []
    assert (await servers(ann, "bot"), await servers(bot, "bot")) == ([server_id], [server_id])
    assert (await eve.get(f"{API}/agents/bot/message-servers")).status == 404
    await add(parley.service, DEFAULT_SERVER_ID, "bot")
    assert await agents(eve) == ["bot"]
    assert await servers(eve, "bot") == [DEFAULT_SERVER_ID]
    listed = (await bot.get(SERVERS)).data["messageServers"]
    assert {server["id"] for server in listed} == {DEFAULT_SERVER_ID, server_id}
    assert await servers(hidden, "hidden") == []


async def test_who_takes_part_in_a_channel_is_one_of_the_servers(parley: Parley) -> None:
    """To whoever may see the channel, and to nobody else."""
    ann, eve = await parley.user("ann"), await parley.user("eve")
    await parley.key(Kind.AGENT, "bot")
    await parley.service.new_channel("talk", "ann", "bot")
    assert (await agents(ann), await agents(parley.service), await agents(eve)) == (["bot"], ["bot"], [])


async def test_who_is_taken_out_of_a_server_leaves_its_channels(
    parley: Parley, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In steps, but for dms, and for the channels of other servers; its runs end."""
    monkeypatch.setattr(server_agents, "STEP", 2)
    await parley.key(Kind.AGENT, "bot")
    other = await new_server(parley)
    kept = await parley.service.new_channel("kept", "bot", serverId=other)
    rooms = [await parley.service.new_channel(f"room-{n}", "ann", "bot") for n in range(5)]
    said = (await parley.service.submit(rooms[0], "well?", author_id="ann")).data["id"]
    ann = await parley.user("ann")
    dm = (await ann.get(f"{API}/dm-channel?targetUserId=bot")).data["id"]
    await add(parley.service, DEFAULT_SERVER_ID, "bot")
    assert (await parley.service.delete(f"{SERVERS}/{DEFAULT_SERVER_ID}/agents/bot")).status == 200
    for channel_id in rooms:
        found = await parley.service.get(f"{API}/channels/{channel_id}/agents")
        assert (found.data["participants"], found.data["agents"]) == (["ann"], [])
    for channel_id in (kept, dm):
        assert (await parley.service.get(f"{API}/channels/{channel_id}/agents")).data["agents"] == ["bot"]
    runs = (await parley.service.get(f"{API}/messages/{said}/runs")).data["runs"]
    assert [(run["state"], run["reason"]) for run in runs] == [("failed", "removed")]
    assert set(await servers(parley.service, "bot")) == {DEFAULT_SERVER_ID, other}


async def test_only_services_with_the_scope_change_a_servers_agents(parley: Parley) -> None:
    """Users and agents may not, the agent itself included; what is not there is not found."""
    bot, ann = await parley.agent("bot"), await parley.user("ann")
    limited = await parley.restricted_service(Scope.CHANNELS_WRITE, Scope.MESSAGES_READ)
    path = f"{SERVERS}/{DEFAULT_SERVER_ID}/agents/bot"
    for client in (bot, ann, limited):
        assert (await add(client, DEFAULT_SERVER_ID, "bot")).refusal == DENIED
        assert (await client.delete(path)).refusal == DENIED
    assert await agents(parley.service) == []
    for server_id in (NOWHERE, "x"):
        assert (await add(parley.service, server_id, "bot")).refusal == NOT_FOUND
        assert (await parley.service.delete(f"{SERVERS}/{server_id}/agents/bot")).refusal == NOT_FOUND
        assert (await parley.service.get(f"{SERVERS}/{server_id}/agents")).refusal == NOT_FOUND
    for nobody in ("nobody", "ann"):
        assert (await add(parley.service, DEFAULT_SERVER_ID, nobody)).refusal == NOT_FOUND
        assert (await parley.service.get(f"{API}/agents/{nobody}/message-servers")).refusal == NOT_FOUND
    for malformed in (None, 5, "", "a b", "x" * 129, ["bot"]):
        assert (await add(parley.service, DEFAULT_SERVER_ID, malformed)).refusal == BAD


async def test_agents_are_added_to_a_channel_and_taken_out(parley: Parley) -> None:
    """By those who manage it; somebody who is no agent cannot be added or taken out here."""
    ann, ben = await parley.user("ann"), await parley.user("ben")
    await parley.key(Kind.AGENT, "bot")
    channel_id = await ann.new_channel("talk", "ben")
    path = f"{API}/channels/{channel_id}/agents"
    about = {"channelId": channel_id, "agentId": "bot"}
    for _ in range(2):
        added = await ann.post(path, {"agentId": "bot"})
        assert (added.status, added.data) == (
            201,
            {**about, "success": True, "message": "Agent added to channel successfully"},
        )
    found = (await ben.get(path)).data
    assert found == {"channelId": channel_id, "participants": ["ann", "ben", "bot"], "agents": ["bot"]}
    assert (await ben.post(path, {"agentId": "bot"})).refusal == DENIED
    assert (await ben.delete(f"{path}/bot")).refusal == DENIED
    for nobody in ("nobody", "ben"):
        assert (await ann.post(path, {"agentId": nobody})).refusal == NOT_FOUND
        refused = await ann.delete(f"{path}/{nobody}")
        assert refused.refusal == NOT_FOUND
        assert refused.error["message"] == "Agent is not a participant in this channel"
    removed = await ann.delete(f"{path}/bot")
    assert removed.data == {**about, "success": True, "message": "Agent removed from channel successfully"}
    assert (await ann.get(path)).data["agents"] == []
    eve = await parley.user("eve")
    for reply in (
        await eve.get(path),
        await eve.post(path, {"agentId": "bot"}),
        await eve.delete(f"{path}/bot"),
    ):
        assert reply.refusal == NOT_FOUND
        assert reply.error["message"] == "Channel not found"
    for malformed in (None, 5, "", "a b", {}):
        assert (await ann.post(path, {"agentId": malformed})).refusal == BAD
