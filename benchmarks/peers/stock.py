"""A peer: python-socketio on aiohttp, as its documentation sets it up, with uvloop and orjson.

It speaks the events of Parley's namespaces with payloads of the same form. It stores nothing. With
PEER_JWT_SECRET it admits only clients with a token, as Parley does.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
import uuid
from typing import Any

import jwt
import orjson
import socketio
import uvloop
from aiohttp import web

SERVER_ID = "00000000-0000-0000-0000-000000000000"
NAMESPACE = f"/servers/{SERVER_ID}"

SECRET = os.environ.get("PEER_JWT_SECRET")


class Json:
    """The module that python-socketio encodes with."""

    @staticmethod
    def dumps(value: object, **_options: object) -> str:
        """Return the value as JSON."""
        return orjson.dumps(value).decode()

    loads = staticmethod(orjson.loads)


sio = socketio.AsyncServer(async_mode="aiohttp", json=Json, namespaces=[NAMESPACE])
ids: dict[str, str] = {}
numbers = itertools.count(1)


async def connect(sid: str, _environ: dict[str, Any], auth: dict[str, str]) -> None:
    """Admit a client."""
    try:
        ids[sid] = (
            jwt.decode(auth["token"], SECRET, algorithms=["HS256"])["sub"] if SECRET else auth["entityId"]
        )
    except jwt.PyJWTError as error:
        raise socketio.exceptions.ConnectionRefusedError("unauthorised") from error


async def disconnect(sid: str, _reason: str) -> None:
    """Forget a client."""
    ids.pop(sid, None)


async def join(sid: str, body: dict[str, Any]) -> dict[str, Any]:
    """Enter a room."""
    await sio.enter_room(sid, body["channel_id"], namespace=NAMESPACE)
    return {"success": True}


async def typing(sid: str, body: dict[str, Any]) -> dict[str, Any]:
    """Tell the others."""
    channel_id = body["channel_id"]
    told = {"channel_id": channel_id, "userId": ids[sid], "is_typing": body["is_typing"]}
    await sio.emit("typing", told, room=channel_id, skip_sid=sid, namespace=NAMESPACE)
    return {"success": True, "data": {"channel_id": channel_id}}


async def submit(sid: str, body: dict[str, Any]) -> dict[str, Any]:
    """Hand a message on to everybody."""
    channel_id, author = body["channel_id"], ids[sid]
    message = {
        "id": str(uuid.uuid4()),
        "seq": next(numbers),
        "server_id": SERVER_ID,
        "channel_id": channel_id,
        "roomId": channel_id,
        "author_id": author,
        "author_name": author,
        "userId": author,
        "agentId": None,
        "text": body["content"],
        "source_type": "user_message",
        "createdAt": int(time.time() * 1000),
        "metadata": {},
    }
    await sio.emit("message", message, room=channel_id, namespace=NAMESPACE)
    return {"success": True}


async def main() -> None:
    """Serve until SIGTERM."""
    for handler in (connect, disconnect, join, typing, submit):
        sio.on(handler.__name__, handler, namespace=NAMESPACE)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    print("listens on", runner.addresses[0][1], flush=True)
    await stop.wait()
    # Nothing is worth waiting for: what was to be measured has been.
    os._exit(0)


uvloop.run(main())
