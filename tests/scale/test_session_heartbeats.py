"""What it costs to keep many sessions alive: measured, and within its bound."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from tests.running import Served, run_parley, serving
from tests.sessions import SESSIONS, begin
from tests.talking import Talker, talking

SESSIONS_ALIVE, BEAT_SECONDS = 10_000, 25
SECONDS = 5
TALKERS = 50  # each acknowledges one after the other
BOUND = 25  # percent of a core


async def test_heartbeats_of_ten_thousand_sessions_leave_most_of_a_core(tmp_path: Path) -> None:
    """As many as they send come over sockets for a while, each for another session, and each is written."""
    per_second = SESSIONS_ALIVE // BEAT_SECONDS
    data = tmp_path / "data"
    async with (
        serving(data, PARLEY_RATE_LIMITS="off") as served,
        aiohttp.ClientSession() as session,
        AsyncExitStack() as stack,
    ):
        await run_parley("keys", "create", "--kind", "agent", "--id", "bot", PARLEY_DATA_DIR=str(data))
        client = served.rest(session)
        alive = [(await begin(client))["sessionId"] for _ in range(per_second * SECONDS)]
        auth = {"token": served.service_key, "entityId": "ann"}
        talkers = [await stack.enter_async_context(talking(served.url, auth)) for _ in range(TALKERS)]
        before = _cpu_seconds(served)
        for second in range(SECONDS):
            await _beat_for_a_second(talkers, alive[second * per_second :][:per_second])
        percent = (_cpu_seconds(served) - before) / SECONDS * 100
        print(f"heartbeats of {SESSIONS_ALIVE} sessions, one in {BEAT_SECONDS} s: {percent:.0f} % of a core")
        listed = (await client.get(SESSIONS, limit=200)).body["sessions"]
    assert {one["renewalCount"] for one in listed} == {1}
    assert percent < BOUND


async def _beat_for_a_second(talkers: Sequence[Talker], session_ids: Sequence[str]) -> None:
    """Send a heartbeat for each of the sessions, spread over a second."""
    clock = asyncio.get_running_loop().time
    began = clock()
    async with asyncio.TaskGroup() as beats:
        for number, session_id in enumerate(session_ids):
            talker = talkers[number % len(talkers)]
            beats.create_task(talker.data("heartbeat", {"session_id": session_id}))
            await asyncio.sleep(began + (number + 1) / len(session_ids) - clock())


def _cpu_seconds(served: Served) -> float:
    """Return the processor time that all threads of the server have taken so far."""
    fields = Path(f"/proc/{served.process.pid}/stat").read_text().rpartition(")")[2].split()
    utime, stime = fields[11:13]
    return (int(utime) + int(stime)) / os.sysconf("SC_CLK_TCK")
