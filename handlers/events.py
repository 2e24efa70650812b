"""Socket.IO, native: the events of a namespace ``/servers/<id>``, each answered by an ack."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel

from handlers import (
    agent_wire,
    approval_wire,
    approvals,
    chunks,
    edits,
    envelope,
    guard,
    messages,
    mutes,
    parsing,
    people_wire,
    reactions,
    reading,
    reading_wire,
    run_wire,
    runs,
    sessions,
    wire,
)
from handlers.connection import Begun, Connection
from handlers.http import Gate
from rooms import arrivals, channels, participants, payloads, recovery, replay, rules, servers
from rooms import messages as domain
from rooms.arrivals import Arrival
from rooms.context import Context
from rooms.cursors import Cursor, Lag
from rooms.drafts import Submitted
from rooms.errors import ParleyError, ValidationFailed, channel_not_found
from rooms.guard import find_pause
from rooms.recovery import Move, Recovery
from rooms.replay import Resync
from rooms.rows import Interval
from rooms.tables import Channel
from rooms.views import View

_log = logging.getLogger("parley.events")


@dataclass(frozen=True, slots=True)
class EventRoute:
    """One event that clients send; reading is charged apart from writing.

    One that ``overlaps`` may be handled before the events ahead of it have ended, as it cannot
    overtake them: the journal keeps their order. One that ``streams`` is charged by its handler.
    """

    handler: Callable[[Gate, Connection, Any], Awaitable[Any]]
    body: type[BaseModel]
    writes: bool = False
    overlaps: bool = False
    streams: bool = False


async def arrive(ctx: Context, connection: Connection, found: Recovery | None) -> tuple[Arrival, View]:
    """Return how a connection finds its server, and what it is shown that goes on where it was.

    Raises NotFound without that server.
    """
    while True:
        moves = connection.moves
        arrival = await arrivals.find(ctx, connection.principal, connection.server_id)
        view = await recovery.restore(ctx, connection.principal, arrival, found) if found else View()
        # Whoever was added or removed meanwhile: what was found may be older than that.
        if moves == connection.moves:
            return arrival, view


def welcome(gate: Gate, connection: Connection, arrival: Arrival, *, recovered: bool) -> None:
    """Tell a new connection, which is about to enter its channels, where it is."""
    server = arrival.server
    connection.emit(
        "ready",
        {
            "principal": {"id": connection.principal.id, "kind": connection.principal.kind},
            "server": {"id": server.id, "name": server.name, "seq": server.seq},
            "channels": [payloads.channel_line(channel) for channel in arrival.own],
            "joinable": [payloads.channel_line(channel) for channel in arrival.joinable],
            "cursor": gate.ctx.cursors.write(connection.position),
            "recovered": recovered,
            "limits": {
                "max_content": gate.ctx.policy.length_limit(connection.principal.kind),
                "max_attachments": rules.MAX_ATTACHMENTS,
                "max_batch": rules.MAX_BATCH,
            },
        },
    )


def tell_resync(ctx: Context, connection: Connection, resync: Resync) -> None:
    """Tell a client that it has to begin anew, and from where on that is."""
    connection.emit("resync_required", resync_notice(ctx, resync))
    # Alone, and a text: it takes the place of what a stock client has stored.
    connection.emit("cursor", ctx.cursors.write(connection.position))


def resync_notice(ctx: Context, resync: Resync) -> dict[str, str]:
    """Return why a client has to begin anew, and the oldest cursor that it could go on from."""
    return {"reason": resync.reason, "oldest": ctx.cursors.write(resync.oldest)}


async def enter(ctx: Context, connection: Connection, channel_id: str) -> Channel:
    """Enter a channel of the connection's server that the principal may join, and return it.

    What its memberships do not bring back by themselves is kept for the client's return.
    """
    await servers.require_channel_of(ctx, connection.server_id, channel_id)
    await participants.join(ctx, connection.principal, channel_id)
    is_new = not connection.is_in(channel_id)
    connection.enter(channel_id)
    try:
        # Looked up after entering, as in arrive().
        channel = await channels.require(ctx, connection.principal, channel_id)
        first = connection.view.open_from(channel_id)
        if is_new and first is not None:
            await _keep(ctx, connection, channel_id, first, is_joined=True)
    except ParleyError:
        if is_new:
            connection.leave(channel_id)
        raise
    return channel


async def _keep(ctx: Context, connection: Connection, channel_id: str, seq: int, *, is_joined: bool) -> None:
    who = connection.principal.owner
    move = Move(connection.pid_id, connection.server_id, who, channel_id, seq, is_joined)
    await recovery.keep(ctx, move)


async def dispatch(
    gate: Gate, connection: Connection, event: str, arguments: Sequence[Any]
) -> dict[str, Any] | Begun:
    """Handle an event and return its ack, or what it began, whatever happens."""
    try:
        route = EVENTS.get(event)
        if route is None:
            known = ", ".join(sorted(EVENTS))
            raise ValidationFailed(
                f"There is no event of this name; there are {known}", message="Unknown event"
            )
        if not (route.overlaps or connection.is_settled):
            await connection.settled()
        if gate.limits.are_on and not route.streams:
            charge = gate.limits.charge_write if route.writes else gate.limits.charge_read
            await charge(connection.principal)
        body = parsing.parse(route.body, arguments[0] if arguments else {})
        answer = await route.handler(gate, connection, body)
        return answer if isinstance(answer, Begun) else envelope.success(answer)
    except ParleyError as error:
        refusal = error
    except Exception:  # noqa: BLE001
        # The connection lives on; the log has the frames.
        _log.exception("event %r failed on connection %s", event[:40], connection.id)
        refusal = ParleyError()
    await connection.settled()
    return envelope.failure(refusal)


async def join(gate: Gate, connection: Connection, body: wire.Join) -> dict[str, Any]:
    """Enter a channel, and take part in it if it is one that anybody may join.

    What was said in it after ``after`` and was not sent to this connection yet follows the ack.
    """
    if body.after is None:
        joined = await _join(gate, connection, body.channel_id)
        return joined | {"cursor": gate.ctx.cursors.write(connection.position)}
    after = gate.ctx.cursors.read(body.after).require_server(connection.server_id)
    start = await replay.find_start(gate.ctx, connection.server_id, after)
    lag = None
    await connection.pause()
    try:
        joined = await _join(gate, connection, body.channel_id)
        if start.resync is None:
            lag = await _reach_back(gate.ctx, connection, body.channel_id, after)
        else:
            joined["resync_required"] = resync_notice(gate.ctx, start.resync)
        cursor = gate.ctx.cursors.write(connection.position._replace(lag=lag))
        if lag is not None:
            # A stock client keeps nothing of an ack; whoever has the ack has this before it.
            connection.emit("cursor", cursor)
        return joined | {"cursor": cursor}
    finally:
        connection.resume(lag)


async def _join(gate: Gate, connection: Connection, channel_id: str) -> dict[str, Any]:
    channel = await enter(gate.ctx, connection, channel_id)
    present = await participants.list_for(gate.ctx, connection.principal, channel_id)
    return {
        "channel": payloads.channel(channel),
        "agents_paused": await find_pause(gate.ctx, channel_id),
        "participants": [payloads.participant(attendance) for attendance in present],
    }


async def _reach_back(ctx: Context, connection: Connection, channel_id: str, after: Cursor) -> Lag | None:
    """Show what was said in a channel since delivery was paused; return what is missing from before that."""
    lag = after.lag
    seen = lag.after if lag is not None and lag.channel_id == channel_id else after.seq
    paused, opened = connection.position.seq, connection.view.open_from(channel_id)
    if opened is None:
        return None
    whole = await replay.find_view(ctx, connection.principal, connection.server_id, paused)
    meanwhile = whole.within(channel_id, Interval(max(paused, seen) + 1, opened))
    connection.view.add_all_earlier(channel_id, meanwhile)
    until = min(paused, (connection.view.first_shown(channel_id) or opened) - 1)
    return Lag(channel_id, seen, until) if seen < until else None


async def leave(gate: Gate, connection: Connection, body: wire.ChannelEvent) -> dict[str, Any]:
    """Deliver the channel's events to this connection no longer, nor what it missed; the membership stays."""
    if not connection.is_in(body.channel_id):
        raise channel_not_found(body.channel_id)
    await _keep(gate.ctx, connection, body.channel_id, connection.position.seq, is_joined=False)
    position = connection.position
    connection.leave(body.channel_id)
    if connection.position != position:
        # What was still missing of the channel is no longer: what a stock client stores must not say so.
        connection.emit("cursor", gate.ctx.cursors.write(connection.position))
    return {"channel_id": body.channel_id}


async def heartbeat(gate: Gate, connection: Connection, body: wire.Heartbeat) -> dict[str, Any]:
    """Answer up to where this connection has been sent the log; keep a session alive if one is named."""
    kept = await sessions.heartbeat_event(gate, connection, body.session_id) if body.session_id else {}
    return {"cursor": gate.ctx.cursors.write(connection.position), "now": gate.ctx.now(), **kept}


async def submit(gate: Gate, connection: Connection, body: wire.SubmitMessage) -> Begun:
    """Store one message and answer it as stored."""
    draft = messages.draft(connection.principal, body, connection.server_id)
    return Begun(await domain.begin(gate.ctx, draft), _acknowledge)


def _acknowledge(outcome: Submitted | ParleyError) -> dict[str, Any]:
    if isinstance(outcome, ParleyError):
        return envelope.failure(outcome)
    return envelope.success(_view(outcome))


async def submit_many(gate: Gate, connection: Connection, body: wire.SubmitBatch) -> list[Any]:
    """Store up to 100 messages; each item is answered by an envelope of its own."""

    async def view(stored: Sequence[Submitted]) -> list[Any]:
        return [_view(submitted) for submitted in stored]

    return await messages.submit_each(
        gate.ctx, gate.limits, connection.principal, body, view, connection.server_id
    )


async def typing(_gate: Gate, connection: Connection, body: wire.TypingEvent) -> dict[str, Any]:
    """Tell the others in the channel that the principal types, or has stopped."""
    if not connection.is_in(body.channel_id):
        raise channel_not_found(body.channel_id)
    told = {
        "channel_id": body.channel_id,
        "userId": connection.principal.id,
        "is_typing": body.is_typing,
    }
    connection.whisper(body.channel_id, "typing", told)
    return {"channel_id": body.channel_id}


def _view(submitted: Submitted) -> Any:
    """Return the message as an ack carries it: as its event does, which is encoded already."""
    if submitted.encoded is not None:
        return orjson.Fragment(submitted.encoded)
    return payloads.message(submitted.message, submitted.key)


EVENTS = {
    "join": EventRoute(join, wire.Join),
    "leave": EventRoute(leave, wire.ChannelEvent),
    "heartbeat": EventRoute(heartbeat, wire.Heartbeat),
    "submit": EventRoute(submit, wire.SubmitMessage, writes=True, overlaps=True),
    "submit_many": EventRoute(submit_many, wire.SubmitBatch),
    "edit": EventRoute(edits.edit_event, wire.EditEvent, writes=True),
    "delete": EventRoute(edits.delete_event, wire.MessageEvent, writes=True),
    "read": EventRoute(reading.read_event, reading_wire.ReadEvent),
    "react": EventRoute(reactions.react_event, people_wire.ReactEvent, writes=True),
    "typing": EventRoute(typing, wire.TypingEvent),
    "claim_run": EventRoute(runs.claim_event, run_wire.ClaimEvent, writes=True),
    "run_progress": EventRoute(runs.progress_event, run_wire.ProgressEvent),
    "stream": EventRoute(chunks.say_event, run_wire.ChunkEvent, streams=True),
    "cancel_run": EventRoute(runs.cancel_event, run_wire.CancelEvent, writes=True),
    "resolve_approval": EventRoute(approvals.resolve_event, approval_wire.ResolveEvent, writes=True),
    "complete": EventRoute(runs.complete_event, run_wire.Complete, writes=True),
    "mute_agent": EventRoute(mutes.mute_event, agent_wire.MuteEvent, writes=True),
    "unmute_agent": EventRoute(mutes.unmute_event, agent_wire.AgentEvent, writes=True),
    "resume_agents": EventRoute(guard.resume_event, wire.ChannelEvent, writes=True),
}
