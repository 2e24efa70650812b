"""Channels: creating them, and finding those that a principal may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection

from rooms import access, arrivals, participants, servers, store
from rooms.access import Role
from rooms.context import Context
from rooms.errors import Conflict, ValidationFailed
from rooms.ids import new_id
from rooms.participants import Newcomer
from rooms.principals import Kind, Principal, Scope
from rooms.rules import MAX_LISTED, is_uuid
from rooms.tables import Channel
from rooms.transaction import Transaction, one_by_one


@dataclass(frozen=True, slots=True)
class ChannelDraft:
    """A channel that is to be created.

    ``unique`` asks for a name that no other such channel of the server has, without regard to case.
    ``participants`` become members beside the creator. A dm that ``is_apart`` is another chat of two who may
    have their one dm already.
    """

    principal: Principal
    server_id: str
    name: str
    type: str
    topic: str | None = None
    source_type: str | None = None
    source_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    participants: Sequence[str] = ()
    unique: bool = False
    is_apart: bool = False
    joinable: bool = False
    id: str = field(default_factory=new_id)

    @property
    def is_dm(self) -> bool:
        """Tell whether it is a conversation whose two participants are known."""
        return self.type.lower() == participants.DM and bool(self.participants)


@dataclass(frozen=True, slots=True)
class DmWish:
    """Two who want to talk with each other; the first of them asks."""

    principal: Principal
    server_id: str
    one: str
    other: str


class Described(NamedTuple):
    """A channel, and who takes part in it, in the order in which they joined."""

    channel: Channel
    participants: list[str]


async def create(ctx: Context, draft: ChannelDraft) -> Channel:
    """Create a channel; the one dm that the pair has already is returned as it is.

    Raises NotFound without the server, ValidationFailed for a name or number of participants that
    does not fit, Conflict if the id is taken.
    """
    return await ctx.journal.append_one(_create_all, draft, draft.server_id)


async def find_or_create_dm(ctx: Context, wish: DmWish) -> Channel:
    """Return the one dm of a pair, which the principal is one of or may speak for; it is made if need be.

    Raises PermissionDenied for anybody else, ValidationFailed for a pair of one.
    """
    return await ctx.journal.append_one(_find_or_create_all, wish, wish.server_id)


async def require(ctx: Context, principal: Principal, channel_id: str) -> Channel:
    """Return the channel; raise NotFound if it does not exist or the principal may not see it."""
    standing = await ctx.database.read(
        lambda connection: access.require_standing(connection, principal, channel_id)
    )
    return standing.channel


async def describe(ctx: Context, principal: Principal, channel_id: str) -> Described:
    """Return the channel with its participants; raises as :func:`require` does."""

    def read(connection: Connection) -> Described:
        access.require_standing(connection, principal, channel_id)
        return described(connection, channel_id)

    return await ctx.database.read(read)


def described(connection: Connection, channel_id: str) -> Described:
    """Return a channel that is there, with its participants."""
    channel = store.channels.find(connection, [channel_id])[channel_id]
    present = store.participants.list_present(connection, channel_id)
    return Described(channel, [attendance.entity_id for attendance in present])


async def list_visible(ctx: Context, principal: Principal, server_id: str) -> list[Channel]:
    """Return the newest channels of the server that the principal may see."""
    if principal.may(Scope.MESSAGES_READ):
        return await ctx.database.read(lambda connection: _list_all(connection, server_id))
    arrival = await arrivals.find(ctx, principal, server_id)
    visible = arrival.own + arrival.joinable
    return sorted(visible, key=lambda channel: (channel.created_at, channel.id), reverse=True)


def _list_all(connection: Connection, server_id: str) -> list[Channel]:
    servers.require(connection, server_id)
    return store.channels.list_all(connection, server_id, MAX_LISTED)


def _find_or_create_dm(transaction: Transaction, wish: DmWish) -> Channel:
    principal, other = wish.principal, wish.other
    (one,) = access.resolve_stated(transaction.connection, [(principal, wish.one)])
    if one == other:
        raise ValidationFailed("Cannot create DM channel with oneself: name two different participants")
    if principal.id not in (one, other):
        access.require_scope(principal, Scope.CHANNELS_WRITE)
    low, high = sorted((one, other))
    draft = ChannelDraft(
        principal,
        wish.server_id,
        name=f"DM-{low}-{high}",
        type=participants.DM.upper(),
        metadata={"user1": one, "user2": other},
        participants=(one, other),
    )
    return create_within(transaction, draft)


def create_within(transaction: Transaction, draft: ChannelDraft) -> Channel:
    """Create a channel as a part of something else; see :func:`create`."""
    transaction.next_seq(draft.server_id)
    draft = _by_own_id(transaction.connection, draft)
    members = _members(draft)
    if draft.is_dm and (dm := _find_dm(transaction.connection, draft, list(members))):
        return dm
    _require_free(transaction.connection, draft)
    channel = _row(draft, transaction.now)
    store.channels.add(transaction.connection, channel.model_dump())
    for entity_id, role in members.items():
        kind = draft.principal.kind if entity_id == draft.principal.id else Kind.USER
        newcomer = Newcomer(entity_id, role, kind)
        participants.enrol(transaction, channel, newcomer, is_apart=draft.is_apart)
        channel.seq = transaction.next_seq(channel.server_id) - 1
    return channel


def open_with_agent(transaction: Transaction, channel: Channel, user_id: str, agent_id: str) -> None:
    """Store a channel that a user, who owns it, has with an agent, beside others that the two have."""
    store.channels.add(transaction.connection, channel.model_dump())
    for newcomer in (Newcomer(user_id, Role.OWNER), Newcomer(agent_id, kind=Kind.AGENT)):
        participants.enrol(transaction, channel, newcomer, is_apart=True)


def _members(draft: ChannelDraft) -> dict[str, Role]:
    """Return who takes part at first; the creator owns it, unless a service made it for others."""
    members = dict.fromkeys(draft.participants, Role.MEMBER)
    if draft.principal.kind is Kind.SERVICE:
        access.require_scope(draft.principal, Scope.CHANNELS_WRITE)
        return members
    if draft.is_dm and draft.principal.may(Scope.CHANNELS_WRITE):
        return members
    return members | {draft.principal.id: Role.OWNER}


def _by_own_id(connection: Connection, draft: ChannelDraft) -> ChannelDraft:
    """Return the draft with the user's id in it, where its client has put one that it made up.

    elizaOS's client names its user among the others, and looks for it in the metadata. In a group only
    a UUID is taken for that: other ids there are people who have not come yet.
    """
    named = draft.participants
    if len(named) < participants.DM_SIZE or draft.principal.id in named:
        return draft
    claims = [(draft.principal, stated) for stated in named]
    read = zip(named, access.resolve_stated(connection, claims), strict=True)
    own = {stated for stated, meant in read if meant != stated and (draft.is_dm or is_uuid(stated))}
    if not own:
        return draft
    meant = [draft.principal.id if stated in own else stated for stated in named]
    metadata = {
        name: draft.principal.id if isinstance(value, str) and value.lower() in own else value
        for name, value in draft.metadata.items()
    }
    return replace(draft, participants=meant, metadata=metadata)


def _find_dm(connection: Connection, draft: ChannelDraft, members: list[str]) -> Channel | None:
    """Return the pair's one dm if that is meant; raise ValidationFailed if the members are no pair."""
    if len(members) != participants.DM_SIZE:
        raise ValidationFailed(f"A dm has exactly {participants.DM_SIZE} different participants")
    if draft.is_apart:
        return None
    return store.channels.find_dm(connection, draft.server_id, participants.pair_key(*members))


def _require_free(connection: Connection, draft: ChannelDraft) -> None:
    if store.channels.is_taken(connection, draft.id):
        raise Conflict(f"A channel with ID '{draft.id}' exists already, or was deleted; choose another ID")
    if draft.unique:
        require_free_name(connection, draft.server_id, draft.name)


def require_free_name(connection: Connection, server_id: str, name: str) -> None:
    """Raise ValidationFailed if a channel of the server has the name already, where it must be unique."""
    if store.channels.find_by_name(connection, server_id, name.casefold()):
        raise ValidationFailed(f"Field 'name' must be unique in the server; '{name}' is taken")


def _row(draft: ChannelDraft, now: int) -> Channel:
    return Channel(
        id=draft.id,
        server_id=draft.server_id,
        name=draft.name,
        unique_name=draft.name.casefold() if draft.unique else None,
        type=draft.type,
        topic=draft.topic,
        source_type=draft.source_type,
        source_id=draft.source_id,
        details=draft.metadata,
        joinable=draft.joinable and draft.type.lower() != participants.DM,
        created_at=now,
        updated_at=now,
    )


_create_all = one_by_one(create_within)
_find_or_create_all = one_by_one(_find_or_create_dm)
