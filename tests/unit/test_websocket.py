"""A WebSocket's bytes in any pieces: the same messages, and the same end for what is no protocol."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.frames import close_frame
from server.websocket import MAX_MESSAGE, Nobody, WebSocket
from tests.realtime.raw import BINARY, CLOSE, PING, PONG, TEXT, frame, frames_in


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and never sends it if it is stuck."""

    def __init__(self, *, stuck: bool = False) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = self.is_aborted = False
        self._stuck = stuck

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep the bytes; nothing may be written after the end."""
        assert not self.is_closed
        self.written += data

    def get_write_buffer_size(self) -> int:
        """Tell how much has not left."""
        return len(self.written) if self._stuck else 0

    def close(self) -> None:
        """Note it."""
        self.is_closed = True

    def abort(self) -> None:
        """Note it."""
        self.is_closed = self.is_aborted = True


class Reader(Nobody):
    """Keeps messages."""

    def __init__(self, messages: list[str | bytes]) -> None:
        self.receive = messages.append  # type: ignore[method-assign]


def feed(*chunks: bytes) -> tuple[list[str | bytes], bytes]:
    """Let a WebSocket read the chunks; return its messages, and what it wrote."""
    wire, messages = Wire(), []
    websocket = WebSocket(wire)
    websocket.user = Reader(messages)
    for chunk in chunks:
        websocket.data_received(chunk)
    assert wire.is_closed is websocket.closed
    return messages, bytes(wire.written)


def cut(data: bytes, *places: int) -> list[bytes]:
    """Cut bytes at these places."""
    bounds = [0, *places, len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(bounds)]


def interesting_cuts(data: bytes, around: int) -> set[int]:
    """Return every place near the beginning, the end, and a place in the middle."""
    middle = range(max(1, around - 15), min(len(data), around + 15))
    return {*range(1, min(len(data), 16)), *middle, *range(max(1, len(data) - 16), len(data))}


LENGTHS = [0, 1, 125, 126, 65_535, 65_536]


@pytest.mark.parametrize("length", LENGTHS)
async def test_a_frame_is_whole_wherever_it_is_cut(length: int) -> None:
    """Two frames in any two pieces, or byte by byte, are the same two messages."""
    message = "x" * length
    first = frame(TEXT, message.encode())
    data = first + frame(BINARY, b"second")
    for place in interesting_cuts(data, len(first)):
        assert feed(*cut(data, place)) == ([message, b"second"], b"")
    if length < 1_000:
        assert feed(*cut(data, *range(1, len(data)))) == ([message, b"second"], b"")


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE, 0])
async def test_an_unmasked_frame_closes_wherever_it_stands(length: int, opcode: int) -> None:
    """An unmasked frame behind a masked one, in any two pieces, is never handed on or answered."""
    first = frame(TEXT, b"x" * length)
    data = first + frame(opcode, b"", masked=False) + frame(TEXT, b"after")
    for place in interesting_cuts(data, len(first)):
        messages, written = feed(*cut(data, place))
        assert messages in ([], ["x" * length])
        assert written == close_frame(1002)


async def test_an_unmasked_frame_closes_byte_by_byte() -> None:
    """Alone or behind others, whatever pieces it comes in, the first unmasked frame ends it."""
    for before in (b"", frame(TEXT, b"one"), frame(TEXT, b"one") + frame(PONG, b"")):
        data = before + frame(TEXT, b"hello", masked=False)
        for places in ([], range(1, len(data)), *([n] for n in range(1, len(data)))):
            messages, written = feed(*cut(data, *places))
            assert "hello" not in messages
            assert written == close_frame(1002)


async def test_a_fragmented_message_is_whole_in_every_split() -> None:
    """A message in two or three fragments, with a ping between them, is one message and one pong."""
    message = "añb€c😀d".encode()
    for begin, end in itertools.combinations_with_replacement(range(len(message) + 1), 2):
        parts = [message[:begin], message[begin:end], message[end:]]
        data = (
            frame(TEXT, parts[0], final=False)
            + frame(PING, b"there?")
            + frame(0, parts[1], final=False)
            + frame(0, parts[2])
        )
        messages, written = feed(data)
        assert messages == [message.decode()]
        assert frames_in(written) == [(PONG, b"there?")]


BAD_UTF8 = [
    [b"\xff"],
    [b"\xe2\x82"],
    [b"a\xf0\x9f", b"b"],
    [b"\xe2", b"\x82", b"\x41"],
    [b"ok", b"\xed\xa0\x80"],
    [b"\xc0", b"\x80"],
    ["😀".encode()[:3], b""],
]


@pytest.mark.parametrize("parts", BAD_UTF8, ids=str)
async def test_text_that_is_no_utf8_closes(parts: list[bytes]) -> None:
    """Bad UTF-8, also where fragments meet, closes with 1007 and is not handed on."""
    last = len(parts) - 1
    data = b"".join(frame(0 if n else TEXT, part, final=n == last) for n, part in enumerate(parts))
    assert feed(data) == ([], close_frame(1007))
    assert feed(*cut(data, *range(1, len(data)))) == ([], close_frame(1007))


NO_PROTOCOL = {
    **{f"reserved bit {bit}": frame(TEXT, b"x", reserved=bit) for bit in (1, 2, 4)},
    "compressed": frame(TEXT, b"\xaaV*)*U\xb2\x02\x00", reserved=4),
    **{f"opcode {opcode}": frame(opcode, b"x") for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "continuation of nothing": frame(0, b"x"),
    "continuation of nothing, unfinished": frame(0, b"x", final=False),
    "a message within a message": frame(TEXT, b"x", final=False) + frame(TEXT, b"y"),
    "a message within an empty beginning": frame(TEXT, b"", final=False) + frame(TEXT, b"y"),
    "a beginning within a beginning": frame(TEXT, b"x", final=False)
    + frame(TEXT, b"y", final=False)
    + frame(0, b"z"),
    "a fragmented ping": frame(PING, b"x", final=False),
    "a long ping": frame(PING, b"x" * 126),
    "a long close": frame(CLOSE, b"\x03\xe8" + b"x" * 124),
    "a close of one byte": frame(CLOSE, b"x"),
    "a close with a code that is none": frame(CLOSE, b"\x03\xed"),
}


@pytest.mark.parametrize("data", NO_PROTOCOL.values(), ids=NO_PROTOCOL)
async def test_what_the_protocol_does_not_know_closes(data: bytes) -> None:
    """Such a frame is answered by 1002, byte by byte as well, and what follows is ignored."""
    for chunks in ([data + frame(TEXT, b"after")], [*cut(data, *range(1, len(data))), frame(TEXT, b"after")]):
        assert feed(*chunks) == ([], close_frame(1002))


async def test_the_longest_message_is_read_and_a_longer_one_closes() -> None:
    """MAX_MESSAGE bytes arrive, in one frame or many; one byte more closes with 1009."""
    longest = b"x" * MAX_MESSAGE
    half = MAX_MESSAGE // 2
    for data in (frame(TEXT, longest), frame(TEXT, longest[:half], final=False) + frame(0, longest[half:])):
        assert feed(data) == ([longest.decode()], b"")
    for data in (
        frame(TEXT, longest + b"x"),
        frame(TEXT, longest[:half], final=False) + frame(0, longest[half:] + b"x"),
        frame(TEXT, longest, final=False) + frame(0, b"x"),
    ):
        assert feed(data) == ([], close_frame(1009))
    for announced in (MAX_MESSAGE + 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1):
        head = b"\x81\xff" + announced.to_bytes(8) + b"mask"
        assert feed(head) == ([], close_frame(1009))


async def test_a_flood_of_pings_that_nobody_drains_ends() -> None:
    """Pongs wait up to a bound; then the connection is dropped."""
    wire = Wire(stuck=True)
    websocket = WebSocket(wire)
    flood = frame(PING, b"x" * 125) * 500
    for _ in range(1_000):
        websocket.data_received(flood)
        if wire.is_aborted:
            break
    assert wire.is_aborted
    assert len(wire.written) < MAX_MESSAGE + 1_000


async def test_a_close_is_answered_once() -> None:
    """A closing frame is answered with one, and nothing after it is read."""
    for payload in (b"", b"\x03\xe8", b"\x03\xe8bye", b"\x0f\xa0"):
        data = frame(CLOSE, payload) * 2 + frame(TEXT, b"after")
        assert feed(data) == ([], close_frame(1000))


sequences = st.lists(
    st.tuples(st.sampled_from([TEXT, BINARY, PING, PONG]), st.binary(max_size=125) | st.just(b"y" * 300)),
    max_size=8,
)


@given(sequence=sequences, places=st.sets(st.integers(0, 2_000)))
async def test_pieces_do_not_matter(sequence: list[tuple[int, bytes]], places: set[int]) -> None:
    """Whatever frames come in whatever pieces, messages and answers are those of one piece."""
    data = b"".join(frame(opcode, payload) for opcode, payload in sequence)
    assert feed(*cut(data, *sorted(place for place in places if place < len(data)))) == feed(data)
