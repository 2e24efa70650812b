"""Editing and deleting over REST: who may, what changes, and what is refused without changing anything."""

import asyncio
import re
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest

from rooms import store
from rooms.principals import Scope
from rooms.rules import DEFAULT_SERVER_ID
from tests.api.test_participants import hide_earlier_history
from tests.rest import API, Reply, Rest
from tests.running import Parley, Start

BAD = (400, "VALIDATION_ERROR")
DENIED = (403, "PERMISSION_DENIED")
NOT_FOUND = (404, "RESOURCE_NOT_FOUND")
NOWHERE = "11111111-2222-3333-4444-555555555555"
SECRET = "a word that nobody may find"

Change = Callable[[Rest, str], Awaitable[Reply]]


@pytest.fixture
async def ann(parley: Parley) -> Rest:
    """Give the client of a member."""
    return await parley.user("ann")


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of two users, an owner, a moderator and an observer."""
    owner = await parley.user("owner")
    channel_id = await owner.new_channel("talk", "ann", "ben")
    for role in ("moderator", "observer"):
        await owner.add(channel_id, role, role=role)
    return channel_id


@pytest.fixture
async def message_id(ann: Rest, channel_id: str) -> str:
    """Give a message of the first user's."""
    found: str = (await ann.submit(channel_id)).data["id"]
    return found


async def newest(parley: Parley) -> int:
    """Return the seq of the default server's newest event."""
    database = parley.node.ctx.database
    found = await database.read(lambda connection: store.servers.find(connection, [DEFAULT_SERVER_ID]))
    return found[DEFAULT_SERVER_ID].seq


async def edit(client: Rest, message_id: str) -> Reply:
    """Edit a message."""
    return await client.edit(message_id)


async def delete(client: Rest, message_id: str) -> Reply:
    """Delete a message."""
    return await client.delete_message(message_id)


async def test_an_edited_message_is_read_everywhere(parley: Parley, ann: Rest, channel_id: str) -> None:
    """The answer, the message and the history have the new text; all else is as it was."""
    now = time.time()
    parley.node.ctx.journal.clock = lambda: now
    attachments = [{"url": "https://example.com/a", "contentType": "image"}]
    more = {"metadata": {"a": 1}, "raw_message": {"b": 2}, "attachments": attachments}
    before = (await ann.submit(channel_id, "hello", **more)).data
    now += 60
    edited = (await ann.edit(before["id"].upper(), "goodbye")).data
    changed = {"text": "goodbye", "content": "goodbye", "updated_at": int(now * 1000), "updatedAt": int(now)}
    assert edited == {**before, **changed}
    assert (await ann.message(before["id"].upper())).data == edited
    (found,) = (await ann.history(channel_id)).data["messages"]
    assert found == edited


async def test_a_deleted_message_is_nowhere(ann: Rest, channel_id: str, message_id: str) -> None:
    """What is left is answered, twice alike; reading, editing and answering it fail as for no message."""
    left = await ann.delete_message(message_id)
    assert left.data == {"id": message_id, "channel_id": channel_id, "deleted": True}
    assert (await ann.delete_message(message_id.upper())).raw == left.raw
    page = (await ann.history(channel_id)).data
    assert (page["messages"], page["pagination"]["total"]) == ([], 0)
    for deleted, absent in (
        (await ann.message(message_id), await ann.message(NOWHERE)),
        (await ann.edit(message_id), await ann.edit(NOWHERE)),
    ):
        assert deleted.refusal == NOT_FOUND
        assert deleted.error == {
            "code": "RESOURCE_NOT_FOUND",
            "message": "Message not found",
            "details": f"Message with ID '{message_id}' does not exist",
        }
        assert deleted.raw == absent.raw.replace(NOWHERE.encode(), message_id.encode())
    assert (await ann.submit(channel_id, in_reply_to_message_id=message_id)).refusal == BAD


async def test_a_deleted_message_is_in_no_table(ann: Rest, channel_id: str, parley: Parley) -> None:
    """No row of the file holds a byte of it, nor of an earlier text, in whatever column."""
    message = {
        "messageId": "mine",
        "raw_message": {"text": SECRET},
        "metadata": {"a": SECRET},
        "attachments": [{"url": "https://example.com/a", "contentType": "image", "name": SECRET}],
    }
    stored = (await ann.submit(channel_id, SECRET, **message)).data
    await ann.edit(stored["id"], f"{SECRET}, edited")
    file = parley.data_dir / "parley.db"
    assert holders(file, SECRET) == {"messages", "events"}
    assert (await ann.delete_message(stored["id"])).status == 200
    assert holders(file, SECRET) == set()
    again = await ann.submit(channel_id, SECRET, **message)
    assert (again.status, again.data["id"], again.data["deleted"]) == (201, stored["id"], True)
    assert SECRET.encode() not in again.raw
    assert holders(file, SECRET) == set()


def holders(file: Any, word: str) -> set[str]:
    """Return the tables of an SQLite file that hold a word in any column of any row."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        rows = {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}
    return {name for name, found in rows.items() if word.encode() in b" ".join(map(_bytes, found))}


def _bytes(row: tuple[Any, ...]) -> bytes:
    return b" ".join(value if isinstance(value, bytes) else str(value).encode() for value in row)


@pytest.mark.parametrize(
    ("who", "may_edit", "may_delete"),
    [
        ("ann", 200, 200),
        ("ben", 403, 403),
        ("observer", 403, 403),
        ("moderator", 403, 200),
        ("owner", 403, 200),
        ("stranger", 404, 404),
    ],
)
async def test_who_may_do_what(
    parley: Parley, ann: Rest, channel_id: str, message_id: str, who: str, may_edit: int, may_delete: int
) -> None:
    """Authors do both, owners and moderators delete, nobody else does anything, and strangers see nothing."""
    client, before = await parley.user(who), await newest(parley)
    assert (await client.edit(message_id)).status == may_edit
    assert (await client.delete_message(message_id)).status == may_delete
    assert (await client.delete_message(message_id)).status == may_delete
    assert await newest(parley) - before == [may_edit, may_delete].count(200)
    assert await ann.texts(channel_id) == ([] if may_delete == 200 else ["hello"])


@pytest.mark.parametrize("change", [edit, delete])
async def test_a_stranger_cannot_tell_a_message_from_none(
    parley: Parley, message_id: str, change: Change
) -> None:
    """The refusal is the same word for word, whatever else is wrong with the request."""
    eve = await parley.user("eve")
    foreign, absent = await change(eve, message_id), await change(eve, NOWHERE)
    assert foreign.refusal == NOT_FOUND
    assert foreign.raw == absent.raw.replace(NOWHERE.encode(), message_id.encode())
    assert (await eve.edit(message_id, "x" * 5_000)).refusal == (await eve.edit(NOWHERE, "x" * 5_000)).refusal
    assert (await eve.message(message_id)).refusal == NOT_FOUND


@pytest.mark.parametrize("change", [edit, delete])
@pytest.mark.parametrize(("joinable", "refusal"), [(False, NOT_FOUND), (True, DENIED)])
async def test_who_has_left_changes_nothing(
    parley: Parley, ann: Rest, change: Change, joinable: bool, refusal: tuple[int, str]
) -> None:
    """An author that takes part no longer is refused, as far as it still sees the channel."""
    channel_id = await parley.service.new_channel("left", "ann", joinable=joinable)
    message_id = (await ann.submit(channel_id)).data["id"]
    await parley.service.remove(channel_id, "ann")
    assert (await change(ann, message_id)).refusal == refusal
    assert await parley.service.texts(channel_id) == ["hello"]


@pytest.mark.parametrize("change", [edit, delete])
async def test_what_was_said_before_one_came_is_not_there(
    parley: Parley, ann: Rest, channel_id: str, message_id: str, change: Change
) -> None:
    """Where earlier history is hidden even a moderator finds only what was said since it joined."""
    await hide_earlier_history(parley, channel_id)
    await parley.service.add(channel_id, "late", role="moderator")
    late = await parley.user("late")
    assert (await change(late, message_id)).refusal == NOT_FOUND
    assert (await late.message(message_id)).refusal == NOT_FOUND
    seen = (await ann.submit(channel_id)).data["id"]
    assert (await late.message(seen)).status == 200
    assert (await late.delete_message(seen)).status == 200


@pytest.mark.parametrize(
    ("scopes", "status"),
    [
        ((Scope.MESSAGES_READ, Scope.MESSAGES_WRITE), 200),
        ((Scope.MESSAGES_READ,), 403),
        ((Scope.MESSAGES_READ, Scope.CHANNELS_WRITE, Scope.SERVERS_WRITE), 403),
        ((Scope.MESSAGES_WRITE,), 404),
    ],
    ids=str,
)
async def test_a_service_does_what_its_scopes_allow(
    parley: Parley, message_id: str, scopes: tuple[Scope, ...], status: int
) -> None:
    """``messages:write`` is for everybody's messages, ``messages:read`` to find them."""
    service = await parley.restricted_service(*scopes)
    assert (await service.edit(message_id)).status == status
    assert (await service.delete_message(message_id)).status == status


@pytest.mark.parametrize(
    "content",
    [None, "", 5, True, [], {}, ["text"], "x" * 4_001, "x" * 5_000, "a\0b", "a\x07b", "\x9f"],
    ids=lambda content: repr(content)[:20],
)
async def test_a_content_that_could_not_be_submitted_is_no_edit_either(
    parley: Parley, ann: Rest, channel_id: str, message_id: str, content: Any
) -> None:
    """The message stays as it is and nobody hears of it."""
    before = await newest(parley)
    assert (await ann.edit(message_id, content)).refusal == BAD
    assert await ann.texts(channel_id) == ["hello"]
    assert await newest(parley) == before


async def test_an_edit_without_a_content_says_so(ann: Rest, message_id: str) -> None:
    """A body that names another field is not taken for an edit."""
    reply = await ann.request("PATCH", f"{API}/messages/{message_id}", json={"text": "changed"})
    assert reply.refusal == BAD
    assert reply.error["details"] == "Required field 'content' is missing"


async def test_a_lone_surrogate_is_no_edit(ann: Rest, channel_id: str, message_id: str) -> None:
    """What no encoding can carry is refused as in a submit."""
    options = {"data": rb'{"content":"\ud800"}', "headers": {"Content-Type": "application/json"}}
    assert (await ann.request("PATCH", f"{API}/messages/{message_id}", **options)).refusal == BAD
    assert await ann.texts(channel_id) == ["hello"]


async def test_an_agents_reply_may_be_edited_at_an_agents_length(parley: Parley, channel_id: str) -> None:
    """Whoever relays an agent may say as much in an edit as in the reply; for a user's message it is less."""
    bot = await parley.agent("bot")
    await parley.service.add(channel_id, "bot")
    replies = [
        (await bot.submit(channel_id)).data["id"],
        (await parley.service.submit(channel_id, author_id="relayed", source_type="agent_response")).data[
            "id"
        ],
    ]
    for reply, client in zip(replies, (bot, parley.service), strict=True):
        assert (await client.edit(reply, "x" * 50_000)).status == 200
        assert (await client.edit(reply, "x" * 50_001)).refusal == BAD
    said = (await parley.service.submit(channel_id, author_id="ann")).data["id"]
    assert (await parley.service.edit(said, "x" * 4_001)).refusal == BAD


async def test_the_operators_rules_hold_for_edits(start: Start) -> None:
    """PARLEY_MAX_CONTENT and PARLEY_CONTENT_POLICY bind an edit as they bind a submit."""
    parley = await start(max_content=40, content_policy="reject")
    channel_id = await parley.service.new_channel("talk")
    message_id = (await parley.service.submit(channel_id, author_id="ann")).data["id"]
    for content in ("x" * 41, "<script>x</script>"):
        assert (await parley.service.edit(message_id, content)).refusal == BAD
    assert (await parley.service.edit(message_id, "x" * 40)).status == 200


@pytest.mark.parametrize("message_id", [NOWHERE, "x", "%00", "%20", "a%2Fb", "%C3%BC", "1" * 500])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_what_names_no_message_is_not_found(ann: Rest, method: str, message_id: str) -> None:
    """An id that nobody has, or could have, is 404."""
    body = {"json": {"content": "x"}} if method == "PATCH" else {}
    assert (await ann.request(method, f"{API}/messages/{message_id}", **body)).refusal == NOT_FOUND


async def test_eliza_deletes_a_message_of_a_channel(
    ann: Rest, parley: Parley, channel_id: str, message_id: str
) -> None:
    """The message of this channel goes, with 204 and nothing else; in another channel there is none."""
    client = ann.in_elizas_dialect()
    other = await parley.service.new_channel("other", "ann")
    for wrong in (other, NOWHERE, "x"):
        refused = await client.delete(f"{API}/channels/{wrong}/messages/{message_id}")
        assert refused.refusal == NOT_FOUND
    assert await ann.texts(channel_id) == ["hello"]
    for _ in range(2):
        gone = await client.delete(f"{API}/channels/{channel_id.upper()}/messages/{message_id.upper()}")
        assert (gone.status, gone.raw) == (204, b"")
        assert gone.headers["X-Request-ID"]
    assert await ann.texts(channel_id) == []


async def test_edits_at_once_all_count(parley: Parley, ann: Rest, channel_id: str, message_id: str) -> None:
    """Each of ten different edits is answered and recorded, and the history has the last one."""
    before = await newest(parley)
    replies = await asyncio.gather(*(ann.edit(message_id, f"edit {number}") for number in range(10)))
    assert {reply.data["text"] for reply in replies} == {f"edit {number}" for number in range(10)}
    assert await newest(parley) - before == 10
    (text,) = await ann.texts(channel_id)
    assert re.fullmatch(r"edit \d", text)


async def test_deletions_at_once_make_one(
    parley: Parley, ann: Rest, channel_id: str, message_id: str
) -> None:
    """Ten requests get the same answer, and one event comes of them."""
    before = await newest(parley)
    replies = await asyncio.gather(*(ann.delete_message(message_id) for _ in range(10)))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.raw for reply in replies}) == 1
    assert await newest(parley) - before == 1
    assert (await ann.history(channel_id)).data["pagination"]["total"] == 0


async def test_a_message_is_not_edited_without_end(ann: Rest, message_id: str) -> None:
    """After a hundred edits the next one is refused, with what to do instead; deleting still works."""
    for number in range(100):
        assert (await ann.edit(message_id, f"edit {number}")).status == 200
    refused = await ann.edit(message_id, "one too many")
    assert refused.refusal == BAD
    assert refused.error["details"] == "A message can be edited 100 times; delete it and submit another"
    assert (await ann.message(message_id)).data["text"] == "edit 99"
    assert (await ann.delete_message(message_id)).status == 200
