"""elizaOS's own api-client, as npm has it, against Parley: every public method of two versions."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from rooms.ids import new_id
from rooms.principals import Kind
from tests.running import Parley, Start, stop

COMPAT = Path(__file__).parent
BOT = COMPAT.parents[1] / "scripts" / "inbox_bot.py"
PATIENCE = 120.0

# What Parley does not offer, and says so. Everything else works.
REFUSED = {
    "agents.deleteAgentLog",
    "audio.generateSpeech",
    "audio.processSpeech",
    "audio.speechConversation",
    "audio.synthesizeAudioMessage",
    "audio.transcribe",
    "server.stopServer",
    "system.updateLocalEnvironment",
}
METHODS = {"1.7.2": 102, "1.5.7": 90}


@pytest.fixture(params=["open", "keyed"])
async def mode(request: pytest.FixtureRequest) -> str:
    """Give each of the ways in which a node learns who calls."""
    return str(request.param)


@pytest.fixture
async def parley(start: Start, mode: str) -> Parley:
    """Run a node of that mode."""
    return await start(auth=mode)


@pytest.fixture
async def agent(parley: Parley) -> AsyncIterator[str]:
    """Run an agent that answers whatever it is asked, and give its id."""
    agent_id = new_id()
    key = await parley.key(Kind.AGENT, agent_id, "Echo")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, BOT, agent_id), env={"PARLEY_KEY": key, "PARLEY_URL": parley.url}
    )
    yield agent_id
    await stop(process)


async def use(node: str, world: dict[str, str]) -> Any:
    """Call all methods of one version, and return the report."""
    process = await asyncio.create_subprocess_exec(
        node, COMPAT / "api_client.mjs", json.dumps(world), stdout=asyncio.subprocess.PIPE
    )
    try:
        stdout, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    return json.loads(stdout)


@pytest.mark.parametrize("version", METHODS)
async def test_every_method_of_the_api_client_works(
    node: str,
    parley: Parley,
    mode: str,
    agent: str,
    version: str,
    record_property: Callable[[str, str], None],
) -> None:
    """Each is called, and returns what it promises; those that are refused say so clearly."""
    key = {"apiKey": parley.service_key} if mode == "keyed" else {}
    people = {"entity": new_id(), "other": new_id()}
    report = await use(node, {"version": version, "url": parley.url, "agent": agent, **people, **key})
    existing, called, refused = (set(report[name]) for name in ("existing", "called", "refused"))
    counts = f"{len(called)} methods called / {len(existing)} that exist, {len(refused)} of them refused"
    record_property(f"@elizaos/api-client {version}, {mode}", f"{counts} on purpose")
    failures = [f"{failure['check']}: {failure['error']}" for failure in report["failures"]]
    assert not failures, "\n\n".join(failures)
    assert called == existing
    assert len(existing) == METHODS[version]
    assert refused == REFUSED
