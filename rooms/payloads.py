"""Stored things as native clients get them; times are epoch milliseconds."""

from __future__ import annotations

from typing import Any

from rooms.rows import Approval, Attendance, Message, Run
from rooms.run_tables import Mute
from rooms.tables import Channel

LINE_LENGTH = 200


def message(stored: Message, key: str | None = None) -> dict[str, Any]:
    """Return the message; ``key`` is the idempotency key by which its author knows it."""
    payload: dict[str, Any] = {
        "id": stored.id,
        "seq": stored.seq,
        "server_id": stored.server_id,
        "channel_id": stored.channel_id,
        "roomId": stored.channel_id,
        "author_id": stored.author_id,
        "author_name": stored.author_name,
        "userId": None if stored.by_agent else stored.author_id,
        "agentId": stored.author_id if stored.by_agent else None,
        "text": stored.content,
        "source_type": stored.source_type,
        "createdAt": stored.created_at,
        "metadata": stored.details,
    }
    optional = {
        "in_reply_to_message_id": stored.parent_id,
        "root_id": stored.root_id,
        "reply_count": stored.reply_count,
        "mentions": stored.mentions,
        "raw_message": stored.raw_message,
        "attachments": stored.attachments,
        "approval": approval(stored.approval) if stored.approval else None,
        "messageId": key,
        "deleted": stored.deleted_at is not None,
    }
    return payload | {name: value for name, value in optional.items() if value}


def updated(stored: Message) -> dict[str, Any]:
    """Return the message as it is since it was edited."""
    return message(stored) | {"updated_at": stored.updated_at}


def tombstone(stored: Message) -> dict[str, Any]:
    """Return what may still be told of a message that was deleted."""
    return {"id": stored.id, "channel_id": stored.channel_id, "deleted": True}


def reaction(stored: Message, entity_id: str, emoji: str, times: int, *, added: bool) -> dict[str, Any]:
    """Return that somebody has reacted to the message, or no longer; nothing of what it says."""
    return {
        "channel_id": stored.channel_id,
        "server_id": stored.server_id,
        "message_id": stored.id,
        "emoji": emoji,
        "userId": entity_id,
        "added": added,
        "count": times,
    }


def approval(stored: Approval) -> dict[str, Any]:
    """Return what a message asks people for, and what came of that."""
    return {
        "id": stored.id,
        "options": stored.options,
        "state": stored.state,
        "choice": stored.choice,
        "resolved_by": stored.resolved_by,
        "expires_at": stored.expires_at,
        "allowed": stored.allowed,
    }


def approval_in_place(stored: Approval) -> dict[str, Any]:
    """Return the approval apart from its message, with where that is, and the run that waits for it."""
    return {
        "server_id": stored.server_id,
        "channel_id": stored.channel_id,
        "message_id": stored.id,
        "run_id": stored.run_id,
        "approval": approval(stored),
    }


def participant(attendance: Attendance) -> dict[str, Any]:
    """Return the participant."""
    return {
        "userId": attendance.entity_id,
        "channelId": attendance.channel_id,
        "role": attendance.role,
        "joinedAt": attendance.joined_at,
        "kind": attendance.kind,
        "name": attendance.name,
        "handle": attendance.handle,
    }


def channel_line(stored: Channel) -> dict[str, Any]:
    """Return the channel as one of a long list: without metadata, and its description cut."""
    return {
        "id": stored.id,
        "name": stored.name,
        "type": stored.type,
        "description": (stored.topic or "")[:LINE_LENGTH],
        "seq": stored.seq,
    }


def channel(stored: Channel) -> dict[str, Any]:
    """Return what every member may know of the channel."""
    return {
        "id": stored.id,
        "name": stored.name,
        "type": stored.type,
        "description": stored.topic or "",
        "metadata": stored.details,
        "seq": stored.seq,
    }


def run(stored: Run) -> dict[str, Any]:
    """Return the run as it stands; what was streamed is no part of it."""
    due = {} if stored.due_at is None else {"due_at": stored.due_at}
    return {
        "id": stored.id,
        "server_id": stored.server_id,
        "channel_id": stored.channel_id,
        "message_id": stored.message_id,
        "agent_id": stored.agent_id,
        "user_id": stored.user_id,
        "reply_id": stored.reply_id,
        "state": stored.state,
        "reason": stored.reason,
        "hops": stored.hops,
        "created_at": stored.created_at,
        "updated_at": stored.updated_at,
        **due,
    }


def envelope(stored: Run, about: Message) -> dict[str, Any]:
    """Return a run with its message, as an agent gets it by whatever way."""
    return {"run": run(stored), "message": message(about)}


def completion(stored: Run, reply_id: str | None) -> dict[str, Any]:
    """Return how the run has ended, and with which reply."""
    return {
        "server_id": stored.server_id,
        "channel_id": stored.channel_id,
        "run_id": stored.id,
        "agent_id": stored.agent_id,
        "message_id": stored.message_id,
        "reply_id": reply_id,
        "state": stored.state,
        "reason": stored.reason,
    }


def chunk(streamed: Run, index: int, text: str, count: int = 1) -> dict[str, Any]:
    """Return a piece of the run's reply, which stands for so many chunks."""
    merged = {"count": count} if count > 1 else {}
    return {
        "message_id": streamed.reply_id,
        "channel_id": streamed.channel_id,
        "run_id": streamed.id,
        "agent_id": streamed.agent_id,
        "index": index,
        "chunk": text,
        **merged,
    }


def mute(stored: Mute) -> dict[str, Any]:
    """Return until when and why an agent is muted in a channel."""
    return {
        "channel_id": stored.channel_id,
        "agent_id": stored.agent_id,
        "reason": stored.reason,
        "until": stored.until,
        "by": stored.muted_by,
        "created_at": stored.created_at,
    }
