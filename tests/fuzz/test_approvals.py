"""Whatever is asked of people, and when: each question has one end, which everybody is told alike."""

from collections import defaultdict
from typing import Any

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from tests.fuzz.inputs import examples
from tests.fuzz.test_runs import Runs, agents, which
from tests.rest import API

_APPROVALS = "SELECT id, run_id, state, choice, resolved_by FROM approvals"
_WAITING = "SELECT id FROM runs WHERE waiting_since IS NOT NULL AND due_at IS NOT NULL"
_LOG = "SELECT message_id, payload FROM events WHERE kind = 'approval' OR kind LIKE 'message%'"

lengths = st.sampled_from([10, 60, 600])


class Approvals(Runs):
    """The same, while agents ask, people decide, and questions are taken back."""

    def __init__(self) -> None:
        super().__init__()
        self._questions: list[str] = []
        self._gone: set[str] = set()

    @rule(agent=agents, seconds=lengths)
    def ask_back(self, agent: str, seconds: int) -> None:
        """The person says something, and an agent asks before it answers."""
        self._run(self._ask_back(agent, seconds))

    @rule(agent=agents, seconds=lengths)
    def ask_people(self, agent: str, seconds: int) -> None:
        """An agent asks: in a run if it works on one, which may wait already, or by itself."""
        self._run(self._ask_people(agent, seconds))

    @precondition(lambda self: self._questions)
    @rule(which=which, option=st.sampled_from(["yes", "no"]))
    def decide(self, which: int, option: str) -> None:
        """The person decides, perhaps too late, or for the second time."""
        self._run(self._decide(which, option))

    @precondition(lambda self: self._questions)
    @rule(which=which)
    def take_question_back(self, which: int) -> None:
        """A question is deleted."""
        self._run(self._take_question_back(which))

    @invariant()
    def a_run_waits_while_something_is_open(self) -> None:
        """Neither longer nor shorter."""
        if self._has_begun:
            self._run(self._verify_waiting())

    async def _ask_back(self, agent: str, seconds: int) -> None:
        await self._ask(alike=False)
        await self._act(agent, len(self._asked) - 1, "claim", {"holder": "one"})
        await self._ask_people(agent, seconds)

    async def _ask_people(self, agent: str, seconds: int) -> None:
        approval = {"options": ["yes", "no"], "expires_in": seconds}
        asked = await self._agent(agent).submit(self._channel_id, next(self._texts), approval=approval)
        if asked.status == 403:
            return  # agents that go on by themselves are paused
        self._questions.append(asked.data["id"])

    async def _decide(self, which: int, option: str) -> None:
        message_id = self._questions[which % len(self._questions)]
        reply = await self._person.post(f"{API}/approvals/{message_id}/resolve", {"option": option})
        assert reply.status in ({404} if message_id in self._gone else {200, 409})

    async def _take_question_back(self, which: int) -> None:
        message_id = self._questions[which % len(self._questions)]
        self._gone.add(message_id)
        self._check(await self._parley.service.delete_message(message_id))

    async def _verify_waiting(self) -> None:
        approvals = await self._rows(_APPROVALS)
        awaited = {one.run_id for one in approvals if one.state == "requested" and one.run_id is not None}
        assert {run.id for run in await self._rows(_WAITING)} == awaited

    async def _verify(self) -> None:
        await super()._verify()
        told: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for event in self._native.all("approval"):
            told[event["message_id"]].append(event["approval"])
        stored = {row.id: row for row in await self._rows(_APPROVALS)}
        assert set(told) == set(self._questions) == set(stored) | self._gone
        for message_id, (requested, end) in told.items():  # neither fewer nor more
            assert requested["state"] == "requested"
            assert end["state"] in ("resolved", "expired", "cancelled")
            if row := stored.get(message_id):
                assert (row.state, row.choice, row.resolved_by) == (
                    end["state"],
                    end["choice"],
                    end["resolved_by"],
                )
            assert (end["choice"] is not None) == (end["state"] == "resolved")
        await self._verify_log({message_id: row.state for message_id, row in stored.items()})

    async def _verify_log(self, states: dict[str, str]) -> None:
        """Whoever reads the log now finds no question in another state than it has."""
        for message_id, payload in await self._rows(_LOG):
            approval = orjson.loads(payload).get("approval")
            if message_id in states:
                assert approval["state"] == states[message_id]
            elif approval is not None:  # all that is told of one that is gone
                assert (approval["state"], approval["options"]) == ("cancelled", [])


Approvals.TestCase.settings = settings(examples(25), stateful_step_count=30)
TestApprovals = Approvals.TestCase
