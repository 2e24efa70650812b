"""Reactions over REST and sockets: who may give them, how often each counts, and what is told."""

import itertools
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from rooms.principals import Kind, Scope
from rooms.reactions import MAX_NAMED, MAX_SIGNS
from rooms.rules import DEFAULT_SERVER_ID
from tests.api.test_participants import hide_earlier_history
from tests.rest import API, Reply, Rest
from tests.running import Parley
from tests.talking import ELIZA, Talker, talking

THUMB, HEART = "👍", "❤️"
NOWHERE = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of two members and an observer."""
    created = await parley.service.new_channel("talk", "ann", "ben")
    await parley.service.add(created, "olga", role="observer")
    return created


@pytest.fixture
async def message_id(parley: Parley, channel_id: str) -> str:
    """Give a message of one of them."""
    message_id: str = (await parley.service.submit(channel_id, "hello", author_id="ann")).data["id"]
    return message_id


@pytest.fixture
async def listener(parley: Parley, channel_id: str) -> AsyncIterator[Talker]:
    """Connect somebody who hears what happens in the channel."""
    async with talking(parley.url, {"token": await parley.key(Kind.USER, "ann")}) as talker:
        yield talker


async def react(client: Rest, message_id: str, emoji: str = THUMB, method: str = "PUT") -> Reply:
    """Add a reaction, or do something else about it."""
    return await client.request(method, f"{API}/messages/{message_id}/reactions/{quote(emoji, safe='')}")


async def signs(client: Rest, message_id: str) -> list[dict[str, Any]]:
    """Return the signs that a message is read with."""
    found: list[dict[str, Any]] = (await client.message(message_id)).data["reactions"]
    return found


async def test_reactions_are_counted(
    parley: Parley, channel_id: str, message_id: str, listener: Talker
) -> None:
    """Each sign as often as it was given, the first one first; and whose it is."""
    ann, ben = await parley.user("ann"), await parley.user("ben")
    parley.node.ctx.journal.clock = itertools.count(1_700_000_000.0).__next__
    assert (await react(ben, message_id, HEART)).data["reactions"] == [
        {"emoji": HEART, "count": 1, "mine": True}
    ]
    await react(ben, message_id)
    answer = (await react(ann, message_id)).data
    assert answer == {
        "message_id": message_id,
        "reactions": [
            {"emoji": HEART, "count": 1, "mine": False},
            {"emoji": THUMB, "count": 2, "mine": True},
        ],
    }
    assert await signs(ann, message_id) == answer["reactions"]
    (read,) = (await ann.history(channel_id)).data["messages"]
    assert read["reactions"] == answer["reactions"]
    listed = (await ann.get(f"{API}/messages/{message_id}/reactions")).data["reactions"]
    assert [(given["emoji"], given["userIds"]) for given in listed] == [
        (HEART, ["ben"]),
        (THUMB, ["ben", "ann"]),
    ]
    assert (await ann.edit(message_id)).data["reactions"] == answer["reactions"]
    told = await listener.wait_for("reaction", 3)
    seq = told[-1]["seq"]
    assert told[-1] == {
        "seq": seq,
        "channel_id": channel_id,
        "server_id": DEFAULT_SERVER_ID,
        "message_id": message_id,
        "emoji": THUMB,
        "userId": "ann",
        "added": True,
        "count": 2,
    }
    assert [reaction["seq"] for reaction in told] == [seq - 2, seq - 1, seq]


async def test_twice_is_once(parley: Parley, message_id: str, listener: Talker) -> None:
    """Giving a sign again, or taking back what one has not given, changes and tells nothing."""
    ben = await parley.user("ben")
    for method in ("DELETE", "PUT", "PUT", "DELETE", "DELETE"):
        assert (await react(ben, message_id, method=method)).status == 200
    await listener.settle()
    assert [(told["added"], told["count"]) for told in listener.all("reaction")] == [(True, 1), (False, 0)]
    assert await signs(ben, message_id) == []


async def test_a_socket_reacts(parley: Parley, message_id: str, listener: Talker) -> None:
    """The ack has the signs of the message; other servers' messages are not there."""
    ack = await listener.data("react", {"message_id": message_id.upper(), "emoji": THUMB})
    assert ack == {
        "message_id": message_id,
        "reactions": [{"emoji": THUMB, "count": 1, "mine": True}],
    }
    removed = await listener.data("react", {"message_id": message_id, "emoji": THUMB, "remove": True})
    assert removed["reactions"] == []
    other = (await parley.service.post(f"{API}/message-servers", {"name": "other"})).data["server"]["id"]
    auth = {"token": await parley.key(Kind.USER, "ann")}
    async with talking(parley.url, auth, f"/servers/{other}") as elsewhere:
        wish = {"message_id": message_id, "emoji": THUMB}
        assert await elsewhere.code("react", wish) == "RESOURCE_NOT_FOUND"


async def test_elizas_clients_hear_nothing_of_reactions(parley: Parley, message_id: str) -> None:
    """Their dialect has no words for them."""
    async with talking(parley.url, {"token": await parley.key(Kind.USER, "ben")}, ELIZA) as eliza:
        before = len(eliza.heard)
        await react(await parley.user("ann"), message_id)
        await eliza.settle()
        assert [name for name, _ in eliza.heard[before:]] == ["messageError"]  # to what settles it


async def test_only_members_react(parley: Parley, channel_id: str, message_id: str) -> None:
    """Observers may not; for strangers the message does not exist; services need the right to post."""
    olga, eve = await parley.user("olga"), await parley.user("eve")
    for method in ("PUT", "DELETE"):
        assert (await react(olga, message_id, method=method)).refusal == (403, "PERMISSION_DENIED")
        assert (await react(eve, message_id, method=method)).refusal == (404, "RESOURCE_NOT_FOUND")
    reading = await parley.restricted_service(Scope.MESSAGES_READ)
    assert (await react(reading, message_id)).refusal == (403, "PERMISSION_DENIED")
    assert (await react(parley.service, message_id)).status == 200
    assert (await olga.get(f"{API}/messages/{message_id}/reactions")).status == 200
    assert (await eve.get(f"{API}/messages/{message_id}/reactions")).refusal[0] == 404
    public = await parley.service.new_channel("public", "ann", joinable=True)
    said = (await parley.service.submit(public, "hello", author_id="ann")).data["id"]
    assert (await react(eve, said)).refusal == (403, "PERMISSION_DENIED")


async def test_what_one_may_not_read_one_may_not_react_to(
    parley: Parley, channel_id: str, message_id: str
) -> None:
    """A member from whom earlier history is hidden finds no message there."""
    await parley.service.add(channel_id, "late")
    await hide_earlier_history(parley, channel_id)
    assert (await react(await parley.user("late"), message_id)).refusal == (404, "RESOURCE_NOT_FOUND")


async def test_a_message_has_so_many_different_signs(parley: Parley, message_id: str) -> None:
    """One more is refused; those that are there can be given by others, and taken back."""
    ann, ben = await parley.user("ann"), await parley.user("ben")
    for number in range(MAX_SIGNS):
        assert (await react(ann, message_id, f"+{number}")).status == 200
    assert (await react(ben, message_id)).refusal == (400, "VALIDATION_ERROR")
    assert (await react(ben, message_id, "+1")).data["reactions"][1]["count"] == 2
    await react(ann, message_id, "+0", "DELETE")
    assert len((await react(ben, message_id)).data["reactions"]) == MAX_SIGNS


@pytest.mark.parametrize("emoji", ["x" * 33, "a b", "a\nb", "\x00", "\x7f", "\u2028", " "])
async def test_what_is_no_sign_is_refused(
    parley: Parley, message_id: str, listener: Talker, emoji: str
) -> None:
    """Too long, spaces, control characters: by both doors alike."""
    assert (await react(parley.service, message_id, emoji)).refusal == (400, "VALIDATION_ERROR")
    wish = {"message_id": message_id, "emoji": emoji}
    assert await listener.code("react", wish) == "VALIDATION_ERROR"


@pytest.mark.parametrize("emoji", ["👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", ":party_parrot:", "é", "x" * 32, "?", "%", "a/b"])
async def test_a_sign_may_be(parley: Parley, message_id: str, emoji: str) -> None:
    """Signs of several code points, and short words, stand there as they were given."""
    assert (await react(parley.service, message_id, emoji)).data["reactions"][0]["emoji"] == emoji


async def test_a_deletion_takes_the_reactions_along(parley: Parley, message_id: str) -> None:
    """Nothing is counted any more, nor can be; the log keeps that there were some, and stays whole."""
    ann = await parley.user("ann")
    await react(ann, message_id)
    await ann.delete_message(message_id)
    for method in ("PUT", "DELETE"):
        assert (await react(ann, message_id, method=method)).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await react(ann, NOWHERE)).refusal == (404, "RESOURCE_NOT_FOUND")
    read = parley.node.ctx.database.read
    assert await read(lambda c: c.exec_driver_sql("SELECT count(*) FROM reactions").scalar()) == 0


async def test_a_repeated_submit_answers_the_reactions(parley: Parley, channel_id: str) -> None:
    """The message as it is now, alone or among others."""
    ann = await parley.user("ann")
    stored = (await ann.submit(channel_id, messageId="mine")).data
    await react(ann, stored["id"])
    own = [{"emoji": THUMB, "count": 1, "mine": True}]
    assert (await ann.submit(channel_id, messageId="mine")).data["reactions"] == own
    batch = [{"channel_id": channel_id, "content": "hello", "messageId": key} for key in ("new", "mine")]
    answers = (await ann.post(f"{API}/submit/batch", {"messages": batch})).data
    assert [answer["data"]["reactions"] for answer in answers] == [[], own]


async def test_only_the_first_are_named(parley: Parley, channel_id: str, message_id: str) -> None:
    """A sign that thousands gave is answered with its number, and those who were first."""
    for number in range(MAX_NAMED + 1):
        guest = parley.service.having(X_Entity_Id=f"guest-{number:03}")
        assert (await react(guest, message_id)).status == 200
    (given,) = (await parley.service.get(f"{API}/messages/{message_id}/reactions")).data["reactions"]
    assert given["count"] == MAX_NAMED + 1
    assert given["userIds"] == [f"guest-{number:03}" for number in range(MAX_NAMED)]
