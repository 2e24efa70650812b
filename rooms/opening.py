"""Channels that begin with the first message to them, whatever UUID that names, as on elizaOS's server.

Only where the operator allows it, and for whoever may create channels.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from rooms import access, channels, messages, participants, servers, store, times
from rooms.channels import ChannelDraft
from rooms.context import Context
from rooms.drafts import Draft, Submitted
from rooms.errors import ParleyError, channel_not_found
from rooms.rules import is_uuid, principal_id
from rooms.storing import store_one
from rooms.transaction import Transaction, one_by_one

SOURCE_TYPE = "auto_created"
GROUP = "GROUP"
_SHOWN_OF_ID = 8  # characters, in the name


@dataclass(frozen=True, slots=True)
class _Opening:
    """A first message, and where its channel is to be."""

    draft: Draft
    server_id: str
    created_by: str


async def submit(ctx: Context, draft: Draft, server_id: str, created_by: str) -> Submitted:
    """Store the message once, as :func:`messages.submit` does; see :func:`begin` for its channel."""
    outcome = await (await begin(ctx, draft, server_id, created_by))
    if isinstance(outcome, ParleyError):
        raise outcome
    return outcome


async def begin(
    ctx: Context, draft: Draft, server_id: str, created_by: str
) -> asyncio.Future[Submitted | ParleyError]:
    """Queue the message as :func:`messages.begin` does, with its channel if that is not there yet.

    Either both come to be or neither does. What kind of channel it is follows from the draft's metadata, and
    ``created_by`` is noted there. Where messages make no channels, and for an id that is no UUID, NotFound
    is raised.
    """
    may_open = ctx.policy.opens_channels and is_uuid(draft.channel_id)
    if not may_open or await servers.find_home(ctx, draft.channel_id) is not None:
        return await messages.begin(ctx, draft)
    messages.check(ctx, draft)
    return ctx.journal.begin(_open_all, _Opening(draft, server_id, created_by), server_id)


def _channel(opening: _Opening, author_id: str, now: int) -> ChannelDraft:
    draft = opening.draft
    stated = draft.metadata
    kinds = (stated.get("channelType"), stated.get("channel_type"))
    is_dm = stated.get("isDm") is True or participants.DM.upper() in kinds
    kind, title = (participants.DM.upper(), "DM") if is_dm else (GROUP, "Chat")
    other = _find_other(stated, author_id) if is_dm else None
    about = {
        "created_by": opening.created_by,
        "created_for_user": author_id,
        "created_at": times.iso(now),
        "channel_type": kind,
    }
    return ChannelDraft(
        draft.principal,
        opening.server_id,
        name=f"{title} {draft.channel_id[:_SHOWN_OF_ID]}",
        type=kind,
        source_type=SOURCE_TYPE,
        metadata=about | stated,
        # Without another it is a dm that is filled later.
        participants=(author_id, other) if other else (),
        is_apart=True,
        id=draft.channel_id,
    )


def _find_other(stated: dict[str, Any], author_id: str) -> str | None:
    """Return whom the author of a first message wants to talk with."""
    for name in ("targetUserId", "recipientId"):
        named = stated.get(name)
        try:
            other = principal_id(named) if isinstance(named, str) else author_id
        except ValueError:
            continue
        if other != author_id:
            return other
    return None


def _open(transaction: Transaction, opening: _Opening) -> Submitted:
    """Store the message, with its channel unless somebody else was faster."""
    connection, draft = transaction.connection, opening.draft
    found = store.channels.find(connection, [draft.channel_id]).get(draft.channel_id)
    if found is None:
        _create(transaction, opening)
    elif found.server_id != opening.server_id:
        raise channel_not_found(draft.channel_id)
    return store_one(transaction, draft)


def _create(transaction: Transaction, opening: _Opening) -> None:
    connection, draft = transaction.connection, opening.draft
    if store.channels.is_taken(connection, draft.channel_id):
        raise channel_not_found(draft.channel_id)  # it was deleted
    (author_id,) = access.resolve_stated(connection, [(draft.principal, draft.author_id)])
    access.require_author(draft.principal, author_id)
    channels.create_within(transaction, _channel(opening, author_id, transaction.now))


_open_all = one_by_one(_open)
