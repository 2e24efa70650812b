"""Socket.IO, elizaOS's dialect: what its clients on ``/`` are told, in the shapes that they know.

Beside elizaOS's own fields every durable event carries the ``seq`` of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from handlers import bylines, wire
from rooms.rows import Run

Said = tuple[str, dict[str, Any]]  # the name of an event, and its payload


def words(kind: str, payload: Mapping[str, Any], client_message_id: str | None = None) -> Said | None:
    """Return a durable event's name and payload in this dialect, or None if it has no words for it.

    A message's sender is told ``client_message_id``, by which its client knows the message.
    """
    if kind in _WORDS:
        return _WORDS[kind](payload)
    # One that was deleted since is told of by the event that says so.
    if kind not in ("message", "message_updated") or payload.get("deleted"):
        return None
    changes = kind == "message_updated" or payload["source_type"] == "agent_action"
    updated = {"updatedAt": payload.get("updated_at", payload["createdAt"])} if changes else {}
    return "messageBroadcast", _broadcast(payload, client_message_id) | updated


def chunk(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a piece of a reply in this dialect; elizaOS's clients show it until the message comes."""
    merged = {"count": told["count"]} if "count" in told else {}
    return {
        "messageId": told["message_id"],
        "chunk": told["chunk"],
        "index": told["index"],
        "agentId": told["agent_id"],
        "channelId": told["channel_id"],
        "roomId": told["channel_id"],
        **merged,
    }


def broken_off(run: Run, text: str) -> dict[str, Any]:
    """Return in this dialect that the message will not come, of which a part was shown."""
    return {
        "messageId": run.reply_id,
        "channelId": run.channel_id,
        "roomId": run.channel_id,
        "agentId": run.agent_id,
        "error": "The reply was broken off, and is not stored",
        "partialText": text,
    }


def whispered(name: str, payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Return an ephemeral event's name and payload in this dialect, or None if it has no words for it."""
    if name != "typing":
        return None
    channel_id = payload["channel_id"]
    told = {"channelId": channel_id, "roomId": channel_id, "userId": payload["userId"]}
    return "userTyping", told | {"isTyping": payload["is_typing"]}


def _place(payload: Mapping[str, Any]) -> dict[str, Any]:
    channel_id = payload["channel_id"]
    return {"channelId": channel_id, "roomId": channel_id, "seq": payload["seq"]}


def _deleted(payload: Mapping[str, Any]) -> Said:
    told = {"messageId": payload["id"], "channelId": payload["channel_id"], "seq": payload["seq"]}
    return "messageDeleted", told


def _channel_updated(payload: Mapping[str, Any]) -> Said:
    updates = payload["channel"] | wire.server_ids(payload["server_id"])
    return "channelUpdated", {**_place(payload), "updates": updates}


def _channel_cleared(payload: Mapping[str, Any]) -> Said | None:
    # Its clients forget all that they show; before the last step some of it is still there.
    return ("channelCleared", _place(payload)) if payload["is_last"] else None


def _channel_deleted(payload: Mapping[str, Any]) -> Said:
    return "channelDeleted", _place(payload)


def _joined(payload: Mapping[str, Any]) -> Said:
    return "userJoined", _somebody(payload)


def _left(payload: Mapping[str, Any]) -> Said:
    return "userLeft", _somebody(payload)


def _somebody(payload: Mapping[str, Any]) -> dict[str, Any]:
    who = payload["participant"]
    return {**_place(payload), "userId": who["userId"], "userName": who["name"]}


def _completed(payload: Mapping[str, Any]) -> Said:
    return "messageComplete", _completion(payload)


_WORDS: dict[str, Callable[[Mapping[str, Any]], Said | None]] = {
    "message_deleted": _deleted,
    "channel_updated": _channel_updated,
    "channel_cleared": _channel_cleared,
    "channel_deleted": _channel_deleted,
    "participant_joined": _joined,
    "participant_left": _left,
    "complete": _completed,
}


def _completion(ended: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "channelId": ended["channel_id"],
        "roomId": ended["channel_id"],
        **wire.server_ids(ended["server_id"]),
        "agentId": ended["agent_id"],
        "messageId": ended["message_id"],
        "state": ended["state"],
        "seq": ended["seq"],
    }


def _broadcast(message: Mapping[str, Any], client_message_id: str | None) -> dict[str, Any]:
    details, raw_message = message["metadata"], message.get("raw_message", {})
    author_id, by_agent = message["author_id"], message["agentId"] is not None
    told: dict[str, Any] = {
        "id": message["id"],
        "seq": message["seq"],
        "senderId": author_id,
        "senderName": bylines.display_name(author_id, message["author_name"], details, by_agent=by_agent),
        "text": message["text"],
        "channelId": message["channel_id"],
        "roomId": message["channel_id"],
        **wire.server_ids(message["server_id"]),
        "createdAt": message["createdAt"],
        "source": message["source_type"],
        **bylines.thinking(details, raw_message),
    }
    optional = {
        "attachments": bylines.attachments(message.get("attachments", []), details, raw_message),
        "rawMessage": raw_message,
        "inReplyToMessageId": message.get("in_reply_to_message_id"),
        "clientMessageId": client_message_id,
    }
    return told | {name: value for name, value in optional.items() if value}
