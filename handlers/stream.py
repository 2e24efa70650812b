"""REST: following a server's log, as a stream of server-sent events or by asking again and again."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import orjson

from handlers.events import resync_notice
from handlers.following import Reading, Wish, find_start, look_up_view
from handlers.http import Call, Gate
from handlers.later import EventSource, Later
from handlers.parsing import page_size
from handlers.sse import EventStream
from handlers.waiting import next_shown, read_wait
from rooms import tickets
from rooms.context import Context
from rooms.replay import PAGE_ENTRIES, Placed
from rooms.rules import DEFAULT_SERVER_ID

DEFAULT_EVENTS = 100


async def events(call: Call[None]) -> EventSource | Later | dict[str, Any]:
    """Answer an endless stream, or with ``wait`` what comes next, as soon as there is something."""
    wish = replace(read_wish(call), only=_read_channels(call))
    start = await find_start(call.ctx, call.principal, wish)
    return await answer(call, Reading(call.principal, wish, start))


async def ticket(call: Call[None]) -> dict[str, Any]:
    """Answer a ticket that begins a stream in place of the caller's credential."""
    return {"ticket": tickets.create(call.ctx, call.principal), "expires_in": tickets.TICKET_SECONDS}


async def answer(call: Call[None], reading: Reading) -> EventSource | Later | dict[str, Any]:
    """Answer what is read in the form that the client wants."""
    if "wait" not in call.query:
        stream = EventStream(call.ctx, call.gate.followers, reading)
        return EventSource(stream.opening(), stream.tell)
    seconds = read_wait(call)
    limit = page_size(call.query, DEFAULT_EVENTS, PAGE_ENTRIES)
    # Who has to begin anew has to know that at once.
    if not seconds or reading.start.resync is not None:
        return await _wait(call.gate, reading, limit, 0)
    return Later(functools.partial(_wait, call.gate, reading, limit, seconds))


def read_wish(call: Call[None]) -> Wish:
    """Return which log a client wants, and from where on.

    Where its last event was, which browsers send, is newer than ``after``.
    """
    return Wish(
        server_id=call.query.get("server_id", DEFAULT_SERVER_ID).lower(),
        after=call.request.headers.get("Last-Event-ID") or call.query.get("after") or None,
    )


def _read_channels(call: Call[None]) -> frozenset[str] | None:
    if "channel_id" not in call.query:
        return None
    named = ",".join(call.query.getall("channel_id")).lower().split(",")
    return frozenset(channel_id.strip() for channel_id in named)


async def _wait(gate: Gate, reading: Reading, limit: int, seconds: int) -> dict[str, Any]:
    """Return the next events, at the end of the wait none."""
    ctx, start = gate.ctx, reading.start
    with gate.followers.follow(reading.principal, start.cursor) as follower:
        await look_up_view(ctx, follower, reading.wish)
        found = await next_shown(ctx, follower, reading.next_page, seconds)
        last = found[limit - 1].cursor if len(found) > limit else follower.cursor
    answered: dict[str, Any] = {
        "events": [_event(ctx, placed) for placed in found[:limit]],
        "cursor": ctx.cursors.write(last),
    }
    if start.resync is not None:
        answered["resync_required"] = resync_notice(ctx, start.resync)
    return answered


def _event(ctx: Context, placed: Placed) -> dict[str, Any]:
    entry, cursor = placed
    return {
        "event": entry.kind,
        "data": orjson.Fragment(entry.payload),
        "cursor": ctx.cursors.write(cursor),
    }
