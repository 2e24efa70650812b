"""What a workload knows of a connection, whichever door it goes through."""

from __future__ import annotations

import asyncio
from typing import ClassVar, Protocol, cast

CONNECT_SECONDS = 30


class Listener(Protocol):
    """Whoever waits for a connection's answers."""

    def answered(self, client: Client, answer: bytes) -> None:
        """Take the envelope that answers the last submission."""

    def failed(self, client: Client, reason: str) -> None:
        """Learn that the connection is of no more use."""


class Client(asyncio.Protocol):
    """A connection that has at most one submission in flight."""

    door: ClassVar[str]

    def __init__(self, listener: Listener) -> None:
        self.is_closing = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listener = listener
        self._transport: asyncio.Transport | None = None

    @property
    def transport(self) -> asyncio.Transport:
        """The socket, once there is one."""
        if self._transport is None:
            raise RuntimeError("the client is not connected")
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        # A cast, because uvloop's transports are asyncio's by behaviour only.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the listener, unless this side closed the connection."""
        if not self.is_closing:
            self.fail(f"the server closed the connection ({error or 'end of stream'})")

    def submit(self, body: bytes) -> None:
        """Send a message, given as the JSON object that both doors take."""
        raise NotImplementedError

    def fail(self, reason: str) -> None:
        """Report that the connection is of no more use."""
        if self.ready.done():
            self._listener.failed(self, f"{self.door}: {reason}")
        else:
            self.ready.set_exception(ConnectionError(f"{self.door}: {reason}"))
        self.close()

    def close(self) -> None:
        """Close the socket; the listener hears nothing more."""
        self.is_closing = True
        if self._transport is not None:
            self._transport.abort()


async def connect(client: Client, host: str, port: int) -> None:
    """Connect the client and wait until it may submit; raise OSError if that cannot be."""
    async with asyncio.timeout(CONNECT_SECONDS):
        await asyncio.get_running_loop().create_connection(lambda: client, host, port)
        await client.ready
