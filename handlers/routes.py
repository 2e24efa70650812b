"""The whole HTTP API on one screen."""

from __future__ import annotations

from aiohttp import web

from handlers import (
    answers,
    channels,
    chunks,
    edits,
    entities,
    health,
    history,
    inbox,
    keys,
    messages,
    openapi,
    participants,
    people_wire,
    reactions,
    reading,
    reading_wire,
    run_wire,
    runs,
    servers,
    stream,
    system,
    wire,
)
from handlers.http import Gate, Route, endpoint

_MESSAGING = "/api/messaging"
_CHANNEL = f"{_MESSAGING}/channels/{{channel_id}}"
_MESSAGE = f"{_MESSAGING}/messages/{{message_id}}"
_AGENT = f"{_MESSAGING}/agents/{{agent_id}}"
_RUN = f"{_MESSAGING}/runs/{{run_id}}"

ROUTES = (
    Route("POST", f"{_MESSAGING}/submit", messages.submit, "Submit a message",
          answers.Message, wire.SubmitMessage, 201),
    Route("POST", f"{_MESSAGING}/submit/batch", messages.submit_batch, "Submit up to 100 messages",
          answers.Batch, wire.SubmitBatch, 201),
    Route("GET", _MESSAGE, edits.get, "Get a message",
          answers.Message),
    Route("GET", f"{_MESSAGE}/runs", runs.list_of_message, "List the runs that a message has opened",
          run_wire.Runs, waits=True),
    Route("GET", f"{_MESSAGE}/thread", history.of_thread, "Read a message's thread",
          answers.Thread),
    Route("PUT", f"{_MESSAGE}/reactions/{{emoji}}", reactions.add, "React to a message",
          people_wire.Signs),
    Route("GET", f"{_MESSAGE}/reactions", reactions.list_all, "List the reactions to a message",
          people_wire.Givens),
    Route("DELETE", f"{_MESSAGE}/reactions/{{emoji}}", reactions.remove, "Take a reaction back",
          people_wire.Signs),
    Route("PATCH", _MESSAGE, edits.edit, "Edit a message",
          answers.Message, wire.EditMessage),
    Route("DELETE", _MESSAGE, edits.delete, "Delete a message",
          answers.DeletedMessage),
    Route("POST", f"{_MESSAGING}/complete", runs.complete, "Tell that an agent has processed a message",
          run_wire.Completed, run_wire.Complete),
    Route("GET", f"{_MESSAGING}/runs", runs.list_all, "List runs",
          run_wire.Runs),
    Route("GET", _RUN, runs.get, "Get a run",
          run_wire.Run, waits=True),
    Route("POST", f"{_RUN}/claim", runs.claim, "Take a run as its agent",
          run_wire.Envelope, run_wire.Claim),
    Route("POST", f"{_RUN}/progress", runs.progress, "Give a sign of a run",
          run_wire.Run, run_wire.Progress),
    Route("POST", f"{_RUN}/chunks", chunks.say, "Add a chunk to the reply of a run",
          run_wire.Said, run_wire.Chunk, streams=True),
    Route("POST", f"{_RUN}/cancel", runs.cancel, "Cancel a run",
          run_wire.Run, run_wire.Cancel),
    Route("POST", f"{_MESSAGING}/message-servers", servers.create, "Create a message server",
          answers.CreatedServer, wire.CreateServer, 201),
    Route("GET", f"{_MESSAGING}/message-servers", servers.list_all, "List message servers",
          answers.Servers),
    Route("GET", f"{_MESSAGING}/message-servers/{{server_id}}/channels", channels.list_visible,
          "List a server's channels", answers.Channels),
    Route("POST", f"{_MESSAGING}/central-channels", channels.create, "Create a channel",
          answers.ChannelTwice, wire.CreateChannel, 201),
    Route("GET", _CHANNEL, channels.get, "Get a channel",
          answers.ChannelTwice),
    Route("GET", f"{_CHANNEL}/messages", history.of_channel, "Read a channel's history",
          answers.History),
    Route("DELETE", f"{_CHANNEL}/messages/{{message_id}}", edits.delete_in_channel,
          "Delete a message of a channel", None, status=204),
    Route("PUT", f"{_CHANNEL}/read", reading.mark, "Say up to where you have read",
          reading_wire.Unread, reading_wire.ReadChannel),
    Route("GET", f"{_CHANNEL}/read", reading.get, "See up to where you have read",
          reading_wire.Unread),
    Route("GET", f"{_MESSAGING}/unread", reading.list_all, "See what is unread",
          reading_wire.Unreads),
    Route("GET", f"{_CHANNEL}/participants", participants.list_all, "List a channel's participants",
          answers.Participants),
    Route("POST", f"{_CHANNEL}/participants", participants.add, "Add a participant",
          answers.AddedParticipant, wire.AddParticipant, 201),
    Route("DELETE", f"{_CHANNEL}/participants/{{entity_id}}", participants.remove, "Remove a participant",
          answers.RemovedParticipant),
    Route("PATCH", f"{_MESSAGING}/entities/me", entities.rename_oneself, "Choose one's name and handle",
          people_wire.Person, people_wire.Rename),
    Route("PATCH", f"{_MESSAGING}/entities/{{entity_id}}", entities.rename, "Give somebody a name or handle",
          people_wire.Person, people_wire.Rename),
    Route("GET", f"{_MESSAGING}/events", stream.events, "Follow a server's log, as a stream or by waiting",
          answers.Events, follows=True, waits=True),
    Route("GET", f"{_AGENT}/inbox", inbox.read, "Follow the runs of an agent, as a stream or by waiting",
          run_wire.Inbox, follows=True, waits=True),
    Route("POST", f"{_MESSAGING}/events/ticket", stream.ticket, "Get a ticket for EventSource",
          answers.Ticket, status=201),
    Route("POST", "/api/auth/sign-in", keys.sign_in, "Exchange a sign-in code for a user key",
          answers.SignedIn, wire.SignIn, public=True),
    Route("GET", "/api/system/config", system.config, "What a client needs before it signs in",
          answers.SystemConfig, public=True),
    Route("GET", "/healthz", health.alive, "Is the process up", answers.Status, public=True),
    Route("GET", "/readyz", health.ready, "Can messages be stored", answers.Status, public=True),
)  # fmt: skip


def add_routes(app: web.Application, gate: Gate) -> None:
    """Put the table, and its own description, into the application."""
    for route in ROUTES:
        app.router.add_route(route.method, route.path, endpoint(gate, route))
    app.router.add_get("/openapi.json", openapi.serve(ROUTES))
