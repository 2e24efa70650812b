"""REST: what platforms send, which prove who they are by a signature of their own instead of a key.

A forger costs little: what is not signed at all, or was long ago, is refused before its body is read, and
an address from which too much was forged is refused before anything is.
"""

from __future__ import annotations

from typing import Any

from handlers import bodies
from handlers.http import Call
from handlers.limits import refuse_if_spent
from rooms import incoming
from rooms.errors import AuthenticationFailed, Unavailable, ValidationFailed, platform_not_found
from rooms.incoming import Door

MAX_BODY = 512 * 1024


async def receive(call: Call[None]) -> dict[str, Any]:
    """Take in what a platform sends, and answer it in the platform's own words."""
    door = await _find_door(call)
    headers = {name.lower(): value for name, value in call.request.headers.items()}
    try:
        if not door.is_timely(headers, int(call.ctx.clock())):
            raise AuthenticationFailed("The request is not signed, or was signed too long ago")
        body = await bodies.read_as_sent(call.request, MAX_BODY)
        return await incoming.receive(call.ctx, door, headers, body)
    except (AuthenticationFailed, Unavailable):
        await _charge(call)
        raise


async def answer_challenge(call: Call[None]) -> dict[str, Any]:
    """Prove to a platform that asks for it who answers here."""
    door = await _find_door(call)
    # Whoever asks proves nothing; a platform asks once an hour.
    await _charge(call)
    token = call.query.get("crc_token")
    if token is None:
        raise ValidationFailed("Parameter 'crc_token' is missing")
    return await incoming.answer_challenge(call.ctx, door, token)


async def _find_door(call: Call[None]) -> Door:
    refuse_if_spent(await call.gate.limits.look_at_forgeries(call.request.remote or ""))
    platform_id = call.path_id("platform_id")
    door = await incoming.find_door(call.ctx, platform_id)
    if door is None:
        await _charge(call)
        raise platform_not_found(platform_id)
    return door


async def _charge(call: Call[None]) -> None:
    await call.gate.limits.charge_forgery(call.request.remote or "")
