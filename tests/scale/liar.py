"""A small Socket.IO server that keeps to the protocol and may lie about one message."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

THE_ONE = 10  # the message that is lied about, to the last who joined


@dataclass
class Liar:
    """Delivers what is submitted to everybody who joined; ``lie`` names what happens to one message."""

    lie: str = ""
    port: int = 0
    _joined: list[web.WebSocketResponse] = field(default_factory=list)
    _submitted: int = 0
    _held_back: str | None = None

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Speak with one client."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str('0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}')
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._take(socket, message.data)
        return socket

    async def _take(self, socket: web.WebSocketResponse, packet: str) -> None:
        if packet.startswith("40"):
            await socket.send_str('40{"sid":"y"}')
            return
        ack_id, _, rest = packet.removeprefix("42").partition("[")
        event, body = json.loads("[" + rest)
        if event == "join":
            self._joined.append(socket)
        else:
            self._submitted += 1
            await self._deliver(body)
        is_the_one = self._submitted == THE_ONE
        if not (is_the_one and self.lie == "does not acknowledge"):
            success = "false" if is_the_one and self.lie == "refuses" else "true"
            await socket.send_str(f'43{ack_id}[{{"success":{success}}}]')

    async def _deliver(self, body: dict[str, Any]) -> None:
        told = "42" + json.dumps(["message", {"userId": "client-0", **body}], separators=(",", ":"))
        for socket in self._joined[:-1]:
            await socket.send_str(told)
        for packet in self._last_ones_share(told):
            await self._joined[-1].send_str(packet)

    def _last_ones_share(self, told: str) -> list[str]:
        """Return what the last client gets at this point."""
        if self._held_back is not None:
            late, self._held_back = self._held_back, None
            return [told, late]
        if self._submitted != THE_ONE:
            return [told]
        if self.lie == "swaps":
            self._held_back = told
        return {"drops": [], "swaps": [], "repeats": [told, told]}.get(self.lie, [told])


@asynccontextmanager
async def lying(lie: str = "") -> AsyncIterator[Liar]:
    """Run the server until the block ends."""
    liar = Liar(lie)
    app = web.Application()
    app.router.add_get("/socket.io/", liar.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    liar.port = runner.addresses[0][1]
    try:
        yield liar
    finally:
        await runner.cleanup()
