"""The demo: Eliza, an agent that lives in ``general`` and answers.

It is an ordinary bot client with an agent key of its own, over a WebSocket to this node's public
address; nothing here uses more than the public protocol, but for making the key.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import socketio
from cachetools import LRUCache

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
CONNECT_SECONDS = 10.0
CONVERSATIONS = 1_000  # how many are remembered; whoever was silent the longest begins anew

_log = logging.getLogger("parley.demo")


@asynccontextmanager
async def eliza(ctx: Context, url: str) -> AsyncIterator[None]:
    """Keep Eliza in ``general`` until the block ends."""
    client = _client(url)
    try:
        await client.connect(
            url,
            auth={"token": await _enrol(ctx)},
            namespaces=[NAMESPACE],
            transports=["websocket"],
            wait_timeout=CONNECT_SECONDS,
        )
    except socketio.exceptions.ConnectionError as error:
        # The server is what was asked for; it is as good without her.
        _log.warning("Eliza could not connect to %s: %s", url, error)
    try:
        yield
    finally:
        await client.disconnect()


async def _enrol(ctx: Context) -> str:
    """Give the agent a new key in place of its old one, and a seat in the channel."""
    await _revoke_old_key(ctx)
    made = await keys.create(ctx, KeyDraft(Kind.AGENT, AGENT_ID, AGENT_NAME))
    await participants.add(ctx, Joining(OPERATOR, GENERAL_ID, AGENT_ID))
    return made.secret


async def _revoke_old_key(ctx: Context) -> None:
    """Revoke the key of the last start, and no key that somebody else has under the same name."""
    for key in await keys.list_all(ctx):
        is_hers = (key.kind, key.principal_id, key.name) == (Kind.AGENT, AGENT_ID, AGENT_NAME)
        if is_hers and key.revoked_at is None:
            await keys.revoke(ctx, key.id)


def _client(url: str) -> socketio.AsyncClient:
    client = socketio.AsyncClient(
        # Ctrl-C is the server's; the client would stop the loop under it.
        handle_sigint=False,
        # The demo talks to its own process: a self-signed certificate is no danger there.
        ssl_verify=not url.startswith("https"),
    )
    # By channel too: what was said in one must not come back in another.
    listeners: LRUCache[tuple[str, str], Psychotherapist] = LRUCache(CONVERSATIONS)

    async def answer(message: dict[str, Any], *_cursor: str) -> None:
        if message["userId"] is None:
            return
        conversation = (message["channel_id"], message["userId"])
        therapist = listeners.setdefault(conversation, Psychotherapist())
        reply = {
            "channel_id": message["channel_id"],
            "content": therapist.respond(message["text"]),
            "in_reply_to_message_id": message["id"],
            "messageId": f"reply-to-{message['id']}",
        }
        # At the end she may be gone before she has answered.
        with contextlib.suppress(socketio.exceptions.BadNamespaceError):
            await client.emit("submit", reply, namespace=NAMESPACE, callback=_log_refusal)

    client.on("message", answer, namespace=NAMESPACE)
    return client


def _log_refusal(ack: dict[str, Any]) -> None:
    if not ack["success"]:
        _log.warning("an answer of Eliza's was refused: %s", ack["error"]["details"])
