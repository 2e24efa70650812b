"""A request's body: received in time, unpacked within bounds."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import hdrs, web

from rooms.errors import TooLarge, ValidationFailed

MAX_BODY = 2 * 1024 * 1024
BODY_SECONDS = 30.0

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


async def read(request: web.Request) -> bytes:
    """Return the body as its client meant it; raise TooLarge, ValidationFailed or an HTTPException."""
    if (request.content_length or 0) > MAX_BODY:
        raise too_large()
    received = await _receive(request)
    packing = request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower()
    if packing == "identity":
        return received
    if packing not in ("gzip", "deflate"):
        raise web.HTTPUnsupportedMediaType(
            reason="Unsupported media type", text="Send the body plain, or with Content-Encoding: gzip"
        )
    return _unpack(received)


async def read_as_sent(request: web.Request, most: int) -> bytes:
    """Return the body byte by byte as it was signed; raise TooLarge beyond so many, or an HTTPException."""
    if (request.content_length or 0) > most or len(received := await _receive(request)) > most:
        raise too_large(most)
    return received


async def _receive(request: web.Request) -> bytes:
    # Nearly every body comes along with its headers: those need no timer.
    if request.content.is_eof():
        return await request.read()
    async with arriving("The body", BODY_SECONDS):
        return await request.read()


@asynccontextmanager
async def arriving(what: str, seconds: float) -> AsyncIterator[None]:
    """Bound the time in which something of a body is read; raise an HTTPException, or RequestPayloadError."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except ConnectionError as error:  # the client has gone
        raise web.RequestPayloadError from error
    except TimeoutError:
        raise web.HTTPRequestTimeout(
            reason="Request timeout", text=f"{what} must arrive within {seconds:g} seconds"
        ) from None


def _unpack(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        body = unpacker.decompress(packed, MAX_BODY + 1)
    except zlib.error:
        body = b""
    if len(body) > MAX_BODY:
        raise too_large()
    if not unpacker.eof or unpacker.unused_data:
        raise ValidationFailed("The body cannot be unpacked as its Content-Encoding says")
    return body


def too_large(most: int = MAX_BODY) -> TooLarge:
    """Return the error for a body beyond the bound, packed or unpacked."""
    return TooLarge(f"The request body must have at most {most} bytes")
