"""Taking over what another server has stored: its ids, times and order stay, and nothing is taken twice.

What breaks a rule of :mod:`rooms.rules` is left where it is, and the outcome says why. Metadata that
breaks one is left out whole, and a name that does is cut; what was said is never changed. Nobody is
answered, mentioned or woken: it has all happened already.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy import Connection

from rooms import entities, foreign, messages, participants, payloads, rules, servers, store
from rooms.access import Role
from rooms.context import Context
from rooms.errors import ParleyError, ValidationFailed, channel_not_found
from rooms.foreign import Fate, Found, FoundAgent, FoundChannel, FoundMessage, FoundServer, Outcome
from rooms.participants import Newcomer
from rooms.principals import Kind
from rooms.rows import Message
from rooms.servers import ServerDraft
from rooms.tables import Channel, Entity
from rooms.transaction import Transaction, one_by_one

AT_ONCE = 500  # of one commit

_DM_NAME = re.compile(r"DM-([0-9a-f-]{36})-([0-9a-f-]{36})")
F = TypeVar("F", bound=Found)


async def take_servers(ctx: Context, found: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """Take over message servers, and return what became of each."""
    return await _take(ctx, found, FoundServer, _take_servers, _no_home)


async def take_agents(ctx: Context, found: Sequence[Mapping[str, Any]]) -> None:
    """Register agents, as agents of those servers that were taken over; who is registered stays as it is."""
    valid = [FoundAgent.model_validate(row) for row in found if rules.is_uuid(row["id"])]
    homes = {server_id for one in valid for server_id in one.server_ids}
    await ctx.journal.append_one(_register_all, valid, *homes)


async def take_channels(ctx: Context, found: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """Take over channels and who takes part in them, and return what became of each."""

    async def home(channel: FoundChannel) -> str:
        return channel.server_id

    return await _take(ctx, found, FoundChannel, _take_channels, home)


async def take_messages(ctx: Context, found: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """Take over messages of channels that were taken over, in this order; return what became of each.

    Who has said something in a channel takes part in it.
    """

    async def home(message: FoundMessage) -> str:
        messages.check_content(ctx, message.content, await _kind_of_author(ctx, message))
        return await servers.require_home(ctx, message.channel_id)

    return await _take(ctx, found, FoundMessage, _take_messages, home)


async def _kind_of_author(ctx: Context, message: FoundMessage) -> Kind:
    """Return whose limit holds: only for what is long it matters who the registry says it is."""
    if message.is_agents or len(message.content) <= ctx.policy.length_limit(Kind.USER):
        return Kind.AGENT if message.is_agents else Kind.USER
    registered = await ctx.entities.find(message.author_id)
    return Kind(registered.kind) if registered else Kind.USER


async def _no_home(_server: FoundServer) -> None:
    return None


async def _take(
    ctx: Context,
    found: Sequence[Mapping[str, Any]],
    kind: type[F],
    apply: Callable[[Transaction, Sequence[F]], Sequence[Outcome | ParleyError]],
    find_home: Callable[[F], Awaitable[str | None]],
) -> list[Outcome]:
    """Validate, apply what is valid in one go, and return an outcome for each."""
    outcomes: dict[int, Outcome] = {}
    valid: dict[int, F] = {}
    homes: list[tuple[str, ...]] = []
    for index, row in enumerate(found):
        try:
            one = kind.model_validate(row)
            home = await find_home(one)
        except ValidationError as error:
            outcomes[index] = Outcome(Fate.REFUSED, (foreign.sentence(error),))
        except ParleyError as error:
            outcomes[index] = _refused(error)
        else:
            valid[index] = one
            homes.append((home,) if home else ())
    applied = await ctx.journal.append(apply, list(valid.values()), homes)
    for index, outcome in zip(valid, applied, strict=True):
        outcomes[index] = _refused(outcome) if isinstance(outcome, ParleyError) else outcome
    return [outcomes[index] for index in range(len(found))]


def _refused(error: ParleyError) -> Outcome:
    return Outcome(Fate.REFUSED, (error.details,))


def _take_server(transaction: Transaction, found: FoundServer) -> Outcome:
    if store.servers.find(transaction.connection, [found.id]):
        return Outcome(Fate.KNOWN)
    name, renamed = foreign.name(found)
    metadata, remarks = foreign.metadata(found)
    draft = ServerDraft(name, found.source_type, found.source_id, metadata, found.id, found.created_at)
    servers.create_within(transaction, draft)
    return Outcome(Fate.ADDED, renamed + remarks)


def _register(transaction: Transaction, found: Sequence[FoundAgent]) -> None:
    connection = transaction.connection
    known = store.entities.find(connection, [one.id for one in found])
    homes = store.servers.find(connection, {server_id for one in found for server_id in one.server_ids})
    for one in found:
        if one.id in known:
            continue
        entities.register(transaction, one.id, Kind.AGENT, rules.label(one.name))
        for server_id in one.server_ids:
            if server_id in homes:
                store.servers.add_agent(connection, server_id, one.id, transaction.now)


def _take_channel(transaction: Transaction, found: FoundChannel) -> Outcome:
    known = store.channels.find(transaction.connection, [found.id]).get(found.id)
    if known is not None and known.server_id != found.server_id:
        raise ValidationFailed(f"Its id is that of a channel of another server, {known.server_id}")
    if known is None and store.channels.is_taken(transaction.connection, found.id):
        raise ValidationFailed("It was taken over before, and deleted here")
    channel, remarks = (known, ()) if known else _add_channel(transaction, found)
    for stated in found.participants:
        remarks += _take_participant(transaction, channel, stated)
    return Outcome(Fate.KNOWN if known else Fate.ADDED, remarks)


def _add_channel(transaction: Transaction, found: FoundChannel) -> tuple[Channel, tuple[str, ...]]:
    transaction.next_seq(found.server_id)  # without the server nothing is taken
    name, renamed = foreign.name(found)
    metadata, remarks = foreign.metadata(found)
    row = found.model_dump(exclude={"participants", "metadata"}) | {"name": name, "details": metadata}
    channel = Channel(**row)
    store.channels.add(transaction.connection, channel.model_dump())
    return channel, renamed + remarks


def _take_participant(
    transaction: Transaction, channel: Channel, stated: str, kind: Kind = Kind.USER, name: str | None = None
) -> tuple[str, ...]:
    """Let somebody take part who never has; people own what everybody could change before."""
    try:
        entity_id = rules.principal_id(stated)
        if store.participants.list_memberships(transaction.connection, [channel.id], entity_id):
            return ()
        entities.register(transaction, entity_id, kind, name)
        entity = store.entities.find(transaction.connection, [entity_id])[entity_id]
        role = Role.MEMBER if entity.kind == Kind.AGENT else Role.OWNER
        is_apart = not _may_be_the_dm(transaction.connection, channel)
        participants.enrol(transaction, channel, Newcomer(entity_id, role), is_apart=is_apart)
    except (ParleyError, ValueError) as error:
        why = error.details if isinstance(error, ParleyError) else f"the id {error}"
        return (f"Participant '{stated[:128]}' was not taken: {why}",)
    return ()


def _may_be_the_dm(connection: Connection, channel: Channel) -> bool:
    """Tell whether it is the one dm of its pair, which elizaOS knows by its name, and no other is that."""
    pair = _DM_NAME.fullmatch(channel.name)
    if pair is None:
        return False
    return (
        store.channels.find_dm(connection, channel.server_id, participants.pair_key(*pair.groups())) is None
    )


def _take_messages(transaction: Transaction, found: Sequence[FoundMessage]) -> list[Outcome]:
    return _Batch(transaction, found).take()


class _Batch:
    """Messages that are taken together, with all that deciding on them needs."""

    def __init__(self, transaction: Transaction, found: Sequence[FoundMessage]) -> None:
        connection = transaction.connection
        self._transaction = transaction
        self._found = found
        self._channels = store.channels.find(connection, {one.channel_id for one in found})
        ids = {one.id for one in found} | {one.parent_id.lower() for one in found if one.parent_id}
        self._messages = store.messages.find(connection, ids)
        self._entities = store.entities.find(connection, {one.author_id for one in found})
        self._present: set[tuple[str, str]] = set()
        self._added: list[Message] = []

    def take(self) -> list[Outcome]:
        """Store what is new, and return an outcome for each."""
        outcomes = [self._take(one) for one in self._found]
        if self._added:
            store.messages.add(self._transaction.connection, self._added)
            store.messages.count_replies(self._transaction.connection, self._added, 1)
        return outcomes

    def _take(self, found: FoundMessage) -> Outcome:
        known = self._messages.get(found.id)
        if known is not None and known.channel_id == found.channel_id:
            return Outcome(Fate.KNOWN)
        if known is not None:
            return Outcome(Fate.REFUSED, (f"Its id is that of a message in channel {known.channel_id}",))
        channel = self._channels.get(found.channel_id)
        if channel is None:
            return _refused(channel_not_found(found.channel_id))  # it was deleted meanwhile
        remarks = self._take_author(channel, found)
        message, more = self._message(channel, self._entities[found.author_id], found)
        self._transaction.record(
            channel.server_id,
            channel.id,
            "message",
            payloads.message(message),
            message_id=message.id,
            subject=message,
        )
        self._messages[message.id] = message
        self._added.append(message)
        return Outcome(Fate.ADDED, remarks + more)

    def _take_author(self, channel: Channel, found: FoundMessage) -> tuple[str, ...]:
        pair = (channel.id, found.author_id)
        if pair in self._present:
            return ()
        self._present.add(pair)
        told = found.metadata if isinstance(found.metadata, dict) else {}
        kind = Kind.AGENT if found.is_agents else Kind.USER
        name = told.get("agentName") if found.is_agents else None
        label = rules.label(name) if isinstance(name, str) else None
        remarks = _take_participant(self._transaction, channel, found.author_id, kind, label)
        if found.author_id not in self._entities:
            entities.register(self._transaction, found.author_id, kind)
            self._entities |= store.entities.find(self._transaction.connection, [found.author_id])
        return remarks

    def _message(
        self, channel: Channel, author: Entity, found: FoundMessage
    ) -> tuple[Message, tuple[str, ...]]:
        metadata, remarks = foreign.metadata(found)
        raw_message, more = foreign.raw_message(found)
        parent = self._messages.get((found.parent_id or "").lower())
        if found.parent_id and (parent is None or parent.channel_id != channel.id):
            parent, more = None, (*more, f"The message {found.parent_id[:64]} that it answers is not there")
        by_agent = author.kind == Kind.AGENT
        message = Message(
            id=found.id,
            server_id=channel.server_id,
            channel_id=channel.id,
            seq=self._transaction.next_seq(channel.server_id),
            author_id=author.id,
            by_agent=by_agent,
            content=found.content,
            source_type=found.source_type or ("agent_response" if by_agent else "user_message"),
            parent_id=parent.id if parent else None,
            root_id=(parent.root_id or parent.id) if parent else None,
            hops=0,
            raw_message=raw_message,
            details=metadata if found.source_id is None else {"sourceId": found.source_id} | metadata,
            attachments=[],
            mentions=[],
            reply_count=0,
            created_at=found.created_at,
            updated_at=found.updated_at,
            author_name=author.name,
        )
        return message, remarks + more


_take_servers = one_by_one(_take_server)
_register_all = one_by_one(_register)
_take_channels = one_by_one(_take_channel)
