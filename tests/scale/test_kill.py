"""A server that is killed amid a thousand submissions has lost nothing that it acknowledged."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.rest import Rest
from tests.running import Served, run_parley, serving
from tests.scale.storm import Answers, Storm

SUBMISSIONS = 1_000
CHANNELS = 20
AUTHORS = 50

# So many acknowledgements into the storm the server is killed, each time on the same data.
KILLS = [1, 20, 100, 200, 255, 256, 257, 300, 400] if os.environ.get("PARLEY_TEST_LONG") else [200]


def message(number: int, channel_id: str) -> dict[str, Any]:
    """Return a message with a messageId: every other one is a UUID, which becomes the message's id."""
    return {
        "channel_id": channel_id,
        "author_id": f"author-{number % AUTHORS}",
        "content": f"message {number}",
        "messageId": str(uuid.uuid4()) if number // 2 % 2 else f"{uuid.uuid4()} of {number}",
    }


async def check(data_dir: Path) -> None:
    """Let ``parley check`` verify that every seq is there, and every message."""
    code, said = await run_parley("check", "--data-dir", str(data_dir))
    assert code == 0, said


async def history(rest: Rest, channel_ids: list[str]) -> list[dict[str, Any]]:
    """Return every message of the channels."""
    pages = [(await rest.history(channel_id, limit=200)).data["messages"] for channel_id in channel_ids]
    return [message for page in pages for message in page]


def places(answers: Answers) -> dict[str, tuple[str, int]]:
    """Return under which id and seq each message was stored, by messageId."""
    return {key: (answer["id"], answer["seq"]) for key, answer in answers.items()}


class Trial:
    """One data directory, on which a server is killed and started again, again and again."""

    def __init__(self, data_dir: Path, session: aiohttp.ClientSession) -> None:
        self.data_dir = data_dir
        self.session = session
        self.key = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Served]:
        """Run a server on the data; if nobody kills it, it must end by itself."""
        async with serving(self.data_dir, PARLEY_RATE_LIMITS="off") as served:
            yield served
            was_killed = served.process.returncode is not None
        assert was_killed or served.process.returncode == 0

    async def begin(self) -> None:
        """Start for the first time, which prints the key."""
        async with self.serving() as served:
            assert served.service_key is not None
            self.key = served.service_key

    def rest(self, served: Served) -> Rest:
        """Return a client."""
        return Rest(self.session, served.url, {"Authorization": f"Bearer {self.key}"})

    def storm(self, served: Served) -> Storm:
        """Return a thousand clients to be."""
        return Storm(int(served.url.rpartition(":")[2]), self.key)

    async def new_messages(self, name: str) -> list[dict[str, Any]]:
        """Create channels and return a message after the other for them, in turn."""
        async with self.serving() as served:
            rest = self.rest(served)
            channel_ids = [await rest.new_channel(f"{name}-{number}") for number in range(CHANNELS)]
        return [message(number, channel_ids[number % CHANNELS]) for number in range(SUBMISSIONS)]

    async def submit_until_killed(self, bodies: list[dict[str, Any]], kill_after: int) -> Answers:
        """Submit everything at once, kill the server at that acknowledgement, and return all that arrived."""
        async with self.serving() as served:

            def watch(count: int) -> None:
                if count == kill_after:
                    served.process.kill()

            storm = self.storm(served)
            storm.watch = watch
            answers = await storm.rage(bodies)
            await served.process.wait()
            return answers


async def test_a_killed_server_keeps_what_it_acknowledged_and_stores_the_rest_once(tmp_path: Path) -> None:
    """Every acknowledged message is there; sending all again makes every message be there once."""
    async with aiohttp.ClientSession() as session:
        trial = Trial(tmp_path / "data", session)
        await trial.begin()
        for kill_after in KILLS:
            await kill_and_repeat(trial, kill_after)
    await check(trial.data_dir)


async def kill_and_repeat(trial: Trial, kill_after: int) -> None:
    """Kill the server amid new messages, look at what is left, and send them all again."""
    bodies = await trial.new_messages(f"channel-{kill_after}")
    channel_ids = sorted({body["channel_id"] for body in bodies})
    acknowledged = await trial.submit_until_killed(bodies, kill_after)
    assert kill_after <= len(acknowledged) < SUBMISSIONS
    await check(trial.data_dir)
    async with trial.serving() as served:
        left = await history(trial.rest(served), channel_ids)
        contents = [stored["content"] for stored in left]
        assert len(contents) == len(set(contents))
        assert set(places(acknowledged).values()) <= {(stored["id"], stored["seq"]) for stored in left}
        repeated = await trial.storm(served).rage(bodies)
        assert places(repeated).items() >= places(acknowledged).items()
        final = await history(trial.rest(served), channel_ids)
    assert sorted(stored["content"] for stored in final) == sorted(body["content"] for body in bodies)
    assert sorted(places(repeated).values()) == sorted((stored["id"], stored["seq"]) for stored in final)
