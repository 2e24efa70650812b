"""Tells those who are connected of sessions that are about to end, and of those that have ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from handlers import session_wire
from rooms import session_notices
from rooms.context import Context
from server.background import in_background, outlasting
from server.fanout import Fanout

LOOK_SECONDS = 2.0

_log = logging.getLogger("parley.sessions")


@contextlib.asynccontextmanager
async def announcing(ctx: Context, fanout: Fanout) -> AsyncIterator[None]:
    """Look after the sessions, again and again, until the block ends."""
    async with in_background("sessions", _look_for_ever(ctx, fanout)):
        yield


async def _look_for_ever(ctx: Context, fanout: Fanout) -> None:
    while True:
        with outlasting(_log, "telling of sessions"):
            await announce_due(ctx, fanout)
        await asyncio.sleep(LOOK_SECONDS)


async def announce_due(ctx: Context, fanout: Fanout) -> None:
    """Tell everything that is due."""
    while notices := await session_notices.take_due(ctx):
        for notice in notices:
            told = session_wire.notice(notice.session, ctx.now())
            fanout.whisper(notice.session.channel_id, notice.kind, told)
