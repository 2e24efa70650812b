"""Frames as a server sends them, read back by a parser that is not ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader

from server.frames import BINARY, CLOSE, PING, PONG, TEXT, Outgoing, close_frame, frame


class Read(WebSocketDataQueue):
    """What the parser makes of frames."""

    def __init__(self, data: bytes) -> None:
        super().__init__(None, 2**20, loop=asyncio.get_running_loop())  # type: ignore[arg-type]
        self.messages: list[tuple[WSMsgType, Any]] = []
        parser = WebSocketReader(self, 2**20, False, True)
        assert parser.feed_data(data) == (False, b"")

    def feed_data(self, data: Any, size: int) -> None:
        """Keep a message; called by the parser."""
        self.messages.append((data.type, data.data))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000])
async def test_a_frame_of_any_length_is_read_as_written(size: int) -> None:
    """Short, medium and long frames say their length in the shortest way, and another may follow."""
    payload = b"x" * size
    data = frame(TEXT, payload)
    assert len(data) - size == (2 if size < 126 else 4 if size < 65_536 else 10)
    assert Read(data + frame(BINARY, payload)).messages == [
        (WSMsgType.TEXT, payload.decode()),
        (WSMsgType.BINARY, payload),
    ]


async def test_control_frames_are_read_as_written() -> None:
    """Ping, pong and close carry what they were given."""
    data = frame(PING, b"a") + frame(PONG, b"b") + close_frame(1013)
    assert Read(data).messages == [(WSMsgType.PING, b"a"), (WSMsgType.PONG, b"b"), (WSMsgType.CLOSE, 1013)]
    assert data[-4] == 0x80 | CLOSE


async def test_several_packets_are_several_frames_made_once() -> None:
    """Packets that leave together are frames one behind the other, and every reader gets the same bytes."""
    outgoing = Outgoing(b"4a", b"", b"4" + b"b" * 70_000)
    assert Read(outgoing.frames).messages == [
        (WSMsgType.TEXT, "4a"),
        (WSMsgType.TEXT, ""),
        (WSMsgType.TEXT, "4" + "b" * 70_000),
    ]
    assert outgoing.frames is outgoing.frames
