"""Ends the connections of those whose credential holds no longer: a key was revoked, a token has expired.

A token's hour is known from the beginning. A key is revoked by another process, so the database is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from rooms import keys
from rooms.context import Context
from rooms.errors import ParleyError
from server.admission import Admissions

LOOK_SECONDS = 1.0
LOOKS_PER_QUESTION = 5  # so often the clock is looked at before the database is asked

_log = logging.getLogger("parley.sockets")


class Expiry:
    """Looks after the credentials of one node's connections."""

    def __init__(self, ctx: Context, admissions: Admissions) -> None:
        self._ctx = ctx
        self._admissions = admissions

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Look again and again, while the application runs."""
        task = asyncio.create_task(self._run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _run(self) -> None:
        for look in itertools.count(1):
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self._end_expired()
                if look % LOOKS_PER_QUESTION == 0:
                    await self._end_revoked()
            except ParleyError as error:
                _log.warning("whether keys were revoked cannot be told at the moment: %s", error.details)
            except Exception:  # noqa: BLE001 - what expires later must end all the same
                _log.exception("credentials could not be looked after")

    def _end_expired(self) -> None:
        now = self._ctx.clock()
        for connection in self._admissions.connections():
            if connection.principal.is_expired(now):
                self._admissions.dismiss(connection)

    async def _end_revoked(self) -> None:
        connections = self._admissions.connections()
        in_use = {key_id for connection in connections if (key_id := connection.principal.key_id)}
        revoked = await keys.find_revoked(self._ctx, in_use)
        for connection in self._admissions.connections() if revoked else ():
            if connection.principal.key_id in revoked:
                self._admissions.dismiss(connection)
