"""Channels that begin with the first message to them, whatever UUID that names, as on elizaOS's server.

Only where the operator allows it, and for whoever may create channels.
"""

from __future__ import annotations

import datetime
from typing import Any

from rooms import access, channels, messages, participants, servers, store
from rooms.channels import ChannelDraft
from rooms.context import Context
from rooms.drafts import Draft
from rooms.errors import NotFound
from rooms.rules import principal_id
from rooms.transaction import Transaction, one_by_one

SOURCE_TYPE = "auto_created"
GROUP = "GROUP"
_SHOWN_OF_ID = 8  # characters, in the name


async def require_or_create(ctx: Context, draft: Draft, server_id: str, created_by: str) -> str:
    """Return the id of the server that the draft's channel belongs to; create the channel without one.

    What kind of channel that is follows from the draft's metadata, and ``created_by`` is noted there. Raises
    NotFound where that is not allowed, or without the server; otherwise as :func:`messages.submit` and
    :func:`channels.create` do.
    """
    try:
        return await servers.require_home(ctx, draft.channel_id)
    except NotFound:
        if not ctx.policy.opens_channels:
            raise
    messages.check(ctx, draft)
    access.require_author(draft.principal, draft.author_id)
    await ctx.journal.append_one(_open_all, _channel(draft, server_id, created_by, ctx.now()), server_id)
    return await servers.require_home(ctx, draft.channel_id)


def _channel(draft: Draft, server_id: str, created_by: str, now: int) -> ChannelDraft:
    stated = draft.metadata
    kinds = (stated.get("channelType"), stated.get("channel_type"))
    is_dm = stated.get("isDm") is True or participants.DM.upper() in kinds
    kind, title = (participants.DM.upper(), "DM") if is_dm else (GROUP, "Chat")
    other = _find_other(draft) if is_dm else None
    created_at = datetime.datetime.fromtimestamp(now / 1000, datetime.UTC)
    about = {
        "created_by": created_by,
        "created_for_user": draft.author_id,
        "created_at": created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "channel_type": kind,
    }
    return ChannelDraft(
        draft.principal,
        server_id,
        name=f"{title} {draft.channel_id[:_SHOWN_OF_ID]}",
        type=kind,
        source_type=SOURCE_TYPE,
        metadata=about | stated,
        # Without another it is a dm that is filled later.
        participants=(draft.author_id, other) if other else (),
        is_apart=True,
        id=draft.channel_id,
    )


def _find_other(draft: Draft) -> str | None:
    """Return whom the author of a first message wants to talk with."""
    for stated in _texts(draft.metadata, "targetUserId", "recipientId"):
        try:
            other = principal_id(stated)
        except ValueError:
            continue
        if other != draft.author_id:
            return other
    return None


def _texts(stated: dict[str, Any], *names: str) -> list[str]:
    return [stated[name] for name in names if isinstance(stated.get(name), str)]


def _open(transaction: Transaction, draft: ChannelDraft) -> None:
    # Somebody else may have been faster; whether the author may post there is asked when it does.
    if draft.id not in store.channels.find(transaction.connection, [draft.id]):
        channels.create_within(transaction, draft)


_open_all = one_by_one(_open)
