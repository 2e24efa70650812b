"""Durable events as Socket.IO packets, in the words of each dialect; the cursor is the last argument.

Stock clients keep the last argument of an event if it is a text, and send it back when they return.
So no other event may end in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from handlers import eliza_words
from rooms import payloads
from rooms.streams import Stream
from server import packets
from server.frames import Outgoing


def native(namespace: str, kind: str, payload: bytes, cursor: bytes) -> bytes:
    """Return an event for native clients; its payload is encoded already."""
    return packets.raw_event_packet(namespace, b'["%b",%b,"%b"]' % (kind.encode(), payload, cursor))


def in_elizas_words(
    kind: str, payload: Mapping[str, Any], cursor: bytes, client_message_id: str | None = None
) -> bytes | None:
    """Return an event for clients on ``/``, or None if their dialect has no words for it."""
    said = eliza_words.words(kind, payload, client_message_id)
    if said is None:
        return None
    name, told = said
    return packets.raw_event_packet("/", b'["%b",%b,"%b"]' % (name.encode(), orjson.dumps(told), cursor))


def whisper(namespace: str, name: str, payload: dict[str, Any]) -> Outgoing:
    """Return an ephemeral event in the words of the namespace's dialect; without any it is no packet."""
    if namespace != "/":
        return packets.event(namespace, name, payload)
    said = eliza_words.whispered(name, payload)
    return packets.event(namespace, *said) if said else Outgoing()


def chunk(namespace: str, stream: Stream, index: int, text: str, count: int = 1) -> Outgoing:
    """Return a piece of a reply, which stands for so many chunks."""
    told = payloads.chunk(stream.run, index, text, count)
    if namespace == "/":
        return packets.event(namespace, "messageStreamChunk", eliza_words.chunk(told))
    return packets.event(namespace, "stream", told)


def broken_off(stream: Stream) -> Outgoing:
    """Return for clients on ``/`` that the rest of a reply will not come."""
    _, text = stream.since(0)
    return packets.event("/", "messageStreamError", eliza_words.broken_off(stream.run, text))
