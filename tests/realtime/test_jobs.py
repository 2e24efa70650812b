"""Jobs over REST: a hundred at once, over a restart, and for whoever waits for one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rooms.ids import new_id
from rooms.job_status import Status
from server.followers import Follower
from tests.planning import noting_statements, plan
from tests.realtime.raw import until
from tests.rest import API, Rest
from tests.running import Parley, Start, running_parley
from tests.sessions import Clock, furnish
from tests.talking import Talker, talking

JOBS = f"{API}/jobs"
DETAILS = {"jobId", "status", "createdAt", "expiresAt", "agentId", "userId", "prompt", "metadata"}
OURS = {"channelId", "runId"}
REFUSED = (400, "VALIDATION_ERROR")


async def ask(client: Rest, content: str = "well?", **fields: Any) -> Any:
    """Ask bot as ann, and return the answer."""
    reply = await client.post(JOBS, {"userId": "ann", "content": content, **fields})
    assert reply.status == 201, reply.raw
    return reply.body


async def see(client: Rest, job: Any, **query: Any) -> Any:
    """Look after a job."""
    reply = await client.get(f"{JOBS}/{job['jobId']}", **query)
    assert reply.status == 200, reply.raw
    return reply.body


async def complete(bot: Rest, job: Any, **end: Any) -> None:
    """End the job's run."""
    assert (await bot.post(f"{API}/complete", {"run_id": job["runId"], **end})).status == 200


@asynccontextmanager
async def answering(parley: Parley, bot: Rest) -> AsyncIterator[Talker]:
    """Have a stock Socket.IO client of the agent answer whatever it hears until the block ends."""
    async with talking(parley.url, {"token": bot.secret}) as talker:

        @talker.client.on("message", namespace=talker.namespace)
        async def answer(message: Any, *_cursor: str) -> None:
            if message["userId"] is not None:
                said = {"channel_id": message["channel_id"], "content": f"You said: {message['text']}"}
                await talker.data("submit", said)

        yield talker


async def test_a_job_is_answered_as_elizaos_answers_it(parley: Parley) -> None:
    """Bare, with times in milliseconds, and the result once it is there."""
    ann, bot = await furnish(parley)
    new = await ask(ann, metadata={"source": "app"}, timeoutMs=60_000)
    assert set(new) == {"jobId", "status", "createdAt", "expiresAt"}
    assert (new["status"], new["expiresAt"] - new["createdAt"]) == ("processing", 60_000)
    job = await see(ann, new)
    assert set(job) == DETAILS | OURS
    assert {name: job[name] for name in new} == new
    assert (job["agentId"], job["userId"], job["prompt"]) == ("bot", "ann", "well?")
    assert job["metadata"] == {"source": "app"}
    await complete(bot, job, response="well.")
    done = await see(ann, new)
    assert set(done) == DETAILS | OURS | {"result"}
    message = done["result"]["message"]
    assert (done["status"], message["content"], message["authorId"]) == ("completed", "well.", "bot")
    assert message["createdAt"] == new["createdAt"] + done["result"]["processingTimeMs"]
    assert (await ann.get(JOBS)).body == {"jobs": [done], "total": 1, "filtered": 1}
    assert (await ann.get(JOBS, status="failed")).body == {"jobs": [], "total": 1, "filtered": 0}


async def test_a_hundred_jobs_at_once_are_completed(parley: Parley) -> None:
    """By an agent that knows nothing of jobs or runs, and each with the answer to its own question."""
    ann, bot = await furnish(parley)
    async with answering(parley, bot):
        asked = await asyncio.gather(*(ask(ann, f"question {number}") for number in range(100)))
        done = await asyncio.gather(*(see(ann, job, wait=55) for job in asked))
    told = [(job["status"], job["result"]["message"]["content"]) for job in done]
    assert told == [("completed", f"You said: question {number}") for number in range(100)]
    health = (await parley.anonymous.get(f"{JOBS}/health")).body
    assert health["statusCounts"] == dict.fromkeys(("pending", "processing", "failed", "timeout"), 0) | {
        "completed": 100
    }
    assert (health["totalJobs"], health["healthy"], health["metrics"]["successRate"]) == (100, True, 1)


@pytest.mark.parametrize("path", ["", *(f"?status={status}" for status in Status), "/health"])
async def test_lists_and_counts_are_read_from_indexes(parley: Parley, path: str) -> None:
    """Nothing is sorted, and no row is looked at that is not answered, however many there are."""
    ann, _ = await furnish(parley)
    await ask(ann)
    for client in (ann, parley.service):
        with noting_statements() as noted:
            assert (await client.get(f"{JOBS}{path}")).status == 200
        asked = [statement for statement in noted if "FROM jobs" in statement[0]]
        assert asked
        for statement in asked:
            steps = plan(parley, statement)
            assert all("USING" in step and "TEMP B-TREE" not in step for step in steps), (steps, statement)


async def test_a_job_outlasts_the_server(tmp_path: Path) -> None:
    """It is answered after the restart, and what was answered before stands."""
    async with running_parley(tmp_path / "data") as parley:
        ann, bot = await furnish(parley)
        done, open_ = await ask(ann, timeoutMs=300_000), await ask(ann, timeoutMs=300_000)
        await complete(bot, await see(ann, done), response="well.")
        before = await see(ann, done)
    async with running_parley(tmp_path / "data") as parley:
        ann, bot = parley.bearer(ann.secret or ""), parley.bearer(bot.secret or "")
        assert await see(ann, done) == before
        await complete(bot, await see(ann, open_), response="well.")
        assert (await see(ann, open_))["status"] == "completed"


async def test_a_job_times_out_by_the_clock(parley: Parley) -> None:
    """And says so, for ever the same."""
    clock = Clock.of(parley)
    ann, bot = await furnish(parley)
    new = await ask(ann, timeoutMs=1_000)
    clock.now += 1
    late = await see(ann, new)
    assert (late["status"], late["error"]) == ("timeout", "The agent has not answered within 1000 ms")
    await complete(bot, late, response="too late")
    assert await see(ann, new) == late
    assert (await parley.anonymous.get(f"{JOBS}/health")).body["metrics"]["timeoutRate"] == 1


async def test_a_job_that_fails_says_why(parley: Parley) -> None:
    """In a sentence."""
    ann, bot = await furnish(parley)
    new = await ask(ann)
    await complete(bot, await see(ann, new), failed=True)
    failed = await see(ann, new)
    assert (failed["status"], failed["error"]) == ("failed", "The agent has not answered: agent_error")


async def test_who_waits_is_answered_when_the_job_is_over(parley: Parley, waits: list[Follower]) -> None:
    """Not by what the agent says on the way."""
    ann, bot = await furnish(parley)
    new = await ask(ann, timeoutMs=300_000)
    job = await see(ann, new)
    asked = [asyncio.create_task(see(ann, new, wait=55)) for _ in range(5)]
    await until(lambda: len(set(waits)) == 5)
    said = {"channel_id": job["channelId"], "content": "Executing action: THINK"}
    assert (await bot.post(f"{API}/submit", said)).status == 201
    assert not any(task.done() for task in asked)
    assert (await bot.post(f"{API}/submit", {**said, "content": "well."})).status == 201
    assert {one["result"]["message"]["content"] for one in await asyncio.gather(*asked)} == {"well."}


async def test_a_wait_ends_with_the_jobs_time(parley: Parley) -> None:
    """Whoever would wait for longer is told then that nothing has come."""
    ann, _ = await furnish(parley)
    assert (await see(ann, await ask(ann, timeoutMs=1_000), wait=55))["status"] == "timeout"


async def test_a_job_is_made_once(parley: Parley) -> None:
    """By its messageId, or by its jobId; another question under it is a conflict."""
    ann, _ = await furnish(parley)
    for name, value in (("messageId", "mine"), ("jobId", new_id())):
        assert await ask(ann, **{name: value}) == await ask(ann, **{name: value})
        other = await ann.post(JOBS, {"userId": "ann", "content": "other", name: value})
        assert other.refusal == (409, "CONFLICT")
    assert (await ann.get(JOBS)).body["total"] == 2


BAD: list[dict[str, Any]] = [
    {"userId": None},
    {"userId": "two words"},
    {"content": ""},
    {"content": "x" * 50_001},
    {"content": "a\0b"},
    {"content": 5},
    {"agentId": 5},
    {"metadata": {"a b": 1}},
    {"metadata": {"a": "x" * 16_384}},
    {"timeoutMs": 999},
    {"timeoutMs": 300_001},
    {"timeoutMs": "30000"},
    {"timeoutMs": True},
    {"timeoutMs": None},
    {"jobId": "x"},
    {"messageId": "x" * 129},
]


async def test_a_bad_job_is_refused(parley: Parley) -> None:
    """Nothing is asked."""
    ann, _ = await furnish(parley)
    for fields in BAD:
        reply = await ann.post(JOBS, {"userId": "ann", "content": "well?", **fields})
        assert reply.refusal == REFUSED, fields
    assert (await ann.get(JOBS)).body["total"] == 0
    for query in ({"status": "done"}, {"limit": "0"}, {"limit": "many"}):
        assert (await ann.get(JOBS, **query)).refusal == REFUSED


async def test_what_is_not_there_is_said_as_elizaos_says_it(start: Start) -> None:
    """No agent, no such agent, and no such job; somebody else's is none."""
    parley = await start()
    ann = await parley.user("ann")
    body = {"userId": "ann", "content": "well?"}
    none = await ann.post(JOBS, body)
    assert (none.refusal, none.error["details"]) == (
        (404, "AGENT_NOT_FOUND"),
        "No agents available on server",
    )
    unknown = await ann.post(JOBS, {**body, "agentId": "bot"})
    assert (unknown.refusal, unknown.error["details"]) == ((404, "AGENT_NOT_FOUND"), "Agent bot not found")
    await parley.agent("bot")
    job, ben = await ask(ann), await parley.user("ben")
    for client, job_id in ((ann, "nothing"), (ann, new_id()), (ben, job["jobId"])):
        missing = await client.get(f"{JOBS}/{job_id}")
        assert (missing.status, missing.error["message"]) == (404, "Job not found")
    assert (await ben.post(JOBS, body)).refusal == (403, "PERMISSION_DENIED")
    assert (await ben.get(JOBS)).body == {"jobs": [], "total": 0, "filtered": 0}
    assert (await parley.service.get(JOBS)).body["total"] == 1
