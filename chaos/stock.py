"""Stock Socket.IO clients under node, which keep what they have seen without a line of ours."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chaos.history import History, Visit
from chaos.listener import Listener
from chaos.site import NAMESPACE, Site

COUNT = 2
# Quicker than they are by themselves, which is from one second to five.
HASTE = {"reconnectionDelay": 50, "reconnectionDelayMax": 300}

_SCRIPT = Path(__file__).parent / "stock.mjs"
_PACKAGES = Path(__file__).parent.parent / "tests" / "compat"
_LINE_BYTES = 2**20


def find_node() -> str | None:
    """Return the path of node, if stock clients can run."""
    is_installed = (_PACKAGES / "node_modules" / "socket.io-client").is_dir()
    return shutil.which("node") if is_installed else None


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[list[Listener]]:
    """Run the clients, each with one transport, until the block ends; none where node is missing."""
    node = find_node()
    if node is None:
        yield []
        return
    listeners = {f"stock-{number}": await _resident(site, number) for number in range(COUNT)}
    process = await asyncio.create_subprocess_exec(
        node, _SCRIPT, _PACKAGES, json.dumps({name: _how(site, name) for name in listeners}),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LINE_BYTES,
    )  # fmt: skip
    reading = asyncio.create_task(_read(process, listeners))
    try:
        yield list(listeners.values())
    finally:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.close()
        await process.wait()
        await reading


async def _resident(site: Site, number: int) -> Listener:
    who = f"stock-{number}"
    for channel_id in (site.lobby, site.rooms[number % len(site.rooms)]):
        await site.invite(who, channel_id)
    return Listener(site, History(f"{who} (socket.io-client)", who), site.keys.token(who), ())


def _how(site: Site, name: str) -> dict[str, Any]:
    transport = "polling" if name.endswith("1") else "websocket"
    options = {"auth": {"token": site.keys.token(name)}, "transports": [transport], **HASTE}
    return {"url": site.proxy.url + NAMESPACE, "options": options}


async def _read(process: asyncio.subprocess.Process, listeners: dict[str, Listener]) -> None:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    async for line in process.stdout:
        told = json.loads(line)
        _hear(listeners[told["client"]], told["event"], *told["arguments"])


def _hear(listener: Listener, event: str, payload: Any = None, cursor: Any = None) -> None:
    if event == "connect":
        # Told late, maybe: what the node knew when it let the client in counts, so when that asked is kept.
        listener.history.visits.append(Visit("stock", began_at=payload))
    elif event == "ready":
        listener.begin(payload["cursor"])
    elif event == "resync_required":
        listener.begin_anew(payload["reason"])
    elif isinstance(cursor, str):
        listener.see(event, payload, cursor)
