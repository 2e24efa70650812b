"""The stock JavaScript clients of ``conversation.mjs``, as a test drives them."""

import asyncio
import itertools
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parent / "conversation.mjs"
PATIENCE = 60.0


class StockClients:
    """Named clients in one node process, and what each of them has seen, in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._seen: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        self._acks: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._more = asyncio.Event()

    def all(self, client: str, event: str) -> list[Any]:
        """Return the payloads of one kind of event that a client has seen so far."""
        return [payload for name, payload in self._seen[client] if name == event]

    async def wait_for(self, client: str, event: str, count: int = 1) -> list[Any]:
        """Wait until a client has seen an event so often, and return all payloads."""
        async with asyncio.timeout(PATIENCE):
            while len(found := self.all(client, event)) < count:
                assert event == "disconnect" or not self.all(client, "disconnect"), (
                    f"{client} was disconnected"
                )
                self._more.clear()
                await self._more.wait()
        return found

    async def call(self, client: str, event: str, payload: Any) -> Any:
        """Make a client emit an event and return its ack."""
        assert self._process.stdin is not None
        number = next(self._numbers)
        self._acks[number] = asyncio.get_running_loop().create_future()
        line = {"client": client, "event": event, "payload": payload, "ack": number}
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        return await asyncio.wait_for(self._acks[number], PATIENCE)

    async def listen(self) -> None:
        """Note what the clients see until the process ends."""
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = json.loads(raw)
            if "ack" in line:
                self._acks[line["ack"]].set_result(line.get("payload"))
            else:
                self._seen[line["client"]].append((line["event"], line.get("payload")))
                self._more.set()


@asynccontextmanager
async def stock_clients(node: str, clients: Mapping[str, Any]) -> AsyncIterator[StockClients]:
    """Run the clients until the block ends; each is ``{"url", "options"}`` of ``io(url, options)``."""
    process = await asyncio.create_subprocess_exec(
        node,
        SCRIPT,
        json.dumps(clients),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    assert process.stdin is not None
    stock = StockClients(process)
    listening = asyncio.create_task(stock.listen())
    try:
        yield stock
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()
        await listening
