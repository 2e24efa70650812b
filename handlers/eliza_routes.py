"""The routes that exist for elizaOS's clients; docs/elizaos.md says how they differ from elizaOS's own."""

from __future__ import annotations

from handlers import (
    action_wire,
    actions,
    answers,
    channels,
    external,
    external_wire,
    post_wire,
    posts,
    search,
    search_wire,
    title_wire,
    titles,
    wire,
)
from handlers.http import Route

_MESSAGING = "/api/messaging"
_CHANNEL = f"{_MESSAGING}/channels/{{channel_id}}"
_OLD_CHANNEL = f"{_MESSAGING}/central-channels/{{channel_id}}"

ELIZA_ROUTES: tuple[Route, ...] = (
    Route("GET", f"{_MESSAGING}/dm-channel", channels.find_or_create_dm, "Find or create the dm of a pair",
          answers.ChannelTwice),
    Route("POST", f"{_CHANNEL}/messages", posts.post, "Say something in a channel",
          post_wire.Posted, post_wire.Post, 201, is_bare=True, deprecated=(f"{_OLD_CHANNEL}/messages",)),
    Route("POST", f"{_MESSAGING}/ingest-external", external.ingest, "Tell what was said on another platform",
          external_wire.Ingested, external_wire.IngestExternal, 202, is_bare=True),
    Route("POST", f"{_MESSAGING}/action", actions.create, "Tell that an agent does something",
          answers.Message, wire.SubmitMessage, 201),
    Route("PATCH", f"{_MESSAGING}/action/{{message_id}}", actions.change, "Tell how an action goes on",
          answers.Message, action_wire.ChangeAction),
    Route("POST", f"{_MESSAGING}/messages/search", search.find, "Search in what was said",
          search_wire.Findings, search_wire.SearchMessages),
    Route("POST", f"{_CHANNEL}/generate-title", titles.generate, "Make up a title for a channel",
          title_wire.Title, title_wire.GenerateTitle, deprecated=(f"{_OLD_CHANNEL}/generate-title",)),
)  # fmt: skip
