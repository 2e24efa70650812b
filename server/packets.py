"""Socket.IO packets inside Engine.IO messages (Socket.IO protocol, revision 5).

Writing is bytes; reading is strict: what the protocol does not allow raises BadPacket, and the
transport is closed for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from server.frames import Outgoing

MAX_ATTACHMENTS = 10

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = "0123456"

_HEADER = re.compile(r"([0-6])(?:(\d{1,2})-)?(?:(/[^,]{0,200})(?:,|$))?(\d{1,15})?", re.ASCII)


class BadPacket(Exception):
    """The client sent something that is no packet here and now."""


@dataclass(slots=True)
class Packet:
    """A packet as it was read; ``missing`` counts the attachments that are still to come."""

    type: str
    namespace: str
    ack_id: int | None
    data: Any
    missing: int = 0


def event(namespace: str, name: str, *arguments: Any) -> Outgoing:
    """Return an EVENT."""
    return Outgoing(raw_event_packet(namespace, orjson.dumps([name, *arguments])))


def raw_event_packet(namespace: str, arguments: bytes) -> bytes:
    """Return the Engine.IO packet of an EVENT whose list of name and arguments is encoded already."""
    return b"42" + _address(namespace) + arguments


def ack(namespace: str, ack_id: int, reply: Any) -> Outgoing:
    """Return the ACK of an event, with its one argument."""
    return Outgoing(b"43%b%d%b" % (_address(namespace), ack_id, orjson.dumps([reply])))


def connect(namespace: str, data: Any) -> Outgoing:
    """Return the answer to an accepted CONNECT."""
    return Outgoing(b"40" + _address(namespace) + orjson.dumps(data))


def disconnect(namespace: str) -> Outgoing:
    """Return the end of a connection; stock clients do not come back by themselves after it."""
    return Outgoing(b"41" + _address(namespace).rstrip(b","))


def connect_error(namespace: str, data: Any) -> Outgoing:
    """Return the answer to a refused CONNECT."""
    return Outgoing(b"44" + _address(namespace) + orjson.dumps(data))


def _address(namespace: str) -> bytes:
    return b"" if namespace == "/" else namespace.encode() + b","


def read(text: str) -> Packet:
    """Read a packet; raise BadPacket if it is none that a client may send."""
    header = _HEADER.match(text)
    if header is None:
        raise BadPacket("no packet type")
    kind, attachments, namespace, ack_id = header.groups()
    packet = Packet(
        kind,
        namespace or "/",
        int(ack_id) if ack_id else None,
        _data(text[header.end() :]),
        int(attachments or 0),
    )
    _check(packet, attachments is not None)
    return packet


def _data(text: str) -> Any:
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _forgiving_data(text)


def _forgiving_data(text: str) -> Any:
    """Read what orjson refuses though it is JSON: a lone surrogate deserves an error in the ack."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadPacket("no JSON") from error


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check(packet: Packet, counted: bool) -> None:
    is_binary = packet.type in (BINARY_EVENT, BINARY_ACK)
    if is_binary != counted or packet.missing > MAX_ATTACHMENTS or (is_binary and not packet.missing):
        raise BadPacket("attachments that cannot be")
    if not _FORMS[packet.type](packet):
        raise BadPacket("not the form of its type")


def _is_connect(packet: Packet) -> bool:
    return packet.ack_id is None and (packet.data is None or isinstance(packet.data, dict))


def _is_event(packet: Packet) -> bool:
    return isinstance(packet.data, list) and bool(packet.data) and isinstance(packet.data[0], str | int)


def _is_ack(packet: Packet) -> bool:
    return isinstance(packet.data, list) and packet.ack_id is not None


_FORMS: dict[str, Callable[[Packet], bool]] = {
    CONNECT: _is_connect,
    DISCONNECT: lambda packet: packet.ack_id is None and packet.data is None,
    EVENT: _is_event,
    BINARY_EVENT: _is_event,
    ACK: _is_ack,
    BINARY_ACK: _is_ack,
    CONNECT_ERROR: lambda packet: False,  # only servers refuse
}


def attach(packet: Packet, attachments: list[bytes]) -> None:
    """Put binary attachments into the places that hold them; raise BadPacket for a place without one."""
    try:
        packet.data = _replace(packet.data, attachments)
    except RecursionError as error:
        raise BadPacket("nested too deep") from error


def _replace(value: Any, attachments: list[bytes]) -> Any:
    if isinstance(value, list):
        return [_replace(child, attachments) for child in value]
    if not isinstance(value, dict):
        return value
    if value.get("_placeholder") is True:
        number = value.get("num")
        if not isinstance(number, int) or not 0 <= number < len(attachments):
            raise BadPacket("a placeholder without its attachment")
        return attachments[number]
    return {key: _replace(child, attachments) for key, child in value.items()}
