"""What elizaOS's clients ask of messaging that nobody else does: routes under ``/api/messaging`` alone.

What they ask of agents, the server and files is in :mod:`handlers.around_routes`. How the answers differ
from elizaOS's own is told in docs/elizaos.md.
"""

from __future__ import annotations

from handlers import (
    action_wire,
    actions,
    answers,
    channel_agents,
    channels,
    external,
    external_wire,
    post_wire,
    posts,
    search,
    search_wire,
    seat_wire,
    server_agents,
    servers,
    title_wire,
    titles,
    wire,
)
from handlers.http import Route

_MESSAGING = "/api/messaging"
_CHANNEL = f"{_MESSAGING}/channels/{{channel_id}}"
_OLD_CHANNEL = f"{_MESSAGING}/central-channels/{{channel_id}}"
_SERVER = f"{_MESSAGING}/message-servers/{{server_id}}"
_OLD_SERVER = f"{_MESSAGING}/servers/{{server_id}}"
_AGENT = f"{_MESSAGING}/agents/{{agent_id}}"

ELIZA_ROUTES: tuple[Route, ...] = (
    Route("GET", f"{_MESSAGING}/dm-channel", channels.find_or_create_dm, "Find or create the dm of a pair",
          answers.ChannelTwice),
    Route("GET", f"{_MESSAGING}/message-server/current", servers.current, "Get the default message server",
          seat_wire.CurrentServer),
    Route("GET", f"{_MESSAGING}/central-servers", servers.list_in_old_words, "List message servers",
          seat_wire.OldServers),
    Route("GET", f"{_SERVER}/agents", server_agents.list_all, "List a server's agents",
          seat_wire.ServerAgents, deprecated=(f"{_OLD_SERVER}/agents",)),
    Route("POST", f"{_SERVER}/agents", server_agents.add, "Add an agent to a server",
          seat_wire.SeatedInServer, seat_wire.SeatAgent, 201,
          deprecated=(f"{_OLD_SERVER}/agents",)),
    Route("DELETE", f"{_SERVER}/agents/{{agent_id}}", server_agents.remove, "Remove an agent from a server",
          seat_wire.SeatedInServer, deprecated=(f"{_OLD_SERVER}/agents/{{agent_id}}",)),
    Route("GET", f"{_AGENT}/message-servers", server_agents.list_servers, "List an agent's servers",
          seat_wire.AgentServers, deprecated=(f"{_AGENT}/servers",)),
    Route("POST", f"{_SERVER}/sync-channels", servers.sync_channels, "Copy another platform's channels",
          seat_wire.Synced, seat_wire.SyncChannels,
          deprecated=(f"{_OLD_SERVER}/sync-channels",)),
    Route("GET", f"{_CHANNEL}/agents", channel_agents.list_all, "List a channel's agents",
          seat_wire.ChannelAgents, deprecated=(f"{_OLD_CHANNEL}/agents",)),
    Route("POST", f"{_CHANNEL}/agents", channel_agents.add, "Add an agent to a channel",
          seat_wire.SeatedInChannel, seat_wire.SeatAgent, 201,
          deprecated=(f"{_OLD_CHANNEL}/agents",)),
    Route("DELETE", f"{_CHANNEL}/agents/{{agent_id}}", channel_agents.remove, "Remove a channel's agent",
          seat_wire.SeatedInChannel, deprecated=(f"{_OLD_CHANNEL}/agents/{{agent_id}}",)),
    Route("GET", f"{_CHANNEL}/details", channels.details, "Get a channel, with its participants",
          answers.ChannelTwice, deprecated=(f"{_OLD_CHANNEL}/details",)),
    Route("POST", f"{_CHANNEL}/messages", posts.post, "Send a message to a channel",
          post_wire.Posted, post_wire.Post, 201, is_bare=True, deprecated=(f"{_OLD_CHANNEL}/messages",)),
    Route("POST", f"{_MESSAGING}/ingest-external", external.ingest, "Store what was said on another platform",
          external_wire.Ingested, external_wire.IngestExternal, 202, is_bare=True),
    Route("POST", f"{_MESSAGING}/action", actions.create, "Report that an agent does something",
          answers.Message, wire.SubmitMessage, 201),
    Route("PATCH", f"{_MESSAGING}/action/{{message_id}}", actions.change, "Change the report of an action",
          answers.Message, action_wire.ChangeAction),
    Route("POST", f"{_MESSAGING}/messages/search", search.find, "Search messages",
          search_wire.Findings, search_wire.SearchMessages),
    Route("POST", f"{_CHANNEL}/generate-title", titles.generate, "Make up a title for a channel",
          title_wire.Title, title_wire.GenerateTitle, deprecated=(f"{_OLD_CHANNEL}/generate-title",)),
)  # fmt: skip
