"""Durable events as Socket.IO packets, in the words of each dialect; the cursor is the last argument.

Stock clients keep the last argument of an event if it is a text, and send it back when they return.
So no other event may end in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from handlers import eliza
from server import packets


def native(namespace: str, kind: str, payload: bytes, cursor: bytes) -> bytes:
    """Return an event for native clients; its payload is encoded already."""
    return packets.raw_event_packet(namespace, b'["%b",%b,"%b"]' % (kind.encode(), payload, cursor))


def in_elizas_words(
    kind: str, payload: Mapping[str, Any], cursor: bytes, client_message_id: str | None = None
) -> bytes | None:
    """Return an event for clients on ``/``, or None if their dialect has no words for it."""
    said = eliza.words(kind, payload, client_message_id)
    if said is None:
        return None
    name, told = said
    return packets.raw_event_packet("/", b'["%b",%b,"%b"]' % (name.encode(), orjson.dumps(told), cursor))
