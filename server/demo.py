"""The demo: Eliza, an agent that lives in ``general`` and answers.

It is an ordinary bot client with an agent key of its own, over a WebSocket to this node's public
address; nothing here uses more than the public protocol, but for making the key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import socketio

from rooms import keys, participants
from rooms.context import Context
from rooms.keys import KeyDraft
from rooms.participants import Joining
from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from server.first_start import GENERAL_ID, OPERATOR
from server.psychotherapist import Psychotherapist

AGENT_ID = "eliza"
AGENT_NAME = "Eliza"
NAMESPACE = f"/servers/{DEFAULT_SERVER_ID}"


@asynccontextmanager
async def eliza(ctx: Context, url: str) -> AsyncIterator[None]:
    """Keep Eliza in ``general`` until the block ends."""
    secret = await _enrol(ctx)
    client = _client(url)
    try:
        await client.connect(
            url, auth={"token": secret}, namespaces=[NAMESPACE], transports=["websocket"], retry=True
        )
        yield
    finally:
        await client.disconnect()


async def _enrol(ctx: Context) -> str:
    """Give the agent a new key in place of its old one, and a seat in the channel."""
    await keys.revoke(ctx, name=AGENT_NAME)
    made = await keys.create(ctx, KeyDraft(Kind.AGENT, AGENT_ID, AGENT_NAME))
    await participants.add(ctx, Joining(OPERATOR, GENERAL_ID, AGENT_ID))
    return made.secret


def _client(url: str) -> socketio.AsyncClient:
    # The demo talks to its own process: a self-signed certificate is no danger there.
    client = socketio.AsyncClient(ssl_verify=not url.startswith("https"))
    listeners: dict[str, Psychotherapist] = {}

    async def answer(message: dict[str, Any], *_cursor: str) -> None:
        author = message["userId"]
        if author is None:
            return
        therapist = listeners.setdefault(author, Psychotherapist())
        await client.emit(
            "submit",
            {
                "channel_id": message["channel_id"],
                "content": therapist.respond(message["text"]),
                "in_reply_to_message_id": message["id"],
                "messageId": f"reply-to-{message['id']}",
            },
            namespace=NAMESPACE,
        )

    client.on("message", answer, namespace=NAMESPACE)
    return client
