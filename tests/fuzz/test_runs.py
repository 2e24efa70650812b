"""Whatever agents do, and leave undone: every run has one end, and everybody is told the same of it."""

import itertools
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from sqlalchemy import Connection

from rooms import sharing
from rooms.principals import Kind
from rooms.publishing import InTurn
from rooms.runs import OVER
from server import overdue
from server.fanout import Fanout
from tests.fuzz.inputs import examples
from tests.fuzz.machines import NodeMachine
from tests.rest import API, Reply, Rest
from tests.talking import ELIZA, NATIVE, Talker, talking

AGENTS = ("alpha", "beta")
NOBODY_FAILS = frozenset({200, 201, 409})  # what comes too late is refused, and nothing else happens

agents, which = st.sampled_from(AGENTS), st.integers(0)

_RUNS = "SELECT id, agent_id, state, reason, reply_id, message_id, chunks FROM runs ORDER BY seq"
_MESSAGES = "SELECT id FROM messages WHERE deleted_at IS NULL"


class Runs(NodeMachine):
    """One node, one channel, a person who asks, and two agents that do as they like.

    One of them has its replies to equal prompts shared.
    """

    def __init__(self) -> None:
        super().__init__()
        self._texts = (f"text {n}." for n in itertools.count())
        self._asked: list[str] = []

    @initialize()
    def begin(self) -> None:
        """Start the node, and let a person and two kinds of client listen."""
        self._run(self._begin())

    @rule(alike=st.booleans())
    def ask(self, alike: bool) -> None:
        """The person says something, perhaps what it has said before, which opens a run for each agent."""
        self._run(self._ask(alike=alike))

    @precondition(lambda self: self._asked)
    @rule(agent=agents, which=which, holder=st.sampled_from(["one", "two"]))
    def claim(self, agent: str, which: int, holder: str) -> None:
        """A process of an agent takes a run, perhaps one that has been taken, or is over."""
        self._run(self._act(agent, which, "claim", {"holder": holder}))

    @precondition(lambda self: self._asked)
    @rule(agent=agents, which=which)
    def give_a_sign(self, agent: str, which: int) -> None:
        """An agent is still there."""
        self._run(self._act(agent, which, "progress", {}))

    @precondition(lambda self: self._asked)
    @rule(agent=agents, which=which, index=st.integers(0, 3), fence=st.sampled_from([{}, {"fence": 1}]))
    def stream(self, agent: str, which: int, index: int, fence: dict[str, int]) -> None:
        """An agent says a part of its reply, perhaps not the next one, and perhaps no other ever."""
        self._run(self._act(agent, which, "chunks", {"index": index, "chunk": f"part {index}. ", **fence}))

    @precondition(lambda self: self._asked)
    @rule(agent=agents, which=which, end=st.sampled_from([{}, {"response": "yes."}, {"failed": True}]))
    def complete(self, agent: str, which: int, end: dict[str, Any]) -> None:
        """An agent ends a run: with a reply, without, or because it failed; perhaps for the second time."""
        self._run(self._complete(agent, which, end))

    @precondition(lambda self: self._asked)
    @rule(agent=agents, which=which, says_to_what=st.booleans())
    def answer(self, agent: str, which: int, says_to_what: bool) -> None:
        """An agent answers as one that knows nothing of runs."""
        self._run(self._answer(agent, which, says_to_what=says_to_what))

    @precondition(lambda self: self._asked)
    @rule(agent=agents, which=which)
    def cancel(self, agent: str, which: int) -> None:
        """The person does not want the answer any more."""
        self._run(self._cancel(agent, which))

    @precondition(lambda self: self._asked)
    @rule(which=which)
    def take_back(self, which: int) -> None:
        """The person deletes what was asked."""
        self._run(self._take_back(which))

    @rule(agent=agents)
    def come_or_go(self, agent: str) -> None:
        """An agent connects, and does nothing but answer heartbeats; or its process dies."""
        self._run(self._come_or_go(agent))

    @rule(seconds=st.sampled_from([10, 29, 31, 61, 300]))
    def let_time_pass(self, seconds: int) -> None:
        """Time passes, and the server looks after the runs."""
        self._run(self._let_time_pass(seconds))

    @invariant()
    def nothing_is_told_of_what_is_over(self) -> None:
        """Behind an end there is nothing more of a run."""
        if self._has_begun:
            over: set[str] = set()
            for name, payload in self._native.heard:
                if name == "run":
                    assert payload["run"]["id"] not in over
                elif name == "complete":
                    assert payload["run_id"] not in over
                    over.add(payload["run_id"])

    async def _begin(self) -> None:
        await self._start_node()
        self._now = self._parley.node.ctx.clock()
        self._parley.node.ctx.journal.clock = lambda: self._now
        object.__setattr__(self._parley.node.ctx, "clock", lambda: self._now)
        self._keys = {agent: await self._parley.key(Kind.AGENT, agent) for agent in AGENTS}
        cacheable = {"settings": {"RESPONSE_CACHE": True}}
        self._check(await self._agent("beta").request("PATCH", f"{API}/agents/beta", json=cacheable))
        self._person = await self._parley.user("ann")
        self._channel_id = await self._parley.service.new_channel("talk", "ann", *AGENTS)
        self._here: dict[str, AsyncExitStack] = {}
        self._native, self._elizas = [await self._listener(namespace) for namespace in (NATIVE, ELIZA)]
        self._has_begun = True

    async def _listener(self, namespace: str) -> Talker:
        auth = {"token": self._person.secret}
        return await self._stack.enter_async_context(talking(self._parley.url, auth, namespace))

    def _agent(self, agent: str) -> Rest:
        return self._parley.bearer(self._keys[agent])

    async def _ask(self, *, alike: bool) -> None:
        content = "always the same" if alike else next(self._texts)
        stored = (await self._person.submit(self._channel_id, content)).data
        self._asked.append(stored["id"])

    async def _run_of(self, agent: str, which: int) -> str:
        rows = await self._rows(_RUNS)
        message_id = self._asked[which % len(self._asked)]
        return next(row.id for row in rows if (row.agent_id, row.message_id) == (agent, message_id))

    async def _act(self, agent: str, which: int, deed: str, body: dict[str, Any]) -> None:
        run_id = await self._run_of(agent, which)
        self._check(await self._agent(agent).post(f"{API}/runs/{run_id}/{deed}", body))

    async def _complete(self, agent: str, which: int, end: dict[str, Any]) -> None:
        body = {"run_id": await self._run_of(agent, which), **end}
        self._check(await self._agent(agent).post(f"{API}/complete", body))

    async def _answer(self, agent: str, which: int, *, says_to_what: bool) -> None:
        message_id = self._asked[which % len(self._asked)]
        parent = {"in_reply_to_message_id": message_id} if says_to_what else {}
        reply = await self._agent(agent).submit(self._channel_id, next(self._texts), **parent)
        # What was deleted cannot be answered, and agents that go on by themselves are paused.
        assert reply.status in (201, 400, 403)

    async def _cancel(self, agent: str, which: int) -> None:
        run_id = await self._run_of(agent, which)
        self._check(await self._person.post(f"{API}/runs/{run_id}/cancel", {}))

    async def _take_back(self, which: int) -> None:
        self._check(await self._person.delete_message(self._asked[which % len(self._asked)]))

    def _check(self, reply: Reply) -> None:
        assert reply.status in NOBODY_FAILS, (reply.status, reply.raw)

    async def _come_or_go(self, agent: str) -> None:
        if agent in self._here:
            await self._here.pop(agent).aclose()
            return
        self._here[agent] = AsyncExitStack()
        auth = {"token": self._keys[agent]}
        await self._here[agent].enter_async_context(talking(self._parley.url, auth))
        self._stack.push_async_callback(self._here[agent].aclose)

    async def _let_time_pass(self, seconds: int) -> None:
        self._now += seconds
        publisher = self._parley.node.ctx.journal._publisher
        assert isinstance(publisher, InTurn)
        fanout = publisher._publishers[-1]
        assert isinstance(fanout, Fanout)
        await overdue.end_overdue(self._parley.node.ctx, fanout)
        while await sharing.settle(self._parley.node.ctx):
            pass

    async def _rows(self, statement: str) -> list[Any]:
        def read(connection: Connection) -> list[Any]:
            return list(connection.exec_driver_sql(statement))

        return await self._parley.node.ctx.database.read(read)

    async def _verify(self) -> None:
        """After a long time every run is over, as everybody was told, once."""
        await self._let_time_pass(10_000)
        await self._let_time_pass(10_000)
        await self._native.settle()
        await self._elizas.settle()
        stored = {message.id for message in await self._rows(_MESSAGES)}
        ends = self._native.all("complete")
        told = {end["run_id"]: end for end in ends}
        for run in await self._rows(_RUNS):
            end = told[run.id]
            assert run.state in OVER
            assert (end["state"], end["reason"], end["agent_id"]) == (run.state, run.reason, run.agent_id)
            assert (end["reply_id"] is not None) == (run.reply_id in stored)
            # What an agent has streamed stays, also when it did not complete it.
            assert run.chunks or (run.reply_id in stored) == (run.state == "completed")
        assert not self._parley.node.ctx.streams.of_channel(self._channel_id)
        assert len(ends) == len(told) == len(await self._rows(_RUNS))
        self._verify_order(stored)
        told_to_elizas = [(end["agentId"], end["seq"]) for end in self._elizas.all("messageComplete")]
        assert told_to_elizas == [(end["agent_id"], end["seq"]) for end in ends]

    def _verify_order(self, stored: set[str]) -> None:
        """A reply comes before the end of its run, and ``run`` tells each end that ``complete`` tells."""
        said: set[str] = set()
        last: dict[str, dict[str, Any]] = {}
        for name, payload in self._native.heard:
            if name == "message":
                said.add(payload["id"])
            elif name == "run":
                last[payload["run"]["id"]] = payload["run"]
            elif name == "complete":
                assert payload["reply_id"] is None or payload["reply_id"] in said & stored
                run = last[payload["run_id"]]
                assert (run["state"], run["reason"]) == (payload["state"], payload["reason"])


Runs.TestCase.settings = settings(examples(15), stateful_step_count=30)
TestRuns = Runs.TestCase
