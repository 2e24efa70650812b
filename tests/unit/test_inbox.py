"""An agent's inbox over real databases: what waits is told with its message, and what is taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from rooms import completion, edits, inbox, keys, participants, replay, store
from rooms.completion import Sign
from rooms.cursors import Cursor
from rooms.edits import Edit, Target
from rooms.errors import NotFound
from rooms.keys import KeyDraft
from rooms.participants import Joining
from rooms.principals import Kind, Principal, Scope
from rooms.rows import Run
from rooms.rules import DEFAULT_SERVER_ID
from rooms.views import View
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BOT, OTHER_BOT, Stage

READER = Principal("reader", Kind.SERVICE, frozenset({Scope.MESSAGES_READ}), "its key")


@dataclass
class Reader:
    """Somebody who reads the inbox, and what was told so far."""

    stage: Stage
    cursor: Cursor
    view: View
    principal: Principal = BOT
    server_id: str = DEFAULT_SERVER_ID

    async def read(self) -> list[tuple[str, dict[str, Any]]]:
        """Read until the present, and return what is told."""
        ctx = self.stage.world.ctx
        ctx.tail.extend(self.stage.world.heard.events)
        told = []
        while (page := await inbox.next_page(ctx, self)) is not None:
            told += [(entry.kind, orjson.loads(entry.payload)) for entry, _ in page]
        return told

    async def ids(self) -> list[tuple[str, str]]:
        """Read until the present, and return of which runs what is told."""
        return [(kind, payload["run"]["id"]) for kind, payload in await self.read()]


async def reading(stage: Stage, stated: Cursor | None = None, agent: Principal = BOT) -> Reader:
    """Begin to read, as a client does that is connected from now on."""
    ctx = stage.world.ctx
    ctx.tail.extend(stage.world.heard.events)
    start = await inbox.find_start(ctx, agent.id, DEFAULT_SERVER_ID, stated)
    view = await replay.find_view(ctx, agent, DEFAULT_SERVER_ID, start.cursor.seq)
    return Reader(stage, start.cursor, view, agent)


async def cancel(stage: Stage, run: Run) -> None:
    """End the run as whoever asked."""
    await completion.cancel(stage.world.ctx, Sign(ANN, run.id))


async def test_an_agent_that_comes_finds_what_waits_for_it(stage: Stage) -> None:
    """The oldest first, each with its message as it is now; what was taken or is over is not told."""
    taken, over = await stage.opened("taken"), await stage.opened("over")
    waiting = [await stage.opened("one"), await stage.opened("two")]
    later = await stage.opened("later taken")
    for run in (taken, later):
        await stage.claim(run)
    await stage.complete(over)
    await edits.edit(stage.world.ctx, Edit(Target(ANN, waiting[1].message_id), "changed"))
    told = await (await reading(stage)).read()
    assert [(kind, said["run"]["id"], said["message"]["text"]) for kind, said in told] == [
        ("run", waiting[0].id, "one"),
        ("run", waiting[1].id, "changed"),
    ]
    assert told[0][1]["run"] | {"state": "queued", "agent_id": BOT.id} == told[0][1]["run"]


async def test_an_agent_for_which_nothing_waits_begins_in_the_present(stage: Stage) -> None:
    """What was said and done before is not told, and a run that opens later is told once."""
    await stage.complete(await stage.opened())
    await cancel(stage, await stage.opened())
    reader = await reading(stage)
    assert await reader.read() == []
    run = await stage.opened()
    assert await reader.ids() == [("run", run.id)]
    assert await reader.read() == []


async def test_what_is_taken_from_an_agent_is_told_and_what_it_ended_is_not(stage: Stage) -> None:
    """Cancelled, timed out, deleted and removed runs are; completed, silent and failed ones are not."""
    reader = await reading(stage)
    for ending in ({"response": "well"}, {}, {"has_failed": True}):
        await stage.complete(await stage.opened(), **ending)
    cancelled, deleted = await stage.opened(), await stage.opened()
    await cancel(stage, cancelled)
    await edits.delete(stage.world.ctx, Target(ANN, deleted.message_id))
    late = await stage.opened()
    await stage.pass_time(61)
    removed = await stage.opened()
    await participants.remove(stage.world.ctx, SERVICE, stage.world.channel_id, BOT.id)
    told = await reader.read()
    assert [(kind, said["run"]["id"], said["run"]["state"]) for kind, said in told] == [
        ("run_ended", cancelled.id, "cancelled"),
        ("run_ended", deleted.id, "cancelled"),
        ("run_ended", late.id, "failed"),
        ("run_ended", removed.id, "failed"),
    ]


async def test_another_agents_runs_are_not_told(stage: Stage) -> None:
    """Of two agents in one channel each is told of its own."""
    ctx = stage.world.ctx
    await keys.create(ctx, KeyDraft(Kind.AGENT, OTHER_BOT.id, "Other"))
    await participants.add(ctx, Joining(SERVICE, stage.world.channel_id, OTHER_BOT.id))
    await stage.say()
    for agent in (BOT, OTHER_BOT):
        ((_, said),) = await (await reading(stage, agent=agent)).read()
        assert said["run"]["agent_id"] == agent.id


async def test_a_page_is_short_and_nothing_is_lost_between_pages(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many runs wait, each is told once and in order."""
    monkeypatch.setattr(inbox, "MAX_TOLD", 3)
    opened = [await stage.opened() for _ in range(8)]
    reader = await reading(stage)
    page = await inbox.next_page(stage.world.ctx, reader)
    assert page is not None
    assert len(page) == 3
    assert page[-1].cursor == reader.cursor
    assert await reader.ids() == [("run", run.id) for run in opened[3:]]


async def test_a_cursor_is_gone_on_from(stage: Stage) -> None:
    """Whoever comes back with one is told what it has not been told, and nothing again."""
    first = await stage.opened()
    reader = await reading(stage)
    assert await reader.ids() == [("run", first.id)]
    second = await stage.opened()
    await cancel(stage, first)
    back = await reading(stage, reader.cursor)
    assert await back.ids() == [("run", second.id), ("run_ended", first.id)]


async def test_what_is_not_kept_is_not_begun_with(stage: Stage) -> None:
    """The beginning lies in what is kept, and a cursor from before that leads to what waits."""
    forgotten, kept = await stage.opened(), await stage.opened()
    await stage.world.database.inner.write(
        lambda connection: store.log.raise_floor(connection, DEFAULT_SERVER_ID, forgotten.seq + 1)
    )
    assert await (await reading(stage)).ids() == [("run", kept.id)]
    stale = Cursor(DEFAULT_SERVER_ID, (await reading(stage)).cursor.epoch, 1)
    start = await inbox.find_start(stage.world.ctx, BOT.id, DEFAULT_SERVER_ID, stale)
    assert start.resync is not None
    assert start.resync.reason == "retention"
    assert await (await reading(stage, stale)).ids() == [("run", kept.id)]


@pytest.mark.parametrize(
    ("principal", "agent_id"),
    [
        (ANN, BOT.id),
        (OTHER_BOT, BOT.id),
        (ANN, ANN.id),
        (READER, ANN.id),
        (READER, "nobody"),
        (READER, "no id"),
        (Principal("writer", Kind.SERVICE, frozenset({Scope.MESSAGES_WRITE})), BOT.id),
    ],
)
async def test_an_inbox_of_somebody_else_is_none(stage: Stage, principal: Principal, agent_id: str) -> None:
    """Nor has anybody one who is no agent."""
    with pytest.raises(NotFound):
        await inbox.enter(stage.world.ctx, principal, agent_id)


async def test_a_service_reads_as_the_agent(stage: Stage) -> None:
    """It is shown what the agent is shown and no more, for as long as its own key is good."""
    ctx = stage.world.ctx
    assert await inbox.enter(ctx, BOT, BOT.id) == BOT
    assert await inbox.enter(ctx, READER, BOT.id) == Principal(BOT.id, Kind.AGENT, key_id="its key")
