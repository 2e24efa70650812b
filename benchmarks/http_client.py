"""REST over one keep-alive connection, with requests put together by hand."""

from __future__ import annotations

import asyncio

from benchmarks.client import Client, Listener

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"\r\nContent-Length: "


SUBMIT = "/api/messaging/submit"


class HttpClient(Client):
    """Submits with a POST, of messages unless told otherwise."""

    door = "REST"

    def __init__(self, listener: Listener, host: str, key: str, path: str = SUBMIT) -> None:
        super().__init__(listener)
        self._rest = b""
        self._head = (
            f"POST {path} HTTP/1.1\r\n"
            f"Host: {host}\r\n"
            f"Authorization: Bearer {key}\r\n"
            "Content-Type: application/json\r\n"
            "Content-Length: "
        ).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready at once."""
        super().connection_made(transport)
        self.ready.set_result(None)

    def submit(self, body: bytes) -> None:
        """Send a message."""
        self.transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))

    def data_received(self, data: bytes) -> None:
        """Hand the response on as soon as it is complete."""
        data = self._rest + data
        end = data.find(_END_OF_HEAD)
        start = data.find(_LENGTH)
        if end < 0:
            self._rest = data
            return
        if not 0 <= start < end:
            self.fail("a response has no Content-Length")
            return
        start += len(_LENGTH)
        length = int(data[start : data.index(b"\r", start)])
        body = data[end + len(_END_OF_HEAD) :]
        if len(body) < length:
            self._rest = data
            return
        self._rest = b""
        self._listener.answered(self, body)
