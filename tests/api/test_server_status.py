"""How the server is, in elizaOS's words."""

import re

import pytest

from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from tests.running import Parley


async def test_signs_of_life_need_no_credential(parley: Parley) -> None:
    """They are what elizaOS's clients read, without an envelope."""
    pong = (await parley.anonymous.get("/api/server/ping")).body
    assert pong["pong"] is True
    assert pong["timestamp"] > 1_700_000_000_000
    assert (await parley.anonymous.get("/api/server/hello")).body == {"message": "Hello World!"}
    version = (await parley.anonymous.get("/api/system/version")).body
    assert re.fullmatch(r"\d+\.\d+\.\d+", version["version"])
    assert version["source"] == "server"


@pytest.mark.parametrize("path", ["/health", "/api/server/health"])
async def test_a_server_without_agents_is_healthy(parley: Parley, path: str) -> None:
    """Agents are told of, and nothing fails without one."""
    empty = await parley.anonymous.get(path)
    assert (empty.status, empty.body["status"], empty.body["dependencies"]["agents"]) == (
        200,
        "OK",
        "no_agents",
    )
    await parley.agent("bot")
    assert (await parley.anonymous.get(path)).body["dependencies"]["agents"] == "healthy"


async def test_a_draining_server_is_not_healthy(parley: Parley, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load balancer is told to send nobody here any more."""
    monkeypatch.setattr(parley.node.ctx.journal, "_closing", True)
    assert (await parley.anonymous.get("/health")).refusal == (503, "UNAVAILABLE")


async def test_agents_are_counted(parley: Parley) -> None:
    """Those that are stopped are none of the active ones."""
    await parley.agent("bot")
    await parley.agent("idle")
    await parley.service.post("/api/agents/idle/stop")
    body = (await parley.service.get("/api/server/status")).body
    assert (body["status"], body["agentCount"]) == ("ok", 1)
    assert body["agents"] == {"total": 2, "active": 1, "inactive": 1}
    assert (await parley.anonymous.get("/api/server/status")).status == 401


async def test_message_servers_are_listed_for_whoever_may_see_them(parley: Parley) -> None:
    """Under both names by which clients look for them."""
    await parley.service.post("/api/messaging/message-servers", {"name": "Acme"})
    stranger = parley.bearer(await parley.key(Kind.USER, "ann"))
    body = (await stranger.get("/api/server/debug/servers")).body
    assert [server["id"] for server in body["servers"]] == [DEFAULT_SERVER_ID]
    assert body["data"] == {"servers": body["servers"], "count": 1, "runtime": {"agents": []}}
    assert (await parley.service.get("/api/server/debug/servers")).body["count"] == 2


async def test_nobody_is_told_the_environment(parley: Parley, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a service."""
    monkeypatch.setenv("OPENAI_API_KEY", "confidential")
    assert (await parley.service.get("/api/system/env/local")).data == {}
