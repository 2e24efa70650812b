"""Whatever agents say: what people say reaches every agent, and their own talk is stopped as is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from rooms.errors import PermissionDenied
from rooms.runs import State
from tests.fuzz.inputs import examples
from tests.unit.agents_talking import A, B, Stage, staged
from tests.unit.journaling import opened
from tests.unit.staging import ANN


class Deed(NamedTuple):
    """Somebody says something, after some seconds, and perhaps in answer to an earlier message."""

    seconds: float
    who: int
    text: int
    answers: int | None


class Turn(NamedTuple):
    """Ann says something; then agents answer her, and some of them an answer."""

    seconds: float
    answering: list[int]
    commenting: list[int]
    names_message: bool


deeds = st.builds(
    Deed,
    st.sampled_from([0.0, 0.1, 1.0, 30.0, 700.0]),
    st.sampled_from([0, 1, 1, 1, 2, 2, 2]),
    st.integers(0, 3),
    st.none() | st.integers(0, 20),
)
agents = st.lists(st.sampled_from([0, 1]), unique=True)
turns = st.builds(Turn, st.floats(5, 90), agents, agents, st.booleans())


@examples(20)
@given(deeds=st.lists(deeds, min_size=10, max_size=60))
def test_people_are_always_heard_and_agents_as_the_channel_says(deeds: list[Deed]) -> None:
    """A person's message opens a run for each agent; an agent's does unless agents are paused by then."""
    asyncio.run(_say_anything(deeds))


@examples(20)
@given(turns=st.lists(turns, min_size=1, max_size=25))
def test_a_person_and_two_agents_talk_at_their_ease(turns: list[Turn]) -> None:
    """Agents that answer a person, and now and then each other, are never stopped."""
    asyncio.run(_converse(turns))


@asynccontextmanager
async def _stage() -> AsyncIterator[Stage]:
    with TemporaryDirectory() as directory:
        url = f"sqlite:///{Path(directory) / 'parley.db'}"
        async with opened(url) as database, staged(database) as stage:
            yield stage


async def _say_anything(deeds: Sequence[Deed]) -> None:
    async with _stage() as stage:
        stage.allow(max_hops=5, pair_messages=4, agent_messages=8)
        said: list[str] = []
        for seconds, who, text, answers in deeds:
            stage.clock.now += seconds
            parent = said[-1 - answers] if answers is not None and answers < len(said) else None
            speaker = (ANN, A, B)[who]
            try:
                message = await stage.say(speaker, f"text {text}", parent_id=parent)
            except PermissionDenied:
                assert speaker is not ANN
                assert _is_paused(stage)
                continue
            said.append(message.id)
            expected = [] if speaker is not ANN and _is_paused(stage) else {"a", "b"} - {speaker.id}
            runs = await stage.opened(message)
            assert {run.agent_id for run in runs} == set(expected)
            assert {run.state for run in runs} <= {State.QUEUED}
        kinds = [kind for kind, _ in stage.told()]
        assert kinds == ["agents_paused", "agents_resumed"] * (len(kinds) // 2) + kinds[: len(kinds) % 2]
        assert (await stage.pause() is not None) == _is_paused(stage)


def _is_paused(stage: Stage) -> bool:
    told = stage.told()
    return bool(told) and told[-1][0] == "agents_paused"


async def _converse(turns: Sequence[Turn]) -> None:
    async with _stage() as stage:
        for seconds, answering, commenting, names_message in turns:
            stage.clock.now += seconds
            asked = await stage.say(ANN)
            parent = asked.id if names_message else None
            for agent in answering:
                await stage.say((A, B)[agent], "Yes.", parent_id=parent)
            for run in await stage.waiting():
                if run.user_id != ANN.id and (A.id, B.id).index(run.agent_id) in commenting:
                    await stage.answer(run, "I think so, too.")
            await stage.be_silent()
        assert stage.told() == []
