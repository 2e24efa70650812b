"""REST: waiting for what agents say to a message that has just been stored."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from handlers import reply_wire
from handlers.http import Call
from handlers.later import EventSource
from handlers.reply_stream import ReplyStream, opening
from handlers.reply_wire import Transport, Transported
from handlers.waiting import RunsWait, read_wait
from rooms import conversations, run_lookup
from rooms.context import Context
from rooms.principals import Principal
from rooms.rows import Message, Run

# Less than after which elizaOS's clients give up.
DEFAULT_WAIT = 25

# Makes the answer of what is told of a message.
Answer = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wish:
    """How a reply is wanted, for how many seconds it is waited for, and from whom if that matters."""

    transport: Transport
    seconds: int
    agent_id: str | None


def read_wish(call: Call[Any], body: Transported, metadata: dict[str, Any]) -> Wish:
    """Return how the reply is wanted; raise ValidationFailed for a wait that is none."""
    target = metadata.get("targetAgentId")
    return Wish(body.wanted, read_wait(call, DEFAULT_WAIT), target if isinstance(target, str) else None)


async def follow(call: Call[Any], wish: Wish, message: Message, answer: Answer) -> Any:
    """Return the answer, now or later: to the message, and of what is told at once, or with the first reply.

    Or return all that as a stream.
    """
    ctx, principal = call.ctx, call.principal
    look_up = functools.partial(_look_up, ctx, principal, message.channel_id, message.id, wish.agent_id)

    async def tell(found: Sequence[Run]) -> Any:
        run = reply_wire.foremost(found)
        reply = await conversations.find_reply(ctx, run) if run else None
        return answer({"userMessage": reply_wire.bus_message(message), **reply_wire.outcome(run, reply)})

    if wish.transport is Transport.SSE:
        stream = ReplyStream(call.gate, principal, look_up)
        rest = functools.partial(stream.tell, message.server_id, message.channel_id)
        return EventSource(opening(message), rest)
    if wish.transport is Transport.HTTP:
        wait = RunsWait(call.gate, principal, look_up, tell, reply_wire.is_told)
        return await wait.answer(await look_up(), wish.seconds)
    return answer({"userMessage": reply_wire.bus_message(message)})


async def _look_up(
    ctx: Context, principal: Principal, channel_id: str, message_id: str, agent_id: str | None
) -> Sequence[Run]:
    """Return the runs that the message has opened: the agent's, or all if it has none."""
    found = await run_lookup.list_opened(ctx, principal, channel_id, message_id)
    return [run for run in found if run.agent_id == agent_id] or found
