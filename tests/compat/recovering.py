"""The stock JavaScript clients of ``recovering.mjs``, as a test drives them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parent / "recovering.mjs"
PATIENCE = 60.0


class Recovering:
    """Named clients in one node process, and what each of them has seen, in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.seen: list[tuple[str, str, Any]] = []

    def all(self, client: str, event: str) -> list[Any]:
        """Return the payloads of one kind of event that a client has seen so far."""
        return [payload for name, kind, payload in self.seen if (name, kind) == (client, event)]

    async def sees(self, client: str, event: str, count: int = 1) -> list[Any]:
        """Read what the clients see until one has seen an event so often, and return all payloads."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while len(found := self.all(client, event)) < count:
                line = json.loads(await self._process.stdout.readline())
                self.seen.append((line["client"], line["event"], line.get("payload")))
        return found

    async def ack(self, client: str, event: str, payload: Any) -> Any:
        """Make a client emit an event and return its ack."""
        due = len(self.all(client, "ack")) + 1
        self._say(client, event=event, payload=payload)
        return (await self.sees(client, "ack", due))[-1]

    def cut(self, client: str) -> None:
        """Drop a client's transport."""
        self._say(client, cut=True)

    def _say(self, client: str, **what: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"client": client, **what}).encode() + b"\n")


@asynccontextmanager
async def recovering(node: str, clients: Mapping[str, Any]) -> AsyncIterator[Recovering]:
    """Run the clients until the block ends; each is ``{"url", "options"}`` of ``io(url, options)``."""
    process = await asyncio.create_subprocess_exec(
        node,
        SCRIPT,
        json.dumps(clients),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    assert process.stdin is not None
    try:
        yield Recovering(process)
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.communicate(), PATIENCE)
