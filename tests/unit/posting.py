"""A channel whose agent has a webhook, with a real receiver behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from aiohttp import web

from rooms import completion, deliveries, keys, messages, participants, run_lookup, webhooks
from rooms.completion import Overdue
from rooms.context import Context
from rooms.database import Database
from rooms.deliveries import PAUSES_MS
from rooms.keys import KeyDraft
from rooms.outbox import SPREAD
from rooms.parcels import Parcel
from rooms.participants import Joining
from rooms.policy import Policy
from rooms.principals import Kind, Principal
from rooms.reach import Reach
from rooms.rows import Message, Run
from rooms.run_tables import Delivery
from rooms.sealing import Sealer
from server.courier import Courier
from server.fetcher import Fetcher, fetching
from tests.receiving import receiving
from tests.unit.journaling import SERVICE, World, running
from tests.unit.staging import ANN

REACH = Reach.beyond(["127.0.0.1"])
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Letter:
    """What the receiver was sent."""

    headers: dict[str, str]
    body: bytes

    @property
    def envelope(self) -> Any:
        """The JSON of the body."""
        return orjson.loads(self.body)


@dataclass
class Post:
    """A channel with ann and the agent bot in it, the webhook of bot, and a clock that the test moves."""

    world: World
    ctx: Context
    fetcher: Fetcher
    secret: str = ""
    url: str = ""
    now: float = 1_700_000_000.0
    letters: list[Letter] = field(default_factory=list)
    answer: Answer | None = None

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """Keep what comes, and answer as the test wants it."""
        headers = {name: value for name, value in request.headers.items() if name.startswith("webhook-")}
        self.letters.append(Letter(headers, await request.read()))
        return await self.answer(request) if self.answer else web.Response()

    def answering(self, status: int = 200, **options: Any) -> None:
        """Have the receiver answer so from now on."""

        async def answer(_request: web.Request) -> web.Response:
            return web.Response(status=status, **options)

        self.answer = answer

    def replying(self, reply: object) -> None:
        """Have the receiver answer with a reply from now on."""
        self.answering(body=orjson.dumps({"response": reply}))

    async def set_webhook(self, agent_id: str = "bot", path: str = "hook") -> None:
        """Have an agent's runs sent to the receiver."""
        made = await webhooks.put(self.ctx, SERVICE, agent_id, f"{self.url}/{path}")
        self.secret = made.secret

    async def add_agent(self, agent_id: str) -> None:
        """Register an agent and add it to the channel."""
        await keys.create(self.ctx, KeyDraft(Kind.AGENT, agent_id, agent_id))
        await participants.add(self.ctx, Joining(SERVICE, self.world.channel_id, agent_id))

    async def say(self, content: str = "hello", who: Principal = ANN) -> Message:
        """Store a message."""
        draft = self.world.draft(content, principal=who, author_id=who.id)
        return (await messages.submit(self.ctx, draft)).message

    async def sent(self, content: str = "hello") -> Run:
        """Say something, and return the run that it opens."""
        (run,) = await run_lookup.list_of_message(self.ctx, SERVICE, await self.say(content))
        return run

    async def work(self, seconds: float = 0.0) -> None:
        """Let time pass, and have a courier do all that is due by then."""
        self.now += seconds
        courier = Courier(self.ctx, self.fetcher)
        while await courier.begin():
            await asyncio.gather(*courier.attempts)

    async def fail_until_dead(self) -> None:
        """Have the courier come as often as it takes."""
        for pause in (0, *PAUSES_MS):
            await self.work(pause * (1 + SPREAD) / 1000)

    async def end_overdue(self) -> None:
        """End the runs whose time has passed, as the server does."""
        due = await completion.list_overdue(self.ctx)
        await completion.end_overdue(self.ctx, [Overdue(one, server, False) for one, server, _ in due])

    async def run(self, run: Run) -> Run:
        """Return the run as it stands."""
        return await run_lookup.require(self.ctx, SERVICE, run.id)

    async def outcome(self, run: Run) -> tuple[str, str | None]:
        """Return state and reason of the run as it stands."""
        now = await self.run(run)
        return now.state, now.reason

    async def all(self) -> list[Delivery]:
        """Return the deliveries, the oldest first."""
        found = await deliveries.list_page(self.ctx, SERVICE, "bot", None, None, 50)
        return list(reversed(found))

    async def only(self) -> Delivery:
        """Return the one delivery that there is."""
        (delivery,) = await self.all()
        return delivery

    async def states(self) -> list[str]:
        """Return the states of the deliveries, the oldest first."""
        return [delivery.state for delivery in await self.all()]

    async def take(self) -> list[Parcel | None]:
        """Begin attempts at all that is due."""
        return await deliveries.take(self.ctx, await deliveries.list_due(self.ctx, [], 50))

    def ends(self, run: Run) -> int:
        """Return how many ends of the run were told."""
        told = [event.payload for event in self.world.heard.events if event.kind == "complete"]
        return sum(payload["run_id"] == run.id for payload in told)


@asynccontextmanager
async def posting(database: Database) -> AsyncIterator[Post]:
    """Set all of that up until the block ends; the receiver accepts everything."""
    async with running(database) as world, fetching(REACH) as fetcher:
        post = Post(world, world.ctx, fetcher)
        clock = lambda: post.now  # noqa: E731
        world.journal.clock = clock
        sealer, policy = Sealer("an operator's secret of some length"), Policy(reach=REACH)
        post.ctx = replace(world.ctx, clock=clock, sealer=sealer, policy=policy)
        await keys.create(post.ctx, KeyDraft(Kind.USER, "ann", "ann"))
        await participants.add(post.ctx, Joining(SERVICE, world.channel_id, "ann"))
        await post.add_agent("bot")
        async with receiving(post.receive) as port:
            post.url = f"http://127.0.0.1:{port}"
            await post.set_webhook()
            yield post
