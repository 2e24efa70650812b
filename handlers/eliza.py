"""Socket.IO, elizaOS's dialect: the events of the namespace ``/``, in the shapes its clients know.

Beside elizaOS's own answers every event is acknowledged, and carries the ``seq`` of the log.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from handlers import bylines, envelope, events, parsing, server_logs, wire
from handlers.connection import Begun, Connection
from handlers.http import Gate
from handlers.messages import required_server
from rooms import messages, opening, rules
from rooms.drafts import Draft, Submitted
from rooms.errors import ParleyError, ValidationFailed
from rooms.principals import Kind
from rooms.publishing import Origin
from rooms.rows import Run
from rooms.storing import DISPLAY_NAME

JOIN, SEND = 1, 2
RECEIVED = "received_by_server_and_processing"
Said = tuple[str, dict[str, Any]]  # the name of an event, and its payload
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


def words(kind: str, payload: Mapping[str, Any], client_message_id: str | None = None) -> Said | None:
    """Return a durable event's name and payload in this dialect, or None if it has no words for it.

    A message's sender is told ``client_message_id``, by which its client knows the message.
    """
    if kind in _WORDS:
        return _WORDS[kind](payload)
    # One that was deleted since is told of by the event that says so.
    if kind not in ("message", "message_updated") or payload.get("deleted"):
        return None
    edited = {"updatedAt": payload["updated_at"]} if kind == "message_updated" else {}
    return "messageBroadcast", _broadcast(payload, client_message_id) | edited


def chunk(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a piece of a reply in this dialect; elizaOS's clients show it until the message comes."""
    merged = {"count": told["count"]} if "count" in told else {}
    return {
        "messageId": told["message_id"],
        "chunk": told["chunk"],
        "index": told["index"],
        "agentId": told["agent_id"],
        "channelId": told["channel_id"],
        "roomId": told["channel_id"],
        **merged,
    }


def broken_off(run: Run, text: str) -> dict[str, Any]:
    """Return in this dialect that the message will not come, of which a part was shown."""
    return {
        "messageId": run.reply_id,
        "channelId": run.channel_id,
        "roomId": run.channel_id,
        "agentId": run.agent_id,
        "error": "The reply was broken off, and is not stored",
        "partialText": text,
    }


def whispered(name: str, payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Return an ephemeral event's name and payload in this dialect, or None if it has no words for it."""
    if name != "typing":
        return None
    channel_id = payload["channel_id"]
    told = {"channelId": channel_id, "roomId": channel_id, "userId": payload["userId"]}
    return "userTyping", told | {"isTyping": payload["is_typing"]}


def _place(payload: Mapping[str, Any]) -> dict[str, Any]:
    channel_id = payload["channel_id"]
    return {"channelId": channel_id, "roomId": channel_id, "seq": payload["seq"]}


def _deleted(payload: Mapping[str, Any]) -> Said:
    told = {"messageId": payload["id"], "channelId": payload["channel_id"], "seq": payload["seq"]}
    return "messageDeleted", told


def _channel_updated(payload: Mapping[str, Any]) -> Said:
    updates = payload["channel"] | wire.server_ids(payload["server_id"])
    return "channelUpdated", {**_place(payload), "updates": updates}


def _channel_cleared(payload: Mapping[str, Any]) -> Said | None:
    # Its clients forget all that they show; before the last step some of it is still there.
    return ("channelCleared", _place(payload)) if payload["is_last"] else None


def _channel_deleted(payload: Mapping[str, Any]) -> Said:
    return "channelDeleted", _place(payload)


def _joined(payload: Mapping[str, Any]) -> Said:
    return "userJoined", _somebody(payload)


def _left(payload: Mapping[str, Any]) -> Said:
    return "userLeft", _somebody(payload)


def _somebody(payload: Mapping[str, Any]) -> dict[str, Any]:
    who = payload["participant"]
    return {**_place(payload), "userId": who["userId"], "userName": who["name"]}


def _completed(payload: Mapping[str, Any]) -> Said:
    return "messageComplete", _completion(payload)


_WORDS: dict[str, Callable[[Mapping[str, Any]], Said | None]] = {
    "message_deleted": _deleted,
    "channel_updated": _channel_updated,
    "channel_cleared": _channel_cleared,
    "channel_deleted": _channel_deleted,
    "participant_joined": _joined,
    "participant_left": _left,
    "complete": _completed,
}


def _completion(ended: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "channelId": ended["channel_id"],
        "roomId": ended["channel_id"],
        **wire.server_ids(ended["server_id"]),
        "agentId": ended["agent_id"],
        "messageId": ended["message_id"],
        "state": ended["state"],
        "seq": ended["seq"],
    }


def _broadcast(message: Mapping[str, Any], client_message_id: str | None) -> dict[str, Any]:
    details, raw_message = message["metadata"], message.get("raw_message", {})
    author_id, by_agent = message["author_id"], message["agentId"] is not None
    told: dict[str, Any] = {
        "id": message["id"],
        "seq": message["seq"],
        "senderId": author_id,
        "senderName": bylines.display_name(author_id, message["author_name"], details, by_agent=by_agent),
        "text": message["text"],
        "channelId": message["channel_id"],
        "roomId": message["channel_id"],
        **wire.server_ids(message["server_id"]),
        "createdAt": message["createdAt"],
        "source": message["source_type"],
        **bylines.thinking(details, raw_message),
    }
    optional = {
        "attachments": bylines.attachments(message.get("attachments", []), details, raw_message),
        "rawMessage": raw_message,
        "inReplyToMessageId": message.get("in_reply_to_message_id"),
        "clientMessageId": client_message_id,
    }
    return told | {name: value for name, value in optional.items() if value}


def _kind_and_payload(event: str, arguments: Sequence[Any]) -> tuple[int, Any]:
    """Read ``message {type, payload}`` and its short forms ``1`` and ``2``."""
    first = _first(arguments)
    if event in ("1", "2"):
        return int(event), first
    if event != "message":
        raise ValidationFailed(
            "There is no event of this name; there are 'message' and 'typing'", message="Unknown event"
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
    body = parsing.parse(wire.ElizaTyping, _first(arguments))
    told = wire.TypingEvent(channel_id=body.channelId, is_typing=body.isTyping)
    await events.typing(gate, connection, told)
    return {"channelId": body.channelId, "roomId": body.channelId}


async def _join(gate: Gate, connection: Connection, payload: Any) -> dict[str, Any]:
    await gate.limits.charge_read(connection.principal)
    body = parsing.parse(wire.ElizaJoin, payload)
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
    body = parsing.parse(wire.ElizaSend, payload)
    draft = _draft(connection, body)
    await opening.require_or_create(gate.ctx, draft, connection.server_id, CREATED_BY)
    outcome = await messages.begin(gate.ctx, draft)
    return Begun(outcome, functools.partial(_acknowledge, connection, body))


def _acknowledge(
    connection: Connection, body: wire.ElizaSend, outcome: Submitted | ParleyError
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


def _draft(connection: Connection, body: wire.ElizaSend) -> Draft:
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
        attachments=[attachment.model_dump(exclude_none=True) for attachment in body.attachments or ()],
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
