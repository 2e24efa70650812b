"""The journal over real databases: shared commits, their order, and what faults may cost."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from rooms import database as databases
from rooms import store
from rooms.database import Database, OutcomeUnknown
from rooms.errors import Conflict, NotFound, ParleyError, Unavailable
from rooms.journal import MAX_BATCH
from rooms.principals import Kind, Principal
from rooms.rules import DEFAULT_SERVER_ID
from rooms.servers import ServerDraft
from rooms.tables import Server
from rooms.transaction import Transaction, one_by_one
from tests.services import Postgres
from tests.unit.journaling import DEADLINE, Work, World, opened, running

STRANGER = Principal("stranger", Kind.USER)
NEIGHBOURS = 50
MAX_COMMITS = 8  # halving finds one of them in as many steps


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """Give a running journal over each kind of database."""
    async with running(database) as world:
        yield world


async def came_to(*tasks: asyncio.Task[Any]) -> list[Any]:
    """Wait for the tasks and return for each its result or its error."""
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), DEADLINE)


# Shared commits


async def test_waiters_share_commits(world: World) -> None:
    """A thousand messages at once cost hardly more commits than there are full batches."""
    said = [f"message {number}" for number in range(1_000)]
    await asyncio.gather(*map(world.submit, said))
    assert world.database.commits <= math.ceil(len(said) / MAX_BATCH) + 1
    assert await world.stored() == ["first", *said]


async def test_events_are_published_in_order_of_seq(world: World) -> None:
    """Each seq follows the one before, however the submitters overlap."""

    async def talk(speaker: int) -> None:
        for number in range(20):
            await world.submit(f"{speaker}.{number}", author_id=f"speaker-{speaker}")

    await asyncio.gather(*map(talk, range(20)))
    first, joined, submitted = world.heard.seqs[0], 20, 20 * 20
    assert world.heard.seqs == list(range(first, first + joined + submitted))


async def test_an_answer_carries_the_seq_that_was_published(world: World) -> None:
    """Submitters and listeners learn the same."""
    answers = await asyncio.gather(*(world.submit(f"message {number}") for number in range(300)))
    told = [(answer.message.id, answer.message.seq) for answer in answers]
    assert told == [(event.message_id, event.seq) for event in world.heard.events]


async def test_nothing_is_published_or_answered_before_the_commit(world: World) -> None:
    """When every statement has run and COMMIT has not, nobody has heard of the message."""
    known: list[tuple[int, bool]] = []
    world.database.before_commit = lambda: known.append((len(world.heard.events), task.done()))
    task = world.submit("hello")
    await task
    assert known == [(0, False)]
    assert world.heard.texts == ["hello"]


# A write that is refused


async def test_a_refusal_by_the_domain_leaves_nothing_behind(world: World) -> None:
    """What a refused write did before it was refused is undone: rows, events and seqs."""

    def refuse(transaction: Transaction, draft: ServerDraft) -> None:
        row = Server(id=draft.id, name=draft.name, source_type=draft.source_type)
        store.servers.add(transaction.connection, row.model_dump())
        transaction.record(DEFAULT_SERVER_ID, world.channel_id, "message", {"text": "refused"})
        raise Conflict("not this one")

    draft = ServerDraft("refused")
    refusal = asyncio.create_task(world.journal.append_one(one_by_one(refuse), draft, DEFAULT_SERVER_ID))
    _, error, _ = await came_to(world.submit("before"), refusal, world.submit("after"))
    assert isinstance(error, Conflict)
    assert world.database.commits == 1
    assert await world.stored() == ["first", *world.heard.texts]
    assert sorted(world.heard.texts) == ["after", "before"]
    assert await world.database.read(lambda connection: store.servers.find(connection, [draft.id])) == {}


async def test_a_refused_message_leaves_no_hole_in_its_batch(world: World) -> None:
    """The messages around one that its author may not send follow each other."""
    stranger = {"principal": STRANGER, "author_id": STRANGER.id}
    tasks = [world.submit("before"), world.submit("refused", **stranger), world.submit("after")]
    before, error, after = await came_to(*tasks)
    assert isinstance(error, NotFound)
    assert world.database.commits == 1
    assert after.message.seq == before.message.seq + 1
    assert await world.stored() == ["first", "before", "after"]


@pytest.fixture(params=["surrogate", "taken id", "unfit value"])
async def poison(request: pytest.FixtureRequest, world: World) -> dict[str, Any]:
    """Give what makes a draft unfit to be stored, each in another way."""
    if request.param == "surrogate":
        return {"content": "lone \ud800"}
    if request.param == "taken id":
        taken = await world.submit("taken")
        return {"content": "other", "id": taken.message.id}
    # PostgreSQL refuses NUL in a text; SQLite stores it, and refuses NULL.
    on_postgres = world.database.url.get_backend_name() == "postgresql"
    return {"content": "\x00"} if on_postgres else {"content": "no source", "source_type": None}


async def submit_around(world: World, poison: dict[str, Any], said: list[str]) -> int:
    """Submit texts with an unfit draft in their middle; return in how many commits the texts were stored."""
    middle = len(said) // 2
    commits = world.database.commits
    before = [world.submit(content) for content in said[:middle]]
    refused = world.submit(**poison)
    after = [world.submit(content) for content in said[middle:]]
    await asyncio.gather(*before, *after)
    took = world.database.commits - commits
    (error,) = await came_to(refused)
    assert type(error) is ParleyError
    return took


async def test_what_the_database_refuses_fails_alone(world: World, poison: dict[str, Any]) -> None:
    """In the middle of a full batch it costs none of the others."""
    kept = await world.stored()
    said = [f"message {number}" for number in range(MAX_BATCH - 1)]
    await submit_around(world, poison, said)
    await world.submit("later")
    assert await world.stored() == [*kept, *said, "later"]


async def test_what_the_database_refuses_keeps_nobody_waiting(world: World, poison: dict[str, Any]) -> None:
    """Its neighbours are stored in few commits, not in one each."""
    said = [f"message {number}" for number in range(NEIGHBOURS)]
    assert await submit_around(world, poison, said) <= MAX_COMMITS


async def test_the_writer_outlives_a_fault_of_our_own(world: World) -> None:
    """A write whose code is broken fails, and the next one is stored."""

    def break_down(_transaction: Transaction, _draft: None) -> None:
        raise RuntimeError("a fault")

    broken = asyncio.create_task(world.journal.append_one(one_by_one(break_down), None, DEFAULT_SERVER_ID))
    error, _ = await came_to(broken, world.submit("neighbour"))
    assert type(error) is ParleyError
    await world.submit("later")
    assert await world.stored() == ["first", "neighbour", "later"]


# COMMIT without an answer


def commits_without_an_answer(world: World) -> None:
    """Let the next write be stored, and its answer be lost."""

    async def write(work: Work[Any]) -> Any:
        world.database.write_instead = None
        await world.database.inner.write(work)
        raise OutcomeUnknown

    world.database.write_instead = write


def loses_the_commit(world: World) -> None:
    """Let the next write run to its COMMIT, which never arrives."""

    class Lost(Exception):
        """What makes the database roll back."""

    def rolled_back(work: Work[Any]) -> Work[Any]:
        def lose(connection: Connection) -> None:
            work(connection)
            raise Lost

        return lose

    async def write(work: Work[Any]) -> Any:
        world.database.write_instead = None
        with pytest.raises(Lost):
            await world.database.inner.write(rolled_back(work))
        raise OutcomeUnknown

    world.database.write_instead = write


async def test_a_commit_that_took_place_without_an_answer_counts(world: World) -> None:
    """It is answered as stored, and published once."""
    commits_without_an_answer(world)
    answers = await asyncio.gather(world.submit("one", key="k1"), world.submit("two", key="k2"))
    assert await world.stored() == ["first", "one", "two"]
    assert world.heard.texts == ["one", "two"]
    assert [answer.message.seq for answer in answers] == world.heard.seqs


async def test_a_commit_that_did_not_take_place_may_be_repeated(world: World) -> None:
    """It is answered as Unavailable, published by nobody, and stored once when it is sent again."""
    loses_the_commit(world)
    one, two = await came_to(world.submit("one", key="k1"), world.submit("two", key="k2"))
    assert isinstance(one, Unavailable)
    assert isinstance(two, Unavailable)
    assert world.heard.texts == []
    await asyncio.gather(world.submit("one", key="k1"), world.submit("two", key="k2"))
    assert await world.stored() == ["first", "one", "two"]
    assert world.heard.texts == ["one", "two"]


async def test_what_was_stored_is_published_even_if_that_is_learnt_late(world: World) -> None:
    """Listeners miss nothing when the database is away just after a commit without an answer."""

    async def be_away_once(_work: Work[Any]) -> Any:
        world.database.read_instead = None
        raise Unavailable

    commits_without_an_answer(world)
    world.database.read_instead = be_away_once
    await came_to(world.submit("one", key="k1"))
    await world.submit("one", key="k1")
    await world.submit("two")
    assert await world.stored() == ["first", "one", "two"]
    assert world.heard.texts == ["one", "two"]


async def test_a_connection_that_is_lost_at_the_commit_costs_a_repetition(
    postgres_server: Postgres, postgres_database: str
) -> None:
    """When PostgreSQL ends the connection before COMMIT arrives, the same write can be sent again."""

    def end_connections() -> None:
        world.database.before_commit = lambda: None
        name = database.url.database
        postgres_server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )

    async with opened(postgres_database) as database, running(database) as world:
        world.database.before_commit = end_connections
        (error,) = await came_to(world.submit("one", key="k"))
        assert isinstance(error, Unavailable)
        assert world.heard.events == []
        await world.submit("one", key="k")
        assert await world.stored() == ["first", "one"]
        assert world.heard.texts == ["one"]


# The database goes away


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SQLite give up a lock soon."""
    monkeypatch.setattr(databases, "BUSY_TIMEOUT_MS", 50)


@asynccontextmanager
async def away(url: URL) -> AsyncIterator[None]:
    """Keep everybody from the database until the block ends."""
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(url.database or "", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
        return
    admin = await asyncpg.connect(host=url.host, port=url.port, user=url.username, database="postgres")
    try:
        # As while it starts or stops: whoever is connected is thrown out, and nobody gets in.
        await admin.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", url.database
        )
        yield
    finally:
        await admin.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true")
        await admin.close()


@pytest.mark.usefixtures("_impatient")
async def test_writes_are_unavailable_while_the_database_is_away_and_then_recover(world: World) -> None:
    """Everybody is told to come back, and who does is served."""
    async with away(world.database.url):
        errors = await came_to(*(world.submit(f"{number}", key=f"{number}") for number in range(20)))
    assert {type(error) for error in errors} == {Unavailable}
    assert world.heard.events == []
    said = [f"{number}" for number in range(20)]
    await asyncio.gather(*(world.submit(content, key=content) for content in said))
    assert await world.stored() == ["first", *said]
    assert world.heard.texts == said


# Waiters


async def test_closing_stores_what_waits(world: World) -> None:
    """Whoever was let in before the journal closes is stored and answered; nobody is let in after."""
    said = [f"message {number}" for number in range(2 * MAX_BATCH)]
    async with world.database.held() as entered:
        tasks = [world.submit(content) for content in said]
        await asyncio.wait_for(entered.wait(), DEADLINE)
        closing_down = asyncio.create_task(world.journal.close())
        (late,) = await came_to(world.submit("late"))
        assert isinstance(late, Unavailable)
    await asyncio.wait_for(closing_down, DEADLINE)
    answers = await came_to(*tasks)
    assert [answer.message.content for answer in answers] == said
    assert await world.stored() == ["first", *said]


async def test_a_waiter_that_is_cancelled_harms_nobody(world: World) -> None:
    """Its neighbours are stored and answered, in the same batch and in later ones."""
    async with world.database.held() as entered:
        first = world.submit("in the batch that is being written")
        await asyncio.wait_for(entered.wait(), DEADLINE)
        before, cancelled, after = (world.submit(content) for content in ("before", "cancelled", "after"))
        # Tasks run in the order of their creation: when this one is refused, the others wait.
        await came_to(world.submit("x", channel_id="no such channel"))
        first.cancel()
        cancelled.cancel()
    answers = await came_to(first, before, cancelled, after)
    assert [type(answer) for answer in answers[::2]] == [asyncio.CancelledError] * 2
    assert [answer.message.content for answer in answers[1::2]] == ["before", "after"]
    await world.submit("later")
    # Whether what nobody waits for any more is stored makes no difference to anybody.
    kept = [content for content in await world.stored() if content in ("before", "after", "later")]
    assert kept == ["before", "after", "later"]


async def test_too_many_waiters_are_sent_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What exceeds the bound is refused at once, and what waits is stored."""
    monkeypatch.setattr("rooms.journal.MAX_WAITING", 5)
    async with world.database.held() as entered:
        written = world.submit("being written")
        await asyncio.wait_for(entered.wait(), DEADLINE)
        waiting = [world.submit(f"{number}") for number in range(5)]
        (error,) = await came_to(world.submit("too much"))
        assert isinstance(error, Unavailable)
    await came_to(written, *waiting)
    await world.submit("later")
    assert await world.stored() == ["first", "being written", "0", "1", "2", "3", "4", "later"]


async def test_commits_are_counted(world: World) -> None:
    """The counters know every write, the largest commit, and how long commits take; nothing waits then."""
    before = (world.journal.counters.commits, world.journal.counters.writes)
    await asyncio.gather(*map(world.submit, ["one", "two", "three"]))
    counters = world.journal.counters
    assert (counters.commits - before[0], counters.writes - before[1]) in [(1, 3), (2, 3)]
    assert counters.largest >= 2
    assert 0 < counters.slowest <= counters.seconds
    assert world.journal.waiting == 0
    assert str(counters).startswith(f"{counters.writes} writes in {counters.commits} commits of at most")
