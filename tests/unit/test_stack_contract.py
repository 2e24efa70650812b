"""The private names of python-socketio and python-engineio that Parley uses are as it expects them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import engineio
import pytest
import socketio
from engineio.async_socket import AsyncSocket
from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket
from socketio import packet as protocol


def test_the_pinned_versions_are_installed() -> None:
    """What is tested here is what was read when the code was written."""
    assert (version("python-socketio"), version("python-engineio")) == ("5.18.1", "4.15.1")


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        (socketio.AsyncServer._handle_connect, ["self", "eio_sid", "namespace", "data"]),
        (socketio.AsyncServer._handle_disconnect, ["self", "eio_sid", "namespace", "reason"]),
        (socketio.AsyncServer._handle_event, ["self", "eio_sid", "namespace", "id", "data"]),
        (socketio.AsyncServer._send_packet, ["self", "eio_sid", "pkt"]),
        (socketio.AsyncManager.pre_connect, ["self", "eio_sid", "namespace"]),
        (socketio.AsyncManager.connect, ["self", "sid", "namespace"]),
    ],
)
def test_methods_that_are_overridden_or_called_have_their_form(
    method: Callable[..., Any], parameters: list[str]
) -> None:
    """Each one is a coroutine function that takes these parameters in this order."""
    assert inspect.iscoroutinefunction(method)
    assert list(inspect.signature(method).parameters) == parameters


def test_events_are_passed_by_position() -> None:
    """The dispatcher names the ack's id otherwise, which only positional calls permit."""
    source = inspect.getsource(socketio.AsyncServer._handle_eio_message)
    assert "self._handle_event(eio_sid, pkt.namespace, pkt.id," in source


async def test_a_session_queues_what_it_sends_and_knows_that_it_is_closed() -> None:
    """Fan-out appends to the session's queue, which the transport's writer empties in order."""
    server = engineio.AsyncServer(async_mode="aiohttp", monitor_clients=False)
    session = AsyncSocket(server, "sid")
    assert isinstance(session.queue, asyncio.Queue)
    assert session.closed is False
    session.connected = True
    await session.send(EnginePacket(MESSAGE, data="one"))
    session.queue.put_nowait(EnginePacket(MESSAGE, data="two"))
    assert [packet.data for packet in await session.poll()] == ["one", "two"]


def test_a_server_keeps_its_sessions_and_environments_by_id() -> None:
    """Admission looks the session and its handshake up by the Engine.IO id."""
    server = socketio.AsyncServer(async_mode="aiohttp")
    assert server.environ == {}
    assert server.eio.sockets == {}


def test_event_packets_look_as_they_are_prebuilt() -> None:
    """The fan-out's own encoding of an EVENT equals the library's."""
    packet = protocol.Packet(protocol.EVENT, data=["message", {"a": 1}], namespace="/servers/x")
    assert packet.encode() == '2/servers/x,["message",{"a":1}]'
