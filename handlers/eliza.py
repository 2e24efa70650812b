"""Socket.IO, elizaOS's dialect: what its clients say on ``/``.

Beside elizaOS's own answers every event is acknowledged. What clients are told: :mod:`handlers.eliza_words`.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from handlers import eliza_wire, envelope, events, parsing, server_logs, wire
from handlers.connection import Begun, Connection
from handlers.http import Gate
from handlers.messages import required_server
from rooms import opening, rules
from rooms.bylines import DISPLAY_NAME
from rooms.drafts import Draft, Submitted
from rooms.errors import ParleyError, ValidationFailed
from rooms.principals import Kind
from rooms.publishing import Origin

JOIN, SEND = 1, 2
RECEIVED = "received_by_server_and_processing"
CREATED_BY = "socketio_auto_creation"

_log = logging.getLogger("parley.eliza")


def welcome(gate: Gate, connection: Connection) -> None:
    """Greet a new connection, which is about to enter its channels."""
    connection.emit(
        "connection_established",
        {"message": "Connected to Parley's Socket.IO server", "socketId": connection.id},
    )
    connection.emit("authenticated", {"entityId": connection.principal.id, "timestamp": gate.ctx.now()})


async def dispatch(
    gate: Gate, connection: Connection, event: str, arguments: Sequence[Any]
) -> dict[str, Any] | Begun:
    """Handle an event and return its ack, or what it began; ``messageError`` tells what goes wrong."""
    kind, payload = None, None
    if event in server_logs.EVENTS:
        return await server_logs.dispatch(gate, connection, event, arguments[0] if arguments else None)
    try:
        if event == "typing":
            return envelope.success(await _type(gate, connection, arguments))
        kind, payload = _kind_and_payload(event, arguments)
        if kind == SEND:
            return await _send(gate, connection, payload)
        await connection.settled()
        return envelope.success(await _join(gate, connection, payload))
    except ParleyError as error:
        refusal = error
    except Exception:  # noqa: BLE001
        # The connection lives on; the log has the frames.
        _log.exception("event %r failed on connection %s", event[:40], connection.id)
        refusal = ParleyError()
    await connection.settled()
    if kind == SEND:
        _let_write(connection, payload)
    return _refuse(connection, refusal)


def _kind_and_payload(event: str, arguments: Sequence[Any]) -> tuple[int, Any]:
    """Read ``message {type, payload}`` and its short forms ``1`` and ``2``."""
    first = _first(arguments)
    if event in ("1", "2"):
        return int(event), first
    if event != "message":
        raise ValidationFailed(
            "There is no event of this name; there are 'message' (or '1', '2') and 'typing'",
            message="Unknown event",
        )
    kind = first.get("type") if isinstance(first, Mapping) else None
    if kind not in (JOIN, SEND) or isinstance(kind, bool):
        raise ValidationFailed("Field 'type' must be 1 (join a room) or 2 (send a message)")
    return int(kind), _read(first.get("payload"))


def _first(arguments: Sequence[Any]) -> Any:
    return _read(arguments[0]) if arguments else {}


def _read(stated: Any) -> Any:
    """Return what a client says as an object, or as the JSON of one."""
    if not isinstance(stated, str):
        return stated
    try:
        return orjson.loads(stated)
    except orjson.JSONDecodeError:
        raise ValidationFailed("The payload must be an object, or the JSON of one") from None


async def _type(gate: Gate, connection: Connection, arguments: Sequence[Any]) -> dict[str, Any]:
    await connection.settled()
    await gate.limits.charge_read(connection.principal)
    body = parsing.parse(eliza_wire.Typing, _first(arguments))
    told = wire.TypingEvent(channel_id=body.channelId, is_typing=body.isTyping)
    await events.typing(gate, connection, told)
    return {"channelId": body.channelId, "roomId": body.channelId}


async def _join(gate: Gate, connection: Connection, payload: Any) -> dict[str, Any]:
    await gate.limits.charge_read(connection.principal)
    body = parsing.parse(eliza_wire.Join, payload)
    channel_id = body.channelId
    await events.enter(gate.ctx, connection, channel_id)
    told = {
        "message": f"Socket {connection.id} successfully joined channel {channel_id}.",
        "channelId": channel_id,
        "roomId": channel_id,
        **({"agentId": body.agentId} if body.agentId else {}),
    }
    connection.emit("channel_joined", told)
    connection.emit("room_joined", told)
    return told


async def _send(gate: Gate, connection: Connection, payload: Any) -> Begun:
    await gate.limits.charge_write(connection.principal)
    body = parsing.parse(eliza_wire.Send, payload)
    draft = _draft(connection, body)
    outcome = await opening.begin(gate.ctx, draft, connection.server_id, CREATED_BY)
    return Begun(outcome, functools.partial(_acknowledge, connection, body))


def _acknowledge(
    connection: Connection, body: eliza_wire.Send, outcome: Submitted | ParleyError
) -> dict[str, Any]:
    if isinstance(outcome, ParleyError):
        _let_write(connection, body.model_dump())
        return _refuse(connection, outcome)
    told = {
        "clientMessageId": body.messageId,
        "messageId": outcome.message.id,
        "status": RECEIVED,
        "channelId": body.channelId,
        "roomId": body.channelId,
    }
    connection.emit("messageAck", told)
    return envelope.success({**told, "seq": outcome.message.seq})


def _draft(connection: Connection, body: eliza_wire.Send) -> Draft:
    principal = connection.principal
    if body.senderId is None and principal.kind is Kind.SERVICE:
        raise ValidationFailed("Required field 'senderId' is missing")
    named = {DISPLAY_NAME: body.senderName} if body.senderName else {}
    target = {"targetUserId": body.targetUserId} if body.targetUserId else {}
    return Draft(
        principal=principal,
        channel_id=body.channelId,
        author_id=body.senderId or principal.id,
        content=body.message,
        source_type=body.source,
        server_id=required_server(body.messageServerId, connection.server_id, body.channelId),
        metadata=named | target | body.metadata,
        attachments=rules.as_stored(body.attachments or ()),
        key=rules.idempotency_key(body.messageId),
        origin=Origin(connection.id, body.messageId),
    )


def _let_write(connection: Connection, payload: object) -> None:
    """Have the web client let its user write again, which it does not by itself when a message is refused."""
    stated = payload if isinstance(payload, Mapping) else {}
    channel_id = stated.get("channelId") or stated.get("roomId")
    if isinstance(channel_id, str):
        told = {"action": "enable_input", "channelId": channel_id, "roomId": channel_id}
        connection.emit("controlMessage", told)


def _refuse(connection: Connection, error: ParleyError) -> dict[str, Any]:
    connection.emit("messageError", {"error": f"{error.message}: {error.details}"})
    return envelope.failure(error)
