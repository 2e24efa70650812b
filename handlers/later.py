"""Answers that take their time: what aiohttp has made for their requests is let go meanwhile.

That, and the frames of all that has led to a handler, would be most of what a client costs that waits. So
a handler that has to wait returns what is still to be done. That must keep what it needs alone: neither
the call, which keeps the request, nor the body. It is cancelled if the client leaves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import hdrs, web


class Line(Protocol):
    """A client that waits for its answer, or for the rest of it."""

    async def write(self, text: bytes) -> None:
        """Send a part of the answer; raise ConnectionError or TimeoutError if the client does not take it."""


@dataclass(frozen=True, slots=True)
class Later:
    """What a handler returns in place of what it will answer, which ``find`` waits for."""

    find: Callable[[], Awaitable[Any]]


class LateResponse(web.StreamResponse):
    """A response to come, and the headers that it will have besides its own.

    ``rest`` waits for it, or writes what is still to be said, and returns None.
    """

    def __init__(self, rest: Callable[[Line], Awaitable[web.Response | None]]) -> None:
        super().__init__()
        self.rest = rest


class EventSource(LateResponse):
    """Server-sent events: an ``opening`` that leaves at once, and those that ``rest`` writes.

    If that fails the client is cut off, so that it comes back.
    """

    def __init__(self, opening: bytes, rest: Callable[[Line], Awaitable[None]]) -> None:
        super().__init__(rest)
        self.opening = opening
        self.headers[hdrs.CONTENT_TYPE] = "text/event-stream"
        self.headers[hdrs.CACHE_CONTROL] = "no-store"
        self.headers["X-Accel-Buffering"] = "no"  # a proxy must not keep events to itself
