"""The two kinds of message that workloads send, as the load generator is told of them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from benchmarks.load_generator import Argument

CLIENT_ID = "client-{client}"

# With its mark, about 200 bytes: a message of two lines in a conversation.
_CONTENT = (
    "{mark} The quick brown fox jumps over the lazy dog, and the lazy dog does not mind it in the least: "
    "it has seen many foxes jump, quick ones and slow ones, and it knows that they all go home."
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """An event that clients send and the one by which others hear of it."""

    event: str
    payload: dict[str, object]
    heard_event: str
    echo: bool

    def arguments(self) -> dict[str, Argument]:
        """Return the generator's options for it; every message is acknowledged."""
        return {
            "event": self.event,
            "payload": json.dumps(self.payload, separators=(",", ":")),
            "heard_event": self.heard_event,
            "echo": self.echo,
            "ack": True,
            "sender_after": f'"userId":"{CLIENT_ID.removesuffix("{client}")}',
        }


# Not stored: Parley hands it on to everybody else in the channel.
RELAY = Traffic("typing", {"channel_id": "{room}", "is_typing": True}, "typing", echo=False)

# Stored, synced to disk and numbered before anybody gets it; its sender gets it, too.
DURABLE = Traffic("submit", {"channel_id": "{room}", "content": _CONTENT}, "message", echo=True)


def choose(*, durable: bool) -> Traffic:
    """Return durable messages or the relay of ephemeral ones."""
    return DURABLE if durable else RELAY
