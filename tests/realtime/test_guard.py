"""Agents that would talk with each other for ever, over real connections: what people see of their end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from rooms.principals import Kind
from tests.rest import API
from tests.running import DEADLINE, Parley, Start
from tests.talking import Talker, talking


async def answer_everything(agent: Talker, name: str, *, says_to_what: bool) -> None:
    """Answer whatever the agent is addressed with, without end."""
    for count in range(1, 10_000):
        await agent.wait_for("run", count)
        run = agent.all("run")[count - 1]["run"]
        if (run["agent_id"], run["state"]) != (name, "queued"):
            continue
        parent = {"in_reply_to_message_id": run["message_id"]} if says_to_what else {}
        text = f"{name} has {count} answers"
        await agent.emit("submit", {"channel_id": run["channel_id"], "content": text, **parent})


@asynccontextmanager
async def a_room(parley: Parley, *agents: str, says_to_what: bool) -> AsyncIterator[tuple[Talker, str]]:
    """Give ann in a channel with agents that answer everything, and the channel's id."""
    channel_id = await parley.service.new_channel("talk", "ann")
    ann_key = await parley.key(Kind.USER, "ann")
    async with AsyncExitStack() as stack:
        ann = await stack.enter_async_context(talking(parley.url, {"token": ann_key}))
        for name in agents:
            key = await parley.key(Kind.AGENT, name)
            await parley.service.add(channel_id, name)
            agent = await stack.enter_async_context(talking(parley.url, {"token": key}))
            answering = asyncio.create_task(answer_everything(agent, name, says_to_what=says_to_what))
            stack.push_async_callback(_end, answering)
        yield ann, channel_id


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, TimeoutError):
        await task


async def until_nothing_waits(parley: Parley, channel_id: str) -> None:
    """Wait until no run of the channel is open."""
    while (await parley.service.get(f"{API}/runs", channel_id=channel_id, state="queued")).data["runs"]:
        pass


async def shown_pause(parley: Parley, channel_id: str) -> str | None:
    """Return what the channel says about why agents do not go on."""
    shown: dict[str, Any] = (await parley.service.get(f"{API}/channels/{channel_id}")).data
    assert shown["channel"] == {name: shown[name] for name in shown["channel"]}
    reason: str | None = shown["agents_paused"]
    return reason


async def answer_every_message(agent: Talker, name: str) -> None:
    """Answer whatever others say, as an agent does that knows nothing of runs, until it is refused."""
    for count in range(1, 10_000):
        await agent.wait_for("message", count)
        heard = agent.all("message")[count - 1]
        if heard["author_id"] == name:
            continue
        parent = {"in_reply_to_message_id": heard["id"]}
        answer = {"channel_id": heard["channel_id"], "content": f"{name} has {count} answers", **parent}
        if not (ack := await agent.call("submit", answer))["success"]:
            assert ack["error"]["code"] == "PERMISSION_DENIED"
            return


async def test_agents_that_know_nothing_of_runs_are_stopped_too(parley: Parley) -> None:
    """They answer all that they hear: behind the pause that is refused, and nothing more is said."""
    channel_id = await parley.service.new_channel("talk", "ann", "alpha", "beta")
    keys = [await parley.key(Kind.AGENT, name) for name in ("alpha", "beta")]
    async with (
        talking(parley.url, {"token": await parley.key(Kind.USER, "ann")}) as ann,
        talking(parley.url, {"token": keys[0]}) as alpha,
        talking(parley.url, {"token": keys[1]}) as beta,
    ):
        await ann.data("submit", {"channel_id": channel_id, "content": "What do you think?"})
        answering = [
            asyncio.create_task(answer_every_message(agent, name))
            for agent, name in ((alpha, "alpha"), (beta, "beta"))
        ]
        # Whoever is not refused first may never hear another word.
        await asyncio.wait(answering, timeout=DEADLINE, return_when=asyncio.FIRST_COMPLETED)
        assert any(task.done() for task in answering)
        await until_nothing_waits(parley, channel_id)
        await ann.settle()
        for task in answering:
            await _end(task)
        assert len(ann.all("agents_paused")) == 1
        assert 9 <= len(ann.all("message")) <= 20


@pytest.mark.parametrize("says_to_what", [True, False])
async def test_two_agents_that_answer_everything_are_stopped(start: Start, *, says_to_what: bool) -> None:
    """At the hop count that was set; the channel says why, and a person's word gets them going again."""
    parley = await start(max_hops=5)
    async with a_room(parley, "alpha", "beta", says_to_what=says_to_what) as (ann, channel_id):
        for times in (1, 2):
            await ann.data("submit", {"channel_id": channel_id, "content": "What do you think?"})
            paused = (await ann.wait_for("agents_paused", times))[-1]
            await until_nothing_waits(parley, channel_id)
            await ann.settle()
            assert (paused["reason"], await shown_pause(parley, channel_id)) == ("hops", "hops")
            assert paused["agent_id"] in ("alpha", "beta")
            hops = [run["run"]["hops"] for run in ann.all("run")]
            assert max(hops) == 5
            kinds = [name for name, _ in ann.heard if name.startswith("agents_")]
            assert kinds == ["agents_paused", "agents_resumed", "agents_paused"][: 2 * times - 1]
        said = len(ann.all("message"))
        assert 2 * (1 + 5) <= said <= 2 * (1 + 2 * 5 + 2)
        (resumed,) = ann.all("agents_resumed")
        assert (resumed["by"], resumed["channel_id"]) == ("ann", channel_id)


async def test_three_agents_that_answer_everything_are_stopped(parley: Parley) -> None:
    """By whatever they exceed first."""
    async with a_room(parley, "alpha", "beta", "gamma", says_to_what=True) as (ann, channel_id):
        await ann.data("submit", {"channel_id": channel_id, "content": "What do you think?"})
        (paused,) = await ann.wait_for("agents_paused")
        await until_nothing_waits(parley, channel_id)
        await ann.settle()
        assert await shown_pause(parley, channel_id) == paused["reason"]
        assert len(ann.all("agents_paused")) == 1


async def test_agents_are_let_go_on_by_whoever_manages_the_channel(start: Start) -> None:
    """Over a socket and over REST; a member may not, and what is not paused may be resumed all the same."""
    parley = await start(max_hops=2)
    async with a_room(parley, "alpha", "beta", says_to_what=True) as (ann, channel_id):
        path = f"{API}/channels/{channel_id}/resume-agents"
        going = {"channel_id": channel_id, "agents_paused": None}
        assert (await parley.service.post(path)).data == going
        await ann.data("submit", {"channel_id": channel_id, "content": "What do you think?"})
        await ann.wait_for("agents_paused")
        assert await ann.code("resume_agents", {"channel_id": channel_id}) == "PERMISSION_DENIED"
        assert (await ann.data("join", {"channel_id": channel_id}))["agents_paused"] == "hops"
        assert (await parley.bearer(await parley.key(Kind.USER, "ben")).post(path)).status == 404
        await parley.service.remove(channel_id, "ann")
        await parley.service.add(channel_id, "ann", role="owner")
        assert await ann.data("resume_agents", {"channel_id": channel_id}) == going
        (resumed,) = await ann.wait_for("agents_resumed")
        assert resumed["by"] == "ann"
        assert await shown_pause(parley, channel_id) is None
