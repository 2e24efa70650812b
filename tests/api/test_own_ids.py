"""Ids that clients make up for their user: whose they are, in bodies, headers and handshakes."""

import uuid

import pytest

from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API
from tests.running import Parley, Start
from tests.talking import ELIZA, NATIVE, speaking_by_hand, talking

DENIED = (403, "PERMISSION_DENIED")
MADE_UP = str(uuid.UUID(int=7))


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of two users."""
    return await parley.service.new_channel("talk", "ann", "ben")


async def test_an_id_that_nobody_has_is_the_keys_own(parley: Parley, channel_id: str) -> None:
    """As author of a message, alone and among others, and as the user of a session."""
    ann = await parley.user("ann")
    await parley.agent("bot")
    assert (await ann.submit(channel_id, author_id=MADE_UP)).data["userId"] == "ann"
    items = [{"channel_id": channel_id, "content": "x", "author_id": who} for who in (MADE_UP, "ben", "ann")]
    batch = (await ann.post(f"{API}/submit/batch", {"messages": items})).data
    assert [item["success"] for item in batch] == [True, False, True]
    assert batch[0]["data"]["userId"] == "ann"
    begun = await ann.post(f"{API}/sessions", {"agentId": "bot", "userId": MADE_UP})
    assert (begun.status, begun.body["userId"]) == (201, "ann")


async def test_an_id_that_somebody_has_is_refused(parley: Parley, channel_id: str) -> None:
    """In a body, and before a request or a connection is looked at any further."""
    ann = await parley.user("ann")
    assert (await ann.submit(channel_id, author_id="ben")).refusal == DENIED
    assert (await ann.having(X_Entity_Id="ben").submit(channel_id)).refusal == DENIED
    for namespace in (ELIZA, NATIVE):
        async with speaking_by_hand(parley.url, namespace) as socket:
            refused = await socket.connect({"apiKey": ann.secret, "entityId": "ben"})
            assert refused["data"]["code"] == "PERMISSION_DENIED"
    assert await parley.service.texts(channel_id) == []


async def test_a_made_up_id_is_nobody_elses_afterwards(parley: Parley, channel_id: str) -> None:
    """It is not registered by being used: what it meant once it means again."""
    ann = (await parley.user("ann")).having(X_Entity_Id=MADE_UP)
    for _ in range(2):
        assert (await ann.submit(channel_id, author_id=MADE_UP)).data["userId"] == "ann"


async def test_a_client_of_elizaos_learns_who_it_is(parley: Parley, channel_id: str) -> None:
    """It is told the key's id, and may go on with the one that it made up until it uses that."""
    auth = {"apiKey": await parley.key(Kind.USER, "ann"), "entityId": MADE_UP}
    async with talking(parley.url, auth, ELIZA) as talker:
        assert talker.all("authenticated")[0]["entityId"] == "ann"
        said = {"channelId": channel_id, "senderId": MADE_UP, "message": "x", "messageId": "local-1"}
        assert (await talker.call("message", {"type": 2, "payload": said}))["success"] is True
        (heard,) = await talker.wait_for("messageBroadcast")
        assert (heard["senderId"], heard["clientMessageId"]) == ("ann", "local-1")
        refused = await talker.call("message", {"type": 2, "payload": {**said, "senderId": "ben"}})
        assert refused["error"]["code"] == "PERMISSION_DENIED"


@pytest.mark.parametrize("kind", ["DM", "GROUP"])
async def test_a_channel_is_made_for_the_keys_owner(parley: Parley, kind: str) -> None:
    """Among its participants, and in the metadata by which elizaOS's client finds it."""
    ann = await parley.user("ann")
    await parley.agent("bot")
    metadata = {"isDm": kind == "DM", "user1": MADE_UP.upper(), "user2": "bot", "forAgent": "bot"}
    wish = {"name": "Chat - Nov 28", "type": kind, "participantCentralUserIds": [MADE_UP, "bot"]}
    server = {"message_server_id": DEFAULT_SERVER_ID}
    made = (await ann.post(f"{API}/channels", {**wish, **server, "metadata": metadata})).data
    told = made["metadata"]
    assert (told["user1"], told["user2"], told["isDm"]) == ("ann", "bot", kind == "DM")
    members = (await ann.get(f"{API}/channels/{made['id']}/participants")).data["participants"]
    assert {one["userId"] for one in members} == {"ann", "bot"}


@pytest.mark.parametrize("entity", ["a b", "ü", "x" * 129])
async def test_what_can_be_nobodys_id_is_nobodys(parley: Parley, channel_id: str, entity: str) -> None:
    """A malformed id beside a user's key changes nothing."""
    ann = await parley.user("ann")
    assert (await ann.having(X_Entity_Id=entity).submit(channel_id)).data["userId"] == "ann"


async def test_whoever_says_nothing_in_open_mode_is_a_guest(start: Start) -> None:
    """Each connection gets an id of its own, under which it speaks."""
    parley = await start(auth="open")
    channel_id = await parley.anonymous.new_channel("talk")
    async with talking(parley.url, None, ELIZA) as one, talking(parley.url, {}, ELIZA) as other:
        guests = [talker.all("authenticated")[0]["entityId"] for talker in (one, other)]
        assert len({uuid.UUID(guest) for guest in guests}) == 2
        await one.data("message", {"type": 1, "payload": {"channelId": channel_id}})
        await one.data("message", {"type": 2, "payload": {"channelId": channel_id, "message": "x"}})
        assert (await one.wait_for("messageBroadcast"))[0]["senderId"] == guests[0]
    (stored,) = (await parley.anonymous.history(channel_id)).data["messages"]
    assert stored["userId"] == guests[0]


async def test_a_guest_that_comes_back_is_another_guest_on_the_same_connection(start: Start) -> None:
    """What it missed is made up for; nobody but guests may go on there."""
    parley = await start(auth="open")
    async with speaking_by_hand(parley.url, ELIZA) as socket:
        pid = (await socket.connect({}))["pid"]
    async with speaking_by_hand(parley.url, ELIZA) as socket:
        assert (await socket.connect({"pid": pid}))["pid"] == pid
    async with speaking_by_hand(parley.url, ELIZA) as socket:
        assert (await socket.connect({"pid": pid, "entityId": "ann"}))["pid"] != pid
