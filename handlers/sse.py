"""An endless answer: a log as server-sent events, which browsers read by themselves.

Each event's ``id`` is the cursor of whoever has seen it, so that a client which comes back goes on there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import orjson
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from handlers.events import resync_notice
from handlers.following import Follower, Followers, Reading, look_up_view
from rooms import keys
from rooms.context import Context
from rooms.cursors import Cursor
from rooms.errors import AuthenticationFailed, Unavailable
from rooms.replay import Placed

RETRY_MS = 2_000
# How often a comment is sent, and the credential looked at again.
BEAT_SECONDS = 15.0
# How long a client may take to make room for what it is sent.
WRITE_SECONDS = 30.0

_log = logging.getLogger("parley.streams")


class EventStream(web.StreamResponse):
    """What one client is shown of a log, as it comes.

    It is written where aiohttp prepares it: by then everybody who marks answers has marked it.
    """

    def __init__(self, ctx: Context, followers: Followers, reading: Reading) -> None:
        super().__init__(
            headers={
                hdrs.CONTENT_TYPE: "text/event-stream",
                hdrs.CACHE_CONTROL: "no-store",
                "X-Accel-Buffering": "no",  # a proxy must not keep events to itself
            }
        )
        self._ctx = ctx
        self._followers = followers
        self._reading = reading

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the headers, and then everything, until the client or the process is gone."""
        writer = await super().prepare(request)
        try:
            reading = self._reading
            with self._followers.follow(reading.principal, reading.start.cursor) as follower:
                await look_up_view(self._ctx, follower, reading.wish)
                await self._write(self._opening())
                await self._run(follower)
        except AuthenticationFailed:
            pass  # the end; a client that comes back is told why
        except (ConnectionError, TimeoutError):
            _cut(request)
        except Exception as error:  # noqa: BLE001 - the client comes back, and goes on where it was
            if not isinstance(error, Unavailable):
                _log.exception("a stream of events failed")
            _cut(request)
        return writer

    async def _run(self, follower: Follower) -> None:
        clock = asyncio.get_running_loop().time
        beat_at = clock() + BEAT_SECONDS
        while not follower.is_over:
            page = await self._reading.next_page(self._ctx, follower)
            if page is None:
                await follower.wait(beat_at - clock())
            elif page:
                await self._write(self._events(page))
            if clock() >= beat_at:
                beat_at = clock() + BEAT_SECONDS
                await keys.require_current(self._ctx, follower.principal)
                await self._write(self._beat(follower.cursor))

    async def _write(self, text: bytes) -> None:
        async with asyncio.timeout(WRITE_SECONDS):
            await self.write(text)

    def _opening(self) -> bytes:
        """Return the first words: where the client stands, and why, if that is not where it was.

        What it would come back with changes only once it knows why.
        """
        start, principal = self._reading.start, self._reading.principal
        cursor = self._ctx.cursors.write(start.cursor)
        ready = {
            "principal": {"id": principal.id, "kind": principal.kind},
            "server": {"id": start.server.id, "name": start.server.name, "seq": start.server.seq},
            "cursor": cursor,
            "recovered": start.resync is None and self._reading.wish.after is not None,
        }
        greeting = b"retry: %d\n\n" % RETRY_MS
        if start.resync is None:
            return greeting + _block(cursor, "ready", orjson.dumps(ready))
        notice = orjson.dumps(resync_notice(self._ctx, start.resync))
        return greeting + _words("ready", orjson.dumps(ready)) + _block(cursor, "resync_required", notice)

    def _events(self, page: Sequence[Placed]) -> bytes:
        write = self._ctx.cursors.write
        return b"".join(_block(write(cursor), entry.kind, entry.payload) for entry, cursor in page)

    def _beat(self, cursor: Cursor) -> bytes:
        """Return a comment, and the client's position alone, which may have moved without an event."""
        return b":\nid: %b\n\n" % self._ctx.cursors.write(cursor).encode()


def _block(cursor: str, kind: str, payload: bytes) -> bytes:
    return b"id: %b\n" % cursor.encode() + _words(kind, payload)


def _words(kind: str, payload: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), payload)


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()
