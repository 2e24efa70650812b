"""The network between clients and the node: a TCP proxy on loopback that can cut, stall and slow."""

from __future__ import annotations

import asyncio
import random
from typing import cast

from chaos.node import HOST

_CHUNK = 16_384


class Proxy:
    """Carries bytes both ways, as badly as it is told."""

    def __init__(self, port: int) -> None:
        self._node_port = port
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.bytes_per_second: float | None = None  # of each connection, each way

    async def start(self) -> None:
        """Listen on a port of its own."""
        self._server = await asyncio.start_server(self._carry, HOST, 0)

    @property
    def url(self) -> str:
        """Where clients find the node."""
        assert self._server is not None  # noqa: S101 - it has been started
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    def cut(self, chance: float, dice: random.Random) -> None:
        """Reset connections, each with a chance."""
        for link in list(self._links):
            if dice.random() < chance:
                link.cut()

    def stall(self) -> None:
        """Carry nothing until :meth:`flow`, and keep every connection."""
        self._flows.clear()

    def flow(self) -> None:
        """Carry again what comes, and what came meanwhile."""
        self._flows.set()

    async def stop(self) -> None:
        """End every connection."""
        assert self._server is not None  # noqa: S101
        self._server.close()
        for link in list(self._links):
            link.cut()
        await self._server.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            node_reader, node_writer = await asyncio.open_connection(HOST, self._node_port)
        except OSError:
            cast(asyncio.Transport, writer.transport).abort()
            return
        link = _Link(writer, node_writer)
        self._links.add(link)
        try:
            await asyncio.gather(self._pump(reader, node_writer), self._pump(node_reader, writer))
        except OSError:
            pass  # one side is gone, and the other is told so below
        finally:
            self._links.discard(link)
            link.cut()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._flows.wait()
            if self.bytes_per_second is not None:
                await asyncio.sleep(len(chunk) / self.bytes_per_second)
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError


class _Link:
    """One connection's two halves."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self._writers = writers

    def cut(self) -> None:
        for writer in self._writers:
            cast(asyncio.Transport, writer.transport).abort()
