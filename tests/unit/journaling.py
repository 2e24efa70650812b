"""A journal over a real database, and the means to come between the two."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, inspect, text

from rooms import channels, messages, schema, servers, store
from rooms import database as databases
from rooms.channels import ChannelDraft
from rooms.context import Context
from rooms.cursors import CursorSigner
from rooms.database import Database
from rooms.drafts import Draft, Submitted
from rooms.journal import Journal
from rooms.principals import ALL_SCOPES, Kind, Principal
from rooms.publishing import Event, InTurn
from rooms.response_cache import ResponseCache
from rooms.rules import DEFAULT_SERVER_ID
from rooms.streams import Streams
from rooms.tail import Tail

T = TypeVar("T")
Work = Callable[[Connection], T]
Instead = Callable[[Work[Any]], Awaitable[Any]]

SERVICE = Principal("service", Kind.SERVICE, ALL_SCOPES)
DEADLINE = 60.0


class Wrapped:
    """A database that counts its commits, and does something else instead where a test wants it."""

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.url = inner.url
        self.commits = 0
        self.before_commit: Callable[[], None] = lambda: None
        self.write_instead: Instead | None = None
        self.read_instead: Instead | None = None

    async def read(self, work: Work[T]) -> T:
        """Run work that changes nothing."""
        result: T = await (self.read_instead or self.inner.read)(work)
        return result

    async def write(self, work: Work[T]) -> T:
        """Run work and commit."""

        def watched(connection: Connection) -> T:
            done = work(connection)
            self.before_commit()
            return done

        result: T = await (self.write_instead or self.inner.write)(watched)
        self.commits += 1
        return result

    async def close(self) -> None:
        """Leave the closing to whoever opened the database."""

    @asynccontextmanager
    async def held(self) -> AsyncIterator[asyncio.Event]:
        """Let every write wait until the block ends; the event tells that one does."""
        entered, released = asyncio.Event(), asyncio.Event()

        async def wait(work: Work[T]) -> T:
            entered.set()
            await released.wait()
            return await self.inner.write(work)

        self.write_instead = wait
        try:
            yield entered
        finally:
            self.write_instead = None
            released.set()


@dataclass
class Heard:
    """A publisher that remembers what it was given."""

    events: list[Event] = field(default_factory=list)

    def publish(self, events: Sequence[Event]) -> None:
        """Keep the events."""
        self.events += events

    @property
    def texts(self) -> list[str]:
        """What the messages among them say, in the order of their publication."""
        return [event.payload["text"] for event in self.events if event.kind == "message"]

    @property
    def seqs(self) -> list[int]:
        """Every seq, in the order of publication."""
        return [event.seq for event in self.events]


@dataclass(frozen=True)
class World:
    """A running journal and one channel, in which the service has said "first"."""

    ctx: Context
    database: Wrapped
    heard: Heard
    channel_id: str

    @property
    def journal(self) -> Journal:
        """The journal under test."""
        return self.ctx.journal

    def draft(self, content: str, **fields: Any) -> Draft:
        """Return a message of the service that no validation has seen."""
        who = {"principal": SERVICE, "author_id": SERVICE.id}
        return Draft(**{**who, "channel_id": self.channel_id, "content": content, **fields})

    def submit(self, content: str, **fields: Any) -> asyncio.Task[Submitted]:
        """Begin to submit a message of the service."""
        return asyncio.create_task(messages.submit(self.ctx, self.draft(content, **fields)))

    async def stored(self) -> list[str]:
        """Return what the stored messages say, in order of seq; the log must have no hole."""

        def read(connection: Connection) -> list[str]:
            (summary,) = store.log.summarise(connection)
            assert (summary.is_complete, summary.orphans) == (True, 0), summary
            rows = connection.execute(text("SELECT content FROM messages ORDER BY seq"))
            return [row.content for row in rows]

        return await self.database.inner.read(read)

    async def in_one_commit(self, *wishes: Coroutine[Any, Any, Any]) -> list[Any]:
        """Let the wishes wait together, in this order, and return what each came to."""
        async with asyncio.timeout(DEADLINE), self.database.held() as entered:
            ahead = self.submit("ahead")
            await entered.wait()
            tasks = []
            for wish in wishes:
                tasks.append(asyncio.create_task(wish))
                while self.journal.waiting < len(tasks):  # noqa: ASYNC110 - the journal tells nobody
                    await asyncio.sleep(0)
        commits = self.database.commits
        outcomes = await asyncio.gather(ahead, *tasks, return_exceptions=True)
        assert self.database.commits - commits == 2
        return outcomes[1:]

    async def holders(self, word: str) -> list[str]:
        """Return the tables that hold a word in any column of any row."""

        def read(connection: Connection) -> list[str]:
            tables = inspect(connection).get_table_names()
            assert {"messages", "events", "idempotency"} <= set(tables)
            rows = {table: connection.execute(text(f'SELECT * FROM "{table}"')).all() for table in tables}
            return [table for table, found in rows.items() if any(word in _text(row) for row in found)]

        return await self.database.inner.read(read)


def _text(row: Any) -> str:
    return " ".join(
        column.decode(errors="replace") if isinstance(column, bytes) else str(column) for column in row
    )


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Bring a database up to today's schema and keep it open until the block ends."""
    database = databases.connect(url)
    try:
        await schema.upgrade(database)
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def running(database: Database) -> AsyncIterator[World]:
    """Run a journal over the database until the block ends; what it did to begin with is forgotten."""
    wrapped, heard = Wrapped(database), Heard()
    streams, responses = Streams(), ResponseCache()
    journal = Journal(wrapped, InTurn(streams, responses, heard), responses=responses)
    journal.start()
    ctx = Context(wrapped, journal, time.time, CursorSigner(b"secret"), Tail(), streams=streams)
    try:
        await servers.ensure_default(ctx)
        channel = await channels.create(ctx, ChannelDraft(SERVICE, DEFAULT_SERVER_ID, "talk", "text"))
        world = World(ctx, wrapped, heard, channel.id)
        await world.submit("first")
        heard.events.clear()
        wrapped.commits = 0
        yield world
    finally:
        await asyncio.wait_for(journal.close(), DEADLINE)
