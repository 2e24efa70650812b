"""The routes around messaging that elizaOS's clients call; docs/elizaos.md says how they differ."""

from __future__ import annotations

from handlers import (
    character_wire,
    characters,
    run_summaries,
    run_summary_wire,
    server_logs,
    server_status,
    server_wire,
    upload_wire,
    uploads,
)
from handlers.http import Route

_AGENTS = "/api/agents"
_AGENT = f"{_AGENTS}/{{agent_id}}"
_SERVER = "/api/server"

AROUND_ROUTES: tuple[Route, ...] = (
    Route("GET", _AGENTS, characters.list_all, "List agents",
          character_wire.AgentLines),
    Route("POST", _AGENTS, characters.create, "Register an agent by a character",
          character_wire.CreatedAgent, character_wire.CreateAgent, 201),
    Route("GET", _AGENT, characters.get, "Get an agent with its character",
          character_wire.Agent),
    Route("PATCH", _AGENT, characters.change, "Change an agent's character",
          character_wire.Agent, character_wire.ChangeCharacter),
    Route("POST", f"{_AGENT}/start", characters.start, "Have an agent addressed",
          character_wire.Lifecycle),
    Route("POST", f"{_AGENT}/stop", characters.stop, "Have an agent addressed no longer",
          character_wire.Lifecycle),
    Route("GET", f"{_AGENT}/panels", characters.panels, "List an agent's pages",
          character_wire.Panels),
    Route("GET", f"{_AGENT}/runs", run_summaries.list_page, "List an agent's runs",
          run_summary_wire.Summaries),
    Route("GET", f"{_AGENT}/runs/{{run_id}}", run_summaries.get, "Get what happened in a run",
          run_summary_wire.Detail),
    Route("GET", f"{_AGENT}/logs", run_summaries.log, "Read an agent's log",
          run_summary_wire.Entries),
    Route("DELETE", _AGENT, characters.delete, "End an agent", None, status=204),
    Route("GET", f"{_SERVER}/ping", server_status.ping, "Is the server up",
          server_wire.Pong, public=True, is_bare=True),
    Route("GET", f"{_SERVER}/hello", server_status.hello, "Is the server up, in words",
          server_wire.Hello, public=True, is_bare=True),
    Route("GET", f"{_SERVER}/health", server_status.healthy, "Can messages be stored",
          server_wire.Healthy, public=True, is_bare=True, aliases=("/health",)),
    Route("GET", f"{_SERVER}/status", server_status.status, "How many agents there are",
          server_wire.ServerStatus, is_bare=True),
    Route("GET", f"{_SERVER}/debug/servers", server_status.list_servers, "List message servers",
          server_wire.ListedTwice, is_bare=True),
    Route("GET", f"{_SERVER}/logs", server_logs.read, "Read the server's log",
          server_logs.Lines, is_bare=True),
    Route("POST", f"{_SERVER}/logs", server_logs.submit, "Read the server's log by another method",
          server_logs.Lines, is_bare=True),
    Route("DELETE", f"{_SERVER}/logs", server_logs.clear, "Forget the server's log",
          server_logs.Cleared, is_bare=True),
    Route("GET", "/api/system/version", server_status.spoken, "Which version of the API this is",
          server_wire.Version, public=True, is_bare=True),
    Route("GET", "/api/system/env/local", server_status.environment, "Which variables clients are told",
          server_wire.Environment),
    Route("POST", "/api/messaging/channels/{channel_id}/upload-media", uploads.to_channel,
          "Upload a file for a channel", upload_wire.Uploaded, takes_file=True,
          aliases=("/api/media/channels/{channel_id}/upload-media",),
          deprecated=("/api/messaging/central-channels/{channel_id}/upload-media",)),
    Route("POST", "/api/media/agents/{agent_id}/upload-media", uploads.to_agent,
          "Upload a file for an agent", upload_wire.Uploaded, takes_file=True),
)  # fmt: skip
