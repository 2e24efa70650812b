"""What every client of a trial needs: the way to the node, its keys, the channels, and the dice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp
import orjson

from chaos.failure import CUT_OFF, ChaosFailed
from chaos.node import Keys, Node
from chaos.proxy import Proxy
from rooms.rules import DEFAULT_SERVER_ID

API = "/api/messaging"
NAMESPACE = f"/servers/{DEFAULT_SERVER_ID}"
ANSWER_SECONDS = 5.0

_RETRY_SECONDS = 0.05
# The one refusal that a harm explains: try again later.
_EXPLAINED = "UNAVAILABLE"


class Answer(NamedTuple):
    """An envelope: what was answered, or the code and the words of a refusal."""

    data: Any
    code: str | None
    details: str | None

    @classmethod
    def read(cls, envelope: Any) -> Answer:
        """Return what an envelope holds."""
        if envelope["success"]:
            return cls(envelope["data"], None, None)
        return cls(None, envelope["error"]["code"], envelope["error"]["details"])


@dataclass(slots=True)
class Site:
    """One trial's surroundings.

    Everybody takes part in the ``lobby``; the residents of a room stay there, wanderers come and go.
    ``surprises`` are sentences about what no harm explains.
    """

    node: Node
    proxy: Proxy
    session: aiohttp.ClientSession
    dice: random.Random
    lobby: str = ""
    rooms: Sequence[str] = ()
    surprises: list[str] = field(default_factory=list)
    refused: asyncio.Event = field(default_factory=asyncio.Event)  # as a harm explains

    @property
    def keys(self) -> Keys:
        """What the node believes."""
        return self.node.keys

    async def ask(
        self, method: str, path: str, token: str, body: Any = None, *, directly: bool = False
    ) -> Answer:
        """Send a REST request, past the proxy if told, and return its answer."""
        url = self.node.url if directly else self.proxy.url
        data = None if body is None else orjson.dumps(body)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        request = self.session.request(method, url + API + path, data=data, headers=headers, timeout=limit)
        async with request as response:
            return Answer.read(orjson.loads(await response.read()))

    async def until_answered(
        self, send: Callable[[], Awaitable[Answer]], *, will_do: str | None = None
    ) -> Answer:
        """Send something again and again until it succeeds, or is refused with a code that will do, too."""
        while True:
            with suppress(*CUT_OFF):
                answer = await asyncio.wait_for(send(), ANSWER_SECONDS)
                if answer.code is None or answer.code == will_do:
                    return answer
                self.note(answer.code, answer.details)
            await asyncio.sleep(_RETRY_SECONDS)

    async def end_node(self) -> None:
        """End the process as an operator does; that it ends badly no harm explains."""
        code = await self.node.terminate()
        if code:
            self.surprises.append(f"the node ended with {code} on SIGTERM")

    def note(self, code: str, details: str | None) -> None:
        """Keep a refusal, unless a harm explains it."""
        if code == _EXPLAINED:
            self.refused.set()
        else:
            self.surprises.append(f"{code}: {details}")

    async def require(self, method: str, path: str, body: Any) -> Any:
        """Do something with the service's rights that must succeed, and return its answer."""
        answer = await self.ask(method, path, self.keys.service, body, directly=True)
        if answer.code is not None:
            raise ChaosFailed(f"{method} {path} was refused: {answer.details}")
        return answer.data

    async def furnish(self, rooms: int) -> None:
        """Create the lobby and the rooms."""
        ids = [await self._create(f"room-{number}") for number in range(rooms)]
        self.lobby, self.rooms = await self._create("lobby"), ids

    async def invite(self, principal_id: str, channel_id: str) -> None:
        """Let somebody take part in a channel."""
        await self.require("POST", f"/channels/{channel_id}/participants", {"userId": principal_id})

    async def _create(self, name: str) -> str:
        created = await self.require(
            "POST", "/central-channels", {"name": name, "serverId": DEFAULT_SERVER_ID}
        )
        channel_id: str = created["id"]
        return channel_id
