"""The private names of python-socketio, python-engineio and aiohttp are as Parley uses them."""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, cast

import attr
import engineio
import socketio
from aiohttp import base_protocol, web, web_protocol
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.http import HttpVersion11
from aiohttp.streams import EMPTY_PAYLOAD
from socketio import packet as protocol

from server import packets
from server.connections import _repeated
from server.websocket import _Messages


def test_the_pinned_versions_are_installed() -> None:
    """What is tested here is what was read when the code was written."""
    assert (version("python-socketio"), version("python-engineio")) == ("5.18.1", "4.15.1")


def test_the_socketio_server_takes_its_engine_from_a_method() -> None:
    """Overriding the method puts Parley's engine under python-socketio's server, with its options."""

    class Engine(engineio.AsyncServer):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**{name: value for name, value in options.items() if name != "ping"})
            self.ping = options["ping"]

    class Server(socketio.AsyncServer):  # type: ignore[misc]
        def _engineio_server_class(self) -> type[Engine]:
            return Engine

    assert isinstance(Server(ping=7).eio, Engine)
    assert Server(ping=7).eio.ping == 7


def test_the_engine_keeps_sessions_by_id_and_makes_ids() -> None:
    """Sessions are kept where the library keeps its own, under ids that it makes."""
    server = engineio.AsyncServer(async_mode="aiohttp")
    assert server.sockets == {}
    assert len({server.generate_id() for _ in range(100)}) == 100


def test_aiohttp_lets_go_of_a_socket_that_was_taken() -> None:
    """Without a transport, connection_lost only forgets; early bytes wait in _message_tail."""
    handler = web_protocol.RequestHandler
    assert list(inspect.signature(handler.connection_lost).parameters) == ["self", "exc"]
    assert "_message_tail" in handler.__slots__
    assert isinstance(inspect.getattr_static(web.BaseRequest, "protocol"), property)


def test_aiohttps_protocol_keeps_its_state_where_the_deadlines_look() -> None:
    """Requests are counted as they are parsed; a waiter waits for the next one; errors are queued."""
    handler = web_protocol.RequestHandler
    private = {"_request_count", "_waiter", "_current_request", "_messages", "_request_handler"}
    assert private <= set(handler.__slots__)
    assert "_paused" in base_protocol.BaseProtocol.__slots__
    assert [field.name for field in attr.fields(web_protocol._ErrInfo)] == ["status", "exc", "message"]
    assert list(inspect.signature(handler.handle_error).parameters)[1:] == [
        "request", "status", "exc", "message",
    ]  # fmt: skip
    assert list(inspect.signature(handler.finish_response).parameters)[1:] == [
        "request", "resp", "start_time",
    ]  # fmt: skip


def test_aiohttp_answers_what_waits_among_its_messages() -> None:
    """A request is a message and its body; what is made up for a late answer has each of its fields."""
    made_up = _repeated(cast(Any, SimpleNamespace(version=HttpVersion11, is_last=True)))
    assert (made_up.method, made_up.path, made_up.version) == ("GET", "/", HttpVersion11)
    assert (made_up.headers, made_up.raw_headers, made_up.compression) == ({}, (), None)
    assert (made_up.should_close, made_up.upgrade, made_up.chunked) == (True, False, False)
    assert made_up.url.raw_path == "/"
    assert EMPTY_PAYLOAD.is_eof()


async def test_the_frame_parser_hands_messages_to_its_queue_at_once() -> None:
    """A subclass of the queue sees each message, and each fault, while the bytes are being fed."""
    seen: list[object] = []

    class Queue(WebSocketDataQueue):
        def feed_data(self, data: Any, size: int) -> None:
            seen.append(data.data)

        def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
            seen.append(type(exc).__name__)

    parser = WebSocketReader(Queue(None, 2**16, loop=asyncio.get_running_loop()), 100, False, True)  # type: ignore[arg-type]
    parser.feed_data(b"\x81\x82\x00\x00\x00\x00hi")
    parser.feed_data(b"\xc1\x80\x00\x00\x00\x00")
    assert seen == ["hi", "WebSocketError"]


def test_packets_are_written_as_the_library_writes_them() -> None:
    """Prebuilt packets equal the library's own encoding."""
    theirs = protocol.Packet(protocol.EVENT, data=["message", {"a": 1}], namespace="/servers/x")
    assert packets.event("/servers/x", "message", {"a": 1}).packets == (b"4" + theirs.encode().encode(),)
    theirs = protocol.Packet(protocol.ACK, data=[{"b": 2}], namespace="/servers/x", id=12)
    assert packets.ack("/servers/x", 12, {"b": 2}).packets == (b"4" + theirs.encode().encode(),)


async def test_the_frame_parser_needs_nothing_of_a_queue_without_buffers() -> None:
    """Messages reach the WebSocket through a queue whose own beginning was left out."""
    seen: list[object] = []
    websocket = cast(Any, SimpleNamespace(handle=lambda message: seen.append(message.data), fail=seen.append))
    parser = WebSocketReader(_Messages(websocket), 100, False, True)
    parser.feed_data(b"\x81\x82\x00\x00\x00\x00hi")
    assert seen == ["hi"]
