"""Talking over native sockets: coming and going, saying and hearing, each thing once and in order."""

import asyncio
from typing import Any

import pytest
import socketio

from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from tests.running import Parley, Start
from tests.talking import ELIZA, NATIVE, Connect, Talker, talking

NOWHERE = "11111111-2222-3333-4444-555555555555"


def texts(talker: Talker) -> list[str]:
    """Return what a client has heard people say."""
    return [message["text"] for message in talker.all("message")]


async def test_a_new_connection_is_told_where_it_is(
    parley: Parley, connect: Connect, channel_id: str
) -> None:
    """``ready`` comes first and names the principal, the server, the channels and the limits."""
    foreign = await parley.service.new_channel("foreign")
    talker = await connect("ann")
    await talker.settle()
    assert [event for event, _ in talker.heard] == ["ready"]
    (ready,) = talker.all("ready")
    assert ready["principal"] == {"id": "ann", "kind": "user"}
    assert ready["server"] == {"id": DEFAULT_SERVER_ID, "name": "Default Server", "seq": 3}
    assert [(channel["id"], channel["name"]) for channel in ready["channels"]] == [(channel_id, "talk")]
    assert [channel["name"] for channel in ready["joinable"]] == ["general"]
    assert ready["limits"] == {"max_content": 4_000, "max_attachments": 10, "max_batch": 100}
    assert foreign not in str(ready)


async def test_everybody_in_the_channel_hears_what_was_stored(connect: Connect, channel_id: str) -> None:
    """The ack, the sender's own copy and the others' copies are the same message."""
    ann, ben = await connect("ann"), await connect("ben")
    stored = await ann.data("submit", {"channel_id": channel_id, "content": "hello", "messageId": "k"})
    assert (stored["text"], stored["userId"], stored["agentId"]) == ("hello", "ann", None)
    assert (stored["channel_id"], stored["roomId"], stored["messageId"]) == (channel_id, channel_id, "k")
    assert stored["createdAt"] > 10**12
    for talker in (ann, ben):
        assert await talker.wait_for("message") == [stored]
        await talker.settle()
        assert len(talker.all("message")) == 1


async def test_what_comes_by_rest_is_heard_on_sockets(
    parley: Parley, connect: Connect, channel_id: str
) -> None:
    """A message through another door is heard with the same id and seq as it was answered with."""
    ben = await connect("ben")
    stored = (await parley.service.submit(channel_id, "by REST", author_id="ann")).data
    (heard,) = await ben.wait_for("message")
    assert (heard["id"], heard["seq"], heard["text"]) == (stored["id"], stored["seq"], "by REST")
    assert heard["createdAt"] == stored["created_at"]


async def test_many_messages_are_submitted_at_once(connect: Connect, channel_id: str) -> None:
    """Each item is answered in its place; the good ones are heard in their order."""
    ann, ben = await connect("ann"), await connect("ben")
    good = [{"channel_id": channel_id, "content": f"{n}"} for n in range(3)]
    outcomes = await ann.data("submit_many", {"messages": [*good, {"channel_id": channel_id}]})
    assert [outcome["success"] for outcome in outcomes] == [True, True, True, False]
    assert outcomes[3]["error"]["code"] == "VALIDATION_ERROR"
    assert await ben.wait_for("message", 3) == [outcome["data"] for outcome in outcomes[:3]]


async def test_two_hundred_events_are_handled_in_the_order_in_which_they_were_sent(
    connect: Connect, channel_id: str
) -> None:
    """Events that nobody waited for are stored, heard and acknowledged in their order."""
    ann, ben = await connect("ann"), await connect("ben")
    acks: list[dict[str, Any]] = []
    done = asyncio.Event()

    def note(ack: dict[str, Any]) -> None:
        acks.append(ack)
        if len(acks) == 200:
            done.set()

    said = [f"{n}" for n in range(200)]
    for text in said:
        body = {"channel_id": channel_id, "content": text}
        await ann.client.emit("submit", body, namespace=NATIVE, callback=note)
    await asyncio.wait_for(done.wait(), 20)
    await ben.wait_for("message", 200)
    assert texts(ann) == texts(ben) == said
    assert [ack["data"]["text"] for ack in acks] == said
    seqs = [message["seq"] for message in ben.all("message")]
    assert seqs == list(range(seqs[0], seqs[0] + 200))


async def test_joining_makes_a_member_who_hears_the_channel(parley: Parley, connect: Connect) -> None:
    """``join`` answers the channel and who is there; those who are there hear of the newcomer."""
    open_id = await parley.service.new_channel("open", "ann", joinable=True)
    ann, eve = await connect("ann"), await connect("eve")
    joined = await eve.data("join", {"channel_id": open_id.upper()})
    assert (joined["channel"]["id"], joined["channel"]["name"]) == (open_id, "open")
    assert [each["userId"] for each in joined["participants"]] == ["ann", "eve"]
    (event,) = await ann.wait_for("participant_joined")
    assert (event["participant"]["userId"], event["channel_id"]) == ("eve", open_id)
    await ann.data("submit", {"channel_id": open_id, "content": "welcome"})
    await eve.wait_for("message")
    await eve.data("join", {"channel_id": open_id})
    await ann.settle()
    assert len(ann.all("participant_joined")) == 1


async def test_a_service_hears_every_channel_that_it_joins_without_taking_part(
    parley: Parley, channel_id: str
) -> None:
    """A service may listen anywhere, and no membership comes of it."""
    async with talking(parley.url, {"token": parley.service_key}) as service:
        joined = await service.data("join", {"channel_id": channel_id})
        assert [each["userId"] for each in joined["participants"]] == ["ann", "ben"]
        await parley.service.submit(channel_id, "psst", author_id="ann")
        assert (await service.wait_for("message"))[0]["text"] == "psst"
        assert service.all("participant_joined") == []


async def test_a_strangers_channel_is_one_that_does_not_exist(
    parley: Parley, connect: Connect, channel_id: str
) -> None:
    """Each event about it is answered word for word like one about a channel that nobody has."""
    eve = await connect("eve")
    for event, more in (("join", {}), ("leave", {}), ("typing", {}), ("submit", {"content": "x"})):
        foreign = await eve.call(event, {"channel_id": channel_id, **more})
        absent = await eve.call(event, {"channel_id": NOWHERE, **more})
        assert foreign["error"]["code"] == "RESOURCE_NOT_FOUND"
        assert str(foreign).replace(channel_id, NOWHERE) == str(absent)
    await parley.service.submit(channel_id, "among us", author_id="ann")
    await eve.settle()
    assert eve.all("message") == []


async def test_leaving_ends_the_delivery_and_not_the_membership(connect: Connect, channel_id: str) -> None:
    """After ``leave`` a connection hears nothing more of the channel, until it joins again."""
    ann, ben = await connect("ann"), await connect("ben")
    assert await ben.data("leave", {"channel_id": channel_id}) == {"channel_id": channel_id}
    assert await ben.code("leave", {"channel_id": channel_id}) == "RESOURCE_NOT_FOUND"
    assert await ben.code("typing", {"channel_id": channel_id}) == "RESOURCE_NOT_FOUND"
    await ann.data("submit", {"channel_id": channel_id, "content": "unheard"})
    await ben.data("submit", {"channel_id": channel_id, "content": "still a member"})
    await ben.settle()
    assert texts(ben) == []
    await ben.data("join", {"channel_id": channel_id})
    await ann.data("submit", {"channel_id": channel_id, "content": "heard"})
    await ben.wait_for("message")
    assert texts(ben) == ["heard"]


async def test_typing_is_told_to_the_others_only(connect: Connect, channel_id: str) -> None:
    """It reaches whoever else is in the channel, also the typist's other connections, and is not stored."""
    ann, ben, eve = await connect("ann"), await connect("ben"), await connect("eve")
    second, foreign = await connect("ann"), await connect("ben", ELIZA)
    assert await ann.data("typing", {"channel_id": channel_id}) == {"channel_id": channel_id}
    await ann.data("typing", {"channel_id": channel_id, "is_typing": False})
    told = [{"channel_id": channel_id, "userId": "ann", "is_typing": state} for state in (True, False)]
    for talker in (ben, second):
        assert await talker.wait_for("typing", 2) == told
    for talker in (ann, eve, foreign):
        await talker.settle()
        assert talker.all("typing") == []
    assert (await ben.data("submit", {"channel_id": channel_id, "content": "x"}))["seq"] == 4


async def test_who_is_added_is_moved_into_the_room(parley: Parley, connect: Connect, channel_id: str) -> None:
    """A live connection hears its own ``participant_joined`` and everything after it."""
    eve = await connect("eve")
    await parley.service.submit(channel_id, "before", author_id="ann")
    await parley.service.add(channel_id, "eve")
    await parley.service.submit(channel_id, "after", author_id="ann")
    await eve.wait_for("message")
    assert [event for event, _ in eve.heard] == ["ready", "participant_joined", "message"]
    (joined,) = eve.all("participant_joined")
    assert joined["participant"]["userId"] == "eve"
    assert (joined["channel"]["id"], joined["channel"]["name"]) == (channel_id, "talk")
    assert texts(eve) == ["after"]


async def test_who_is_removed_hears_that_and_then_nothing(
    parley: Parley, connect: Connect, channel_id: str
) -> None:
    """The last thing that a removed principal hears of a channel is its own ``participant_left``."""
    ann, ben = await connect("ann"), await connect("ben")
    second, foreign = await connect("ben"), await connect("ben", ELIZA)
    await parley.service.submit(channel_id, "before", author_id="ann")
    await parley.service.remove(channel_id, "ben")
    await parley.service.submit(channel_id, "after", author_id="ann")
    await ann.wait_for("message", 2)
    for talker in (ben, second):
        await talker.settle()
        assert [event for event, _ in talker.heard] == ["ready", "message", "participant_left"]
        assert talker.all("participant_left")[0]["participant"]["userId"] == "ben"
        assert texts(talker) == ["before"]
        assert await talker.code("typing", {"channel_id": channel_id}) == "RESOURCE_NOT_FOUND"
    await foreign.settle()
    assert [message["text"] for message in foreign.all("messageBroadcast")] == ["before"]
    assert [event for event, _ in ann.heard][1:] == ["message", "participant_left", "message"]


async def test_nobody_acts_as_somebody_else(parley: Parley, connect: Connect, channel_id: str) -> None:
    """A user that names another author is refused, and nobody hears of it."""
    ann, ben = await connect("ann"), await connect("ben")
    body = {"channel_id": channel_id, "content": "not me", "author_id": "ben"}
    assert await ann.code("submit", body) == "PERMISSION_DENIED"
    (outcome,) = await ann.data("submit_many", {"messages": [body]})
    assert outcome["error"]["code"] == "PERMISSION_DENIED"
    for talker in (ann, ben):
        await talker.settle()
        assert talker.all("message") == []
    assert await parley.service.texts(channel_id) == []


async def test_writes_take_from_the_users_bucket(start: Start) -> None:
    """Over a socket, too, a user has sixty writes; reading goes on when they are spent."""
    parley = await start(rate_limits="on")
    channel_id = await parley.service.new_channel("talk", "ann")
    async with talking(parley.url, {"token": await parley.key(Kind.USER, "ann")}) as ann:
        body = {"channel_id": channel_id, "content": "x"}
        acks = [await ann.call("submit", body) for _ in range(60)]
        assert all(ack["success"] for ack in acks)
        assert await ann.code("submit", body) == "RATE_LIMIT_EXCEEDED"
        await ann.data("typing", {"channel_id": channel_id})


async def test_what_one_client_says_at_once_shares_commits(
    parley: Parley, connect: Connect, channel_id: str
) -> None:
    """Nobody waits for a commit before the next message is taken; the order stays."""
    ann = await connect("ann")
    before = parley.node.ctx.journal.counters.commits
    said = [f"message {number}" for number in range(60)]
    acks = await asyncio.gather(
        *(ann.data("submit", {"channel_id": channel_id, "content": text}) for text in said)
    )
    assert parley.node.ctx.journal.counters.commits - before < len(said) / 2
    assert [ack["text"] for ack in acks] == texts(ann) == said
    assert [ack["seq"] for ack in acks] == [message["seq"] for message in ann.all("message")]


async def test_an_event_waits_for_the_messages_before_it(connect: Connect, channel_id: str) -> None:
    """Who says something and leaves then hears what it said, whatever the commit takes."""
    ann = await connect("ann")
    said = [f"message {number}" for number in range(5)]
    for text in said:
        await ann.emit("submit", {"channel_id": channel_id, "content": text})
    await ann.data("leave", {"channel_id": channel_id})
    assert texts(ann) == said


async def test_a_refusal_does_not_overtake_an_ack(connect: Connect, channel_id: str) -> None:
    """What is refused at once is answered behind what was begun before."""
    ann = await connect("ann")
    answered: list[bool] = []

    async def submit(content: str) -> None:
        ack = await ann.call("submit", {"channel_id": channel_id, "content": content})
        answered.append(ack["success"])

    await asyncio.gather(submit("good"), submit(""), submit("good"), submit(" "))
    assert answered[0] is True
    assert answered.index(False) == 1


@pytest.mark.parametrize("server_id", ["%00", "nothing", "\u0000", "x" * 150])
async def test_a_namespace_of_no_server_costs_nobody_else(
    parley: Parley, connect: Connect, server_id: str
) -> None:
    """A name that no server can have is refused by itself, whoever connects at the same time."""
    auth = {"token": await parley.key(Kind.USER, "eve")}

    async def fail() -> None:
        with pytest.raises(socketio.exceptions.ConnectionError, match="failed to connect"):
            async with talking(parley.url, auth, f"/servers/{server_id}"):
                raise AssertionError("connected")

    _, ann = await asyncio.gather(fail(), connect("ann"))
    await ann.settle()
