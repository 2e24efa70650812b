"""An agent in a process of its own, which answers its first run, and never comes to an end.

Run as ``python -m tests.scale.streamer URL KEY``.
"""

import asyncio
import itertools
import sys
from typing import Any

import socketio

from tests.talking import NATIVE

PAUSE_SECONDS = 0.02


async def main(url: str, key: str) -> None:
    """Say a word after the other."""
    client = socketio.AsyncClient(reconnection=False)
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    client.on("run", lambda payload, _cursor: told.put_nowait(payload["run"]), namespace=NATIVE)
    await client.connect(url, auth={"token": key}, namespaces=[NATIVE], transports=["websocket"])
    print("here", flush=True)
    run = await told.get()
    for index in itertools.count():
        chunk = {"message_id": run["reply_id"], "channel_id": run["channel_id"], "index": index}
        ack = await client.call("stream", {**chunk, "chunk": f"word{index} "}, namespace=NATIVE)
        assert ack["success"], ack
        await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
