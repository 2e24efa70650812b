"""Long-polling: a session's GETs and POSTs (Engine.IO protocol, "HTTP long-polling")."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from http import HTTPStatus

from aiohttp import web

from handlers import bodies
from rooms.errors import ParleyError
from server.session import NOOP, SEPARATOR, Session
from server.websocket import MAX_MESSAGE, NORMAL

# What a stock client's burst may be is bounded by the bytes alone that it is told in the handshake. It
# counts too few of what becomes Base64, of a single byte four instead of six; and nothing that it sends in
# bursts takes less than an event named by one digit, with its separator.
MAX_PAYLOAD = MAX_MESSAGE * 3 // 2
MAX_PACKETS = MAX_MESSAGE // len("42[1]" + SEPARATOR)
BODY_SECONDS = 10.0
BREATH = 2_000  # packets of one payload that are taken before others are served


async def poll(request: web.Request, session: Session) -> bytes | None:
    """Return what a poll is answered, or None if it is to be refused."""
    try:
        body = await session.poll()
    except ConnectionError:
        return None
    # The packets of a poll that was given up are lost: the session does not go on without them.
    if request.transport is None and body != NOOP.encode():
        session.close(NORMAL)
    return body


async def take_post(request: web.Request, session: Session) -> int:
    """Take one payload at a time, whole, and return the answer's status.

    What cannot be taken ends the session. While too much waits to be handled the client waits for its
    answer, and so with its next POST.
    """
    is_too_long = (request.content_length or 0) > MAX_PAYLOAD
    if is_too_long or session.is_posting:
        session.violate()
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if is_too_long else HTTPStatus.BAD_REQUEST
    session.is_posting = True
    try:
        payload = await _read(request)
        if payload is None:
            session.violate()
            return HTTPStatus.BAD_REQUEST
        await _take(payload, session)
        return HTTPStatus.OK if await session.caught_up() else HTTPStatus.BAD_REQUEST
    finally:
        session.is_posting = False


async def _read(request: web.Request) -> str | None:
    """Return a POST's payload, or None if it breaks the bounds of size and time, or is no text."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await bodies.read(request)
        return body.decode() if _is_sound(body) else None
    except (TimeoutError, UnicodeDecodeError, ParleyError, web.HTTPException, web.RequestPayloadError):
        return None


def _is_sound(body: bytes) -> bool:
    separator = SEPARATOR.encode()
    if not 0 < len(body) <= MAX_PAYLOAD or body.count(separator) >= MAX_PACKETS:
        return False
    # The bytes of attachments are counted where a packet gets them.
    return len(body) <= MAX_MESSAGE or all(
        len(packet) <= MAX_MESSAGE for packet in body.split(separator) if not packet.startswith(b"b")
    )


async def _take(payload: str, session: Session) -> None:
    for number, packet in enumerate(payload.split(SEPARATOR), 1):
        if number % BREATH == 0:
            await asyncio.sleep(0)
        if packet.startswith("b"):
            _take_base64(packet[1:], session)
        else:
            session.receive(packet)


def _take_base64(text: str, session: Session) -> None:
    try:
        session.receive(b64decode(text, validate=True))
    except ValueError:
        session.violate()
