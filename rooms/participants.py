"""Who takes part in a channel, since when, and in which role."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from rooms import access, approvals, entities, payloads, runs, servers, store
from rooms.access import Role
from rooms.context import Context
from rooms.errors import NotFound, ValidationFailed, agent_not_found
from rooms.principals import Kind, Principal
from rooms.publishing import Event
from rooms.rows import Attendance
from rooms.runs import Reason, State
from rooms.tables import Channel
from rooms.transaction import Transaction, one_by_one

DM = "dm"
DM_SIZE = 2


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who is about to take part; kind and name count only if the registry lacks it."""

    id: str
    role: Role = Role.MEMBER
    kind: Kind = Kind.USER
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Joining:
    """A wish that an entity, ``is_agent`` if it must be one, should take part in a channel, or no longer."""

    principal: Principal
    channel_id: str
    entity_id: str
    role: Role = Role.MEMBER
    is_agent: bool = False


async def add(ctx: Context, joining: Joining) -> Attendance:
    """Make the entity a participant, or return its participation if it has one already.

    Raises NotFound for a channel that the principal may not see, or somebody who is not the agent that it
    must be, PermissionDenied unless the principal manages the channel or joins it itself.
    """
    server_id = await servers.require_home(ctx, joining.channel_id)
    return await ctx.journal.append_one(_add_all, joining, server_id)


async def join(ctx: Context, principal: Principal, channel_id: str) -> None:
    """Let the principal take part in a joinable channel that it is not in yet.

    A principal that may read every channel needs no membership and gets none.
    """
    standing = await ctx.database.read(
        lambda connection: access.require_standing(connection, principal, channel_id)
    )
    if standing.role is None and standing.channel.joinable and principal.kind is not Kind.SERVICE:
        await add(ctx, Joining(principal, channel_id, principal.id))


async def remove(
    ctx: Context, principal: Principal, channel_id: str, entity_id: str, *, is_agent: bool = False
) -> None:
    """End the entity's participation; anybody may leave, managers may remove others.

    Raises as :func:`add` does, and NotFound for somebody who takes no part.
    """
    server_id = await servers.require_home(ctx, channel_id)
    leaving = Joining(principal, channel_id, entity_id, is_agent=is_agent)
    await ctx.journal.append_one(_remove_all, leaving, server_id)


async def list_for(ctx: Context, principal: Principal, channel_id: str) -> list[Attendance]:
    """Return the channel's participants; raise NotFound if the principal may not see it."""

    def read(connection: Connection) -> list[Attendance]:
        access.require_standing(connection, principal, channel_id)
        return store.participants.list_present(connection, channel_id)

    return await ctx.database.read(read)


def has_left(connection: Connection, channel_id: str, entity_id: str) -> bool:
    """Tell whether somebody took part and does no longer: nobody but a manager brings such a one back."""
    memberships = store.participants.list_memberships(connection, [channel_id], entity_id)
    return bool(memberships) and all(row.left_seq is not None for row in memberships)


def is_dm(channel: Channel) -> bool:
    """Tell whether the channel is a conversation of two."""
    return channel.type.lower() == DM


def pair_key(one: str, other: str) -> str:
    """Return the same text for a pair in either order; no principal's id holds a space."""
    return " ".join(sorted((one, other)))


def enrol(
    transaction: Transaction, channel: Channel, newcomer: Newcomer, *, is_apart: bool = False
) -> Attendance:
    """Register the newcomer if need be, begin its membership and record that it joined.

    A dm that ``is_apart`` stands beside the one dm of its pair: it is a session, or a further chat. Raises
    NotFound for an agent that was ended.
    """
    entities.register(transaction, newcomer.id, newcomer.kind, newcomer.name)
    entity = store.entities.find(transaction.connection, [newcomer.id])[newcomer.id]
    if entity.kind == Kind.AGENT and store.agents.find(transaction.connection, entity.id) is None:
        raise agent_not_found(entity.id)
    if is_dm(channel):
        _complete_pair(transaction, channel, newcomer.id, is_apart=is_apart)
    row = {
        "channel_id": channel.id,
        "entity_id": newcomer.id,
        "joined_seq": transaction.next_seq(channel.server_id),
        "left_seq": None,
        "role": newcomer.role,
        "is_agent": entity.kind == Kind.AGENT,
        "joined_at": transaction.now,
    }
    store.participants.add(transaction.connection, [row])
    attendance = Attendance(
        entity.id, channel.id, newcomer.role, transaction.now, entity.kind, entity.name, entity.handle
    )
    _record(transaction, channel, "participant_joined", attendance)
    return attendance


def _complete_pair(transaction: Transaction, channel: Channel, entity_id: str, *, is_apart: bool) -> None:
    """Keep a dm at two participants, and the only one of its pair, unless it stands beside that."""
    present = store.participants.list_present(transaction.connection, channel.id)
    if len(present) >= DM_SIZE:
        raise ValidationFailed(f"A dm has exactly {DM_SIZE} participants; create a group instead")
    if present and not is_apart:
        key = pair_key(present[0].entity_id, entity_id)
        if existing := store.channels.find_dm(transaction.connection, channel.server_id, key):
            raise ValidationFailed(f"The pair has a dm in this server already: '{existing.id}'")
        store.channels.set_dm_key(transaction.connection, channel.id, key)


def _record(transaction: Transaction, channel: Channel, kind: str, attendance: Attendance) -> Event:
    payload = {
        "channel_id": channel.id,
        "server_id": channel.server_id,
        "channel": payloads.channel(channel),
        "participant": payloads.participant(attendance),
    }
    return transaction.record(channel.server_id, channel.id, kind, payload, subject=attendance)


def _find(transaction: Transaction, channel_id: str, entity_id: str) -> Attendance | None:
    pair = (channel_id, entity_id)
    return store.participants.find(transaction.connection, [pair]).get(pair)


def _add(transaction: Transaction, joining: Joining) -> Attendance:
    standing = access.require_standing(transaction.connection, joining.principal, joining.channel_id)
    channel = standing.channel
    joins_itself = channel.joinable and joining.entity_id == joining.principal.id
    if not joins_itself or joining.role is not Role.MEMBER:
        access.require_management(standing)
    if joining.is_agent and store.agents.find(transaction.connection, joining.entity_id) is None:
        raise agent_not_found(joining.entity_id)
    if existing := _find(transaction, channel.id, joining.entity_id):
        return existing
    return enrol(transaction, channel, Newcomer(joining.entity_id, joining.role))


def apply_removal(transaction: Transaction, leaving: Joining) -> None:
    """Do what :func:`remove` does, within a transaction."""
    standing = access.require_standing(transaction.connection, leaving.principal, leaving.channel_id)
    channel = standing.channel
    if leaving.entity_id != leaving.principal.id:
        access.require_management(standing)
    attendance = _find(transaction, channel.id, leaving.entity_id)
    if leaving.is_agent and (attendance is None or attendance.kind != Kind.AGENT):
        raise NotFound(
            f"'{leaving.entity_id}' is no agent in channel '{channel.id}'",
            message="Agent is not a participant in this channel",
        )
    if attendance is None:
        raise NotFound(
            f"'{leaving.entity_id}' is not a participant of channel '{channel.id}'",
            message="Participant not found",
        )
    part(transaction, channel, attendance)


def part(transaction: Transaction, channel: Channel, attendance: Attendance) -> None:
    """End a membership and record that; raise ValidationFailed for a dm's."""
    if is_dm(channel):
        raise ValidationFailed(f"A dm has exactly {DM_SIZE} participants; nobody can leave it")
    if attendance.kind == Kind.AGENT:
        # Before it leaves: it is told nothing after that.
        end_work(transaction, channel.id, attendance.entity_id)
    seq = transaction.next_seq(channel.server_id)
    store.participants.end(transaction.connection, channel.id, attendance.entity_id, seq + 1)
    _record(transaction, channel, "participant_left", attendance)


def end_work(transaction: Transaction, channel_id: str, agent_id: str) -> None:
    """End what the agent does in the channel: its runs, and what it has asked people for."""
    left = store.runs.list_open(transaction.connection, agent_id, channel_id)
    runs.end_all(transaction, left, State.FAILED, Reason.REMOVED)
    asked = store.approvals.list_open_of_asker(transaction.connection, agent_id, channel_id)
    approvals.close_all(transaction, asked)


_add_all = one_by_one(_add)
_remove_all = one_by_one(apply_removal)
