"""An agent's inbox over HTTP: what waits for the agent, by whichever door it comes, and for nobody else."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rooms.principals import Kind, Scope
from server import overdue
from server.followers import Followers
from tests.api.test_tickets import ticket_of
from tests.following import Stream, following, poll, position
from tests.realtime.raw import until
from tests.rest import API, Rest
from tests.running import Parley, Start, running_parley
from tests.talking import talking

INBOX = f"{API}/agents/bot/inbox"
OTHER_SERVER = "bbbbbbbb-0000-0000-0000-000000000001"
NOT_FOUND = (404, "RESOURCE_NOT_FOUND")


@dataclass(frozen=True)
class Scene:
    """A channel of ann and the agent bot, and the bot's client."""

    parley: Parley
    channel_id: str
    bot: Rest

    async def ask(self, text: str = "well?") -> str:
        """Let ann say something, and return the id of the run that it opens."""
        said = await self.parley.service.submit(self.channel_id, text, author_id="ann")
        (run,) = (await self.bot.get(f"{API}/messages/{said.data['id']}/runs")).data["runs"]
        run_id: str = run["id"]
        return run_id

    async def cancel(self, run_id: str) -> None:
        """End a run from outside."""
        assert (await self.parley.service.post(f"{API}/runs/{run_id}/cancel", {})).status == 200


async def furnish(parley: Parley) -> Scene:
    """Create the channel and the agent."""
    bot = await parley.agent("bot")
    return Scene(parley, await parley.service.new_channel("talk", "ann", "bot"), bot)


@pytest.fixture
async def scene(parley: Parley) -> Scene:
    """Give the channel on a node of its own."""
    return await furnish(parley)


async def look(client: Rest, after: str | None = None, wait: int = 0, **query: Any) -> Any:
    """Ask an inbox once."""
    return await poll(client, after, wait, path=INBOX, **query)


def told(answer: Any) -> list[tuple[str, str]]:
    """Return of which runs what was told, as a poll answered it."""
    return [(item["event"], item["data"]["run"]["id"]) for item in answer["events"]]


def streamed(stream: Stream) -> list[tuple[str, str]]:
    """Return of which runs what was told by a stream."""
    return [(one.event, one.data["run"]["id"]) for one in stream.all("run", "run_ended")]


async def test_an_agent_that_comes_is_given_what_waits_and_then_what_comes(scene: Scene) -> None:
    """Each run once, with its message, by a stream as by asking; reading takes nothing."""
    await scene.bot.post(f"{API}/runs/{await scene.ask('taken')}/claim", {})
    first = await scene.ask("first")
    async with following(scene.bot, path=INBOX) as stream:
        assert stream.told[1].data["principal"] == {"id": "bot", "kind": "agent"}
        await stream.wait_for("run")
        second = await scene.ask("second")
        await stream.wait_for("run", 2)
        await scene.cancel(first)
        (ended,) = await stream.wait_for("run_ended")
    assert streamed(stream) == [("run", first), ("run", second), ("run_ended", first)]
    waiting = stream.all("run")[1].data
    assert (waiting["run"]["state"], waiting["message"]["text"]) == ("queued", "second")
    assert ended.data["run"]["state"] == "cancelled"
    answer = await look(scene.bot)
    assert told(answer) == [("run", second), ("run_ended", first)]
    assert answer["events"][0]["data"] == waiting


async def test_a_poll_is_answered_by_what_concerns_the_agent_alone(scene: Scene) -> None:
    """Neither what is said by the agent itself nor where it does not take part ends the wait."""
    elsewhere = await scene.parley.service.new_channel("elsewhere", "ann")
    asked = asyncio.create_task(look(scene.bot, wait=55))
    async with following(scene.bot) as stream:
        for number in range(3):
            await scene.parley.service.submit(elsewhere, "not for bots", author_id="ann")
            await scene.bot.submit(scene.channel_id, "by myself")
            await stream.wait_for("message", number + 1)
    assert not asked.done()
    run_id = await scene.ask()
    assert told(await asked) == [("run", run_id)]


async def test_a_page_is_cut_where_the_client_wants_it(scene: Scene) -> None:
    """The cursor of the answer leads to the rest."""
    opened = [await scene.ask(f"{number}") for number in range(5)]
    answer = await look(scene.bot, limit=2)
    assert told(answer) == [("run", run_id) for run_id in opened[:2]]
    rest = await look(scene.bot, answer["cursor"])
    assert told(rest) == [("run", run_id) for run_id in opened[2:]]
    assert await look(scene.bot, rest["cursor"]) == {"events": [], "cursor": rest["cursor"]}


async def test_a_cursor_outlives_the_server(tmp_path: Path) -> None:
    """A stream goes on after a restart with what was opened and taken away meanwhile."""
    async with running_parley(tmp_path) as parley:
        scene = await furnish(parley)
        key, first = parley.service_key, await scene.ask("first")
        async with following(scene.bot, path=INBOX) as stream:
            await stream.wait_for("run")
        second, third = await scene.ask("second"), await scene.ask("third")
        await scene.cancel(first)
        await scene.bot.post(f"{API}/runs/{second}/claim", {})
    async with running_parley(tmp_path) as parley:
        bot = parley.bearer(scene.bot.secret or "")
        async with following(bot, stream.last_id, path=INBOX) as stream:
            assert stream.told[1].data["recovered"] is True
            await stream.wait_for("run_ended")
            await parley.bearer(key).submit(scene.channel_id, "fourth", author_id="ann")
            await stream.wait_for("run", 2)
    assert streamed(stream)[:2] == [("run", third), ("run_ended", first)]
    assert stream.all("run")[1].data["message"]["text"] == "fourth"


async def test_a_client_may_change_between_the_inbox_and_other_doors(scene: Scene) -> None:
    """A cursor of a socket, of the log and of the inbox is the same position."""
    before = await scene.ask("before")
    async with talking(scene.parley.url, {"token": scene.bot.secret}) as talker:
        cursor = (await talker.data("heartbeat"))["cursor"]
    first = await scene.ask("first")
    answer = await look(scene.bot, cursor)
    assert told(answer) == [("run", first)]
    second = await scene.ask("second")
    events = (await poll(scene.bot, answer["cursor"]))["events"]
    assert [item["event"] for item in events] == ["message", "run"]
    assert told(await look(scene.bot, events[0]["cursor"])) == [("run", second)]
    assert told(await look(scene.bot)) == [("run", run_id) for run_id in (before, first, second)]


async def test_a_cursor_that_cannot_be_gone_on_from_leads_to_what_waits(scene: Scene) -> None:
    """The agent is told so, and nothing that waits for it is lost."""
    run_id, cursors = await scene.ask(), scene.parley.node.ctx.cursors
    here = cursors.read(await position(scene.bot))
    stale = cursors.write(here._replace(epoch=here.epoch + 1))
    answer = await look(scene.bot, stale, wait=55)
    assert answer["resync_required"]["reason"] == "epoch"
    assert told(answer) == [("run", run_id)]
    async with following(scene.bot, stale, path=INBOX) as stream:
        await stream.wait_for("run")
    assert [one.event for one in stream.told] == ["", "ready", "resync_required", "run"]


async def test_only_the_agent_and_who_may_read_everything_read_an_inbox(scene: Scene) -> None:
    """For others there is none, as there is none of somebody who is no agent."""
    parley = scene.parley
    ann, other = await parley.user("ann"), await parley.agent("other")
    writer = await parley.restricted_service(Scope.MESSAGES_WRITE)
    for client, who in ((ann, "bot"), (other, "bot"), (writer, "bot"), (ann, "ann"), (scene.bot, "nobody")):
        for query in ({}, {"wait": "0"}):
            assert (await client.get(f"{API}/agents/{who}/inbox", **query)).refusal == NOT_FOUND
    assert (await scene.bot.get(INBOX, wait=0, server_id=OTHER_SERVER)).refusal == NOT_FOUND
    assert (await scene.bot.get(INBOX, wait=0, after="yesterday")).refusal == (400, "VALIDATION_ERROR")
    assert (await parley.anonymous.get(INBOX, wait=0)).status == 401
    ticket = await ticket_of(scene.bot)
    async with following(parley.anonymous, path=INBOX, ticket=ticket) as stream:
        assert stream.told[1].data["principal"]["id"] == "bot"


async def test_an_agent_hears_of_the_end_when_it_is_removed(scene: Scene) -> None:
    """Its run is taken away before it leaves, on the inbox as on a socket, and nothing comes after that."""
    run_id = await scene.ask()
    async with (
        following(scene.bot, path=INBOX) as stream,
        talking(scene.parley.url, {"token": scene.bot.secret}) as talker,
    ):
        await scene.parley.service.remove(scene.channel_id, "bot")
        (ended,) = await stream.wait_for("run_ended")
        assert (ended.data["run"]["id"], ended.data["run"]["reason"]) == (run_id, "removed")
        await talker.wait_for("participant_left")
        assert [name for name, _ in talker.heard][-3:] == ["run", "complete", "participant_left"]


@pytest.mark.parametrize("reader", ["stream", "poll", "service", "nobody"])
async def test_whoever_reads_an_inbox_is_there(
    start: Start, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that it does not take is unanswered; without anybody the agent is offline."""
    monkeypatch.setattr(overdue, "LOOK_SECONDS", 0.05)
    scene = await furnish(await start(run_queue_seconds=2))
    client = await scene.parley.restricted_service(Scope.MESSAGES_READ) if reader == "service" else scene.bot
    after = (await look(scene.bot))["cursor"]

    async def end() -> tuple[str, str]:
        run_id = await scene.ask()
        while (run := (await scene.bot.get(f"{API}/runs/{run_id}")).data)["state"] == "queued":
            pass
        return run["state"], run["reason"]

    if reader == "nobody":
        assert await end() == ("failed", "agent_offline")
    elif reader == "poll":
        asking = asyncio.create_task(read_until(client, after, "run_ended"))
        assert await end() == ("timed_out", "unanswered")
        await asking
    else:
        async with following(client, path=INBOX) as stream:
            assert await end() == ("timed_out", "unanswered")
            await stream.wait_for("run_ended")


async def read_until(client: Rest, after: str, name: str) -> None:
    """Ask again and again until an event of this name has come."""
    names: list[str] = []
    while name not in names:
        answer = await look(client, after, wait=55)
        after, names = answer["cursor"], [item["event"] for item in answer["events"]]


async def test_a_service_that_reads_is_shown_the_agents_part_alone(scene: Scene) -> None:
    """Whatever else it may read; and no more than its own key is good for."""
    reader = await scene.parley.restricted_service(Scope.MESSAGES_READ)
    await scene.parley.agent("other")
    other = await scene.parley.service.new_channel("other", "ann", "other")
    async with following(reader, path=INBOX) as stream:
        await scene.parley.service.submit(other, "for another", author_id="ann")
        run_id = await scene.ask()
        await stream.wait_for("run")
        assert streamed(stream) == [("run", run_id)]


async def test_an_inbox_ends_with_the_key_that_reads_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a service reads for the agent, whose own key is still good."""
    monkeypatch.setattr("handlers.sse.BEAT_SECONDS", 0.05)
    reader = scene.parley.bearer(await scene.parley.key(Kind.SERVICE, "reader", None, Scope.MESSAGES_READ))
    async with following(reader, path=INBOX) as stream:
        await scene.parley.revoke(reader)
        await stream.end()


async def test_a_client_that_goes_is_forgotten(
    start: Start, present: list[Followers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams and polls end by themselves, and the agent is there no more."""
    monkeypatch.setattr("handlers.sse.BEAT_SECONDS", 0.05)
    scene = await furnish(await start())
    async with following(scene.bot, path=INBOX):
        asked = asyncio.create_task(look(scene.bot, wait=55))
        await until(lambda: len(present[0]._present) == 2)
    asked.cancel()
    await until(lambda: not present[0]._present)
    fanout = present[0]._fanout
    assert (fanout._rooms, fanout._shown_all, dict(fanout._connections)) == ({}, {}, {})


async def test_an_agent_that_asked_people_hears_that_it_may_go_on(scene: Scene) -> None:
    """What was decided comes with the run that has waited for it; the question itself does not."""
    run_id = await scene.ask("clean up")
    await scene.bot.post(f"{API}/runs/{run_id}/claim", {})
    approval = {"options": ["yes", "no"], "expires_in": 60, "run_id": run_id}
    asked = (await scene.bot.submit(scene.channel_id, "shall I?", approval=approval)).data["id"]
    async with following(scene.bot, path=INBOX) as stream:
        await stream.wait_for("ready")
        ann = scene.parley.bearer(await scene.parley.key(Kind.USER, "ann"))
        path = f"{API}/approvals/{asked}/resolve"
        assert (await ann.post(path, {"option": "yes"})).status == 200
        (decided,) = await stream.wait_for("approval")
    assert (decided.data["approval"]["choice"], decided.data["run"]["id"]) == ("yes", run_id)
    assert decided.data["run"]["state"] == "working"
