"""As much of the WebSocket protocol (RFC 6455) as a client needs: the upgrade, and frames."""

from __future__ import annotations

TEXT = 0x1
CLOSE = 0x8

_FINAL = 0x80
_MASKED = 0x80
_OPCODE = 0x0F
_LENGTH = 0x7F
_TWO_BYTES, _EIGHT_BYTES = 126, 127

Frame = tuple[int, bytes]


def upgrade_request(path: str, host: str) -> bytes:
    """Return the request that turns an HTTP connection into a WebSocket."""
    # The key guards against caches between client and server; there is none here.
    return (
        f"GET {path} HTTP/1.1\r\n"
        f"Host: {host}\r\n"
        "Connection: Upgrade\r\n"
        "Upgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "\r\n"
    ).encode()


def text_frame(payload: bytes, mask: bytes) -> bytes:
    """Return the payload as one frame under a mask of four bytes."""
    size = len(payload)
    if size < _TWO_BYTES:
        head = bytes((_FINAL | TEXT, _MASKED | size))
    elif size < 1 << 16:
        head = bytes((_FINAL | TEXT, _MASKED | _TWO_BYTES)) + size.to_bytes(2)
    else:
        head = bytes((_FINAL | TEXT, _MASKED | _EIGHT_BYTES)) + size.to_bytes(8)
    # One XOR of two big numbers is the fastest that Python can do.
    pattern = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload) ^ int.from_bytes(pattern)).to_bytes(size)
    return head + mask + masked


def split(data: bytes) -> tuple[list[Frame], bytes]:
    """Return the complete frames (opcode and payload) that a server sent, and what is left over."""
    frames: list[Frame] = []
    at = 0
    while len(data) - at >= 2:
        length, start = data[at + 1] & _LENGTH, at + 2
        if length >= _TWO_BYTES:
            width = 2 if length == _TWO_BYTES else 8
            length, start = int.from_bytes(data[start : start + width]), start + width
            if len(data) < start:
                break
        if len(data) < start + length:
            break
        frames.append((data[at] & _OPCODE, data[start : start + length]))
        at = start + length
    return frames, data[at:]
