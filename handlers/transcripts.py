"""REST: what is said in a session, and waiting for what the agent says to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from handlers import transcript_wire
from handlers.http import Call
from handlers.parsing import BAD_PARAMETERS, moment, whole_number
from handlers.reply_stream import ReplyStream
from handlers.transcript_wire import Transport
from handlers.waiting import read_wait, until_over
from rooms import conversations, rules, runs, sessions
from rooms.conversations import Said, Saying
from rooms.errors import ValidationFailed
from rooms.rows import Message, Run, Window

DEFAULT_WAIT = 30
MAX_PAGE = 100

_WHOLE = re.compile(r"-?[0-9]{1,15}")


async def send(call: Call[transcript_wire.SendMessage]) -> dict[str, Any] | ReplyStream:
    """Store what the user says, and answer it: at once, with the agent's reply, or as a stream of that."""
    body = call.body
    saying = Saying(
        call.principal,
        call.path["session_id"].lower(),
        body.content,
        body.metadata,
        [attachment.model_dump(exclude_none=True) for attachment in body.attachments],
        body.messageId,
    )
    seconds = read_wait(call, DEFAULT_WAIT)
    said = await conversations.say(call.ctx, saying)
    if body.wanted is Transport.SSE:
        return ReplyStream(call, said.submitted.message)
    waited = await _wait(call, said.submitted.message, seconds) if body.wanted is Transport.HTTP else {}
    return _answer(call, said, waited)


async def read(call: Call[None]) -> dict[str, Any]:
    """Answer a page of what was said in a session, the newest first."""
    session = await sessions.require(call.ctx, call.principal, call.path["session_id"].lower())
    window = Window(limit=_limit(call), before=_time(call, "before"), after=_time(call, "after"))
    page = await conversations.read(call.ctx, call.principal, session, window)
    return transcript_wire.transcript(page)


def _answer(call: Call[Any], said: Said, waited: dict[str, Any]) -> dict[str, Any]:
    message = said.submitted.message
    exchange = {
        "userMessage": transcript_wire.bus_message(message),
        "sessionStatus": transcript_wire.status(said.session, call.ctx.now()),
        **waited,
        **transcript_wire.line(message),
    }
    return {"success": True, **exchange, "data": exchange}


async def _wait(call: Call[Any], message: Message, seconds: int) -> dict[str, Any]:
    """Return what the agent has answered within so many seconds."""

    async def look_up() -> Sequence[Run]:
        return await runs.list_of_message(call.ctx, call.principal, message)

    found = await until_over(call, look_up, seconds)
    run = found[0] if found else None
    reply = await conversations.find_reply(call.ctx, run) if run else None
    return transcript_wire.outcome(run, reply)


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
