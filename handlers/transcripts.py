"""REST: what is said in a session."""

from __future__ import annotations

import re
from typing import Any

from handlers import replies, transcript_wire
from handlers.http import Call
from handlers.parsing import BAD_PARAMETERS, moment, whole_number
from rooms import conversations, rules, sessions
from rooms.conversations import Saying
from rooms.errors import ValidationFailed
from rooms.rows import Window

MAX_PAGE = 100

_WHOLE = re.compile(r"-?[0-9]{1,15}")


async def send(call: Call[transcript_wire.SendMessage]) -> Any:
    """Store what the user says, and answer it: at once, with the agent's reply, or as a stream of that."""
    body = call.body
    wish = replies.read_wish(call, body, body.metadata)
    saying = Saying(
        call.principal,
        call.path_id("session_id"),
        body.content,
        body.metadata,
        rules.as_stored(body.attachments),
        body.messageId,
    )
    said = await conversations.say(call.ctx, saying)
    ctx, session, message = call.ctx, said.session, said.submitted.message

    def answer(told: dict[str, Any]) -> dict[str, Any]:
        status = transcript_wire.status(session, ctx.now())
        exchange = {"success": True, **told, "sessionStatus": status, **transcript_wire.line(message)}
        return {**exchange, "data": exchange}

    return await replies.follow(call, wish, message, answer)


async def read(call: Call[None]) -> dict[str, Any]:
    """Answer a page of what was said in a session, the newest first."""
    session = await sessions.require(call.ctx, call.principal, call.path_id("session_id"))
    window = Window(limit=_limit(call), before=_time(call, "before"), after=_time(call, "after"))
    page = await conversations.read(call.ctx, call.principal, session, window)
    return transcript_wire.transcript(page)


def _limit(call: Call[None]) -> int:
    text = call.query.get("limit", str(rules.DEFAULT_PAGE))
    if _WHOLE.fullmatch(text) is None:
        raise ValidationFailed("Parameter 'limit' must be a whole number", message=BAD_PARAMETERS)
    return min(max(int(text), 1), MAX_PAGE)


def _time(call: Call[None], name: str) -> int | None:
    text = call.query.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return whole_number(call.query, name, 0)
    found = moment(text)
    if found is None:
        raise ValidationFailed(
            f"Parameter '{name}' must be epoch milliseconds or an ISO 8601 time", message=BAD_PARAMETERS
        )
    return found
