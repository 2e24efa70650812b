"""elizaOS's worlds: message servers, in which an agent is by taking part in a channel."""

from typing import Any

import pytest

from rooms.principals import Scope
from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API
from tests.running import Parley

WORLDS = "/api/agents/worlds"
BOT = "/api/agents/bot/worlds"
GROUPS = "/api/memory/groups"
FRESH = "11111111-2222-3333-4444-555555555555"
NOT_FOUND = (404, "RESOURCE_NOT_FOUND")
DENIED = (403, "PERMISSION_DENIED")
INVALID = (400, "VALIDATION_ERROR")


async def test_worlds_are_the_servers_that_one_takes_part_in(parley: Parley) -> None:
    """The default one is everybody's; a service sees all."""
    other = (await parley.service.post(f"{API}/message-servers", {"name": "Acme"})).data["server"]["id"]
    ann = await parley.user("ann")
    (world,) = (await ann.get(WORLDS)).data["worlds"]
    assert (world["id"], world["messageServerId"]) == (DEFAULT_SERVER_ID, DEFAULT_SERVER_ID)
    await parley.service.new_channel("talk", "ann", serverId=other)
    for client in (ann, parley.service):
        listed = (await client.get(WORLDS)).data["worlds"]
        assert {world["id"] for world in listed} == {DEFAULT_SERVER_ID, other}


async def test_an_agent_is_in_a_world_by_taking_part_or_being_added(parley: Parley) -> None:
    """Who may not add it is told what to do."""
    await parley.agent("bot")
    reader = await parley.restricted_service(Scope.MESSAGES_READ)
    asked = {"worldId": DEFAULT_SERVER_ID}
    refused = await reader.post(BOT, asked)
    assert refused.refusal == INVALID
    assert "add it to one" in refused.error["details"]
    assert (await parley.service.post(BOT, asked)).data["world"]["id"] == DEFAULT_SERVER_ID
    assert (await reader.post(BOT, asked)).status == 201
    added = (await parley.service.get(f"{API}/message-servers/{DEFAULT_SERVER_ID}/agents")).data
    assert added["agents"] == ["bot"]
    await parley.service.new_channel("talk", "ann", "bot")
    assert (await (await parley.user("ann")).post(BOT, asked)).data["world"]["id"] == DEFAULT_SERVER_ID
    assert (await parley.service.post(BOT, {"worldId": FRESH})).refusal == NOT_FOUND


async def test_strangers_of_an_agent_are_told_of_no_world(parley: Parley) -> None:
    """Neither a user nor another agent."""
    await parley.agent("bot")
    await parley.service.new_channel("talk", "ann", "bot")
    for stranger in (await parley.user("eve"), await parley.agent("other")):
        assert (await stranger.post(BOT, {"worldId": DEFAULT_SERVER_ID})).refusal == NOT_FOUND


async def test_a_world_is_not_given_an_agent_that_one_may_not_know_of(parley: Parley) -> None:
    """What is refused changes nothing."""
    await parley.agent("bot")
    builder = await parley.restricted_service(Scope.SERVERS_WRITE)
    assert (await builder.post(BOT, {"worldId": DEFAULT_SERVER_ID})).refusal == NOT_FOUND
    added = (await parley.service.get(f"{API}/message-servers/{DEFAULT_SERVER_ID}/agents")).data
    assert added["agents"] == []


async def test_a_world_is_deleted_as_a_message_server(parley: Parley) -> None:
    """With all that is in it, by services that may; the default one stays."""
    made = (await parley.service.post(f"{GROUPS}/{FRESH}", {"name": "Acme"})).data
    ann = await parley.user("ann")
    assert (await ann.delete(f"{GROUPS}/{made['id']}")).refusal == DENIED
    assert (await parley.service.delete(f"{GROUPS}/{DEFAULT_SERVER_ID}")).refusal == INVALID
    assert (await parley.service.delete(f"{GROUPS}/{made['id']}")).status == 204
    assert (await parley.service.delete(f"{GROUPS}/{made['id']}")).refusal == NOT_FOUND
    assert {world["id"] for world in (await parley.service.get(WORLDS)).data["worlds"]} == {DEFAULT_SERVER_ID}


async def test_a_world_is_created_by_whoever_may_create_servers(parley: Parley) -> None:
    """Beside an agent, or as a group of its memories; what is there is answered as it is."""
    await parley.agent("bot")
    await parley.service.new_channel("talk", "ann", "bot")
    ann = await parley.user("ann")
    assert (await ann.post(BOT, {"name": "Acme"})).refusal == DENIED
    assert (await ann.post(f"{GROUPS}/{FRESH}", {"name": "Acme"})).refusal == DENIED
    made = (await parley.service.post(BOT, {"name": "Acme", "metadata": {"a": 1}})).data["world"]
    assert (made["name"], made["metadata"]) == ("Acme", {"a": 1})
    group = (await parley.service.post(f"{GROUPS}/{FRESH}", {"name": "Ajax", "description": "a b"})).data
    assert (group["id"], group["worldId"], group["metadata"]) == (FRESH, FRESH, {"description": "a b"})
    for again in (parley.service.post(f"{GROUPS}/{FRESH.upper()}", {"name": "Other"}),):
        assert (await again).data == group
    assert (await ann.post(f"{GROUPS}/{DEFAULT_SERVER_ID}", {"name": "x"})).data["id"] == DEFAULT_SERVER_ID
    listed = (await parley.service.get(f"{API}/message-servers")).data["messageServers"]
    assert {server["name"] for server in listed} == {"Default Server", "Acme", "Ajax"}


async def test_what_is_said_of_a_world_is_merged(parley: Parley) -> None:
    """By services that may; what is not sent stays."""
    await parley.agent("bot")
    await parley.service.new_channel("talk", "ann", "bot")
    path = f"{BOT}/{DEFAULT_SERVER_ID}"
    for body in ({"metadata": {"a": 1}}, {"settings": {"b": {"c": 1, "d": 2}}}, {"name": "Acme"}):
        await parley.service.request("PATCH", path, json=body)
    told = (await parley.service.request("PATCH", path, json={"settings": {"b": {"c": None}}})).data
    assert (told["worldId"], told["settings"]) == (DEFAULT_SERVER_ID, {"b": {"d": 2}})
    changed = told["world"]
    assert (changed["name"], changed["metadata"]) == ("Acme", {"a": 1, "settings": {"b": {"d": 2}}})
    for client in (await parley.user("ann"), await parley.restricted_service(Scope.AGENTS_WRITE)):
        assert (await client.request("PATCH", path, json={"name": "x"})).refusal == DENIED
    missing = f"{BOT}/{FRESH}"
    assert (await parley.service.request("PATCH", missing, json={"name": "x"})).refusal == NOT_FOUND
    for number in range(5):
        grown = await parley.service.request("PATCH", path, json={"metadata": {f"k{number}": "x" * 15_000}})
    assert grown.refusal == INVALID


@pytest.mark.parametrize(
    "body", [{}, {"worldId": "x"}, {"name": ""}, {"name": 5}, {"name": "x", "metadata": []}]
)
async def test_what_is_no_world_is_refused(parley: Parley, body: dict[str, Any]) -> None:
    """On each of the paths."""
    await parley.agent("bot")
    assert (await parley.service.post(BOT, body)).refusal == INVALID
    if "worldId" not in body:
        assert (await parley.service.post(f"{GROUPS}/{FRESH}", body)).refusal == INVALID
    assert (await parley.service.post(f"{GROUPS}/x", {"name": "Acme"})).refusal == NOT_FOUND
