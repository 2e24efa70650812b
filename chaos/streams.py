"""The doors over HTTP: a stream of server-sent events, and asking again and again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson

from chaos.failure import CutOff
from chaos.listener import Listener
from chaos.site import API, Answer

# A stream says something every 15 seconds.
SILENCE_SECONDS = 20.0
WAIT_SECONDS = 2

_EVENTS = f"{API}/events"


class StreamDoor:
    """An endless answer, each event of which carries its cursor."""

    name = "stream"

    async def visit(self, listener: Listener) -> None:
        """Follow the log on one answer."""
        headers = {"Authorization": f"Bearer {listener.token}", "Accept": "text/event-stream"}
        if listener.cursor:
            headers["Last-Event-ID"] = listener.cursor
        url = listener.site.proxy.url + _EVENTS
        limit = aiohttp.ClientTimeout(total=None, sock_read=SILENCE_SECONDS)
        async with listener.site.session.get(url, headers=headers, timeout=limit) as response:
            if response.status != 200:
                _refuse(listener, await response.read())
            async for block in _blocks(response.content):
                _hear(listener, block)


async def _blocks(lines: aiohttp.StreamReader) -> AsyncIterator[dict[str, str]]:
    """Yield the fields of each event as it is complete; a stream that breaks off has no last one."""
    block: dict[str, str] = {}
    async for line in lines:
        text = line.decode().removesuffix("\n")
        if text:
            name, _, value = text.partition(":")
            block[name] = value.removeprefix(" ")
        elif block:
            yield block
            block = {}


def _hear(listener: Listener, block: dict[str, str]) -> None:
    kind, cursor = block.get("event"), block.get("id")
    payload = orjson.loads(block.get("data", "{}"))
    if kind == "ready":
        listener.begin(payload["cursor"])
    elif kind == "resync_required":
        listener.begin_anew(payload["reason"])
    elif kind is not None:
        listener.see(kind, payload, cursor)
    elif cursor is not None:
        listener.cursor = cursor


class WaitingDoor:
    """One question after the other for what comes next, until one fails."""

    name = "long-poll"

    async def visit(self, listener: Listener) -> None:
        """Ask for what comes after the newest cursor; one that has none is told where it stands."""
        after = {"after": listener.cursor} if listener.cursor else {}
        wait = WAIT_SECONDS if after else 0
        data = await self._ask(listener, {"wait": wait, **after})
        if not after:
            listener.begin(data["cursor"])
        if resync := data.get("resync_required"):
            listener.begin(data["cursor"])
            listener.begin_anew(resync["reason"])
        for event in data["events"]:
            listener.see(event["event"], event["data"], event["cursor"])
        listener.cursor = data["cursor"]

    async def _ask(self, listener: Listener, query: dict[str, Any]) -> Any:
        url = f"{listener.site.proxy.url}{_EVENTS}?{urlencode(query)}"
        headers = {"Authorization": f"Bearer {listener.token}"}
        limit = aiohttp.ClientTimeout(total=WAIT_SECONDS + SILENCE_SECONDS)
        async with listener.site.session.get(url, headers=headers, timeout=limit) as response:
            body = await response.read()
        if response.status != 200:
            _refuse(listener, body)
        return orjson.loads(body)["data"]


def _refuse(listener: Listener, body: bytes) -> None:
    refusal = Answer.read(orjson.loads(body))
    assert refusal.code is not None  # noqa: S101 - the status says so
    listener.site.note(refusal.code, refusal.details)
    raise CutOff(refusal.details)
