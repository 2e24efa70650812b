"""History: what was said in a channel or in a thread, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection

from rooms import access, edits, store
from rooms.access import Standing
from rooms.context import Context
from rooms.cursors import Cursor
from rooms.edits import Target
from rooms.errors import channel_not_found, message_not_found
from rooms.principals import Principal
from rooms.rows import Interval, Message, Window
from rooms.tables import Server

# REST answers carry the text twice, so that a page stays under 512 KiB on the wire.
MAX_PAGE_BYTES = 256 * 1024
MAX_AT_ONCE = 1_000  # messages that can have been stored in one millisecond


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a history in order of seq, and how many messages there are in all.

    ``older`` and ``newer`` are where the page begins and ends, or None if it is empty.
    """

    messages: list[Message]
    total: int
    older: Cursor | None
    newer: Cursor | None


@dataclass(frozen=True, slots=True)
class Thread:
    """A page of the answers in a thread, and the message that it begins with.

    That may have been deleted; it is None for somebody who may read only later ones.
    """

    root: Message | None
    page: Page


async def of_channel(
    ctx: Context,
    principal: Principal,
    channel_id: str,
    window: Window,
    positions: Sequence[Cursor] = (),
    *,
    goes_on_by_time: bool = False,
) -> Page:
    """Return a page of the channel's history.

    Whoever ``goes_on_by_time`` asks for what is older than the oldest of a page, in milliseconds: such a page
    is longer than its limit where more was said within a millisecond.

    Raises NotFound if the principal may not see the channel, ValidationFailed if one of the cursors
    that bound the window is of another log.
    """

    def read(connection: Connection) -> Page:
        standing = access.require_standing(connection, principal, channel_id)
        log = _require_log(connection, standing, positions)
        visible = access.visible(standing)
        found = store.messages.list_page(connection, channel_id, visible, window)
        if goes_on_by_time and found:
            found = _by_whole_bursts(connection, found, visible)
        return _page(found, window, log, _total(connection, standing, visible))

    return await ctx.database.read(read)


def _by_whole_bursts(connection: Connection, found: list[Message], visible: list[Interval]) -> list[Message]:
    """Return a page back from its newest message which ends before a pause, or at least between moments.

    A pause is more than a millisecond: elizaOS's web client goes on with the oldest time less one, and
    what was stored exactly then would be neither older nor on the page.
    """
    whole = found
    while len(whole) < MAX_AT_ONCE and (earlier := _list_just_before(connection, whole[0], visible)):
        whole = earlier + whole
    kept = fit(whole[::-1])[::-1]
    if len(kept) == len(whole) < MAX_AT_ONCE:
        return kept
    times = [message.created_at for message in kept]
    for pause in (1, 0):
        for index in range(1, len(kept)):
            if times[index] - times[index - 1] > pause:
                return kept[index:]
    return kept


def _list_just_before(connection: Connection, oldest: Message, visible: list[Interval]) -> list[Message]:
    """Return what was said before the message, a millisecond earlier at most."""
    moment = Window(
        limit=MAX_AT_ONCE,
        after=oldest.created_at - 2,
        before=oldest.created_at + 1,
        before_seq=oldest.seq,
    )
    return store.messages.list_page(connection, oldest.channel_id, visible, moment)


async def of_thread(ctx: Context, target: Target, window: Window, positions: Sequence[Cursor] = ()) -> Thread:
    """Return a page of the thread that the message is in, or begins.

    Raises NotFound if the message is not for the principal to see, or was deleted and is no thread's
    beginning; ValidationFailed as :func:`of_channel` does.
    """

    def read(connection: Connection) -> Thread:
        message, standing = edits.locate(connection, target)
        if message.deleted_at is not None and not message.reply_count:
            raise message_not_found(target.message_id)
        root = message
        if message.root_id is not None:
            root = store.messages.find(connection, [message.root_id])[message.root_id]
        log = _require_log(connection, standing, positions)
        visible = access.visible(standing)
        found = store.messages.list_thread(connection, root.id, visible, window)
        total = store.messages.count_thread(connection, root.id, visible)
        page = _page(found, window, log, total)
        return Thread(root if access.may_read(standing, root.seq) else None, page)

    return await ctx.database.read(read)


def _require_log(connection: Connection, standing: Standing, positions: Sequence[Cursor]) -> Server:
    """Return the channel's server; raise ValidationFailed if one of the positions is in another log."""
    home = standing.channel.server_id
    log = store.servers.find(connection, [home]).get(home)
    if log is None:
        raise channel_not_found(standing.channel.id)
    for position in positions:
        position.require_log(log.id, log.epoch)
    return log


def _page(found: list[Message], window: Window, log: Server, total: int) -> Page:
    kept = fit(found) if window.from_the_beginning else fit(found[::-1])[::-1]
    return Page(
        kept,
        total,
        Cursor(log.id, log.epoch, kept[0].seq) if kept else None,
        Cursor(log.id, log.epoch, kept[-1].seq) if kept else None,
    )


def fit(found: Sequence[Message]) -> list[Message]:
    """Return as many of the messages as have room on a page, the first ones; one has always."""
    room = MAX_PAGE_BYTES
    kept: list[Message] = []
    for message in found:
        room -= len(orjson.dumps(message._asdict()))
        if kept and room < 0:
            break
        kept.append(message)
    return kept


def _total(connection: Connection, standing: Standing, visible: list[Interval]) -> int:
    """Count what is visible; the channel's counter knows, if that is everything."""
    if visible == access.EVERYTHING:
        return standing.channel.message_count
    return store.messages.count(connection, standing.channel.id, visible)
