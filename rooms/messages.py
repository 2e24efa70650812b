"""Messages: from a draft to a stored, ordered, announced fact; and the way back as history."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection

from rooms import access, rules, servers, store
from rooms.access import Standing
from rooms.context import Context
from rooms.cursors import Cursor
from rooms.drafts import Draft, Submitted
from rooms.errors import ParleyError, channel_not_found
from rooms.principals import Kind, Principal
from rooms.rows import Interval, Message, Window
from rooms.storing import store_all

# REST answers carry the text twice, so that a page stays under 512 KiB on the wire.
MAX_PAGE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a channel's history in order of seq, and how many messages there are in all.

    ``older`` and ``newer`` are where the page begins and ends, or None if it is empty.
    """

    messages: list[Message]
    total: int
    older: Cursor | None
    newer: Cursor | None


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


async def history(
    ctx: Context, principal: Principal, channel_id: str, window: Window, positions: Sequence[Cursor] = ()
) -> Page:
    """Return a page of the channel's history.

    Raises NotFound if the principal may not see the channel, ValidationFailed if one of the cursors
    that bound the window is of another log.
    """

    def read(connection: Connection) -> Page:
        standing = access.require_standing(connection, principal, channel_id)
        home = standing.channel.server_id
        log = store.servers.find(connection, [home]).get(home)
        if log is None:
            raise channel_not_found(channel_id)
        for position in positions:
            position.require_log(log.id, log.epoch)
        visible = access.visible(standing)
        found = _fit(store.messages.list_page(connection, channel_id, visible, window), window)
        return Page(
            found,
            _total(connection, standing, visible),
            Cursor(log.id, log.epoch, found[0].seq) if found else None,
            Cursor(log.id, log.epoch, found[-1].seq) if found else None,
        )

    return await ctx.database.read(read)


def _fit(found: list[Message], window: Window) -> list[Message]:
    """Keep as much of the page as has room, counted from where the page begins."""
    room = MAX_PAGE_BYTES
    kept: list[Message] = []
    for message in found if window.from_the_beginning else reversed(found):
        room -= len(orjson.dumps(message._asdict()))
        if kept and room < 0:
            break
        kept.append(message)
    return kept if window.from_the_beginning else kept[::-1]


def _total(connection: Connection, standing: Standing, visible: list[Interval]) -> int:
    """Count what is visible; the channel's counter knows, if that is everything."""
    if visible == access.EVERYTHING:
        return standing.channel.message_count
    return store.messages.count(connection, standing.channel.id, visible)


def check_content(ctx: Context, content: str, author: Kind) -> None:
    """Raise ValidationFailed if the operator's rules forbid this content to an author of this kind."""
    rules.check_length(content, ctx.policy.length_limit(author))
    if ctx.policy.refuses_executable:
        rules.check_executable(content)


async def _prepare(ctx: Context, draft: Draft) -> str:
    """Check what needs no transaction and return the id of the channel's server."""
    kind = Kind.AGENT if draft.is_from_agent else draft.principal.kind
    check_content(ctx, draft.content, kind)
    home = await servers.require_home(ctx, draft.channel_id)
    if draft.server_id not in (None, home):
        raise channel_not_found(draft.channel_id)
    return home
