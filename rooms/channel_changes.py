"""What a channel is called, what is said of it, and who takes part in it, changed by those who may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rooms import access, channels, participants, payloads, store
from rooms import servers as homes
from rooms.access import Standing
from rooms.channels import Described
from rooms.context import Context
from rooms.errors import ValidationFailed
from rooms.participants import Newcomer
from rooms.principals import Principal
from rooms.rules import channel_name
from rooms.tables import Channel
from rooms.transaction import Transaction, one_by_one

MAX_MOVES = 1_000  # who joins and leaves by one wish


@dataclass(frozen=True, slots=True)
class Change:
    """A wish that a channel should be another one; what is None stays.

    ``participants`` are all who are to take part from then on.
    """

    principal: Principal
    channel_id: str
    name: str | None = None
    topic: str | None = None
    metadata: dict[str, Any] | None = None
    participants: Sequence[str] | None = None


async def change(ctx: Context, wish: Change) -> Described:
    """Change the channel, announce what is different, and return it with its participants.

    Raises NotFound if the principal may not see it, PermissionDenied unless it manages the channel (what is
    said of a dm, both of its pair may change), ValidationFailed for a name or participants that do not fit.
    """
    server_id = await homes.require_home(ctx, wish.channel_id)
    return await ctx.journal.append_one(_change_all, wish, server_id)


def apply_change(transaction: Transaction, wish: Change) -> Described:
    """Do what :func:`change` does, within a transaction."""
    standing = access.require_standing(transaction.connection, wish.principal, wish.channel_id)
    if values := _values(transaction, standing.channel, wish):
        access.require_description(standing, is_dm=participants.is_dm(standing.channel))
        _describe(transaction, wish, values)
    if wish.participants is not None:
        _move(transaction, standing, wish.participants)
    return channels.described(transaction.connection, wish.channel_id)


def _values(transaction: Transaction, channel: Channel, wish: Change) -> dict[str, Any]:
    """Return what is to be stored of what is wished: only what is different."""
    named = {} if wish.name in (None, channel.name) else _named(transaction, channel, str(wish.name))
    said = {"topic": wish.topic, "details": wish.metadata}
    return named | {
        name: value for name, value in said.items() if value is not None and value != getattr(channel, name)
    }


def _named(transaction: Transaction, channel: Channel, name: str) -> dict[str, Any]:
    """Return the name as it is stored; a channel that was made with a unique name keeps to one."""
    if channel.unique_name is None:
        return {"name": name}
    try:
        name = channel_name(name)
    except ValueError as error:
        raise ValidationFailed(f"Field 'name' {error}") from error
    key = name.casefold()
    if key != channel.unique_name:
        channels.require_free_name(transaction.connection, channel.server_id, name)
    return {"name": name, "unique_name": key}


def _describe(transaction: Transaction, wish: Change, values: dict[str, Any]) -> None:
    store.channels.change(transaction.connection, wish.channel_id, {**values, "updated_at": transaction.now})
    now = store.channels.find(transaction.connection, [wish.channel_id])[wish.channel_id]
    payload = {
        "channel_id": now.id,
        "server_id": now.server_id,
        "channel": payloads.channel(now),
        "by": wish.principal.id,
    }
    transaction.record(now.server_id, now.id, "channel_updated", payload)


def _move(transaction: Transaction, standing: Standing, wanted: Sequence[str]) -> None:
    """Let exactly these take part, and whoever asks for it; whoever does already stays as it is.

    elizaOS's page leaves its user out where it changes the agents of a group.
    """
    channel = standing.channel
    present = store.participants.list_present(transaction.connection, channel.id)
    known = {attendance.entity_id for attendance in present}
    all_wanted = dict.fromkeys([*wanted, *({standing.principal.id} & known)])
    leaving = [attendance for attendance in present if attendance.entity_id not in all_wanted]
    joining = [entity_id for entity_id in all_wanted if entity_id not in known]
    if not leaving and not joining:
        return
    access.require_management(standing)
    if len(leaving) + len(joining) > MAX_MOVES:
        raise ValidationFailed(f"At most {MAX_MOVES} may join or leave at once; send several requests")
    for attendance in leaving:
        participants.part(transaction, channel, attendance)
    for entity_id in joining:
        participants.enrol(transaction, channel, Newcomer(entity_id))


_change_all = one_by_one(apply_change)
