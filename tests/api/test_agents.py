"""The registry of agents over REST: what is answered, who is connected, and what cannot be said."""

from typing import Any

import pytest

from rooms.principals import Kind, Scope
from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API, Reply, Rest
from tests.running import Parley
from tests.talking import ELIZA, talking

PATH = f"{API}/agents/bot"


async def patch(client: Rest, path: str = PATH, **fields: Any) -> Reply:
    """Change what is said of an agent."""
    return await client.request("PATCH", path, json=fields)


async def test_an_agent_describes_itself(parley: Parley) -> None:
    """The answer says all of it; a body that names nothing, or null, changes nothing but the handle."""
    bot = await parley.agent("bot", "Bot")
    fresh = (await bot.get(PATH)).data
    said = {"name": "Robot", "handle": "robot", "bio": "I count.", "capabilities": ["count", "add", "count"]}
    told = (await patch(bot, **said, settings={"model": "small"}, is_active=False)).data
    assert told == {
        "id": "bot",
        **said,
        "capabilities": ["count", "add"],
        "is_active": False,
        "status": "inactive",
        "settings": {"model": "small"},
        "connected": False,
        "created_at": fresh["created_at"],
    }
    nothing = dict.fromkeys(("name", "bio", "capabilities", "settings", "is_active"))
    for body in ({}, nothing):
        assert (await patch(bot, **body)).data == told
    assert (await patch(bot, handle=None)).data == {**told, "handle": None}
    assert (await bot.request("PUT", PATH, json={"is_active": True})).data["status"] == "active"


async def test_settings_are_shown_to_whom_they_are_for(parley: Parley) -> None:
    """A member of the agent's channel sees the rest."""
    bot = await parley.agent("bot")
    await patch(bot, settings={"model": "small"})
    await parley.service.new_channel("talk", "ann", "bot")
    ann = await parley.user("ann")
    assert "settings" not in (await ann.get(PATH)).data
    (listed,) = (await ann.get(f"{API}/agents", server_id=DEFAULT_SERVER_ID)).data["agents"]
    assert listed == (await ann.get(PATH)).data
    assert (await parley.service.get(PATH)).data["settings"] == {"model": "small"}


@pytest.mark.parametrize("namespace", [None, ELIZA])
async def test_a_connected_agent_is_shown_as_that(parley: Parley, namespace: str | None) -> None:
    """On whichever namespace it is, as long as it is there."""
    key = await parley.key(Kind.AGENT, "bot")
    await parley.key(Kind.AGENT, "other")
    where = (namespace,) if namespace else ()
    async with talking(parley.url, {"token": key}, *where):
        assert (await parley.service.get(PATH)).data["connected"] is True
        listed = (await parley.service.get(f"{API}/agents")).data["agents"]
        assert {agent["id"]: agent["connected"] for agent in listed} == {"bot": True, "other": False}


async def test_an_agent_is_registered_by_a_service(parley: Parley) -> None:
    """One with the scope; its key is made as ever, and finds it."""
    reader = await parley.restricted_service(Scope.MESSAGES_READ, Scope.ENTITIES_WRITE)
    for body in ({}, {"bio": "mine"}):
        assert (await reader.request("PUT", PATH, json=body)).status == 404
    registrar = await parley.restricted_service(Scope.AGENTS_WRITE)
    assert (await patch(registrar, bio="fresh")).refusal == (404, "RESOURCE_NOT_FOUND")
    made = await registrar.request("PUT", PATH, json={"bio": "fresh", "name": "Bot"})
    assert (made.status, made.data["name"]) == (200, "Bot")
    assert (await reader.request("PUT", PATH, json={"bio": "mine"})).refusal == (403, "PERMISSION_DENIED")
    assert (await (await parley.agent("bot", "Bot")).get(PATH)).data["bio"] == "fresh"
    await parley.key(Kind.USER, "ann")
    assert (await registrar.request("PUT", f"{API}/agents/ann", json={})).refusal == (409, "CONFLICT")
    assert (await registrar.request("PUT", f"{API}/agents/no id", json={})).refusal[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": 5},
        {"handle": "a b"},
        {"bio": "x" * 4_001},
        {"bio": "a\0b"},
        {"capabilities": "count"},
        {"capabilities": ["two words"]},
        {"capabilities": [""]},
        {"capabilities": ["x" * 65]},
        {"capabilities": [5]},
        {"capabilities": [f"word-{n}" for n in range(51)]},
        {"settings": []},
        {"settings": {"a b": 1}},
        {"settings": {"a": "x" * 16_384}},
        {"settings": {"a": {"b": {"c": {"d": {"e": {}}}}}}},
        {"is_active": "yes"},
        {"is_active": 1},
    ],
)
async def test_what_cannot_be_said_of_an_agent_is_refused(parley: Parley, body: dict[str, Any]) -> None:
    """Nothing of the same wish is done."""
    bot = await parley.agent("bot")
    before = (await bot.get(PATH)).data
    assert (await patch(bot, **{"bio": "changed", **body})).refusal == (400, "VALIDATION_ERROR")
    assert (await bot.get(PATH)).data == before


async def test_strangers_are_told_of_no_agent(parley: Parley) -> None:
    """Neither by its id, nor in a list, nor by being refused."""
    await parley.agent("bot")
    ann = await parley.user("ann")
    assert (await ann.get(f"{API}/agents")).data == {"agents": []}
    for attempt in (ann.get(PATH), patch(ann, bio="mine"), ann.request("PUT", PATH, json={})):
        assert (await attempt).refusal == (404, "RESOURCE_NOT_FOUND")
    missing = "11111111-2222-3333-4444-555555555555"
    for server_id in (missing, "x"):
        assert (await ann.get(f"{API}/agents", server_id=server_id)).refusal[0] == 404
