"""Stored messages, one at a time: looked up, edited, deleted.

Whatever the log told of a message is told again as it is now: who replays the log reads the newest
text in every place, and of a deleted message nothing but that it was there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from rooms import access, bylines, erasing, mentions, messages, payloads, store
from rooms.access import Standing
from rooms.context import Context
from rooms.errors import ValidationFailed, message_not_found
from rooms.principals import Kind, Principal
from rooms.rows import Message
from rooms.rules import MAX_EDITS, is_uuid
from rooms.transaction import Transaction, one_by_one

_OPTIONAL = ("mentions", "raw_message")  # left out of a payload where there is nothing to tell


@dataclass(frozen=True, slots=True)
class Target:
    """The message that a principal means; where it must stand, and what it must be, is None if it is open."""

    principal: Principal
    message_id: str
    channel_id: str | None = None
    server_id: str | None = None
    source_type: str | None = None

    def fits(self, message: Message) -> bool:
        """Tell whether the message is what it must be."""
        return (
            self.channel_id in (None, message.channel_id)
            and self.server_id in (None, message.server_id)
            and self.source_type in (None, message.source_type)
        )


@dataclass(frozen=True, slots=True)
class Edit:
    """A wish that a message should say something else; what is None stays as it is."""

    target: Target
    content: str | None = None
    raw_message: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


async def require(ctx: Context, target: Target) -> Message:
    """Return the message; raise NotFound if it is absent, deleted, or not for the principal to see."""

    def read(connection: Connection) -> Message:
        message, _ = require_undeleted(connection, target)
        return message

    return await ctx.database.read(read)


async def edit(ctx: Context, wish: Edit) -> Message:
    """Change what the message says, announce it, and return the message; the same again changes nothing.

    Raises NotFound as :func:`require` does, PermissionDenied unless the principal is the author or may
    speak for it, ValidationFailed for a content that may not be submitted either.
    """
    message = await require(ctx, wish.target)
    if wish.content is not None:
        kind = Kind.AGENT if message.by_agent else wish.target.principal.kind
        messages.check_content(ctx, wish.content, kind)
    return await ctx.journal.append_one(_edit_all, wish, message.server_id)


async def delete(ctx: Context, target: Target) -> Message:
    """Erase what the message says, announce it, and return what is left; a second time changes nothing.

    Raises NotFound if there was no such message for the principal to see, PermissionDenied unless the
    principal is the author, may speak for it, or manages the channel.
    """
    message, _ = await ctx.database.read(lambda connection: locate(connection, target))
    return await ctx.journal.append_one(_delete_all, target, message.server_id)


def locate(connection: Connection, target: Target) -> tuple[Message, Standing]:
    """Return a message that may have been deleted, and what the principal is in its channel.

    Raises NotFound if there was no such message for the principal to see.
    """
    missing = message_not_found(target.message_id)
    if not is_uuid(target.message_id):
        raise missing
    message = store.messages.find(connection, [target.message_id]).get(target.message_id)
    if message is None or not target.fits(message):
        raise missing
    return message, access.require_readable(
        connection, target.principal, message.channel_id, message.seq, missing
    )


def require_undeleted(connection: Connection, target: Target) -> tuple[Message, Standing]:
    """Return a message, and what the principal is in its channel; raise NotFound as :func:`require` does."""
    message, standing = locate(connection, target)
    if message.deleted_at is not None:
        raise message_not_found(target.message_id)
    return message, standing


def _edit(transaction: Transaction, wish: Edit) -> Message:
    message, standing = require_undeleted(transaction.connection, wish.target)
    access.require_edit(standing, message.author_id)
    edited = _edited(transaction, message, standing, wish)
    if edited == message:
        return message
    edited = edited._replace(updated_at=transaction.now)
    store.messages.change(transaction.connection, edited)
    newly = mentions.renew(transaction.connection, message, edited)
    if transaction.retell(edited, lambda payload: _say(edited, payload)) > MAX_EDITS:
        raise ValidationFailed(f"A message can be edited {MAX_EDITS} times; delete it and submit another")
    payload = payloads.updated(edited)
    del payload["seq"]  # of the message; the event has its own
    transaction.record(
        edited.server_id,
        edited.channel_id,
        "message_updated",
        payload,
        message_id=edited.id,
        mentioned=newly,
    )
    return edited


def _edited(transaction: Transaction, message: Message, standing: Standing, wish: Edit) -> Message:
    if wish.content is not None and wish.content != message.content:
        mentioned = _resolve(transaction.connection, standing, wish.content)
        message = message._replace(content=wish.content, mentions=mentioned)
    if wish.raw_message is not None:
        message = message._replace(raw_message=wish.raw_message)
    if wish.metadata is not None:
        principal, by_agent = wish.target.principal, message.by_agent
        message = message._replace(
            details=bylines.trusted(principal, wish.metadata, message.author_name, by_agent=by_agent)
        )
    return message


def _resolve(connection: Connection, standing: Standing, content: str) -> list[dict[str, Any]]:
    channel = standing.channel
    return mentions.look_up(connection, [(channel.id, content)]).resolve(channel, content)


def _say(edited: Message, payload: dict[str, Any]) -> dict[str, Any]:
    if "text" not in payload:
        return payload  # it tells of something else about the message
    now = {
        "text": edited.content,
        "updated_at": edited.updated_at,
        "metadata": edited.details,
        "mentions": edited.mentions,
        "raw_message": edited.raw_message,
    }
    return {name: value for name, value in (payload | now).items() if name not in _OPTIONAL or value}


def _delete(transaction: Transaction, target: Target) -> Message:
    message, standing = locate(transaction.connection, target)
    access.require_delete(standing, message.author_id)
    if message.deleted_at is not None:
        return message
    (left,) = erasing.erase(transaction, [message])
    payload = {**payloads.tombstone(left), "server_id": left.server_id}
    transaction.record(left.server_id, left.channel_id, "message_deleted", payload, message_id=left.id)
    erasing.abandon(transaction, [message])
    return left


_edit_all = one_by_one(_edit)
_delete_all = one_by_one(_delete)
