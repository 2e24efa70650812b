"""Sessions as tests begin them over REST, and a clock that they move."""

from dataclasses import dataclass
from typing import Any

from rooms.principals import Kind
from tests.rest import API, Reply, Rest
from tests.running import Parley

SESSIONS = f"{API}/sessions"
MINUTE = 60.0


@dataclass
class Clock:
    """The time of a node, as far ahead of the world's as the test says."""

    now: float

    @classmethod
    def of(cls, parley: Parley) -> "Clock":
        """Put the clock in the place of the node's own, and stop it."""
        ctx = parley.node.ctx
        clock = cls(ctx.clock())
        ctx.journal.clock = clock
        object.__setattr__(ctx, "clock", clock)
        return clock

    def __call__(self) -> float:
        """Return the time in epoch seconds."""
        return self.now


async def furnish(parley: Parley) -> tuple[Rest, Rest]:
    """Register the user ann and the agent bot, and return their clients."""
    return await parley.user("ann"), parley.bearer(await parley.key(Kind.AGENT, "bot"))


async def begin(client: Rest, **fields: Any) -> Any:
    """Begin a session of ann with bot, and return it."""
    reply = await client.post(SESSIONS, {"agentId": "bot", "userId": "ann", **fields})
    assert reply.status == 201, reply.raw
    return reply.body


async def send(client: Rest, session: Any, content: Any = "hello", **fields: Any) -> Reply:
    """Say something in a session."""
    return await client.post(f"{SESSIONS}/{session['sessionId']}/messages", {"content": content, **fields})
