"""Channels that begin with the first message to them, whatever UUID that names, as on elizaOS's server.

Only where the operator allows it, and for whoever may create channels.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from rooms import access, channels, messages, participants, servers, store
from rooms.channels import ChannelDraft
from rooms.context import Context
from rooms.drafts import Draft
from rooms.errors import NotFound, channel_not_found, foreign_parent
from rooms.rules import is_uuid, principal_id
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


async def require_or_create(ctx: Context, draft: Draft, server_id: str, created_by: str) -> str:
    """Return the id of the server that the draft's channel belongs to; create the channel without one.

    What kind of channel that is follows from the draft's metadata, and ``created_by`` is noted there. Raises
    NotFound where that is not allowed, for an id that is no UUID, or without the server; otherwise as
    :func:`messages.submit` and :func:`channels.create` do.
    """
    try:
        return await servers.require_home(ctx, draft.channel_id)
    except NotFound:
        if not (ctx.policy.opens_channels and is_uuid(draft.channel_id)):
            raise
    messages.check(ctx, draft)
    await ctx.journal.append_one(_open_all, _Opening(draft, server_id, created_by), server_id)
    return await servers.require_home(ctx, draft.channel_id)


def _channel(opening: _Opening, author_id: str, now: int) -> ChannelDraft:
    draft = opening.draft
    stated = draft.metadata
    kinds = (stated.get("channelType"), stated.get("channel_type"))
    is_dm = stated.get("isDm") is True or participants.DM.upper() in kinds
    kind, title = (participants.DM.upper(), "DM") if is_dm else (GROUP, "Chat")
    other = _find_other(stated, author_id) if is_dm else None
    created_at = datetime.datetime.fromtimestamp(now / 1000, datetime.UTC)
    about = {
        "created_by": opening.created_by,
        "created_for_user": author_id,
        "created_at": created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
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


def _open(transaction: Transaction, opening: _Opening) -> None:
    draft = opening.draft
    # Somebody else may have been faster; whether the author may post there is asked when it does.
    if draft.channel_id in store.channels.find(transaction.connection, [draft.channel_id]):
        return
    if store.channels.is_taken(transaction.connection, draft.channel_id):
        raise channel_not_found(draft.channel_id)  # it was deleted
    if draft.parent_id is not None:
        raise foreign_parent(draft.parent_id)
    (author_id,) = access.read_own(transaction.connection, [(draft.principal, draft.author_id)])
    access.require_author(draft.principal, author_id)
    channels.create_within(transaction, _channel(opening, author_id, transaction.now))


_open_all = one_by_one(_open)
