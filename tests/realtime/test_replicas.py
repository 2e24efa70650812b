"""Two processes of one agent: each message gets one answer, whichever of them is quicker."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from rooms.store.statements import tables
from tests.following import following
from tests.realtime.raw import until
from tests.rest import API, Rest
from tests.running import Parley, Start
from tests.talking import talking

MESSAGES, IN_ONE = 1_000, 100
AT_ONCE = 8  # runs that one replica works on
PATIENCE = 120.0

Taken = list[str]  # the ids of the runs that a replica has taken and completed
Told = asyncio.Queue[str | None]  # the ids of the runs that wait, and None at the end
Replica = Callable[[Parley, Rest, Taken], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def working(
    told: Told,
    claim: Callable[[str], Awaitable[bool]],
    complete: Callable[[str], Awaitable[None]],
    taken: Taken,
) -> AsyncIterator[None]:
    """Work on the runs that are told, several at once, until the block ends."""

    async def work() -> None:
        while (run_id := await told.get()) is not None:
            if await claim(run_id):
                await complete(run_id)
                taken.append(run_id)

    workers = [asyncio.create_task(work()) for _ in range(AT_ONCE)]
    try:
        yield
    finally:
        # Whoever waits for an ack might not notice that it is cancelled.
        for _ in workers:
            told.put_nowait(None)
        await asyncio.gather(*workers)


@asynccontextmanager
async def on_a_socket(parley: Parley, bot: Rest, taken: Taken) -> AsyncIterator[None]:
    """Run a replica that is told by events, and that its connection names."""
    told: Told = asyncio.Queue()

    def hear(payload: Any, _cursor: str) -> None:
        if payload["run"]["state"] == "queued":
            told.put_nowait(payload["run"]["id"])

    async with talking(parley.url, {"token": bot.secret}) as talker:
        talker.client.on("run", hear, namespace=talker.namespace)

        async def claim(run_id: str) -> bool:
            ack = await talker.call("claim_run", {"run_id": run_id})
            assert ack["success"] or ack["error"]["code"] == "CONFLICT"
            return bool(ack["success"])

        async def complete(run_id: str) -> None:
            await talker.data("complete", {"run_id": run_id, "response": f"by socket: {run_id}"})

        async with working(told, claim, complete, taken):
            yield


@asynccontextmanager
async def on_the_inbox(parley: Parley, bot: Rest, taken: Taken) -> AsyncIterator[None]:
    """Run a replica that reads the agent's inbox, and names itself."""
    told: Told = asyncio.Queue()

    async def claim(run_id: str) -> bool:
        reply = await bot.post(f"{API}/runs/{run_id}/claim", {"holder": "the one on the inbox"})
        assert reply.status in (200, 409)
        return reply.status == 200

    async def complete(run_id: str) -> None:
        body = {"run_id": run_id, "response": f"by REST: {run_id}"}
        assert (await bot.post(f"{API}/complete", body)).status == 200

    async with (
        following(bot, path=f"{API}/agents/bot/inbox") as stream,
        working(told, claim, complete, taken),
    ):

        async def listen() -> None:
            while block := await stream.block():
                if block.event == "run":
                    told.put_nowait(block.data["run"]["id"])

        listening = asyncio.create_task(listen())
        try:
            yield
        finally:
            listening.cancel()


async def ask_all(parley: Parley, channel_id: str) -> set[str]:
    """Let ann say everything, and return the ids of her messages."""
    items = [
        {"channel_id": channel_id, "author_id": "ann", "content": f"question {number}"}
        for number in range(MESSAGES)
    ]
    asked = set[str]()
    for first in range(0, MESSAGES, IN_ONE):
        batch = await parley.service.post(f"{API}/submit/batch", {"messages": items[first : first + IN_ONE]})
        asked |= {outcome["data"]["id"] for outcome in batch.data}
    return asked


async def answered(parley: Parley) -> Counter[str]:
    """Return how often each message was answered, as the database has it."""
    table = tables["messages"]
    rows = await parley.node.ctx.database.read(
        lambda connection: connection.execute(table.select().where(table.c.author_id == "bot")).all()
    )
    return Counter(row.parent_id for row in rows)


@pytest.mark.parametrize(
    "replicas",
    [(on_a_socket, on_a_socket), (on_a_socket, on_the_inbox)],
    ids=["two sockets", "a socket and the inbox"],
)
async def test_two_replicas_give_one_answer_to_each_message(
    start: Start, replicas: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand messages have a thousand answers, none double, and both replicas have worked."""
    monkeypatch.setattr("handlers.sse.BEAT_SECONDS", 1.0)  # however long the replicas work
    parley = await start(run_queue_seconds=600)
    bot, ann = await parley.agent("bot"), await parley.user("ann")
    channel_id = await parley.service.new_channel("talk", "ann", "bot")
    shares: list[Taken] = [[] for _ in replicas]
    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(talking(parley.url, {"token": ann.secret}))
        for replica, taken in zip(replicas, shares, strict=True):
            await stack.enter_async_context(replica(parley, bot, taken))
        asked = await ask_all(parley, channel_id)
        await until(lambda: sum(map(len, shares)) >= MESSAGES, PATIENCE)
        await listener.settle()
    assert all(shares)
    assert len(set(shares[0]) & set(shares[1])) == 0
    ends = listener.all("complete")
    for counted in (await answered(parley), Counter(end["message_id"] for end in ends)):
        assert Counter(counted.values()) == {1: MESSAGES}
        assert set(counted) == asked
    assert {end["state"] for end in ends} == {"completed"}
    assert len(listener.all("message")) == 2 * MESSAGES
