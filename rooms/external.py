"""What users of other platforms say, told by a service: each of their channels is one of Parley's.

A platform's user has an id that follows from the platform's (:func:`user_id`). A platform's channel is
found by what it was the first time: its id cannot be known before, or somebody could make it their own.
Each agent has channels of its own, for bots do not hear what users say to each other's, even where
platforms give these conversations the same id.
"""

from __future__ import annotations

import itertools
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection

from rooms import access, messages, participants, seating, servers, store
from rooms.bylines import DISPLAY_NAME
from rooms.context import Context
from rooms.drafts import AGENT_RESPONSE, Draft, Submitted
from rooms.errors import ParleyError, ValidationFailed, channel_not_found
from rooms.principals import Kind, Principal, Scope
from rooms.rows import AGENT_ACTION, Message, Run
from rooms.rules import DEFAULT_SERVER_ID, entity_id, is_uuid
from rooms.store.external import Place
from rooms.storing import store_all, store_one
from rooms.transaction import Transaction, one_by_one

_USERS = uuid.UUID("5f0c2f5e-6f0e-5c1b-9a53-2f7f1d1e8a10")


def user_id(platform: str, source_id: str) -> str:
    """Return the id of a platform's user: a UUID of version 5, the same for all agents and for ever."""
    return str(uuid.uuid5(_USERS, f"{platform} {source_id}"))


@dataclass(frozen=True, slots=True)
class ExternalDraft:
    """What somebody has said on a platform; the ids are the platform's.

    ``message_id`` is an idempotency key in its channel. ``agent_id`` is the agent that it was said to.
    """

    principal: Principal
    platform: str
    message_id: str | None
    channel_id: str
    user_id: str
    content: str
    attachments: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    display_name: str | None = None
    agent_id: str | None = None
    raw_message: dict[str, Any] = field(default_factory=dict)
    parent_id: str | None = None

    @property
    def place(self) -> Place:
        """Where it was said, and to which agent, if one was named."""
        return Place(self.platform, self.channel_id, entity_id(self.agent_id or ""))

    @property
    def author_id(self) -> str:
        """Who has said it."""
        return user_id(self.platform, self.user_id)

    @property
    def speaker(self) -> Principal:
        """The author, with the rights of the service that speaks for it."""
        return replace(self.principal, id=self.author_id, kind=Kind.USER)

    def within(self, channel_id: str) -> Draft:
        """Return the message that it is in the channel."""
        sources = {"platform": self.platform, "channelId": self.channel_id, "userId": self.user_id}
        if self.message_id is not None:
            sources["messageId"] = self.message_id
        return Draft(
            principal=self.speaker,
            channel_id=channel_id,
            author_id=self.author_id,
            content=self.content,
            source_type=self.platform,
            parent_id=self.parent_id,
            raw_message=self.raw_message,
            metadata=self.metadata | {"external": sources},
            attachments=self.attachments,
            key=self.message_id,
            key_owner=f"channel {channel_id}",  # no author's id holds a space
        )


class Received(NamedTuple):
    """The stored message, the run in which its agent answers it, and whether it was stored before.

    Without an agent there is no run.
    """

    message: Message
    run: Run | None
    is_repeat: bool


async def receive(ctx: Context, draft: ExternalDraft) -> Received:
    """Store what was said, once; its channel, its author and its agent take part from the first time on.

    Without an agent named it is for the one that was found the first time: the only active one. Whoever was
    removed stays that: an agent hears nothing, an author is refused. Raises PermissionDenied for that, and
    unless the principal may name any author, ValidationFailed if the content is not allowed, or if it cannot
    be told which agent is meant, Conflict if the platform's message is known and was another.
    """
    _check(ctx, draft)
    return await ctx.journal.append_one(receive_all, draft, DEFAULT_SERVER_ID)


async def ingest(ctx: Context, draft: ExternalDraft, server_id: str | None = None) -> Message:
    """Store what was said as :func:`receive` does, unless it names a channel of Parley's: then there.

    In that an author that is a UUID is Parley's, too. Raises what ``receive`` does, and NotFound if the
    channel is of another server than the one that is named.
    """
    _check(ctx, draft)
    channel_id = draft.channel_id.lower()
    home = await servers.find_home(ctx, channel_id) if is_uuid(channel_id) else None
    if server_id not in (None, DEFAULT_SERVER_ID, home):
        raise channel_not_found(draft.channel_id)
    if home is None:
        return (await receive(ctx, draft)).message
    author_id = draft.user_id.lower() if is_uuid(draft.user_id) else draft.author_id
    said = replace(draft.within(channel_id), principal=draft.principal, author_id=author_id)
    if draft.display_name is not None:
        said.metadata[DISPLAY_NAME] = draft.display_name
    return (await ctx.journal.append_one(_ingest_all, said, home)).message


def _check(ctx: Context, draft: ExternalDraft) -> None:
    access.require_scope(draft.principal, Scope.MESSAGES_WRITE)
    messages.check_content(ctx, draft.content, Kind.USER)
    if draft.platform in (AGENT_RESPONSE, AGENT_ACTION):
        raise ValidationFailed(
            f"'{draft.platform}' is no platform; send what agents say to /api/messaging/submit"
        )


def receive_all(transaction: Transaction, drafts: Sequence[ExternalDraft]) -> list[Received | ParleyError]:
    """Store what was said, and return an outcome for each draft; see :func:`receive`.

    Drafts whose channels have their authors and agents in them already are stored together.
    """
    known = _Known(transaction.connection, drafts)
    outcomes: list[Received | ParleyError] = []
    for is_ready, group in itertools.groupby(drafts, known.has_all_of):
        apply = known.store if is_ready else _introduce_all
        outcomes += apply(transaction, list(group))
    return outcomes


class _Known:
    """Which channels the drafts' places are, and who takes part in them."""

    def __init__(self, connection: Connection, drafts: Sequence[ExternalDraft]) -> None:
        self.channels = store.external.find(connection, {draft.place for draft in drafts})
        self._meant = seating.find_meant(connection, set(self.channels.values()))
        pairs = {
            (self.channels[draft.place], draft.author_id) for draft in drafts if draft.place in self.channels
        }
        self._present = store.participants.find(connection, pairs) if pairs else {}

    def has_all_of(self, draft: ExternalDraft) -> bool:
        """Tell whether nobody has to be introduced for the draft, nor called otherwise."""
        channel_id = self.channels.get(draft.place, "")
        author = self._present.get((channel_id, draft.author_id))
        return (
            author is not None
            and draft.display_name in (None, author.name)
            and (channel_id, draft.place.agent_id) in self._meant
        )

    def store(
        self, transaction: Transaction, drafts: Sequence[ExternalDraft]
    ) -> list[Received | ParleyError]:
        """Store drafts that nobody has to be introduced for."""
        stored = store_all(transaction, [draft.within(self.channels[draft.place]) for draft in drafts])
        ids = [one.message.id for one in stored if isinstance(one, Submitted)]
        opened: dict[str, list[Run]] = defaultdict(list)
        for run in store.runs.list_of_messages(transaction.connection, ids) if ids else ():
            opened[run.message_id].append(run)
        return [
            one if isinstance(one, ParleyError) else _received(draft, one, opened[one.message.id])
            for draft, one in zip(drafts, stored, strict=True)
        ]


def _received(draft: ExternalDraft, stored: Submitted, opened: Sequence[Run]) -> Received:
    """Return what came of a draft; others than the agent that is meant may have been added to the channel."""
    agent_id = draft.place.agent_id
    meant = (run for run in opened if agent_id in ("", run.agent_id))
    return Received(stored.message, next(meant, None), stored.encoded is None)


def _introduce(transaction: Transaction, draft: ExternalDraft) -> Received:
    """Store what was said, with the channel, and the author and the agent in it."""
    channel = seating.find_or_open(transaction, draft.place)
    seating.seat_agent(transaction, channel, draft.place.agent_id)
    seating.seat_author(transaction, channel, draft.author_id, draft.display_name, draft.user_id)
    stored = store_one(transaction, draft.within(channel.id))
    opened = store.runs.list_of_messages(transaction.connection, [stored.message.id])
    return _received(draft, stored, opened)


_introduce_all = one_by_one(_introduce)


def _ingest(transaction: Transaction, draft: Draft) -> Submitted:
    """Store what was said in a channel of Parley's, unless its author was removed from that."""
    has_left = participants.has_left(transaction.connection, draft.channel_id, draft.author_id)
    # First, for it tells nothing of channels that the service may not know of.
    stored = store_one(transaction, draft)
    if has_left:
        raise seating.no_longer_there()
    return stored


_ingest_all = one_by_one(_ingest)
