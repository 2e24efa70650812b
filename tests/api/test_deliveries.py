"""Webhooks of a running node: sent at once, tried again after a restart, listed and sent again over REST."""

import asyncio
import logging
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rooms import outbox
from rooms.principals import Kind
from server import courier
from tests import services
from tests.receiving import receiving
from tests.rest import API, Rest
from tests.running import DEADLINE, Parley, Start, running_parley

LOOPBACK = {"outbound_allow": ["127.0.0.1"]}
AGENTS_DOC = Path(__file__).parent.parent.parent / "docs" / "agents.md"
CONFIDENTIAL = "confidential"


class Receiver:
    """A receiver that answers as the test wants it, and counts what comes."""

    def __init__(self) -> None:
        self.status = 200
        self.reply = "well."
        self.visits = 0

    async def answer(self, _request: web.Request) -> web.Response:
        """Answer."""
        self.visits += 1
        return web.json_response({"response": self.reply}, status=self.status)


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    """Run a receiver until the block ends, and give it with its URL."""
    answering = Receiver()
    async with receiving(answering.answer) as port:
        yield answering, f"http://127.0.0.1:{port}/{CONFIDENTIAL}"


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until it has happened."""
    async with asyncio.timeout(DEADLINE):
        while not await happened():
            pass


async def logged(caplog: pytest.LogCaptureFixture, line: str) -> None:
    """Wait for a line of the log, which follows what it tells of."""
    async with asyncio.timeout(DEADLINE):
        while line not in caplog.text:  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0)


async def set_webhook(client: Rest, url: str) -> str:
    """Set bot's webhook and return its secret."""
    made = await client.request("PUT", f"{API}/agents/bot/webhook", json={"url": url})
    secret: str = made.data["secret"]
    return secret


async def ask(client: Rest, channel_id: str) -> str:
    """Say something as ann, and return the id of the run that it opens."""
    stored = (await client.submit(channel_id, CONFIDENTIAL, author_id="ann")).data
    (run,) = (await client.get(f"{API}/messages/{stored['id']}/runs")).data["runs"]
    run_id: str = run["id"]
    return run_id


async def is_in(client: Rest, run_id: str, state: str) -> bool:
    """Tell whether the run is in the state."""
    found = (await client.get(f"{API}/runs/{run_id}")).data["state"]
    return bool(found == state)


async def listed(client: Rest, **query: Any) -> list[dict[str, Any]]:
    """Return bot's deliveries."""
    found: list[dict[str, Any]] = (await client.get(f"{API}/agents/bot/deliveries", **query)).data[
        "deliveries"
    ]
    return found


def hurry(parley: Parley) -> None:
    """Let a minute pass on the node's clock, and wake whoever sends."""
    ahead = parley.node.ctx.clock() + 60
    parley.node.ctx.journal.clock = lambda: ahead
    object.__setattr__(parley.node.ctx, "clock", lambda: ahead)
    parley.node.ctx.journal.bell(outbox.BELL).set()


async def fail_until_dead(parley: Parley) -> None:
    """Let the only delivery fail once, and hurry until it has failed for good."""
    for attempt in range(1, 6):
        await until(lambda attempt=attempt: _has_failed(parley, attempt))  # type: ignore[misc]
        hurry(parley)


async def _has_failed(parley: Parley, attempts: int) -> bool:
    """Tell whether so many attempts have failed; while one is made, the next is far away."""
    (delivery,) = await listed(parley.service)
    is_settled = delivery.get("due_at", 0) < parley.node.ctx.now() + 10_000
    return delivery["attempts"] == attempts and is_settled


async def test_a_run_is_sent_as_soon_as_it_is_committed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for the next look: a message is answered while that is far away."""
    monkeypatch.setattr(courier, "LOOK_SECONDS", 1_000)
    parley = await start(**LOOPBACK)
    await parley.agent("bot")
    channel_id = await parley.service.new_channel("talk", "ann", "bot")
    async with receiver() as (_, url):
        await set_webhook(parley.service, url)
        for _ in range(3):
            run_id = await ask(parley.service, channel_id)
            await until(lambda run_id=run_id: is_in(parley.service, run_id, "completed"))  # type: ignore[misc]
    assert await parley.service.texts(channel_id) == [CONFIDENTIAL, "well."] * 3
    assert [delivery["state"] for delivery in await listed(parley.service)] == ["delivered"] * 3


async def test_a_dead_letter_is_found_and_sent_again_over_rest(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent itself finds what it has missed, and has it sent again, once."""
    monkeypatch.setattr(courier, "LOOK_SECONDS", 1_000)
    parley = await start(**LOOPBACK)
    bot = await parley.agent("bot")
    channel_id = await parley.service.new_channel("talk", "ann", "bot")
    async with receiver() as (answering, url):
        await set_webhook(bot, url)
        answering.status = 503
        run_id = await ask(parley.service, channel_id)
        await fail_until_dead(parley)
        assert answering.visits == 5
        assert await is_in(parley.service, run_id, "failed")
        (dead,) = await listed(bot, state="dead")
        assert (dead["run_id"], dead["attempts"], dead["error"]) == (run_id, 5, "status_503")
        assert "due_at" not in dead
        answering.status = 200
        path = f"{API}/agents/bot/deliveries/{dead['id'].upper()}/redeliver"
        queued = (await bot.post(path)).data
        assert (queued["state"], queued["run_id"] != run_id) == ("queued", True)
        await until(lambda: is_in(parley.service, queued["run_id"], "completed"))
        assert (await bot.post(path)).refusal == (409, "CONFLICT")
    assert await parley.service.texts(channel_id) == [CONFIDENTIAL, "well."]
    states = [delivery["state"] for delivery in await listed(bot)]
    assert states == ["delivered", "redelivered"]


async def test_a_list_of_deliveries_is_asked_for_in_known_words(parley: Parley) -> None:
    """States that there are not, and sizes that cannot be, are 400; other agents' lists are not found."""
    bot = await parley.agent("bot")
    path = f"{API}/agents/bot/deliveries"
    for query in ({"state": "lost"}, {"state": ""}, {"limit": "0"}, {"limit": "many"}):
        assert (await bot.get(path, **query)).refusal == (400, "VALIDATION_ERROR")
    assert (await bot.get(path, before="x", limit="1000")).data == {"deliveries": []}
    for client, agent_id in ((await parley.agent("other"), "bot"), (parley.service, "nobody")):
        refused = await client.get(f"{API}/agents/{agent_id}/deliveries")
        assert refused.refusal == (404, "RESOURCE_NOT_FOUND")


async def test_a_delivery_survives_a_restart(tmp_path: Path) -> None:
    """What one process could not deliver the next one does, under the same id."""
    ids: list[str] = []
    answers = [503, 200]

    async def note(request: web.Request) -> web.Response:
        ids.append(request.headers["webhook-id"])
        return web.json_response({"response": "at last"}, status=answers[len(ids) > 1])

    async with receiving(note) as port:
        async with running_parley(tmp_path / "data", **LOOPBACK) as parley:
            key = parley.service_key
            await parley.key(Kind.AGENT, "bot")
            channel_id = await parley.service.new_channel("talk", "ann", "bot")
            await set_webhook(parley.service, f"http://127.0.0.1:{port}/")
            run_id = await ask(parley.service, channel_id)
            await until(lambda: _has_failed(parley, 1))
        async with running_parley(tmp_path / "data", **LOOPBACK) as parley:
            await until(lambda: is_in(parley.bearer(key), run_id, "completed"))
            assert await parley.bearer(key).texts(channel_id) == [CONFIDENTIAL, "at last"]
    assert ids == [ids[0]] * 2


async def test_a_failing_webhook_tells_the_log_nothing_confidential(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the dead delivery and its agent; URL, secret and what was said stay out of it."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(courier, "LOOK_SECONDS", 1_000)
    parley = await start(**LOOPBACK)
    await parley.agent("bot")
    channel_id = await parley.service.new_channel("talk", "ann", "bot")
    async with receiver() as (answering, url):
        secret = await set_webhook(parley.service, url)
        answering.status, answering.reply = 500, CONFIDENTIAL
        await ask(parley.service, channel_id)
        await fail_until_dead(parley)
    (dead,) = await listed(parley.service)
    await logged(caplog, f"delivery {dead['id']} for agent bot is dead: status_500")
    for kept in (CONFIDENTIAL, url, secret, secret.removeprefix("whsec_")):
        assert kept not in caplog.text


async def test_the_documented_receiver_verifies_and_answers(start: Start) -> None:
    """The program of docs/agents.md works as it stands there, and refuses what is not signed."""
    (program,) = re.findall(r"```python\n(import base64.*?)```", AGENTS_DOC.read_text(), re.DOTALL)
    parley = await start(**LOOPBACK)
    await parley.agent("bot")
    channel_id = await parley.service.new_channel("talk", "ann", "bot")
    port = services.free_port()
    url = f"http://127.0.0.1:{port}/"
    secret = await set_webhook(parley.service, url)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        env={**os.environ, "WEBHOOK_SECRET": secret, "PORT": str(port)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        run_id = await ask(parley.service, channel_id)
        await until(lambda: is_in(parley.service, run_id, "completed"))
        now = str(int(time.time()))
        forged = {"webhook-id": "x", "webhook-timestamp": now, "webhook-signature": "v1,eA=="}
        async with parley.session.post(url, data=b"{}", headers=forged) as response:
            assert response.status == 401
    finally:
        process.kill()
        await process.wait()
    assert await parley.service.texts(channel_id) == [CONFIDENTIAL, f"You said: {CONFIDENTIAL}"]
