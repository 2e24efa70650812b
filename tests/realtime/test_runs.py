"""Runs over real connections: what agents and people see of them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rooms.principals import Kind
from server import overdue
from server.engine import Engine
from tests.realtime.raw import until
from tests.rest import API
from tests.running import Parley, Start, running_parley
from tests.talking import ELIZA, NATIVE, talking

pytestmark = pytest.mark.usefixtures("quick_looks")
LEASE = 30  # seconds, unless an operator says otherwise


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server look after runs more often than people would notice."""
    monkeypatch.setattr(overdue, "LOOK_SECONDS", 0.05)


async def furnish(parley: Parley) -> tuple[str, str, str]:
    """Create a channel of ann and the agent bot, and return its id and their keys."""
    ann, bot = await parley.key(Kind.USER, "ann"), await parley.key(Kind.AGENT, "bot")
    return await parley.service.new_channel("talk", "ann", "bot"), ann, bot


async def test_an_agent_takes_a_run_and_answers_through_its_socket(parley: Parley) -> None:
    """Both see every state in order; the reply has the reserved id and comes before the end."""
    channel_id, ann_key, bot_key = await furnish(parley)
    async with talking(parley.url, {"token": ann_key}) as ann, talking(parley.url, {"token": bot_key}) as bot:
        asked = await ann.data("submit", {"channel_id": channel_id, "content": "two and two?"})
        run = (await bot.wait_for("run"))[0]["run"]
        assert (run["agent_id"], run["message_id"], run["state"]) == ("bot", asked["id"], "queued")
        taken = await bot.data("claim_run", {"run_id": run["id"]})
        assert (taken["message"]["text"], taken["fence"]) == ("two and two?", 1)
        assert (await bot.data("run_progress", {"run_id": run["id"], "fence": 1}))["state"] == "working"
        done = await bot.data("complete", {"run_id": run["id"], "response": "four"})
        assert (done["response"], done["run"]["state"]) == ("four", "completed")
        await ann.settle()
        names = [name for name, _ in ann.heard if name in ("run", "message", "complete")]
        assert names == ["message", "run", "run", "message", "run", "complete"]
        (end,) = await ann.wait_for("complete")
        assert (end["run_id"], end["reply_id"], end["state"]) == (run["id"], run["reply_id"], "completed")


async def test_clients_of_elizaos_are_told_of_the_end(parley: Parley) -> None:
    """They wait for it, behind the reply, with the ids that they know."""
    channel_id, ann_key, bot_key = await furnish(parley)
    async with talking(parley.url, {"token": ann_key}, ELIZA) as ann:
        payload = {"channelId": channel_id, "message": "hello"}
        await ann.emit("message", {"type": 2, "payload": payload})
        bot = parley.bearer(bot_key)
        await ann.wait_for("messageAck")
        (run,) = (await bot.get(f"{API}/runs", state="queued")).data["runs"]
        await bot.post(f"{API}/complete", {"run_id": run["id"], "response": "hi"})
        (end,) = await ann.wait_for("messageComplete")
        assert (end["channelId"], end["agentId"], end["state"]) == (channel_id, "bot", "completed")
        names = [name for name, _ in ann.heard if name in ("messageBroadcast", "messageComplete")]
        assert names == ["messageBroadcast", "messageBroadcast", "messageComplete"]


@pytest.mark.parametrize("is_connected", [True, False])
async def test_a_run_that_nobody_takes_is_ended_by_the_server(start: Start, *, is_connected: bool) -> None:
    """Its reason tells whether the agent was there."""
    parley = await start(run_queue_seconds=0.2)
    channel_id, ann_key, bot_key = await furnish(parley)
    async with talking(parley.url, {"token": ann_key}) as ann:
        if is_connected:
            async with talking(parley.url, {"token": bot_key}):
                await ann.data("submit", {"channel_id": channel_id, "content": "hello"})
                (end,) = await ann.wait_for("complete")
        else:
            await ann.data("submit", {"channel_id": channel_id, "content": "hello"})
            (end,) = await ann.wait_for("complete")
    expected = ("timed_out", "unanswered") if is_connected else ("failed", "agent_offline")
    assert (end["state"], end["reason"]) == expected


async def test_an_agent_that_hangs_loses_its_run(engines: list[Engine], start: Start) -> None:
    """However alive its connection is: only a sign of the run counts."""
    parley = await start(ping_interval=0.05)
    channel_id, ann_key, bot_key = await furnish(parley)
    async with talking(parley.url, {"token": ann_key}) as ann, talking(parley.url, {"token": bot_key}) as bot:
        await ann.data("submit", {"channel_id": channel_id, "content": "hello"})
        run = (await bot.wait_for("run"))[0]["run"]
        await bot.data("claim_run", {"run_id": run["id"]})
        await until(lambda: all(session.pongs > 2 for session in engines[0].sockets.values()))
        parley.pass_time(LEASE)
        (end,) = await ann.wait_for("complete")
        assert (end["state"], end["reason"]) == ("timed_out", "lease")
        assert await bot.code("complete", {"run_id": run["id"], "response": "late"}) == "CONFLICT"


async def test_a_run_outlives_the_server(tmp_path: Path) -> None:
    """What was taken before a restart is ended after it, and what waits can still be taken."""
    ids: list[str] = []
    async with running_parley(tmp_path) as parley:
        channel_id, _, bot_key = await furnish(parley)
        service_key = parley.service_key
        for text in ("one", "two"):
            asked = (await parley.service.submit(channel_id, text, author_id="ann")).data
            (run,) = (await parley.service.get(f"{API}/messages/{asked['id']}/runs")).data["runs"]
            ids.append(run["id"])
        await parley.bearer(bot_key).post(f"{API}/runs/{ids[0]}/claim", {})
    async with running_parley(tmp_path) as parley:
        service, bot = parley.bearer(service_key), parley.bearer(bot_key)
        done = await bot.post(f"{API}/complete", {"run_id": ids[1], "response": "2"})
        assert done.data["response"] == "2"
        parley.pass_time(LEASE)
        async with asyncio.timeout(10):
            while (run := (await service.get(f"{API}/runs/{ids[0]}")).data)["state"] == "working":
                pass
    assert (run["state"], run["reason"]) == ("timed_out", "lease")


async def test_a_cancelled_run_is_told_to_its_agent(parley: Parley) -> None:
    """The agent hears that it need not go on, and its reply is refused."""
    channel_id, ann_key, bot_key = await furnish(parley)
    async with talking(parley.url, {"token": ann_key}) as ann, talking(parley.url, {"token": bot_key}) as bot:
        await ann.data("submit", {"channel_id": channel_id, "content": "hello"})
        run = (await bot.wait_for("run"))[0]["run"]
        assert (await ann.data("cancel_run", {"run_id": run["id"]}))["state"] == "cancelled"
        assert (await bot.wait_for("complete"))[0]["state"] == "cancelled"
        assert await bot.code("complete", {"run_id": run["id"], "response": "late"}) == "CONFLICT"


async def test_the_documented_completion_answers_the_reply(parley: Parley) -> None:
    """An agent that answers by submit, and then tells so, gets what it has said; silence is empty."""
    channel_id, _, bot_key = await furnish(parley)
    bot = parley.bearer(bot_key)
    form = {"agentId": "bot", "roomId": channel_id, "userId": "ann"}
    asked = (await parley.service.submit(channel_id, "well?", author_id="ann")).data
    await bot.submit(channel_id, "well.", in_reply_to_message_id=asked["id"])
    reply = await bot.post(f"{API}/complete", {**form, "prompt": "well?"})
    assert (reply.status, reply.data["response"]) == (200, "well.")
    await parley.service.submit(channel_id, "and?", author_id="ann")
    assert (await bot.post(f"{API}/complete", {**form, "prompt": "and?"})).data["response"] == ""
    assert (await bot.post(f"{API}/complete", {**form, "userId": "ben", "prompt": "x"})).status == 404
    assert (await bot.post(f"{API}/complete", {**form, "prompt": None})).status == 400


async def test_the_completion_of_elizaos_agents_is_understood(parley: Parley) -> None:
    """It names the channel alone: the agent's newest open run ends, and without one nothing happens."""
    channel_id, _, bot_key = await furnish(parley)
    bot = parley.bearer(bot_key).in_elizas_dialect()
    body = {"channel_id": channel_id, "message_server_id": NATIVE.rpartition("/")[2]}
    await parley.service.submit(channel_id, "well?", author_id="ann")
    ended: dict[str, Any] = (await bot.post(f"{API}/complete", body)).data
    assert (ended["run"]["state"], ended["run"]["reason"]) == ("ignored", "silent")
    assert (await bot.post(f"{API}/complete", body)).data == {"success": True, "response": "", "run": None}
