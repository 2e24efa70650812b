"""Reactions: what people answer to a message with one sign, each sign once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection

from rooms import access, edits, entities, payloads, store
from rooms.context import Context
from rooms.edits import Target
from rooms.errors import ValidationFailed
from rooms.principals import Principal
from rooms.rows import Message, Sign
from rooms.transaction import Transaction, one_by_one

MAX_SIGNS = 20  # different ones at one message
MAX_NAMED = 100  # of those who gave a sign


@dataclass(frozen=True, slots=True)
class Reaction:
    """A wish that the principal's sign should stand at a message, or stand there no longer."""

    target: Target
    emoji: str
    is_wanted: bool = True


@dataclass(frozen=True, slots=True)
class Given:
    """A sign at a message, and who gave it first."""

    sign: Sign
    entity_ids: list[str]


async def react(ctx: Context, wish: Reaction) -> list[Sign]:
    """Add or remove the reaction, announce it, and return the message's signs; twice is once.

    Raises NotFound as :func:`rooms.edits.require` does, PermissionDenied unless the principal may post
    in the channel, ValidationFailed if the message has too many different signs already.
    """
    message = await edits.require(ctx, wish.target)
    return await ctx.journal.append_one(_react_all, wish, message.server_id)


async def count(ctx: Context, principal: Principal, messages: Collection[Message]) -> dict[str, list[Sign]]:
    """Return the signs at each of the messages that has any, as the principal sees them."""
    ids = [message.id for message in messages]
    if not ids:
        return {}
    return await ctx.database.read(
        lambda connection: store.reactions.count_signs(connection, ids, principal.id)
    )


async def list_for(ctx: Context, target: Target) -> list[Given]:
    """Return the message's signs and who gave them; raise NotFound as :func:`rooms.edits.require` does."""

    def read(connection: Connection) -> list[Given]:
        message, _ = edits.require_undeleted(connection, target)
        first = store.reactions.list_first(connection, message.id, MAX_NAMED)
        return [Given(sign, first[sign.emoji]) for sign in _signs(connection, message, target.principal)]

    return await ctx.database.read(read)


def _signs(connection: Connection, message: Message, principal: Principal) -> list[Sign]:
    return store.reactions.count_signs(connection, [message.id], principal.id).get(message.id, [])


def _react(transaction: Transaction, wish: Reaction) -> list[Sign]:
    connection, principal = transaction.connection, wish.target.principal
    message, standing = edits.require_undeleted(connection, wish.target)
    access.require_post(principal, standing.role)
    before = _signs(connection, message, principal)
    if wish.is_wanted is any(sign.is_mine for sign in before if sign.emoji == wish.emoji):
        return before
    if wish.is_wanted:
        _add(transaction, message, wish, before)
    else:
        store.reactions.remove(connection, message.id, principal.id, wish.emoji)
    signs = _signs(connection, message, principal)
    times = next((sign.times for sign in signs if sign.emoji == wish.emoji), 0)
    payload = payloads.reaction(message, principal.id, wish.emoji, times, added=wish.is_wanted)
    # The log must not find it by the message: it stays as it is when that is edited or deleted.
    transaction.record(message.server_id, message.channel_id, "reaction", payload)
    return signs


def _add(transaction: Transaction, message: Message, wish: Reaction, before: list[Sign]) -> None:
    if len(before) >= MAX_SIGNS and all(sign.emoji != wish.emoji for sign in before):
        raise ValidationFailed(f"A message can have {MAX_SIGNS} different reactions; give one of them")
    principal = wish.target.principal
    # A service, say, that takes part in nothing.
    entities.register(transaction, principal.id, principal.kind)
    row = {"message_id": message.id, "entity_id": principal.id, "emoji": wish.emoji}
    store.reactions.add(transaction.connection, [{**row, "created_at": transaction.now}])


_react_all = one_by_one(_react)
