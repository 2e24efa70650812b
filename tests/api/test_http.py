"""HTTP itself: clients that are slow or never come to an end, and bytes that are no request."""

import asyncio
import logging

import pytest

from handlers import bodies
from handlers.refusals import MAX_HEADERS
from server import connections
from tests.realtime.raw import RawSocket, open_poller, raw_connection, raw_websocket, until
from tests.rest import API, Reply
from tests.running import Parley, Start

# Long enough for a request on a busy machine, short enough to wait for.
SOON = 0.5
MARKER = "confidential"
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = (
    b"POST /api/auth/sign-in HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nX-Note: " + MARKER.encode() + b"\r\n"
)


def replies(received: bytes) -> list[Reply]:
    """Return the answers that came on a connection, whole ones."""
    found = []
    while b"\r\n\r\n" in received:
        head, _, rest = received.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        size = int(headers.get("Content-Length", 0))
        if len(rest) < size:
            break
        found.append(Reply(int(status.split()[1]), headers, rest[:size]))
        received = rest[size:]
    return found


async def answered(connection: RawSocket, count: int = 1) -> list[Reply]:
    """Wait for so many answers."""
    await connection.have(lambda: len(replies(bytes(connection.received))) >= count)
    return replies(bytes(connection.received))


async def refused(connection: RawSocket) -> Reply:
    """Wait until the connection is closed, and return its only answer."""
    await connection.over()
    (reply,) = replies(bytes(connection.received))
    return reply


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten every deadline of HTTP but that of idle connections."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", SOON)
    monkeypatch.setattr(connections, "LINGER_SECONDS", SOON)
    monkeypatch.setattr(bodies, "BODY_SECONDS", SOON)


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET", GET[:-2], POST, GET[:-2] + b"X-A: b\r\n"])
@pytest.mark.usefixtures("hurried")
async def test_a_request_whose_headers_do_not_end_is_cut_off(start: Start, sent: bytes) -> None:
    """From the connection's beginning, or a later request's first byte; others are served meanwhile."""
    parley = await start()
    async with raw_connection(parley) as first:
        first.send(sent)
        await first.over()
        assert not first.received
    if sent:
        async with raw_connection(parley) as later:
            later.send(GET)
            await answered(later)
            later.send(sent)
            await later.over()
            assert len(replies(bytes(later.received))) == 1
    assert (await parley.anonymous.get("/healthz")).status == 200


@pytest.mark.usefixtures("hurried")
async def test_headers_that_trickle_in_do_not_gain_time(start: Start) -> None:
    """Each byte is welcome, and moves nothing."""
    parley = await start()
    async with raw_connection(parley) as slow:
        while not slow.is_over:
            slow.send(b"\r\n")
            await asyncio.sleep(0)
        assert not slow.received


@pytest.mark.usefixtures("hurried")
async def test_what_waits_by_right_is_left_alone(start: Start) -> None:
    """A poll, a WebSocket and an idle connection outlive the deadline of those that came after them."""
    parley = await start()
    poller = await open_poller(parley)
    await poller.join(parley.service_key)
    async with raw_connection(parley) as idle:
        idle.send(GET)
        await answered(idle)
        async with raw_websocket(parley) as websocket:
            await websocket.join(parley.service_key)
            poll = asyncio.create_task(poller.request("GET"))
            for _ in range(2):
                async with raw_connection(parley) as late:
                    await late.over()
            assert not poll.done()
            await websocket.settle()
        idle.send(GET)
        await answered(idle, 2)
        poll.cancel()


async def test_an_idle_connection_is_closed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has been served and asks for nothing more is let go."""
    monkeypatch.setattr(connections, "IDLE_SECONDS", SOON)
    parley = await start()
    async with raw_connection(parley) as idle:
        idle.send(GET)
        await idle.over()
        assert len(replies(bytes(idle.received))) == 1


BODIES = [
    b"Content-Length: 9\r\n\r\n",
    b"Content-Length: 9\r\n\r\n{",
    b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
]


@pytest.mark.parametrize("sent", BODIES)
@pytest.mark.usefixtures("hurried")
async def test_a_body_that_does_not_end_is_cut_off(start: Start, sent: bytes) -> None:
    """Its client is told, and the connection is closed, since nobody knows where the next request begins."""
    parley = await start()
    async with raw_connection(parley) as slow:
        slow.send(POST + sent)
        reply = await refused(slow)
    assert reply.refusal == (408, "REQUEST_TIMEOUT")


async def test_a_length_over_the_limit_is_refused_at_once(parley: Parley) -> None:
    """Without a byte of the body."""
    async with raw_connection(parley) as connection:
        connection.send(POST + f"Content-Length: {bodies.MAX_BODY + 1}\r\n\r\n".encode())
        (reply,) = await answered(connection)
    assert reply.refusal == (413, "PAYLOAD_TOO_LARGE")


async def test_as_many_headers_as_are_allowed_are_read(parley: Parley) -> None:
    """One more is refused, in words that say how many they may be."""
    for more, status in ((0, 200), (1, 431)):
        async with raw_connection(parley) as connection:
            connection.send(GET[:-2] + b"A: b\r\n" * (MAX_HEADERS - 1 + more) + b"\r\n")
            (reply,) = await answered(connection)
        assert reply.status == status
    assert "128 headers" in reply.error["details"]


@pytest.mark.parametrize("path", [b"/api/auth/sign-in", b"/nothing"])
@pytest.mark.usefixtures("hurried")
async def test_a_body_that_trickles_in_does_not_gain_time(start: Start, path: bytes) -> None:
    """Whether somebody reads the body or nobody wants it."""
    parley = await start()
    async with raw_connection(parley) as slow:
        slow.send(POST.replace(b"/api/auth/sign-in", path) + b"Content-Length: 1000000\r\n\r\n")
        while not slow.is_over:
            slow.send(b" ")
            await asyncio.sleep(0)
        assert [reply.status for reply in replies(bytes(slow.received))] == [408 if b"api" in path else 404]


@pytest.mark.parametrize("cut", [0, 1, 30, 60])
async def test_a_request_in_pieces_is_read(parley: Parley, cut: int) -> None:
    """However the network divides it, as long as it comes."""
    request = POST + b'Content-Length: 14\r\n\r\n{"code":"none"}'[:-1] + b"}"
    async with raw_connection(parley) as connection:
        for piece in (request[: len(request) - cut], request[len(request) - cut :]):
            connection.send(piece)
            await asyncio.sleep(0)
        assert (await answered(connection))[0].status in (400, 401)


NO_HTTP = {
    "no method": b"confidential\r\n\r\n",
    "another version": b"GET /confidential HTTP/3.7\r\nHost: localhost\r\n\r\n",
    "no host": b"GET /confidential HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: confidential\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: localhost\r\nconfidential\r\n\r\n",
    "a header with a space": b"GET / HTTP/1.1\r\nHost: localhost\r\nconfi dential: x\r\n\r\n",
    "a header with a NUL": b"GET / HTTP/1.1\r\nHost: localhost\r\nA: confidential\0\r\n\r\n",
    "a length that is none": POST + b"Content-Length: confidential\r\n\r\n",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "a length and chunks": POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks that are none": POST + b"Transfer-Encoding: chunked\r\n\r\nconfidential\r\n\r\n",
    "a greeting of TLS": b"\x16\x03\x01\x02\x00confidential" + bytes(200),
}
TOO_LONG = {
    "200 headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: confidential\r\n" * 200 + b"\r\n",
    "a request line": b"GET /confidential" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a header": b"GET / HTTP/1.1\r\nHost: localhost\r\nA: confidential" + b"x" * 9_000 + b"\r\n\r\n",
    "a header's name": b"GET / HTTP/1.1\r\nHost: localhost\r\nconfidential" + b"x" * 9_000 + b": a\r\n\r\n",
}


@pytest.mark.parametrize("case", [*NO_HTTP, *TOO_LONG])
async def test_what_is_no_http_gets_the_envelope_and_one_line_of_the_log(
    parley: Parley, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    """The refusal has the form of every other, says nothing of what came, and ends the connection."""
    caplog.set_level(logging.INFO)
    async with raw_connection(parley) as connection:
        connection.send({**NO_HTTP, **TOO_LONG}[case])
        reply = await refused(connection)
    expected = (400, "VALIDATION_ERROR") if case in NO_HTTP else (431, "REQUEST_HEADER_FIELDS_TOO_LARGE")
    assert reply.refusal == expected
    assert reply.headers["Content-Type"].startswith("application/json")
    assert MARKER.encode() not in reply.raw
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("INFO", None)
    assert "127.0.0.1" in record.getMessage()
    assert MARKER not in record.getMessage()


async def test_chunks_that_go_wrong_later_are_refused_at_once(
    parley: Parley, caplog: pytest.LogCaptureFixture
) -> None:
    """The handler that waits for the rest of the body is told, rather than left to wait."""
    caplog.set_level(logging.INFO)
    async with raw_connection(parley) as connection:
        connection.send(POST + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        await connection.have(lambda: b"100 Continue" in connection.received)
        connection.received.clear()
        connection.send(b"1\r\n{\r\nconfidential\r\n")
        reply = await refused(connection)
    assert reply.refusal == (400, "VALIDATION_ERROR")
    assert [record.exc_info for record in caplog.records] == [None]
    assert MARKER not in caplog.text


async def test_a_good_request_is_answered_before_the_bad_one_behind_it(parley: Parley) -> None:
    """What follows a whole request does not undo it, even if it comes while that is being handled."""
    whole = POST + b"Expect: 100-continue\r\nContent-Length: 15\r\n\r\n"
    async with raw_connection(parley) as connection:
        connection.send(whole)
        await connection.have(lambda: b"100 Continue" in connection.received)
        connection.received.clear()
        connection.send(b'{"code":"none"}')
        connection.send(b"confidential\r\n\r\n")
        await connection.over()
        statuses = [reply.status for reply in replies(bytes(connection.received))]
    assert statuses == [401, 400]


async def test_a_client_that_leaves_within_a_body_leaves_no_traceback(
    parley: Parley, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a request is nobody's failure."""
    caplog.set_level(logging.INFO)
    async with raw_connection(parley) as connection:
        connection.send(POST + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        await connection.have(lambda: b"100 Continue" in connection.received)
    await until(lambda: len(caplog.records) > 0)
    assert [record.levelname for record in caplog.records] == ["INFO"]


@pytest.mark.parametrize("packing", ["br", "zstd", "compress", "gzip, gzip", "x" * 100])
async def test_a_packing_that_is_unknown_is_refused_and_the_connection_goes_on(
    parley: Parley, packing: str
) -> None:
    """The refusal says which is known; where the next request begins is known too."""
    head = POST + f"Content-Encoding: {packing}\r\nContent-Length: 1\r\n\r\nx".encode()
    async with raw_connection(parley) as connection:
        connection.send(head + GET)
        refusal, alive = await answered(connection, 2)
    assert refusal.refusal == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert "gzip" in refusal.error["details"]
    assert alive.status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 9\r\n\r\n{{{{{{{{{",
        b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
        b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        b"Content-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ],
)
async def test_the_body_of_a_get_is_ignored(parley: Parley, body: bytes) -> None:
    """Whatever it is, the request is answered and the next one too."""
    async with raw_connection(parley) as connection:
        connection.send(GET[:-2] + body + GET)
        assert [reply.status for reply in await answered(connection, 2)] == [200, 200]


async def test_an_expectation_that_cannot_be_met_gets_the_envelope(parley: Parley) -> None:
    """The one refusal that aiohttp makes before any handler."""
    async with raw_connection(parley) as connection:
        connection.send(GET[:-2] + b"Expect: miracles\r\n\r\n")
        (reply,) = await answered(connection)
    assert reply.refusal == (417, "EXPECTATION_FAILED")


@pytest.mark.parametrize("request_bytes", [GET, b"confidential\r\n\r\n", GET.replace(b"healthz", b"nothing")])
async def test_no_answer_tells_what_the_server_is_made_of(parley: Parley, request_bytes: bytes) -> None:
    """Versions of libraries are nobody's business."""
    async with raw_connection(parley) as connection:
        connection.send(request_bytes)
        (reply,) = await answered(connection)
    assert reply.headers["Server"] == "Parley"


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/health", f"{API}/sessions/health", f"{API}/jobs/health"]
)
async def test_monitors_may_ask_with_head(start: Start, path: str) -> None:
    """As often as they like; they are told what GET would be, without the body."""
    parley = await start(rate_limits="on")
    asked, told = await parley.anonymous.get(path), await parley.anonymous.request("HEAD", path)
    assert (told.status, told.headers["Content-Type"]) == (asked.status, asked.headers["Content-Type"])
    assert (told.raw, "X-RateLimit-Limit" in told.headers) == (b"", False)
