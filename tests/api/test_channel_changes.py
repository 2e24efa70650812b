"""Changing channels: what they are called, what is said of them, and who takes part."""

import asyncio
from typing import Any

import pytest

from rooms.principals import Kind, Scope
from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API, Reply, Rest
from tests.running import Parley
from tests.talking import ELIZA, talking

BAD = (400, "VALIDATION_ERROR")
DENIED = (403, "PERMISSION_DENIED")
NOT_FOUND = (404, "RESOURCE_NOT_FOUND")
PARTICIPANTS = "participantCentralUserIds"


async def change(client: Rest, channel_id: str, **fields: Any) -> Reply:
    """Change a channel."""
    return await client.request("PATCH", f"{API}/channels/{channel_id}", json=fields)


async def details(client: Rest, channel_id: str) -> Any:
    """Return a channel as elizaOS's client reads it."""
    return (await client.get(f"{API}/channels/{channel_id}/details")).data


async def test_what_is_sent_is_changed_and_the_rest_stays(parley: Parley) -> None:
    """Name, description and metadata, each alone; metadata are replaced, not merged."""
    ann = await parley.user("ann")
    channel_id = await ann.new_channel("before", description="old", metadata={"a": 1, "b": 2})
    changed = (await change(ann, channel_id, name="after")).data
    assert (changed["name"], changed["description"], changed["channel"]["name"]) == ("after", "old", "after")
    assert changed["metadata"] == {"a": 1, "b": 2, PARTICIPANTS: ["ann"]}
    assert (await change(ann, channel_id, metadata={"c": 3})).data["metadata"] == {
        "c": 3,
        PARTICIPANTS: ["ann"],
    }
    assert (await change(ann, channel_id, topic="new")).data["description"] == "new"
    read = (await ann.get(f"{API}/channels/{channel_id}")).data
    assert (read["name"], read["description"], read["metadata"]) == ("after", "new", {"c": 3})
    for nothing in ({}, {"name": None, "metadata": None, PARTICIPANTS: None}):
        same = (await change(ann, channel_id, **nothing)).data
        assert {**same, "channel": None} == {**await details(ann, channel_id), "channel": None}


async def test_a_change_is_told_once(parley: Parley) -> None:
    """Native clients and elizaOS's are told what the channel is now; what changes nothing is not told."""
    channel_id = await parley.service.new_channel("before", "ann", metadata={"a": 1})
    auth = {"token": await parley.key(Kind.USER, "ann")}
    async with talking(parley.url, auth) as ann, talking(parley.url, auth, ELIZA) as foreign:
        for _ in range(2):
            await change(parley.service, channel_id, name="after", metadata={"b": 2})
        (told,) = await ann.wait_for("channel_updated")
        (updated,) = await foreign.wait_for("channelUpdated")
        await ann.settle()
        assert len(ann.all("channel_updated")) == 1
    about = {"id": channel_id, "name": "after", "metadata": {"b": 2}}
    assert told["channel"].items() >= about.items()
    assert (told["channel_id"], told["server_id"]) == (channel_id, DEFAULT_SERVER_ID)
    assert updated["channelId"] == channel_id
    assert updated["updates"].items() >= {**about, "messageServerId": DEFAULT_SERVER_ID}.items()


async def test_names_keep_to_the_rules_that_they_were_made_by(parley: Parley) -> None:
    """A documented channel's new name follows the naming rules and is unique; elizaOS's may be anything."""
    ann = await parley.user("ann")
    strict, taken = await ann.new_channel("strict"), await ann.new_channel("Taken")
    free = (await ann.create_channel("A chat", participantCentralUserIds=["ann"])).data["id"]
    for name in ("with a space", "x", "tAKEN"):
        assert (await change(ann, strict, name=name)).refusal == BAD
    assert (await change(ann, strict, name="STRICT")).data["name"] == "STRICT"
    assert (await change(ann, free, name="Tea, at five: Taken")).data["name"] == "Tea, at five: Taken"
    assert (await change(ann, taken, name="other")).status == 200
    assert (await change(ann, strict, name="taken")).data["name"] == "taken"


async def test_participants_are_the_whole_set(parley: Parley) -> None:
    """Who is missing leaves, who is new joins, who stays keeps its role and its time."""
    ann = await parley.user("ann")
    channel_id = await ann.new_channel("talk", "ben", "cat")
    await ann.add(channel_id, "dan", role="moderator")
    before = (await ann.get(f"{API}/channels/{channel_id}/participants")).data["participants"]
    auth = {"token": await parley.key(Kind.USER, "ben")}
    async with talking(parley.url, auth) as ben:
        wanted = ["eve", "dan", "ann", "dan", "ben"]
        changed = (await change(ann, channel_id, **{PARTICIPANTS: wanted})).data
        assert changed["metadata"][PARTICIPANTS] == ["ann", "ben", "dan", "eve"]
        await ben.wait_for("participant_joined")
        moves = [(event, told["participant"]["userId"]) for event, told in ben.heard if event != "ready"]
        assert moves == [("participant_left", "cat"), ("participant_joined", "eve")]
    after = (await ann.get(f"{API}/channels/{channel_id}/participants")).data["participants"]
    assert [one for one in after if one["userId"] != "eve"] == [
        one for one in before if one["userId"] != "cat"
    ]


async def test_whoever_changes_the_set_stays_in_it(parley: Parley) -> None:
    """ElizaOS's page sends the agents of a group, and not its user, who leaves by itself."""
    ann = await parley.user("ann")
    channel_id = await ann.new_channel("talk", "ben")
    changed = (await change(ann, channel_id, **{PARTICIPANTS: ["bot"]})).data
    assert changed["metadata"][PARTICIPANTS] == ["ann", "bot"]
    assert (await ann.remove(channel_id, "ann")).status == 200
    assert (await ann.history(channel_id)).status == 404


async def test_elizas_client_adds_and_removes_without_losing_anybody(parley: Parley) -> None:
    """It reads the participants out of the metadata, and sends them back with one more, or one less."""
    ann = (await parley.user("ann")).in_elizas_dialect()
    channel_id = (await ann.create_channel("A chat", participantCentralUserIds=["ann", "ben"])).data["id"]
    found = (await details(ann, channel_id))["metadata"][PARTICIPANTS]
    assert set(found) == {"ann", "ben"}
    added = (await change(ann, channel_id, **{PARTICIPANTS: [*found, "cat"]})).data
    assert set(added["metadata"][PARTICIPANTS]) == {"ann", "ben", "cat"}
    left = [who for who in added["metadata"][PARTICIPANTS] if who != "ben"]
    await change(ann, channel_id, **{PARTICIPANTS: left})
    assert set((await details(ann, channel_id))["metadata"][PARTICIPANTS]) == {"ann", "cat"}


async def test_what_was_read_can_be_sent_back(parley: Parley) -> None:
    """The participants in the metadata of an answer are not stored as metadata, and move nobody."""
    ann = await parley.user("ann")
    channel_id = await ann.new_channel("talk", "ben", metadata={"a": 1})
    echoed = (await details(ann, channel_id))["metadata"]
    await ann.add(channel_id, "cat")
    await change(ann, channel_id, metadata={**echoed, "b": 2})
    assert (await ann.get(f"{API}/channels/{channel_id}")).data["metadata"] == {"a": 1, "b": 2}
    assert (await details(ann, channel_id))["metadata"][PARTICIPANTS] == ["ann", "ben", "cat"]


async def test_a_dm_keeps_its_two(parley: Parley) -> None:
    """Either may call it something else, with both in the set; nobody enters or leaves it by that."""
    ann, ben = await parley.user("ann"), await parley.user("ben")
    dm = (await ann.get(f"{API}/dm-channel?targetUserId=ben")).data["id"]
    for who, name in ((ann, "a title"), (ben, "another title")):
        assert (await change(who, dm, name=name, **{PARTICIPANTS: ["ben", "ann"]})).data["name"] == name
    for wanted in (["ann"], ["ann", "ben", "cat"], ["ann", "cat"], []):
        assert (await change(ann, dm, name="lost", **{PARTICIPANTS: wanted})).refusal == BAD
    assert (await details(ann, dm))["name"] == "another title"


async def test_only_who_manages_a_channel_changes_it(parley: Parley) -> None:
    """Members and observers are refused, strangers find nothing; owners, moderators and services may."""
    ann = await parley.user("ann")
    channel_id = await ann.new_channel("talk", "ben")
    await ann.add(channel_id, "obs", role="observer")
    await ann.add(channel_id, "mod", role="moderator")
    clients = {who: await parley.user(who) for who in ("ben", "obs", "mod", "eve")}
    blind = await parley.restricted_service(Scope.CHANNELS_WRITE)
    for fields in ({"name": "other"}, {"metadata": {"a": 1}}, {PARTICIPANTS: ["ann"]}):
        for who in ("ben", "obs"):
            assert (await change(clients[who], channel_id, **fields)).refusal == DENIED
        for stranger in (clients["eve"], blind):
            assert (await change(stranger, channel_id, **fields)).refusal == NOT_FOUND
    assert (await details(ann, channel_id))["metadata"] == {PARTICIPANTS: ["ann", "ben", "obs", "mod"]}
    for client, name in ((clients["mod"], "mods"), (parley.service, "services"), (ann, "anns")):
        assert (await change(client, channel_id, name=name)).data["name"] == name


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": 5},
        {"name": "x" * 257},
        {"name": "a\0b"},
        {"description": 5},
        {"description": "x" * 4_001},
        {"metadata": []},
        {"metadata": "x"},
        {"metadata": {"a key": 1}},
        {PARTICIPANTS: "ann"},
        {PARTICIPANTS: ["a b"]},
        {PARTICIPANTS: [5]},
        {PARTICIPANTS: ["x"] * 10_001},
        {PARTICIPANTS: [f"u{n}" for n in range(1_001)]},
    ],
    ids=lambda fields: str(fields)[:40],
)
async def test_a_field_of_the_wrong_form_is_refused(parley: Parley, fields: dict[str, Any]) -> None:
    """Each is 400 and changes nothing, not even what is right beside it."""
    ann = await parley.user("ann")
    channel_id = (await ann.create_channel("A chat", participantCentralUserIds=["ann"])).data["id"]
    right = {"description": "new"} if "description" not in fields else {"name": "new"}
    assert (await change(ann, channel_id, **right, **fields)).refusal == BAD
    found = await details(ann, channel_id)
    assert (found["name"], found["description"]) == ("A chat", "")
    assert found["metadata"] == {PARTICIPANTS: ["ann"]}


async def test_concurrent_changes_of_the_set_leave_one_of_them(parley: Parley) -> None:
    """Ten at once are done one after the other: whoever is last is what stands, whole."""
    ann = await parley.user("ann")
    channel_id = await ann.new_channel("talk")
    sets = [["ann", f"a{n}", f"b{n}"] for n in range(10)]
    await asyncio.gather(*(change(ann, channel_id, **{PARTICIPANTS: wanted}) for wanted in sets))
    assert (await details(ann, channel_id))["metadata"][PARTICIPANTS] in sets
