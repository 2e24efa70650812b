"""The demo: Eliza, an agent that lives in ``general`` and answers.

It is an ordinary bot client with an agent key of its own, over a WebSocket to this node's public
address; nothing here uses more than the public protocol, but for making the key.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import socketio
from cachetools import LRUCache

from rooms import keys, participants
from rooms.context import Context
from rooms.keys import KeyDraft
from rooms.participants import Joining
from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from rooms.tables import ApiKey
from server.first_start import GENERAL_ID, OPERATOR
from server.psychotherapist import Psychotherapist

# A UUID, as elizaOS's web client puts no other agents into groups. Where she was "eliza" she stays so.
AGENT_ID, FORMER_ID = "e11a0000-0000-4000-8000-000000000001", "eliza"
AGENT_NAME = "Eliza"
NAMESPACE = f"/servers/{DEFAULT_SERVER_ID}"
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 10.0
PAUSE_SECONDS = 0.1  # behind some words
CONVERSATIONS = 1_000  # how many are remembered; whoever was silent the longest begins anew

_WORDS = re.compile(r"(?:\s*\S+){1,3}\s*")
_log = logging.getLogger("parley.demo")


@asynccontextmanager
async def eliza(ctx: Context, url: str) -> AsyncIterator[None]:
    """Keep Eliza in ``general`` until the block ends."""
    agent_id, key = await _enrol(ctx)
    client = _client(url)
    client.register_namespace(Eliza(url, agent_id, key))
    try:
        await client.connect(
            url,
            auth={"token": key},
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


async def _enrol(ctx: Context) -> tuple[str, str]:
    """Give the agent a new key for its old one, and a seat in the channel; return its id and the key."""
    old = [key for key in await keys.list_all(ctx) if _is_hers(key)]
    for key in old:
        await keys.revoke(ctx, key.id)
    agent_id = old[0].principal_id if old else AGENT_ID
    made = await keys.create(ctx, KeyDraft(Kind.AGENT, agent_id, AGENT_NAME))
    await participants.add(ctx, Joining(OPERATOR, GENERAL_ID, agent_id))
    return agent_id, made.secret


def _is_hers(key: ApiKey) -> bool:
    """Tell whether it is the key of the last start, and none that somebody else has under the same name."""
    is_agents = key.kind == Kind.AGENT and key.principal_id in (AGENT_ID, FORMER_ID)
    return is_agents and key.name == AGENT_NAME and key.revoked_at is None


def _client(url: str) -> socketio.AsyncClient:
    return socketio.AsyncClient(
        # Ctrl-C is the server's; the client would stop the loop under it.
        handle_sigint=False,
        ssl_verify=_is_verified(url),
    )


def _is_verified(url: str) -> bool:
    """The demo talks to its own process: a self-signed certificate is no danger there."""
    return not url.startswith("https")


class Eliza(socketio.AsyncClientNamespace):  # type: ignore[misc]  # has no types
    """What she does about the runs that are opened for her."""

    def __init__(self, url: str, agent_id: str, key: str) -> None:
        super().__init__(NAMESPACE)
        self._url = url
        self._agent_id = agent_id
        self._key = key
        self._at_work: set[str] = set()
        # By channel too: what was said in one must not come back in another.
        self._listeners: LRUCache[tuple[str, str], Psychotherapist] = LRUCache(CONVERSATIONS)

    async def on_ready(self, *_: object) -> None:
        """Take the runs that have waited for her, the oldest first."""
        try:
            waiting = await self._list_waiting()
        except aiohttp.ClientError as error:
            _log.warning("Eliza could not ask what waits for her: %s", error)
            return
        for run in reversed(waiting):
            await self._take(run["id"])

    async def on_run(self, event: dict[str, Any], *_cursor: str) -> None:
        """Take a run that is opened for her."""
        run = event["run"]
        if run["agent_id"] == self._agent_id and run["state"] == "queued":
            await self._take(run["id"])

    async def _list_waiting(self) -> list[dict[str, Any]]:
        address = f"{self._url}/api/messaging/runs?agent_id={self._agent_id}&state=queued&limit=200"
        headers = {"Authorization": f"Bearer {self._key}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(address, ssl=_is_verified(self._url)) as answer,
        ):
            answer.raise_for_status()
            waiting: list[dict[str, Any]] = (await answer.json())["data"]["runs"]
            return waiting

    async def _take(self, run_id: str) -> None:
        """Answer the message of a run; what waited may have been told of, too."""
        if run_id in self._at_work:
            return
        self._at_work.add(run_id)
        # At the end she may be gone before she has answered.
        with contextlib.suppress(socketio.exceptions.SocketIOError):
            await self._answer(run_id)
        self._at_work.discard(run_id)

    async def _answer(self, run_id: str) -> None:
        taken = await self._ask("claim_run", {"run_id": run_id})
        if taken is None:
            return
        # To agents she has nothing to say: two that answer each other never stop.
        if taken["message"]["userId"] is not None:
            await self._say(taken["run"], self._respond(taken["message"]))
        await self._ask("complete", {"run_id": run_id})

    async def _say(self, run: dict[str, Any], text: str) -> None:
        """Stream the reply, some words at a time."""
        reply = {"message_id": run["reply_id"], "channel_id": run["channel_id"]}
        for index, chunk in enumerate(_WORDS.findall(text)):
            if await self._ask("stream", {**reply, "index": index, "chunk": chunk}) is None:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    def _respond(self, message: dict[str, Any]) -> str:
        conversation = (message["channel_id"], message["userId"])
        return self._listeners.setdefault(conversation, Psychotherapist()).respond(message["text"])

    async def _ask(self, event: str, payload: dict[str, Any]) -> Any:
        """Send an event and return what its ack carries, or None if she is refused."""
        ack = await self.call(event, payload, timeout=ANSWER_SECONDS)
        if ack["success"]:
            return ack["data"]
        # Whoever has asked may have stopped her.
        _log.info("%s of Eliza's was refused: %s", event, ack["error"]["details"])
        return None
