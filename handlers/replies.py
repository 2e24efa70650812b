"""REST: waiting for what agents say to a message that has just been stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from handlers import reply_wire
from handlers.http import Call
from handlers.reply_stream import ReplyStream
from handlers.reply_wire import Transport, Transported
from handlers.waiting import read_wait, until_over
from rooms import conversations, run_lookup
from rooms.rows import Message, Run

# Less than after which elizaOS's clients give up.
DEFAULT_WAIT = 25


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


async def follow(call: Call[Any], wish: Wish, message: Message) -> dict[str, Any] | ReplyStream:
    """Return what is told of the message at once, or with the first reply to it; or that as a stream."""
    look_up = _runs_of(call, message, wish.agent_id)
    if wish.transport is Transport.SSE:
        return ReplyStream(call, message, look_up)
    waited: dict[str, Any] = {}
    if wish.transport is Transport.HTTP:
        run = reply_wire.foremost(await until_over(call, look_up, wish.seconds, reply_wire.is_told))
        reply = await conversations.find_reply(call.ctx, run) if run else None
        waited = reply_wire.outcome(run, reply)
    return {"userMessage": reply_wire.bus_message(message), **waited}


def _runs_of(
    call: Call[Any], message: Message, agent_id: str | None
) -> Callable[[], Awaitable[Sequence[Run]]]:
    """Return what looks up the runs that the message has opened: the agent's, or all if it has none."""

    async def look_up() -> Sequence[Run]:
        found = await run_lookup.list_of_message(call.ctx, call.principal, message)
        return [run for run in found if run.agent_id == agent_id] or found

    return look_up
