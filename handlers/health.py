"""Is the process up, and is it ready to store messages."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import select

from handlers.http import Call
from rooms.errors import Unavailable

_BEGAN = time.monotonic()


def uptime() -> float:
    """Return for how many seconds the process has run."""
    return time.monotonic() - _BEGAN


async def alive(_call: Call[None]) -> dict[str, Any]:
    """Answer as long as the process runs."""
    return {"status": "ok"}


async def ready(call: Call[None]) -> dict[str, Any]:
    """Answer when messages can be stored, and will be for a while; raise Unavailable otherwise."""
    if call.gate.draining.begun.is_set():
        raise Unavailable("The server is draining: it ends soon; go to another one, or come back later")
    if not call.ctx.journal.is_writing:
        raise Unavailable("Messages cannot be stored at the moment; try again later")
    await call.ctx.database.read(lambda connection: connection.execute(select(1)).scalar())
    return {"status": "ready"}
