"""A channel in which agents talk with each other and with people, and a clock that the test moves."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from rooms import completion, guard, keys, participants, run_lookup
from rooms.completion import Completion, Sign
from rooms.database import Database
from rooms.keys import KeyDraft
from rooms.participants import Joining
from rooms.principals import Kind, Principal
from rooms.rows import Message, Run
from rooms.runs import State
from tests.unit.journaling import SERVICE, World, running
from tests.unit.staging import ANN, Clock

A, B, C = [Principal(name, Kind.AGENT) for name in ("a", "b", "c")]


@dataclass(frozen=True)
class Stage:
    """A channel with ann and two agents in it, whatever they say, and a clock that the test moves."""

    world: World
    clock: Clock
    texts: itertools.count[int] = field(default_factory=itertools.count)

    async def say(self, who: Principal, text: str | None = None, **fields: Any) -> Message:
        """Store a message, which says what nobody has said before unless told."""
        content = text or f"text {next(self.texts)}"
        return (await self.world.submit(content, principal=who, author_id=who.id, **fields)).message

    async def opened(self, message: Message) -> list[Run]:
        """Return the runs that the message has opened."""
        return list(await run_lookup.list_of_message(self.world.ctx, SERVICE, message))

    async def waiting(self) -> list[Run]:
        """Return the runs that wait for their agents, the oldest first."""
        wish = run_lookup.Filter(self.world.channel_id, states=[State.QUEUED], limit=200)
        return list(await run_lookup.list_page(self.world.ctx, SERVICE, wish))[::-1]

    async def answer(self, run: Run, text: str | None = None) -> Message:
        """Let the agent answer what it was addressed with."""
        return await self.say(Principal(run.agent_id, Kind.AGENT), text, parent_id=run.message_id)

    async def be_silent(self) -> None:
        """Let every agent say that it has nothing to say."""
        for run in await self.waiting():
            await completion.complete(self.world.ctx, Completion(Sign(SERVICE, run.id)))

    async def chain(self, first: Principal, *others: Principal) -> AsyncIterator[Message]:
        """Let each agent in turn answer the one before and nobody else, from what ann says on."""
        answered = await self.say(ANN)
        for who in itertools.cycle([first, *others]):
            found = [run for run in await self.opened(answered) if run.agent_id == who.id]
            if not found:
                return
            answered = await self.answer(found[0])
            yield answered

    def allow(self, **limits: int) -> None:
        """Set how agents may talk with each other."""
        self.world.journal.policy = replace(self.world.journal.policy, **limits)

    def told(self) -> list[tuple[str, str]]:
        """Return what was told about pauses: the reason, or who let the agents go on."""
        events = [event for event in self.world.heard.events if event.kind.startswith("agents_")]
        return [(event.kind, event.payload.get("reason") or event.payload["by"]) for event in events]

    async def pause(self) -> str | None:
        """Return why agents do not go on."""
        return await guard.find_pause(self.world.ctx, self.world.channel_id)


@asynccontextmanager
async def staged(database: Database) -> AsyncIterator[Stage]:
    """Give a channel with a user and two agents until the block ends; a third agent is not in it."""
    async with running(database) as world:
        clock = Clock()
        world.journal.clock = clock
        object.__setattr__(world.ctx, "clock", clock)
        for agent in (A, B, C):
            await keys.create(world.ctx, KeyDraft(Kind.AGENT, agent.id, agent.id.upper()))
        for principal in (ANN, A, B):
            await participants.add(world.ctx, Joining(SERVICE, world.channel_id, principal.id))
        world.heard.events.clear()
        yield Stage(world, clock)
