"""One trial: a node, its clients, one harm again and again, and the verdict."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from chaos import stock, stored, verdict
from chaos.authors import Author
from chaos.crowd import Crowd
from chaos.harms import Harm
from chaos.listener import Listener
from chaos.node import Keys, Node
from chaos.proxy import Proxy
from chaos.site import Site
from chaos.verdict import Fault, Kind
from chaos.wandering import Usher

PATIENCE = 30.0  # seconds that a client has to see what was said after a harm
CALM_SECONDS = (0.1, 0.5)  # between one harm and the next
ROOMS = 3

WITNESS = "witness"  # says after each harm what everybody must see


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: one harm so many times, or until so many seconds are over."""

    harm: Harm
    cycles: int
    seconds: float
    clients: int
    seed: int


@dataclass(slots=True)
class Outcome:
    """What came of it; ``recoveries`` are seconds, one for each client and cycle."""

    plan: Plan
    cycles: int = 0
    events: int = 0
    stock_clients: int = 0
    submitted: int = 0
    acknowledged: int = 0
    recoveries: list[float] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


async def run(plan: Plan) -> Outcome:
    """Return what came of a trial."""
    outcome = Outcome(plan)
    with tempfile.TemporaryDirectory(prefix="parley-chaos-") as folder:
        async with _open(Path(folder), plan) as site:
            await _Trial(site, outcome).run()
    return outcome


@asynccontextmanager
async def _open(folder: Path, plan: Plan) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        node = Node(folder, Keys.make())
        node.environment = dict(plan.harm.environment(node.clock))
        stack.push_async_callback(node.end)
        await node.start()
        proxy = Proxy(node.port)
        await proxy.start()
        stack.push_async_callback(proxy.stop)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        yield Site(node, proxy, session, random.Random(plan.seed))


class _Trial:
    def __init__(self, site: Site, outcome: Outcome) -> None:
        self._site = site
        self._outcome = outcome
        self._plan = outcome.plan
        self._crowd = Crowd(site)
        self._listeners: list[Listener] = []
        self._witness = Author(site, WITNESS, [], directly=True)
        self._tasks: list[asyncio.Task[None]] = []
        self._until = 0

    async def run(self) -> None:
        """Let everybody in, harm, let everybody finish, and judge."""
        await self._site.furnish(ROOMS)
        await self._site.invite(WITNESS, self._site.lobby)
        await self._crowd.gather(self._plan.clients)
        async with stock.running(self._site) as listeners:
            self._listeners = [*self._crowd.listeners, *listeners]
            self._outcome.stock_clients = len(listeners)
            try:
                await self._go_through()
            finally:
                await _cancel(self._tasks)
        self._outcome.faults += await self._judge()

    async def _go_through(self) -> None:
        usher = Usher(self._site, self._crowd.wanderers)
        self._begin(listener.run() for listener in self._crowd.listeners)
        await self._all_stand()
        talking = self._begin([*(author.run() for author in self._crowd.authors), usher.run()])
        if not await self._harm():
            return
        usher.is_over = True
        for author in self._crowd.authors:
            author.is_over = True
        _, unanswered = await asyncio.wait(talking, timeout=PATIENCE)
        if unanswered:
            self._fail(Kind.LOST, f"{len(unanswered)} clients were not answered within {PATIENCE:g} s")
        await self._all_see()

    async def _all_stand(self) -> None:
        """Wait until each client stands somewhere in the log: what is said from then on it must see."""
        async with asyncio.timeout(PATIENCE):
            for listener in self._listeners:
                await listener.stands.wait()

    async def _harm(self) -> bool:
        """Go through the cycles; return False if somebody does not come back."""
        end = time.monotonic() + self._plan.seconds
        while self._outcome.cycles < self._plan.cycles and time.monotonic() < end:
            await asyncio.sleep(self._site.dice.uniform(*CALM_SECONDS))
            gone_at = await self._plan.harm.strike(self._site)
            seen_at = await self._all_see()
            if seen_at is None:
                return False
            self._outcome.recoveries += [at - gone_at for at in seen_at]
            self._outcome.cycles += 1
        return True

    async def _all_see(self) -> list[float] | None:
        """Say something, and return when each client saw it; None if one does not see it in time."""
        try:
            async with asyncio.timeout(PATIENCE):
                said = await self._witness.say(self._site.lobby)
        except TimeoutError:
            self._fail(Kind.LOST, f"the node answered nobody for {PATIENCE:g} s")
            return None
        assert said.seq is not None  # noqa: S101 - it is acknowledged
        self._until = said.seq
        try:
            async with asyncio.timeout(PATIENCE):
                seen_at: list[float] | None = [
                    await listener.reaches(said.seq) for listener in self._listeners
                ]
        except TimeoutError:
            self._fail(Kind.LOST, f"not everybody saw {said.seq} within {PATIENCE:g} s")
            seen_at = None
        for task in self._tasks:
            if task.done():
                task.result()  # one that failed ends the trial
        return seen_at

    async def _judge(self) -> list[Fault]:
        """End the node and hold what everybody saw against what it has stored."""
        await self._site.end_node()
        if complaint := await self._site.node.check():
            self._fail(Kind.LOST, f"parley check: {complaint}")
        log = stored.read(self._site.node.database)
        submissions = [one for author in (*self._crowd.authors, self._witness) for one in author.submissions]
        self._outcome.events = len(log.entries)
        self._outcome.submitted = len(submissions)
        self._outcome.acknowledged = sum(one.seq is not None for one in submissions)
        histories = [listener.history for listener in self._listeners]
        found = verdict.judge(log, submissions, histories, self._until)
        return [*found, *(Fault(Kind.FALSE, surprise) for surprise in self._site.surprises)]

    def _begin(self, works: Iterable[Coroutine[Any, Any, None]]) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(work) for work in works]
        self._tasks += tasks
        return tasks

    def _fail(self, kind: Kind, what: str) -> None:
        self._outcome.faults.append(Fault(kind, what))


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
