"""Messages: from a draft to a stored, ordered, announced fact."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rooms import rules, servers
from rooms.context import Context
from rooms.drafts import Draft, Submitted
from rooms.errors import ParleyError, channel_not_found
from rooms.principals import Kind
from rooms.storing import store_all


async def submit(ctx: Context, draft: Draft) -> Submitted:
    """Store the message once, and announce it; see :func:`submit_many` for the errors."""
    return await ctx.journal.append_one(store_all, draft, await _prepare(ctx, draft))


async def begin(ctx: Context, draft: Draft) -> asyncio.Future[Submitted | ParleyError]:
    """Queue the message and return its outcome to come: whatever is begun later is stored later.

    For the outcomes see :func:`submit_many`; raises NotFound or ValidationFailed for a draft that can
    be refused at once.
    """
    return ctx.journal.begin(store_all, draft, await _prepare(ctx, draft))


async def submit_many(ctx: Context, drafts: Sequence[Draft]) -> list[Submitted | ParleyError]:
    """Store the messages in the order given and return an outcome for each.

    An outcome is the stored message, the first answer again for a key that was used before, or
    NotFound, PermissionDenied, ValidationFailed or Conflict. Raises Unavailable if nothing can be
    stored now.
    """
    outcomes: dict[int, Submitted | ParleyError] = {}
    homes: dict[int, str] = {}
    for index, draft in enumerate(drafts):
        try:
            homes[index] = await _prepare(ctx, draft)
        except ParleyError as error:
            outcomes[index] = error
    stored = await ctx.journal.append(
        store_all, [drafts[index] for index in homes], [(home,) for home in homes.values()]
    )
    outcomes |= dict(zip(homes, stored, strict=True))
    return [outcomes[index] for index in range(len(drafts))]


def check_content(ctx: Context, content: str, author: Kind, longest: int = 0) -> None:
    """Raise ValidationFailed if the operator's rules forbid this content to an author of this kind.

    What is not longer than ``longest`` is not too long, whatever they say.
    """
    rules.check_length(content, max(longest, ctx.policy.length_limit(author)))
    if ctx.policy.refuses_executable:
        rules.check_executable(content)


def check(ctx: Context, draft: Draft) -> None:
    """Raise ValidationFailed for a draft that can be refused before anything is looked up."""
    check_content(ctx, draft.content, Kind.AGENT if draft.is_from_agent else draft.principal.kind)


async def _prepare(ctx: Context, draft: Draft) -> str:
    """Check what needs no transaction and return the id of the channel's server."""
    check(ctx, draft)
    home = await servers.require_home(ctx, draft.channel_id)
    if draft.server_id not in (None, home):
        raise channel_not_found(draft.channel_id)
    return home
