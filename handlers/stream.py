"""REST: following a server's log, as a stream of server-sent events or by asking again and again."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from handlers.events import resync_notice
from handlers.following import Follower, Wish, find_start, look_up_view
from handlers.http import Call
from handlers.parsing import page_size, whole_number
from handlers.sse import EventStream
from rooms import keys, replay, tickets
from rooms.replay import PAGE_ENTRIES, Placed
from rooms.rules import DEFAULT_SERVER_ID

DEFAULT_EVENTS = 100
MAX_WAIT = 55
# How often somebody who waits looks whether there is still anybody to answer.
LOOK_SECONDS = 15.0


async def events(call: Call[None]) -> EventStream | dict[str, Any]:
    """Answer an endless stream, or with ``wait`` what comes next, as soon as there is something."""
    wish = _read_wish(call)
    if "wait" in call.query:
        return await _wait(call, wish)
    start = await find_start(call.ctx, call.principal, wish)
    return EventStream(call.ctx, call.gate.followers, call.principal, wish, start)


async def ticket(call: Call[None]) -> dict[str, Any]:
    """Answer a ticket that begins a stream in place of the caller's credential."""
    return {"ticket": tickets.create(call.ctx, call.principal), "expires_in": tickets.TICKET_SECONDS}


def _read_wish(call: Call[None]) -> Wish:
    """Return what a client wants; where its last event was, which browsers send, is newer than ``after``."""
    named = ",".join(call.query.getall("channel_id", ())).lower().split(",")
    only = frozenset(channel_id.strip() for channel_id in named)
    return Wish(
        server_id=call.query.get("server_id", DEFAULT_SERVER_ID).lower(),
        after=call.request.headers.get("Last-Event-ID") or call.query.get("after") or None,
        only=only if "channel_id" in call.query else None,
    )


async def _wait(call: Call[None], wish: Wish) -> dict[str, Any]:
    """Answer the next events, at the end of the wait none."""
    seconds = whole_number(call.query, "wait", 0, MAX_WAIT)
    limit = page_size(call.query, DEFAULT_EVENTS, PAGE_ENTRIES)
    start = await find_start(call.ctx, call.principal, wish)
    if start.resync is not None:
        seconds = 0  # it has to know at once
    with call.gate.followers.follow(call.principal, start.cursor) as follower:
        await look_up_view(call.ctx, follower, wish)
        found = await _next(call, follower, seconds)
        last = found[limit - 1].cursor if len(found) > limit else follower.cursor
    answer: dict[str, Any] = {
        "events": [_event(call, placed) for placed in found[:limit]],
        "cursor": call.ctx.cursors.write(last),
    }
    if start.resync is not None:
        answer["resync_required"] = resync_notice(call.ctx, start.resync)
    return answer


async def _next(call: Call[None], follower: Follower, seconds: float) -> list[Placed]:
    """Return the next events that the follower is shown, or none if none come in so many seconds."""
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    has_waited = False
    while True:
        page = await replay.next_page(call.ctx, follower)
        if page:
            if has_waited:
                await keys.require_current(call.ctx, call.principal)
            return page
        if page is None:
            left = until - clock()
            if left <= 0 or follower.is_over or call.request.transport is None:
                return []
            await follower.wait(min(left, LOOK_SECONDS))
            has_waited = True


def _event(call: Call[None], placed: Placed) -> dict[str, Any]:
    entry, cursor = placed
    return {
        "event": entry.kind,
        "data": orjson.Fragment(entry.payload),
        "cursor": call.ctx.cursors.write(cursor),
    }
