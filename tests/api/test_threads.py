"""Reading a thread: its root and its answers, who may see which, and what a deletion leaves."""

from typing import Any

import pytest

from tests.api.test_participants import hide_earlier_history
from tests.rest import API, Reply, Rest
from tests.running import Parley

NOWHERE = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of one user."""
    return await parley.service.new_channel("talk", "ann")


@pytest.fixture
async def ann(parley: Parley) -> Rest:
    """Give a member of the channel."""
    return await parley.user("ann")


async def say(client: Rest, channel_id: str, text: str, parent: dict[str, Any] | None = None) -> Any:
    """Submit a message, perhaps in answer to another, and return it as stored."""
    answering = {"in_reply_to_message_id": parent["id"]} if parent else {}
    return (await client.submit(channel_id, text, **answering)).data


async def thread(client: Rest, message: dict[str, Any], **query: Any) -> Reply:
    """Read the thread that a message is in."""
    return await client.get(f"{API}/messages/{message['id']}/thread", **query)


def texts(page: dict[str, Any]) -> list[str]:
    """Return what the answers of a page say."""
    return [message["text"] for message in page["messages"]]


async def test_a_thread_is_its_root_and_what_answers_it(ann: Rest, channel_id: str) -> None:
    """Answers to answers are in it, other messages are not; any message of it leads there."""
    root = await say(ann, channel_id, "a question")
    first = await say(ann, channel_id, "first", root)
    other = await say(ann, channel_id, "something else")
    second = await say(ann, channel_id, "second", first)
    await say(ann, channel_id, "elsewhere", other)
    assert (second["root_id"], second["in_reply_to_message_id"]) == (root["id"], first["id"])
    for message in (root, first, second):
        found = (await thread(ann, message)).data
        assert found["root"] == {**root, "reply_count": 2}
        assert found["messages"] == [first, second]
        assert found["pagination"] == {"limit": 50, "offset": 0, "total": 2}
    assert texts((await thread(ann, other)).data) == ["elsewhere"]


async def test_a_thread_is_read_by_pages(ann: Rest, channel_id: str) -> None:
    """In order of seq in both dialects; the newest page without bounds, and cursors lead on."""
    root = await say(ann, channel_id, "a question")
    for number in range(5):
        await say(ann, channel_id, f"m{number}", root)
    newest = (await thread(ann, root, limit=2)).data
    assert texts(newest) == ["m3", "m4"]
    before = (await thread(ann, root, limit=2, before=newest["cursors"]["before"])).data
    assert texts(before) == ["m1", "m2"]
    after = (await thread(ann.in_elizas_dialect(), root, limit=2, after=before["cursors"]["before"])).data
    assert texts(after) == ["m2", "m3"]
    assert texts((await thread(ann, root, limit=2, offset=1)).data) == ["m1", "m2"]
    assert newest["pagination"]["total"] == 5
    assert (await thread(ann, root, limit=0)).refusal == (400, "VALIDATION_ERROR")


async def test_the_answers_to_a_deleted_message_stay(ann: Rest, channel_id: str) -> None:
    """The root says no more than that it was there; its thread goes on, and ends with its last answer."""
    root = await say(ann, channel_id, "a question")
    first, second = [await say(ann, channel_id, text, root) for text in ("first", "second")]
    await ann.delete_message(root["id"])
    nested = await say(ann, channel_id, "third", second)
    await ann.delete_message(first["id"])
    found = (await thread(ann, root)).data
    assert found["root"] == {"id": root["id"], "channel_id": channel_id, "deleted": True}
    assert texts(found) == ["second", "third"]
    assert found["pagination"]["total"] == 2
    assert (await thread(ann, nested)).data == found
    assert (await thread(ann, first)).refusal == (404, "RESOURCE_NOT_FOUND")
    for message in (second, nested):
        await ann.delete_message(message["id"])
    assert (await thread(ann, root)).refusal == (404, "RESOURCE_NOT_FOUND")


async def test_who_may_not_see_the_channel_finds_no_thread(
    parley: Parley, ann: Rest, channel_id: str
) -> None:
    """It is answered as one of a message that does not exist."""
    root = await say(ann, channel_id, "a question")
    await say(ann, channel_id, "an answer", root)
    eve = await parley.user("eve")
    for client, message in ((eve, root), (ann, {"id": NOWHERE}), (ann, {"id": "x"})):
        assert (await thread(client, message)).refusal == (404, "RESOURCE_NOT_FOUND")


async def test_without_earlier_history_a_thread_begins_where_one_has_joined(
    parley: Parley, ann: Rest, channel_id: str
) -> None:
    """Its root is not told then; nor is what was answered before, nor how much that was."""
    root = await say(ann, channel_id, "a question")
    early = await say(ann, channel_id, "early", root)
    await parley.service.add(channel_id, "ben")
    await hide_earlier_history(parley, channel_id)
    late = await say(ann, channel_id, "late", root)
    ben = await parley.user("ben")
    found = (await thread(ben, late)).data
    assert (found["root"], texts(found), found["pagination"]["total"]) == (None, ["late"], 1)
    for message in (root, early):
        assert (await thread(ben, message)).refusal == (404, "RESOURCE_NOT_FOUND")
