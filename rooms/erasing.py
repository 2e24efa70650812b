"""Erasing messages: what they said is gone from every table and from the log, and what waited for them ends.

That there was a message stays: its id is taken, and its events keep their places.
"""

from __future__ import annotations

from collections.abc import Sequence

from rooms import decisions, payloads, runs, store
from rooms.rows import Message
from rooms.runs import Reason, State
from rooms.transaction import Transaction


def erase(transaction: Transaction, messages: Sequence[Message]) -> list[Message]:
    """Erase what messages of one server say, and return what is left; none of them was erased before.

    Whoever calls announces it, and then has :func:`abandon` end what was begun for them.
    """
    connection, ids = transaction.connection, [message.id for message in messages]
    store.messages.erase(connection, ids, transaction.now)
    store.messages.count_replies(connection, messages, -1)
    store.mentions.forget(connection, ids)
    store.reactions.remove_all(connection, ids)
    places = {message.seq: message.id for message in messages}
    places |= dict(store.log.list_places(connection, ids))
    left = [_left(message, transaction.now) for message in messages]
    tombstones = {message.id: payloads.tombstone(message) for message in left}
    transaction.bury(messages[0].server_id, places, tombstones)
    return left


def abandon(transaction: Transaction, messages: Sequence[Message]) -> None:
    """Withdraw what messages that are erased have asked for, and end the runs that they have opened."""
    for message in messages:
        decisions.withdraw(transaction, message)
    opened = store.runs.list_of_messages(transaction.connection, [message.id for message in messages])
    runs.end_all(transaction, opened, State.CANCELLED, Reason.MESSAGE_DELETED)


def _left(message: Message, now: int) -> Message:
    return message._replace(
        content="",
        raw_message={},
        details={},
        attachments=[],
        mentions=[],
        updated_at=now,
        deleted_at=now,
        approval=None,
    )
