"""Platforms with one fake API behind them, for an agent that answers there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from rooms import completion, incoming, platforms, replies, vault, webhooks
from rooms.completion import Completion, Sign
from rooms.platform_tables import Platform
from rooms.platforms import PlatformDraft
from rooms.rows import Run
from rooms.run_lookup import Filter
from rooms.run_lookup import list_page as list_runs
from rooms.run_tables import Delivery
from tests.platforms import SECRETS, FakeApi, Knock, said
from tests.receiving import receiving
from tests.unit.journaling import SERVICE
from tests.unit.posting import Post
from tests.unit.staging import BOT

ALL = ["discord", "telegram", "twitter", "webhook"]


@dataclass
class Abroad:
    """A platform of each kind that is asked for, with one fake API behind all of them."""

    post: Post
    url: str
    api: FakeApi = field(default_factory=FakeApi)
    connected: dict[str, Platform] = field(default_factory=dict)

    async def connect(self, kind: str) -> Platform:
        """Connect a platform of the kind, with secrets that are granted to the agent."""
        names = {use: f"{kind}-{use}" for use in SECRETS[kind]}
        for use, name in names.items():
            await vault.put(self.post.ctx, SERVICE, name, SECRETS[kind][use])
            await vault.grant(self.post.ctx, SERVICE, name, "bot")
        draft = PlatformDraft(SERVICE, kind, "bot", names, self.url)
        self.connected[kind] = await platforms.create(self.post.ctx, draft)
        return self.connected[kind]

    async def knock(self, kind: str, knock: Knock) -> Any:
        """Send a request to the platform's door, and return what is answered."""
        door = await incoming.find_door(self.post.ctx, self.connected[kind].id)
        assert door is not None
        assert door.is_timely(knock.headers, int(self.post.now))
        return await incoming.receive(self.post.ctx, door, knock.headers, knock.body)

    async def ask(self, kind: str, content: str = "hello", number: int = 1) -> Run:
        """Say something on the platform, and return the run that it opens."""
        await self.knock(kind, said(kind, content, number, now=self.post.now))
        return (await self.runs())[0]

    async def runs(self) -> list[Run]:
        """Return the agent's runs, the newest first."""
        return list(await list_runs(self.post.ctx, SERVICE, Filter(agent_id="bot")))

    async def answer(self, run: Run, reply: str | None = "hello Ann") -> None:
        """End the run as its agent does."""
        await completion.complete(self.post.ctx, Completion(Sign(BOT, run.id), reply))

    async def delivery(self, kind: str) -> Delivery:
        """Return the one reply to the platform that there is."""
        platform = self.connected[kind]
        (found,) = await replies.list_page(self.post.ctx, SERVICE, platform.id, None, None, 50)
        return found

    async def state(self, kind: str) -> tuple[str, str | None]:
        """Return where that one stands, and why the last attempt has failed."""
        found = await self.delivery(kind)
        return found.state, found.error

    def said(self) -> list[str]:
        """Return what the API was told to say."""
        bodies = [sent.body for sent in self.api.sent if sent.raw]
        return [body.get("text") or body.get("content") or body.get("response") for body in bodies]


@asynccontextmanager
async def going_abroad(post: Post) -> AsyncIterator[Abroad]:
    """Set up the fake API, and an agent without a webhook, until the block ends."""
    await webhooks.remove(post.ctx, BOT, "bot")
    api = FakeApi()
    async with receiving(api.take) as port:
        yield Abroad(post, f"http://127.0.0.1:{port}", api)
