"""An endless answer: a log as server-sent events, which browsers read by themselves.

Each event's ``id`` is the cursor of whoever has seen it, so that a client which comes back goes on there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import orjson

from handlers.events import resync_notice
from handlers.following import Follower, Followers, Reading, look_up_view
from handlers.later import Line
from rooms import keys
from rooms.context import Context
from rooms.cursors import Cursor
from rooms.errors import AuthenticationFailed
from rooms.replay import Placed

RETRY_MS = 2_000
# How often a comment is sent, and the credential looked at again.
BEAT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class EventStream:
    """What one client is shown of a log, as it comes."""

    ctx: Context
    followers: Followers
    reading: Reading

    async def tell(self, line: Line) -> None:
        """Send what comes, until the client or the process is gone.

        The client of a key that was revoked comes back, and is told why it has ended.
        """
        reading = self.reading
        with (
            suppress(AuthenticationFailed),
            self.followers.follow(reading.principal, reading.start.cursor) as follower,
        ):
            await look_up_view(self.ctx, follower, reading.wish)
            await self._run(line, follower)

    async def _run(self, line: Line, follower: Follower) -> None:
        clock = asyncio.get_running_loop().time
        beat_at = clock() + BEAT_SECONDS
        while not follower.is_over:
            page = await self.reading.next_page(self.ctx, follower)
            if page is None:
                await follower.wait(beat_at - clock())
            elif page:
                await line.write(self._events(page))
            if clock() >= beat_at:
                beat_at = clock() + BEAT_SECONDS
                await keys.require_current(self.ctx, follower.principal)
                await line.write(self._beat(follower.cursor))

    def opening(self) -> bytes:
        """Return the first words: where the client stands, and why, if that is not where it was.

        What it would come back with changes only once it knows why.
        """
        start, principal = self.reading.start, self.reading.principal
        cursor = self.ctx.cursors.write(start.cursor)
        ready = {
            "principal": {"id": principal.id, "kind": principal.kind},
            "server": {"id": start.server.id, "name": start.server.name, "seq": start.server.seq},
            "cursor": cursor,
            "recovered": start.resync is None and self.reading.wish.after is not None,
        }
        greeting = b"retry: %d\n\n" % RETRY_MS
        if start.resync is None:
            return greeting + _block(cursor, "ready", orjson.dumps(ready))
        notice = orjson.dumps(resync_notice(self.ctx, start.resync))
        return greeting + _words("ready", orjson.dumps(ready)) + _block(cursor, "resync_required", notice)

    def _events(self, page: Sequence[Placed]) -> bytes:
        write = self.ctx.cursors.write
        return b"".join(_block(write(cursor), entry.kind, entry.payload) for entry, cursor in page)

    def _beat(self, cursor: Cursor) -> bytes:
        """Return a comment, and the client's position alone, which may have moved without an event."""
        return b":\nid: %b\n\n" % self.ctx.cursors.write(cursor).encode()


def _block(cursor: str, kind: str, payload: bytes) -> bytes:
    return b"id: %b\n" % cursor.encode() + _words(kind, payload)


def _words(kind: str, payload: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), payload)
