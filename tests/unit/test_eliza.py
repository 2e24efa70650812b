"""What elizaOS's clients are told of an edit or a deletion, out of the native event."""

from typing import Any

import pytest

from handlers import eliza_words
from rooms import payloads
from rooms.rows import Message

TOMBSTONE = {"seq": 8, "id": "m", "channel_id": "c", "deleted": True}


def message(**fields: Any) -> Message:
    """Return a message with these fields."""
    usual = {
        "id": "m",
        "server_id": "s",
        "channel_id": "c",
        "seq": 7,
        "author_id": "ann",
        "by_agent": False,
        "content": "hello",
        "source_type": "user_message",
        "parent_id": None,
        "root_id": None,
        "hops": 0,
        "raw_message": {},
        "details": {},
        "attachments": [],
        "mentions": [],
        "reply_count": 0,
        "created_at": 1_000,
        "updated_at": 2_000,
        "author_name": "ann",
    }
    return Message(**{**usual, **fields})


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "ann"),
        ({"author_name": "Ann", "details": {"authorDisplayName": "no"}}, "Ann"),
        ({"details": {"authorDisplayName": "A.", "agent_name": "no"}}, "A."),
        ({"details": {"authorDisplayName": "no", "agent_name": "Helper"}, "by_agent": True}, "Helper"),
        ({"details": {"authorDisplayName": 5}}, "ann"),
    ],
)
def test_an_edit_is_told_under_the_authors_name(fields: dict[str, Any], name: str) -> None:
    """A registered name comes first, then what the metadata say, then the id."""
    told = eliza_words.words("message_updated", payloads.updated(message(**fields)))
    assert told is not None
    event, payload = told
    assert (event, payload["senderName"], payload["updatedAt"]) == ("messageBroadcast", name, 2_000)


def test_a_deletion_is_told_by_ids() -> None:
    """Neither text nor author is part of it."""
    told = {"messageId": "m", "channelId": "c", "seq": 8}
    assert eliza_words.words("message_deleted", {**TOMBSTONE, "server_id": "s"}) == ("messageDeleted", told)


@pytest.mark.parametrize("kind", ["message", "message_updated", "reaction", "run"])
def test_of_anything_else_nothing_is_told(kind: str) -> None:
    """What elizaOS has no word for, and an edit of what is deleted by now, are passed over."""
    assert eliza_words.words(kind, TOMBSTONE) is None
