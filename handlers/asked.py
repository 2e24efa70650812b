"""What is kept of a request until it is answered."""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import hdrs, web

from handlers.http import dialect
from handlers.wire import Dialect


class Asked(NamedTuple):
    """What an answer, or the line of the log about a refusal, has to know of its request."""

    id: str
    method: str
    path: str
    whence: str
    dialect: Dialect
    known: str  # tags of answers that the client has already
    takes_gzip: bool

    @classmethod
    def by(cls, request: web.BaseRequest, request_id: str) -> Asked:
        """Return what is kept of the request."""
        headers = request.headers
        return cls(
            request_id,
            request.method,
            request.rel_url.raw_path,  # as it was sent: a decoded path may hold line breaks
            whence(request),
            dialect(request),
            headers.get(hdrs.IF_NONE_MATCH, ""),
            "gzip" in headers.get(hdrs.ACCEPT_ENCODING, ""),
        )


def whence(request: web.BaseRequest) -> str:
    """Return where a request came from; a client that went at once has left no address."""
    return request.remote or "an unknown address"
