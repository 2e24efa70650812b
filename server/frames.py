"""WebSocket frames as a server sends them: unmasked, uncompressed, never fragmented (RFC 6455, 5.2)."""

from __future__ import annotations

import struct

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA

_FINAL = 0x80
_SHORT, _MEDIUM = 126, 1 << 16


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one frame."""
    size = len(payload)
    if size < _SHORT:
        return bytes((_FINAL | opcode, size)) + payload
    if size < _MEDIUM:
        return struct.pack("!BBH", _FINAL | opcode, 126, size) + payload
    return struct.pack("!BBQ", _FINAL | opcode, 127, size) + payload


def close_frame(code: int) -> bytes:
    """Return a closing frame with its code."""
    return frame(CLOSE, struct.pack("!H", code))


class Outgoing:
    """Engine.IO packets on their way to any number of clients, encoded once for each transport.

    ``packets`` are text packets (their type's digit first), of ``size`` bytes together. As frames they
    are built when the first WebSocket asks, and then shared.
    """

    __slots__ = ("_frames", "packets", "size")

    def __init__(self, *packets: bytes) -> None:
        self.packets = packets
        self.size = sum(map(len, packets))
        self._frames = b""

    @property
    def frames(self) -> bytes:
        """The packets as WebSocket frames, one behind the other."""
        if not self._frames:
            self._frames = b"".join([frame(TEXT, packet) for packet in self.packets])
        return self._frames
