"""Mentions over sockets: who is told, wherever it is, and who is not."""

from typing import Any

from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from tests.running import Parley
from tests.talking import ELIZA, Connect, Talker, speaking_by_hand


async def say(talker: Talker, channel_id: str, content: str) -> dict[str, Any]:
    """Submit a message and return it as stored."""
    stored: dict[str, Any] = await talker.data("submit", {"channel_id": channel_id, "content": content})
    return stored


async def test_a_mention_is_heard_outside_of_the_room(connect: Connect, channel_id: str) -> None:
    """Each native connection of whoever is mentioned is told once, joined or not; nobody else is."""
    ann, ben, away, old = [await connect(who) for who in ("ann", "ben", "ben")] + [
        await connect("ben", ELIZA)
    ]
    await away.data("leave", {"channel_id": channel_id})
    text = f"@ben, @ben and @ann: {'x' * 300}"
    message = await say(ann, channel_id, text)
    assert message["mentions"] == [
        {"text": "@ben", "id": "ben", "name": "ben"},
        {"text": "@ann", "id": "ann", "name": "ann"},
    ]
    told = {
        "channel_id": channel_id,
        "server_id": DEFAULT_SERVER_ID,
        "message_id": message["id"],
        "seq": message["seq"],
        "author_id": "ann",
        "text": text[:200],
    }
    for talker in (ann, ben, away, old):
        await talker.settle()
    assert [event for event, _ in ben.heard] == ["ready", "message", "mention"]
    assert [event for event, _ in away.heard] == ["ready", "mention"]
    assert ben.all("mention") == away.all("mention") == [told]
    assert ann.all("mention") == old.all("mention") == []


async def test_a_mention_moves_nobodys_position(parley: Parley, channel_id: str) -> None:
    """Its only argument is no text: a stock client would come back with it as its offset."""
    async with speaking_by_hand(parley.url) as ben:
        await ben.connect({"token": await parley.key(Kind.USER, "ben")})
        await parley.service.submit(channel_id, "@ben", author_id="ann")
        while '"mention"' not in (packet := await ben.receive()):
            pass
        assert packet.endswith("}]")


async def test_who_may_not_read_a_channel_is_not_told_of_it(
    parley: Parley, connect: Connect, channel_id: str
) -> None:
    """Neither somebody else, nor whoever was removed; where anybody may read, anybody is told."""
    ann, ben, eve = await connect("ann"), await connect("ben"), await connect("eve")
    await parley.service.remove(channel_id, "ben")
    assert "mentions" not in await say(ann, channel_id, "@ben @eve")
    public = await parley.service.new_channel("public", "ann", joinable=True)
    message = await say(ann, public, "@ben @eve")
    for talker in (ben, eve):
        (told,) = await talker.wait_for("mention")
        await talker.settle()
        assert talker.all("mention") == [told]
        assert told["message_id"] == message["id"]


async def test_an_edit_tells_who_is_new_in_it(connect: Connect, channel_id: str) -> None:
    """Whoever was mentioned before is not told again."""
    ann, ben = await connect("ann"), await connect("ben")
    first, second = await say(ann, channel_id, "hello @ben"), await say(ann, channel_id, "hello")
    for message in (first, second):
        edit = {"message_id": message["id"], "content": "goodbye, @ben"}
        edited = await ann.data("edit", edit)
        assert [entry["id"] for entry in edited["mentions"]] == ["ben"]
    await ben.settle()
    assert [told["message_id"] for told in ben.all("mention")] == [first["id"], second["id"]]
    assert ben.all("mention")[1]["text"] == "goodbye, @ben"


async def test_rest_answers_whom_a_message_mentions(parley: Parley, channel_id: str) -> None:
    """Submitted, looked up and in history: the same entries, beside where its thread begins."""
    service = parley.service
    root = (await service.submit(channel_id, "a question", author_id="ben")).data
    said = (
        await service.submit(channel_id, "@ben: yes", author_id="ann", in_reply_to_message_id=root["id"])
    ).data
    (asked, answered) = (await service.history(channel_id)).data["messages"]
    assert answered == said == (await service.message(said["id"])).data
    assert [entry["id"] for entry in said["mentions"]] == ["ben"]
    assert said["root_id"] == said["inReplyToRootMessageId"] == said["in_reply_to_message_id"] == root["id"]
    assert (asked["reply_count"], asked["root_id"], said["reply_count"]) == (1, None, 0)
