"""Channels: creating them in each form, names, pairs, and who sees which."""

import asyncio
from typing import Any

import pytest

from rooms.principals import Scope
from rooms.rules import DEFAULT_SERVER_ID, is_uuid
from tests.rest import API, Reply, Rest
from tests.running import Parley

NOWHERE = "11111111-2222-3333-4444-555555555555"
PATH = f"{API}/central-channels"
BAD = (400, "VALIDATION_ERROR")
NOT_FOUND = (404, "RESOURCE_NOT_FOUND")
DM_NAMES = ("currentUserId", "targetUserId")


async def members(client: Rest, channel_id: str) -> dict[str, str]:
    """Return the role of each participant."""
    found = (await client.get(f"{API}/channels/{channel_id}/participants")).data["participants"]
    return {participant["userId"]: participant["role"] for participant in found}


async def create_as_eliza(client: Rest, name: str, people: list[str], **fields: Any) -> Reply:
    """Create a channel in the form of elizaOS's clients."""
    return await client.create_channel(name, participantCentralUserIds=people, **fields)


async def test_a_created_channel_can_be_read_back(parley: Parley) -> None:
    """All that was said about it is there, for readers of ``data`` and of ``data.channel`` alike."""
    fields = {
        "description": "About this",
        "metadata": {"colour": "red"},
        "sourceType": "web",
        "sourceId": "7",
    }
    created = (await parley.service.create_channel("Köln-2.0_x", **fields)).data
    assert is_uuid(created["id"])
    assert {name: created[name] for name in fields} == fields
    assert (created["name"], created["type"], created["joinable"]) == ("Köln-2.0_x", "text", False)
    channel = created.pop("channel")
    assert channel == created
    read = (await parley.service.get(f"{API}/channels/{created['id'].upper()}")).data
    assert read.pop("agents_paused") is None
    assert {**read, "channel": None} == {**created, "channel": None}


async def test_who_creates_a_channel_owns_it(parley: Parley) -> None:
    """A user's or an agent's new channel has its creator as owner; a service's has nobody."""
    ann, bot = await parley.user("ann"), await parley.agent("bot")
    assert await members(ann, await ann.new_channel("anns")) == {"ann": "owner"}
    assert await members(bot, await bot.new_channel("bots")) == {"bot": "owner"}
    assert await members(parley.service, await parley.service.new_channel("nobodys")) == {}


@pytest.mark.parametrize("name", ["ab", "a" * 100, "a-b_c.d", "123", "Größe", "日本", "ñandú"])
async def test_a_good_name_is_accepted(parley: Parley, name: str) -> None:
    """2 to 100 letters of any script, digits, hyphens, underscores and periods."""
    assert (await parley.service.create_channel(name)).data["name"] == name


@pytest.mark.parametrize(
    "name", ["", "a", "a" * 101, "a b", "a/b", "a,b", "😀😀", "a\tb", "a\0b", "<b>", 5, None]
)
async def test_a_bad_name_is_refused(parley: Parley, name: object) -> None:
    """Any other name is 400 and says what is wrong with which field."""
    refused = await parley.service.post(PATH, {"name": name, "serverId": DEFAULT_SERVER_ID})
    assert refused.refusal == BAD
    assert "'name'" in refused.error["details"]


async def test_a_name_is_one_channels_within_a_server(parley: Parley) -> None:
    """A taken name is 400 without regard to case or composition; another server is free to use it."""
    await parley.service.create_channel("Caf\u00e9")
    for name in ("Café", "CAFÉ", "cafe\u0301"):
        refused = await parley.service.create_channel(name)
        assert refused.refusal == BAD
        assert "unique" in refused.error["details"]
    server_id = (await parley.service.post(f"{API}/message-servers", {"name": "two"})).data["server"]["id"]
    assert (await parley.service.create_channel("Café", serverId=server_id)).status == 201


async def test_concurrent_claims_of_a_name_make_one_channel(parley: Parley) -> None:
    """Of ten that ask at once one gets the name."""
    replies = await asyncio.gather(*(parley.service.create_channel("wanted") for _ in range(10)))
    assert sorted(reply.status for reply in replies) == [201] + [400] * 9


async def test_elizas_clients_may_name_channels_as_they_do(parley: Parley) -> None:
    """With participants the naming rules do not bind, names may repeat, and the type is GROUP."""
    name = "Chat - Nov 22, 07:02:11"
    first = await create_as_eliza(parley.service, name, ["ann", "bot"])
    second = await create_as_eliza(parley.service, name, ["ann"])
    assert (first.data["name"], first.data["type"]) == (name, "GROUP")
    assert first.data["id"] != second.data["id"]
    assert await members(parley.service, first.data["id"]) == {"ann": "member", "bot": "member"}


@pytest.mark.parametrize("kind", ["text", "voice", "group", "TEXT"])
async def test_the_documented_types_are_kept(parley: Parley, kind: str) -> None:
    """A documented type comes back as it was sent."""
    assert (await parley.service.create_channel("talk", type=kind)).data["type"] == kind


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "forum"},
        {"type": 5},
        {"serverId": "x"},
        {"serverId": None},
        {"description": 5},
        {"description": "x" * 4_001},
        {"metadata": []},
        {"metadata": {"a key": 1}},
        {"id": "x"},
        {"joinable": "perhaps"},
        {"participantCentralUserIds": "ann"},
        {"participantCentralUserIds": ["a b"]},
        {"participantCentralUserIds": [5]},
        {"participantCentralUserIds": ["x"] * 1_001},
    ],
    ids=str,
)
async def test_a_field_of_the_wrong_form_is_refused(parley: Parley, fields: dict[str, Any]) -> None:
    """Each is 400, names the field, and creates nothing."""
    refused = await parley.service.create_channel("talk", **fields)
    assert refused.refusal == BAD
    assert f"'{next(iter(fields))}" in refused.error["details"]
    assert (await parley.service.create_channel("talk")).status == 201


async def test_a_chosen_id_is_taken_once(parley: Parley) -> None:
    """The client may choose the id; a taken one is 409, whatever else is said."""
    chosen = "ABCDEFAB-1111-2222-3333-ABCDEFABCDEF"
    assert (await parley.service.create_channel("one", id=chosen)).data["id"] == chosen.lower()
    assert (await parley.service.create_channel("two", id=chosen)).refusal == (409, "CONFLICT")


async def test_a_channel_needs_its_server(parley: Parley) -> None:
    """An unknown server is 404 and named."""
    refused = await parley.service.create_channel("talk", serverId=NOWHERE)
    assert refused.refusal == NOT_FOUND
    assert NOWHERE in refused.error["details"]


async def test_a_service_needs_the_scope_to_create_channels(parley: Parley) -> None:
    """Without channels:write a service is refused with 403."""
    reader = await parley.restricted_service(Scope.MESSAGES_READ, Scope.MESSAGES_WRITE)
    assert (await reader.create_channel("talk")).refusal == (403, "PERMISSION_DENIED")


async def dm(client: Rest, one: str, other: str, names: tuple[str, str] = DM_NAMES, **query: str) -> Reply:
    """Ask for the dm of a pair."""
    return await client.get(f"{API}/dm-channel", **{names[0]: one, names[1]: other, **query})


async def test_a_pair_has_one_dm(parley: Parley) -> None:
    """Whoever of the two asks, in whichever order and spelling, gets the same dm, and so does a service."""
    ann, ben = await parley.user("ann"), await parley.user("ben")
    found = (await dm(ann, "ann", "ben")).data
    assert (found["name"], found["type"]) == ("DM-ann-ben", "DM")
    assert found["metadata"] == {"user1": "ann", "user2": "ben"}
    assert set(await members(ann, found["id"])) == {"ann", "ben"}
    for client, pair, names in [
        (ann, ("ben", "ann"), DM_NAMES),
        (ben, ("ben", "ann"), ("userId1", "userId2")),
        (parley.service, ("ann", "ben"), DM_NAMES),
    ]:
        assert (await dm(client, *pair, names)).data["id"] == found["id"]
    assert (await ben.get(f"{API}/dm-channel?targetUserId=ann")).data["id"] == found["id"]
    assert (await dm(ann, "ann", "cat")).data["id"] != found["id"]


async def test_a_dm_is_of_a_server(parley: Parley) -> None:
    """Each server has its own; one that does not exist stands for the default one, as on elizaOS's."""
    server_id = (await parley.service.post(f"{API}/message-servers", {"name": "two"})).data["server"]["id"]
    first = (await dm(parley.service, "ann", "ben")).data
    other = (await dm(parley.service, "ann", "ben", dmServerId=server_id.upper())).data
    assert (first["messageServerId"], other["messageServerId"]) == (DEFAULT_SERVER_ID, server_id)
    for unknown in (NOWHERE, "x", DEFAULT_SERVER_ID):
        assert (await dm(parley.service, "ann", "ben", dmServerId=unknown)).data["id"] == first["id"]


async def test_concurrent_wishes_for_a_dm_make_one(parley: Parley) -> None:
    """Of ten that ask at once all get the same dm."""
    replies = await asyncio.gather(*(dm(parley.service, "ann", "ben") for _ in range(10)))
    assert len({reply.data["id"] for reply in replies}) == 1


@pytest.mark.parametrize(
    "query",
    ["currentUserId=ann", "targetUserId=ann&currentUserId=ann", "targetUserId=a%20b", "targetUserId="],
)
async def test_a_dm_of_no_pair_is_refused(parley: Parley, query: str) -> None:
    """Who is missing, twice the same, or malformed is 400."""
    ann = await parley.user("ann")
    assert (await ann.get(f"{API}/dm-channel?{query}")).refusal == BAD


async def test_nobody_asks_for_the_dm_of_two_others(parley: Parley) -> None:
    """A user, or a service without the scope, is refused with 403, and nothing is made."""
    reader = await parley.restricted_service(Scope.MESSAGES_READ, Scope.MESSAGES_WRITE)
    await asyncio.gather(parley.user("ann"), parley.user("ben"))
    for client in (await parley.user("eve"), reader):
        assert (await dm(client, "ann", "ben")).refusal == (403, "PERMISSION_DENIED")
    listed = await parley.service.get(f"{API}/message-servers/{DEFAULT_SERVER_ID}/channels")
    assert [channel["name"] for channel in listed.data["channels"]] == ["general"]


async def test_who_a_client_makes_up_is_its_user_in_a_dm(parley: Parley) -> None:
    """An id that nobody has stands for whoever's key it is; the other one must be known."""
    ann, _ = await parley.user("ann"), await parley.agent("bot")
    own = (await dm(ann, "made-up", "bot")).data
    chat = (await create_as_eliza(ann, "Chat", ["made-up", "bot"], type="DM")).data
    for channel in (own, chat):
        assert await members(parley.service, channel["id"]) == {"ann": "owner", "bot": "member"}
    assert (await create_as_eliza(ann, "Chat", ["made-up", "made-up-too"], type="DM")).refusal == BAD


async def test_two_may_have_further_chats(parley: Parley) -> None:
    """Each dm in the form of elizaOS's clients is another one, beside the pair's own."""
    ann = await parley.user("ann")
    own = (await dm(ann, "ann", "ben")).data["id"]
    about = {"isDm": True, "user1": "ann", "user2": "ben", "forAgent": "ben", "createdAt": "today"}
    chats = [
        (await create_as_eliza(ann, f"Chat - {n}", ["ann", "ben"], type="DM", metadata=about)).data
        for n in range(2)
    ]
    assert len({own, *(chat["id"] for chat in chats)}) == 3
    assert [(chat["name"], chat["metadata"]) for chat in chats] == [("Chat - 0", about), ("Chat - 1", about)]
    assert (await dm(ann, "ben", "ann")).data["id"] == own


@pytest.mark.parametrize("kind", ["GROUP", "DM", "FEED", "VOICE_GROUP"])
async def test_a_type_that_only_elizaos_has_makes_its_form(parley: Parley, kind: str) -> None:
    """Its clients may leave the participants out; the naming rules do not bind then."""
    ann = await parley.user("ann")
    body = {"name": "My Chat", "type": kind, "message_server_id": DEFAULT_SERVER_ID}
    created = (await ann.post(f"{API}/channels", body)).data
    assert (created["name"], created["type"]) == ("My Chat", kind)
    assert await members(ann, created["id"]) == {"ann": "owner"}


async def test_what_answers_add_to_metadata_is_not_stored(parley: Parley) -> None:
    """The participants in it are not the client's to say there."""
    metadata = {"participantCentralUserIds": ["eve"] * 1_000, "colour": "red"}
    created = (await parley.service.create_channel("talk", metadata=metadata)).data
    assert created["metadata"] == {"colour": "red"}


@pytest.mark.parametrize("people", [["ann"], ["ann", "ann"], ["ann", "ben", "cat"]], ids=str)
async def test_a_dm_of_another_number_is_refused(parley: Parley, people: list[str]) -> None:
    """A dm has exactly two different participants."""
    assert (await create_as_eliza(parley.service, "dm", people, type="dm")).refusal == BAD


async def test_nobody_makes_a_dm_of_two_others(parley: Parley) -> None:
    """A user is always one of the pair that it makes."""
    ann = await parley.user("ann")
    assert (await create_as_eliza(ann, "dm", ["ben", "cat"], type="dm")).refusal == BAD


async def test_nobody_enters_or_leaves_a_dm(parley: Parley) -> None:
    """A dm keeps its two: adding, removing, leaving and posting as a third are refused."""
    ann = await parley.user("ann")
    dm = (await create_as_eliza(ann, "dm", ["ben"], type="dm", joinable=True)).data["id"]
    assert (await ann.add(dm, "cat")).refusal == BAD
    assert (await ann.remove(dm, "ben")).refusal == BAD
    assert (await ann.remove(dm, "ann")).refusal == BAD
    assert (await parley.service.submit(dm, author_id="cat")).refusal == BAD
    eve = await parley.user("eve")
    assert (await eve.add(dm, "eve")).refusal == NOT_FOUND
    assert set(await members(ann, dm)) == {"ann", "ben"}


async def test_a_dm_can_be_filled_later_but_not_with_a_pair_that_has_one(parley: Parley) -> None:
    """A dm that was made empty takes two participants, and stays the only one of the pair."""
    first, second = [await parley.service.new_channel(name, type="dm") for name in ("first", "second")]
    for who in ("ann", "ben"):
        assert (await parley.service.add(first, who)).status == 201
    assert (await parley.service.add(first, "cat")).refusal == BAD
    assert (await parley.service.add(second, "ann")).status == 201
    refused = await parley.service.add(second, "ben")
    assert refused.refusal == BAD
    assert first in refused.error["details"]


async def test_a_channel_is_seen_by_its_members_and_services_only(parley: Parley) -> None:
    """To anybody else it answers, on every route, exactly like one that does not exist."""
    ann, eve = await parley.user("ann"), await parley.user("eve")
    blind = await parley.restricted_service(Scope.CHANNELS_WRITE)
    channel_id = await ann.new_channel("secret")
    requests = [
        ("GET", "", None),
        ("GET", "/messages", None),
        ("GET", "/participants", None),
        ("POST", "/participants", {"userId": "eve"}),
        ("DELETE", "/participants/ann", None),
        ("DELETE", "/participants/eve", None),
    ]
    for method, thing, body in requests:
        options = {"json": body} if body else {}
        for client in (eve, blind):
            foreign = await client.request(method, f"{API}/channels/{channel_id}{thing}", **options)
            absent = await client.request(method, f"{API}/channels/{NOWHERE}{thing}", **options)
            assert foreign.refusal == absent.refusal == NOT_FOUND, (method, thing)
            assert foreign.raw.replace(channel_id.encode(), NOWHERE.encode()) == absent.raw
    for client in (ann, parley.service):
        assert (await client.get(f"{API}/channels/{channel_id}")).status == 200
    assert await members(ann, channel_id) == {"ann": "owner"}


@pytest.mark.parametrize("channel_id", ["x", "%00", "..%2f", "1" * 500, f"{NOWHERE}0", "%F0%9F%98%80"])
async def test_a_malformed_id_in_a_path_is_a_channel_that_does_not_exist(
    parley: Parley, channel_id: str
) -> None:
    """Whatever stands in the path, the answer is 404 in the documented words."""
    reply = await parley.service.get(f"{API}/channels/{channel_id}/messages")
    assert reply.refusal == NOT_FOUND
    assert reply.error["message"] == "Channel not found"


async def test_a_servers_channels_are_listed_for_those_who_may_see_them(parley: Parley) -> None:
    """A user gets its own and the joinable ones, a service all of them, the newest first."""
    ann = await parley.user("ann")
    general = (await ann.get(f"{API}/message-servers/{DEFAULT_SERVER_ID}/channels")).data["channels"]
    assert [channel["name"] for channel in general] == ["general"]
    await ann.new_channel("anns")
    await parley.service.new_channel("hidden")
    await parley.service.new_channel("open", joinable=True)

    async def names(client: Rest, server_id: str = DEFAULT_SERVER_ID) -> list[str]:
        found = await client.get(f"{API}/message-servers/{server_id}/channels")
        return [channel["name"] for channel in found.data["channels"]]

    assert await names(parley.service) == ["open", "hidden", "anns", "general"]
    assert sorted(await names(ann)) == ["anns", "general", "open"]
    refused = await ann.get(f"{API}/message-servers/{NOWHERE}/channels")
    assert refused.refusal == NOT_FOUND


async def test_an_own_list_of_channels_has_the_newest_first(parley: Parley) -> None:
    """Joined and joinable channels stand in one order, by age."""
    ann = await parley.user("ann")
    for name in ("one", "two", "three", "four"):
        await (ann if name in ("one", "three") else parley.service).new_channel(name, joinable=name != "one")
    found = (await ann.get(f"{API}/message-servers/{DEFAULT_SERVER_ID}/channels")).data["channels"]
    assert [channel["name"] for channel in found] == ["four", "three", "two", "one", "general"]
