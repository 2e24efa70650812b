"""Channels that are cleared and deleted, as clients on every door hear of it."""

from rooms.principals import Kind
from tests.following import EVENTS
from tests.rest import API
from tests.returning import Returner
from tests.running import Parley
from tests.talking import ELIZA, Connect


async def test_everybody_hears_that_a_channel_is_cleared(
    parley: Parley, connect: Connect, channel_id: str
) -> None:
    """Native clients are told up to where, elizaOS's that it happened; what is said later is heard."""
    ann, foreign = await connect("ann"), await connect("ben", ELIZA)
    said = (await parley.service.submit(channel_id, "before", author_id="ann")).data
    assert (await parley.service.delete(f"{API}/channels/{channel_id}/messages")).status == 204
    await parley.service.submit(channel_id, "after", author_id="ann")
    (cleared,) = await ann.wait_for("channel_cleared")
    assert (cleared["channel_id"], cleared["count"], cleared["is_last"]) == (channel_id, 1, True)
    assert cleared["seq"] > cleared["up_to"] >= said["seq"]
    assert [event for event, _ in ann.heard][1:3] == ["message", "channel_cleared"]
    await foreign.wait_for("messageBroadcast", 2)
    (told,) = foreign.all("channelCleared")
    assert told == {"channelId": channel_id, "roomId": channel_id, "seq": cleared["seq"]}


async def test_the_last_that_is_heard_of_a_channel_is_that_it_is_deleted(
    parley: Parley, connect: Connect, channel_id: str
) -> None:
    """On each connection of each member, in either dialect; nothing can be done there any more."""
    ann, second, foreign = await connect("ann"), await connect("ann"), await connect("ben", ELIZA)
    await parley.service.submit(channel_id, "before", author_id="ann")
    assert (await parley.service.delete(f"{API}/channels/{channel_id}")).status == 204
    for talker in (ann, second):
        (deleted,) = await talker.wait_for("channel_deleted")
        assert deleted["channel_id"] == channel_id
        for event in ("typing", "join"):
            assert await talker.code(event, {"channel_id": channel_id}) == "RESOURCE_NOT_FOUND"
        assert [event for event, _ in talker.heard][1:] == ["message", "channel_cleared", "channel_deleted"]
    assert await foreign.wait_for("channelDeleted") == [
        {"channelId": channel_id, "roomId": channel_id, "seq": deleted["seq"]}
    ]
    refused = await foreign.call("message", {"type": 1, "payload": {"channelId": channel_id}})
    assert refused["error"]["code"] == "RESOURCE_NOT_FOUND"


async def test_who_was_away_hears_that_it_is_gone_and_nothing_of_what_it_was(
    parley: Parley, channel_id: str
) -> None:
    """A client that comes back is told of messages that they were there, and then of the end."""
    client = Returner(parley.url, {"token": await parley.key(Kind.USER, "ann")})
    try:
        await client.connect()
        await client.settle()
        await client.drop()
        await parley.service.submit(channel_id, "what nobody may read", author_id="ben")
        await parley.service.add(channel_id, "cat")
        await parley.service.delete(f"{API}/channels/{channel_id}")
        await client.come_back()
        await client.hears("channel_deleted")
        assert client.recovered
        durable = [heard for heard in client.heard if heard.cursor is not None and heard.name != "cursor"]
        assert [heard.name for heard in durable] == ["message", "channel_cleared", "channel_deleted"]
        assert durable[0].payload["deleted"] is True
        await client.settle()
    finally:
        await client.close()


async def test_whoever_follows_the_log_is_told_the_same(parley: Parley, channel_id: str) -> None:
    """Over HTTP, live and from a cursor, for members and for services that are shown everything."""
    ann = await parley.user("ann")
    starts = [(client, (await client.get(EVENTS, wait=0)).data["cursor"]) for client in (ann, parley.service)]
    await parley.service.submit(channel_id, "what nobody may read", author_id="ben")
    await parley.service.add(channel_id, "cat")
    await parley.service.delete(f"{API}/channels/{channel_id}")
    for client, cursor in starts:
        events = (await client.get(EVENTS, wait=0, after=cursor)).data["events"]
        assert [event["event"] for event in events] == ["message", "channel_cleared", "channel_deleted"]
        assert "what nobody may read" not in str(events)


async def test_clearing_one_channel_leaves_others_alone(
    parley: Parley, connect: Connect, channel_id: str
) -> None:
    """Neither its messages nor its members are touched."""
    ann = await connect("ann")
    other = await parley.service.new_channel("other", "ann")
    await parley.service.submit(other, "stays", author_id="ann")
    await parley.service.delete(f"{API}/channels/{channel_id}")
    await ann.wait_for("channel_deleted")
    await parley.service.submit(other, "goes on", author_id="ann")
    heard = await ann.wait_for("message", 2)
    assert [message["text"] for message in heard] == ["stays", "goes on"]
    kept = (await parley.service.history(other)).data["messages"]
    assert [message["text"] for message in kept] == ["stays", "goes on"]
