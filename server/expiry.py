"""Ends the connections of those whose credential holds no longer: a key was revoked, a token has expired.

A token's hour is known from the beginning. A key is revoked by another process, so the database is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator

from rooms import keys
from rooms.context import Context
from server.admission import Admissions
from server.background import in_background, outlasting

LOOK_SECONDS = 1.0
LOOKS_PER_QUESTION = 5  # so often the clock is looked at before the database is asked

_log = logging.getLogger("parley.sockets")


@contextlib.asynccontextmanager
async def expiring(ctx: Context, admissions: Admissions) -> AsyncIterator[None]:
    """Look after the credentials of the node's connections, again and again, until the block ends."""
    async with in_background("expiry", _look_for_ever(ctx, admissions)):
        yield


async def _look_for_ever(ctx: Context, admissions: Admissions) -> None:
    for look in itertools.count(1):
        await asyncio.sleep(LOOK_SECONDS)
        with outlasting(_log, "looking after credentials"):
            _end_expired(ctx, admissions)
            if look % LOOKS_PER_QUESTION == 0:
                await _end_revoked(ctx, admissions)


def _end_expired(ctx: Context, admissions: Admissions) -> None:
    now = ctx.clock()
    for connection in admissions.connections():
        if connection.principal.is_expired(now):
            admissions.dismiss(connection)


async def _end_revoked(ctx: Context, admissions: Admissions) -> None:
    in_use = {key_id for connection in admissions.connections() if (key_id := connection.principal.key_id)}
    revoked = await keys.find_revoked(ctx, in_use)
    for connection in admissions.connections() if revoked else ():
        if connection.principal.key_id in revoked:
            admissions.dismiss(connection)
