"""Agents as elizaOS's clients register, describe, stop and end them."""

from typing import Any

import pytest

from rooms.principals import Kind, Scope
from tests.rest import API, Reply, Rest
from tests.running import Parley
from tests.talking import talking

AGENTS = "/api/agents"
CHARACTER = {
    "id": "0b9e8d3c-1111-4222-8333-444455556666",
    "name": "Ada",
    "username": "ada",
    "bio": ["Counts.", "Adds."],
    "system": "You are Ada.",
    "topics": ["numbers"],
    "plugins": ["@elizaos/plugin-sql"],
    "settings": {
        "avatar": "data:image/png;base64,AAAA",
        "voice": {"model": "low", "speed": 1},
        "secrets": {},
    },
}
BOT = f"{AGENTS}/bot"


async def create(client: Rest, character: Any = CHARACTER, form: str = "characterJson") -> Reply:
    """Register an agent."""
    return await client.post(AGENTS, {form: character})


async def patch(client: Rest, **fields: Any) -> Reply:
    """Change fields of the character."""
    return await client.request("PATCH", BOT, json=fields)


@pytest.mark.parametrize("form", ["characterJson", "agent", "character"])
async def test_an_agent_is_registered_by_its_character(parley: Parley, form: str) -> None:
    """In each form that clients use; what it says comes back, and the registry has the agent."""
    made = (await create(parley.service, form=form)).data
    assert made["id"] == CHARACTER["id"]
    found = (await parley.service.get(f"{AGENTS}/{made['id']}")).data
    assert found == made["character"]
    said = {**CHARACTER, "settings": {name: CHARACTER["settings"][name] for name in ("avatar", "voice")}}  # type: ignore[index]
    assert {name: found[name] for name in said} == said
    assert (found["status"], found["enabled"]) == ("active", True)
    known = (await parley.service.get(f"{API}/agents/{made['id']}")).data
    assert (known["name"], known["bio"]) == ("Ada", "Counts.\nAdds.")


async def test_an_agent_without_an_id_gets_one(parley: Parley) -> None:
    """Two of the same name are two agents."""
    ids = {(await create(parley.service, {"name": "Ada"})).data["id"] for _ in range(2)}
    assert len(ids) == 2
    listed = (await parley.service.get(AGENTS)).data["agents"]
    assert {agent["id"]: agent["characterName"] for agent in listed} == dict.fromkeys(ids, "Ada")
    assert all(set(agent) == {"id", "name", "characterName", "bio", "status"} for agent in listed)


async def test_an_id_is_taken_once(parley: Parley) -> None:
    """By an agent or by somebody else; neither is changed."""
    await create(parley.service)
    again = await create(parley.service, {**CHARACTER, "name": "Eve"})
    assert again.refusal == (409, "CONFLICT")
    assert (await parley.service.get(f"{AGENTS}/{CHARACTER['id']}")).data["name"] == "Ada"
    await parley.key(Kind.USER, "ann")
    assert (await create(parley.service, {"id": "ann", "name": "Ann"})).refusal == (409, "CONFLICT")


async def test_agents_are_registered_by_services_with_the_scope(parley: Parley) -> None:
    """A user, an agent and another service may not."""
    others = [await parley.user("ann"), await parley.agent("bot")]
    others.append(await parley.restricted_service(Scope.MESSAGES_READ, Scope.ENTITIES_WRITE))
    for client in others:
        refused = await create(client)
        assert refused.refusal == (403, "PERMISSION_DENIED")
        assert refused.error["details"] == "Only services with agents:write may do this"
    assert (await create(await parley.restricted_service(Scope.AGENTS_WRITE))).status == 201


async def test_fields_that_are_not_sent_stay(parley: Parley) -> None:
    """Settings are merged, and null takes one away; other fields are replaced."""
    bot = await parley.agent("bot", "Bot")
    await patch(
        bot, system="Be brief.", topics=["a"], settings={"voice": {"model": "low", "speed": 1}, "x": 1}
    )
    told = (
        await patch(bot, topics=["b"], bio="Counts.", settings={"voice": {"speed": None}, "x": None})
    ).data
    assert (told["system"], told["topics"], told["bio"], told["name"]) == (
        "Be brief.",
        ["b"],
        "Counts.",
        "Bot",
    )
    assert told["settings"] == {"voice": {"model": "low"}}
    assert told == (await bot.get(BOT)).data
    mixed = {"id": "eve", "status": "inactive", "enabled": False, "createdAt": 1, "updatedAt": 1}
    changed = (await patch(bot, **mixed)).data
    assert {name: changed[name] for name in mixed} == {name: told[name] for name in mixed} | {
        "updatedAt": changed["updatedAt"]
    }


async def test_a_character_is_shown_to_whom_it_is_for(parley: Parley) -> None:
    """Others who know the agent see what it is called and whether it is addressed."""
    bot = await parley.agent("bot", "Bot")
    await patch(bot, system="confidential", bio="Counts.", settings={"model": "confidential"})
    await parley.service.new_channel("talk", "ann", "bot")
    ann, stranger = await parley.user("ann"), await parley.user("ben")
    seen = await ann.get(BOT)
    assert (seen.data["name"], seen.data["bio"], seen.data["settings"]) == ("Bot", "Counts.", {})
    assert b"confidential" not in seen.raw
    refused = await patch(ann, bio="mine")
    assert refused.refusal == (403, "PERMISSION_DENIED")
    assert refused.error["details"] == "Only the agent itself and services with agents:write may change it"
    for path in ("", "/panels", "/runs", "/logs"):
        assert (await stranger.get(f"{BOT}{path}")).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await stranger.get(AGENTS)).data == {"agents": []}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"characterJson": {}},
        {"characterJson": "Ada"},
        {"characterJson": {"name": ""}},
        {"characterJson": {"name": 5}},
        {"characterJson": {"name": "Ada", "id": "a b"}},
        {"characterJson": {"name": "Ada", "bio": [5]}},
        {"characterJson": {"name": "Ada", "bio": "x" * 4_001}},
        {"characterJson": {"name": "Ada", "settings": []}},
        {"characterJson": {"name": "Ada", "settings": {"secrets": {"KEY": "x"}}}},
        {"characterJson": {"name": "Ada", "secrets": {"KEY": "x"}}},
        {"characterJson": {"name": "Ada", "system": "a\0b"}},
        {"characterJson": {"name": "Ada", "system": "x" * 524_288}},
        {"characterPath": "/etc/passwd"},
        {"characterPath": "/etc/passwd", "characterJson": {"name": "Ada"}},
    ],
)
async def test_what_is_no_character_is_refused(parley: Parley, body: Any) -> None:
    """Nobody is registered, and what is wrong is said."""
    assert (await parley.service.post(AGENTS, body)).refusal == (400, "VALIDATION_ERROR")
    assert (await parley.service.get(AGENTS)).data == {"agents": []}


async def test_a_character_has_512_kilobytes_and_its_settings_64(parley: Parley) -> None:
    """However often they grow."""
    bot = await parley.agent("bot")
    assert (await patch(bot, system="x" * 300_000)).status == 200
    assert (await patch(bot, lore="x" * 300_000)).refusal == (400, "VALIDATION_ERROR")
    assert (await patch(bot, settings={"a": "x" * 40_000})).status == 200
    assert (await patch(bot, settings={"b": "x" * 40_000})).refusal == (400, "VALIDATION_ERROR")
    assert set((await bot.get(BOT)).data["settings"]) == {"a"}


async def test_a_picture_is_no_burden_to_messages(parley: Parley) -> None:
    """For elizaOS's clients it is among the settings, but not where each message looks."""
    bot = await parley.agent("bot")
    picture = "data:image/jpeg;base64," + "A" * 300_000
    told = (await patch(bot, settings={"avatar": picture, "voice": "low"})).data
    assert told["settings"] == {"avatar": picture, "voice": "low"}
    assert (await bot.get(f"{API}/agents/bot")).data["settings"] == {"voice": "low"}
    assert (await patch(bot, system="Be brief.")).data["settings"]["avatar"] == picture
    assert (await patch(bot, settings={"avatar": "x" * 600_000})).refusal == (400, "VALIDATION_ERROR")
    assert (await bot.get(BOT)).data["settings"]["avatar"] == picture
    assert (await patch(bot, settings={"avatar": None})).data["settings"] == {"voice": "low"}
    assert "avatar" not in (await bot.get(BOT)).data["settings"]


async def test_a_stopped_agent_is_not_addressed(parley: Parley) -> None:
    """Until it is started again; both can be said twice."""
    await parley.agent("bot", "Bot")
    channel_id = await parley.service.new_channel("talk", "ann", "bot")
    states = []
    for word, status in (("stop", "inactive"), ("start", "active")) * 2:
        for _ in range(2):
            told = (await parley.service.post(f"{BOT}/{word}")).data
            assert (told["id"], told["name"], told["status"]) == ("bot", "Bot", status)
        stored = (await parley.service.submit(channel_id, "well?", author_id="ann")).data
        (run,) = (await parley.service.get(f"{API}/messages/{stored['id']}/runs")).data["runs"]
        states.append((run["state"], run["reason"]))
    assert states == [("ignored", "stopped"), ("queued", None)] * 2
    ann = await parley.user("ann")
    assert (await ann.post(f"{BOT}/stop")).refusal == (403, "PERMISSION_DENIED")
    assert (await parley.service.post(f"{AGENTS}/nobody/start")).refusal == (404, "RESOURCE_NOT_FOUND")


async def test_a_deleted_agent_leaves_and_is_known_no_longer(parley: Parley) -> None:
    """Its run ends, its key is worthless, what it said stays; in a dm, which nobody leaves, it is silent."""
    bot = await parley.agent("bot")
    channel_id = await parley.service.new_channel("talk", "ann", "bot")
    pair = {"type": "DM", "participantCentralUserIds": ["ann", "bot"]}
    dm = (await parley.service.create_channel("pair", **pair)).data["id"]
    await bot.submit(channel_id, "I was here")
    asked = [
        (await parley.service.submit(place, "well?", author_id="ann")).data["id"]
        for place in (channel_id, dm)
    ]
    async with talking(parley.url, {"token": (await parley.user("ann")).secret}) as ann:
        assert (await parley.service.delete(BOT)).status == 204
        (left,) = await ann.wait_for("participant_left")
    assert (left["channel_id"], left["participant"]["userId"]) == (channel_id, "bot")
    for message_id in asked:
        (run,) = (await parley.service.get(f"{API}/messages/{message_id}/runs")).data["runs"]
        assert (run["state"], run["reason"]) == ("failed", "removed")
    assert (await bot.get(BOT)).status == 401
    for path in (BOT, f"{API}/agents/bot"):
        assert (await parley.service.get(path)).status == 404
    assert (await parley.service.delete(BOT)).status == 404
    assert (await parley.service.get(AGENTS)).data == {"agents": []}
    assert "I was here" in await parley.service.texts(channel_id)
    later = (await parley.service.submit(dm, "still there?", author_id="ann")).data["id"]
    (run,) = (await parley.service.get(f"{API}/messages/{later}/runs")).data["runs"]
    assert (run["state"], run["reason"]) == ("ignored", "stopped")


async def test_an_agent_is_ended_by_itself_or_by_a_service(parley: Parley) -> None:
    """Whoever only knows it may not."""
    bot = await parley.agent("bot")
    await parley.service.new_channel("talk", "ann", "bot")
    assert (await (await parley.user("ann")).delete(BOT)).refusal == (403, "PERMISSION_DENIED")
    assert (await (await parley.user("ben")).delete(BOT)).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await bot.delete(BOT)).status == 204


async def test_an_id_of_a_deleted_agent_may_be_registered_again(parley: Parley) -> None:
    """By a key or by a character; the agent is addressed then."""
    for again in (lambda: create(parley.service, {"id": "bot", "name": "Bot"}), lambda: parley.agent("bot")):
        await parley.agent("bot")
        await parley.service.delete(BOT)
        await again()  # type: ignore[no-untyped-call]
        assert (await parley.service.get(BOT)).data["status"] == "active"
