"""A channel with people and an agent in it, over a real journal, and what tests do there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rooms import completion, keys, participants, run_lookup, runs
from rooms.completion import Completed, Completion, Envelope, Overdue, Sign
from rooms.database import Database
from rooms.keys import KeyDraft
from rooms.participants import Joining
from rooms.principals import Kind, Principal
from rooms.rows import Message, Run
from tests.unit.journaling import SERVICE, World, running

ANN = Principal("ann", Kind.USER)
BEN = Principal("ben", Kind.USER)
BOT = Principal("bot", Kind.AGENT)
OTHER_BOT = Principal("other-bot", Kind.AGENT)


@dataclass
class Clock:
    """The time as the test sets it, in epoch seconds."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@dataclass(frozen=True)
class Stage:
    """A channel with ann, ben and the agent in it, and a clock that the test moves."""

    world: World
    clock: Clock

    async def say(self, content: str = "hello", who: Principal = ANN, **fields: Any) -> Message:
        """Store a message."""
        return (await self.world.submit(content, principal=who, author_id=who.id, **fields)).message

    async def opened(self, content: str = "hello", who: Principal = ANN) -> Run:
        """Say something and return the run that it opens."""
        message = await self.say(content, who)
        (run,) = await run_lookup.list_of_message(self.world.ctx, SERVICE, message)
        return run

    async def claim(self, run: Run, holder: str = "one", who: Principal = BOT) -> Envelope:
        """Take the run."""
        return await completion.claim(self.world.ctx, Sign(who, run.id, holder))

    async def complete(
        self, run: Run, response: str | None = None, *, who: Principal = BOT, **fields: Any
    ) -> Completed:
        """End the run as its agent does."""
        fence = fields.pop("fence", None)
        sign = Sign(who, run.id, fence=fence)
        return await completion.complete(self.world.ctx, Completion(sign, response, **fields))

    async def now(self, run: Run) -> Run:
        """Return the run as it stands."""
        return await run_lookup.require(self.world.ctx, SERVICE, run.id)

    async def pass_time(self, seconds: float, *, is_present: bool = False) -> None:
        """Let time pass, and have the server look after runs."""
        self.clock.now += seconds
        due = await completion.list_overdue(self.world.ctx)
        await completion.end_overdue(
            self.world.ctx, [Overdue(run_id, server_id, is_present) for run_id, server_id, _ in due]
        )

    def told(self, run: Run) -> list[tuple[str, str, str | None]]:
        """Return the events about the run in order: kind, state and reason."""
        found = []
        for event in self.world.heard.events:
            about = event.payload.get("run", event.payload)
            if event.kind in ("run", "complete") and about.get("run_id", about.get("id")) == run.id:
                found.append((event.kind, str(about["state"]), about["reason"]))
        return found

    def ends(self, run: Run) -> list[tuple[str, str | None]]:
        """Return the ends of the run as ``complete`` told them; ``run`` must have told the same."""
        told = self.told(run)
        ends = [(state, reason) for kind, state, reason in told if kind == "complete"]
        assert ends == [
            (state, reason) for kind, state, reason in told if kind == "run" and state in runs.OVER
        ]
        return ends


@asynccontextmanager
async def staged(database: Database) -> AsyncIterator[Stage]:
    """Set the stage until the block ends."""
    async with running(database) as world:
        clock = Clock()
        world.journal.clock = world.journal.responses.clock = clock
        object.__setattr__(world.ctx, "clock", clock)
        await keys.create(world.ctx, KeyDraft(Kind.AGENT, BOT.id, "Bot"))
        for principal in (ANN, BEN, BOT):
            await participants.add(world.ctx, Joining(SERVICE, world.channel_id, principal.id))
        world.heard.events.clear()
        yield Stage(world, clock)
