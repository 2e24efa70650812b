"""How a session begins: who may ask, and what is answered to whoever asks wrongly."""

import re
from typing import Any

import orjson
import pytest

from tests.realtime.raw import KEY, PATH, POLLING, RawWebSocket, handshake, open_poller, raw_connection
from tests.running import Parley, Start

TRANSPORT, SESSION, METHOD, REQUEST, FORBIDDEN, VERSION = range(6)
WEBSOCKET = {"EIO": "4", "transport": "websocket"}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY.decode(),
}
PAGE = "https://chat.example"


async def ask(parley: Parley, method: str, params: dict[str, str], **headers: str) -> tuple[int, Any]:
    """Send a request to the engine; return the status, and the error's number or the text."""
    url = parley.url + PATH
    async with parley.session.request(method, url, params=params, headers=headers) as reply:
        body = await reply.text()
        return reply.status, orjson.loads(body)["code"] if body.startswith('{"code"') else body


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_the_handshake_says_what_the_session_is(start: Start, transport: str) -> None:
    """The OPEN packet has the session's id, what it may be upgraded to, and times in milliseconds."""
    parley = await start(ping_interval=0.25, ping_timeout=3.5)
    if transport == "polling":
        _, packet = await ask(parley, "GET", POLLING)
    else:
        async with parley.session.ws_connect(parley.url + PATH, params=WEBSOCKET) as socket:
            packet = await socket.receive_str()
    opened = orjson.loads(packet.removeprefix("0"))
    assert re.fullmatch(r"[\w-]{20,}", opened.pop("sid"))
    assert opened == {
        "upgrades": ["websocket"] if transport == "polling" else [],
        "pingInterval": 250,
        "pingTimeout": 3_500,
        "maxPayload": 1_000_000,
    }


WRONG = {
    "no transport": ("GET", {"EIO": "4"}, {}, TRANSPORT),
    "another transport": ("GET", {"EIO": "4", "transport": "carrier"}, {}, TRANSPORT),
    "no version": ("GET", {"transport": "polling"}, {}, VERSION),
    "an old version": ("GET", {"transport": "polling", "EIO": "3"}, {}, VERSION),
    "a version that is no number": ("GET", {"transport": "polling", "EIO": "abc"}, {}, VERSION),
    "a WebSocket of no version": ("GET", {"transport": "websocket"}, UPGRADE, VERSION),
    "a WebSocket of an old version": ("GET", {"transport": "websocket", "EIO": "3"}, UPGRADE, VERSION),
    "a WebSocket without a transport": ("GET", {"EIO": "4"}, UPGRADE, TRANSPORT),
    "a WebSocket of another transport": ("GET", {"EIO": "4", "transport": "carrier"}, UPGRADE, TRANSPORT),
    "no session": ("GET", {**POLLING, "sid": "nobody"}, {}, SESSION),
    "an empty session": ("GET", {**POLLING, "sid": ""}, {}, SESSION),
    "a POST to no session": ("POST", {**POLLING, "sid": "nobody"}, {}, SESSION),
    "a WebSocket to no session": ("GET", {**WEBSOCKET, "sid": "nobody"}, UPGRADE, SESSION),
    "POST": ("POST", POLLING, {}, METHOD),
    "PUT": ("PUT", POLLING, {}, METHOD),
    "DELETE": ("DELETE", POLLING, {}, METHOD),
    "polling with an upgrade": ("GET", POLLING, UPGRADE, REQUEST),
    "websocket without an upgrade": ("GET", WEBSOCKET, {}, REQUEST),
}


@pytest.mark.parametrize(("method", "params", "headers", "code"), WRONG.values(), ids=WRONG)
async def test_a_wrong_request_is_told_what_is_wrong(
    parley: Parley, method: str, params: dict[str, str], headers: dict[str, str], code: int
) -> None:
    """Each is answered 400 with the protocol's number."""
    assert await ask(parley, method, params, **headers) == (400, code)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_another_method_does_nothing_to_a_session(parley: Parley, method: str) -> None:
    """It is answered 400, and the session lives on."""
    poller = await open_poller(parley)
    assert (await poller.request(method))[0] == 400
    assert await poller.post("3") == (200, "ok")


BAD_HANDSHAKES = {
    "no key": handshake(key=b""),
    "a short key": handshake(key=b"YQ=="),
    "no base64": handshake(key=b"!" * 24),
    "no ASCII": handshake(key="é".encode() * 12),
    "another version": handshake().replace(b"Version: 13", b"Version: 8"),
    "no Connection": handshake().replace(b"Connection: Upgrade\r\n", b""),
    "a Connection that is kept": handshake().replace(b"Connection: Upgrade", b"Connection: keep-alive"),
    "POST": handshake(more=b"Content-Length: 0\r\n").replace(b"GET", b"POST", 1),
}


@pytest.mark.parametrize("request_head", BAD_HANDSHAKES.values(), ids=BAD_HANDSHAKES)
async def test_a_handshake_that_is_none_is_refused(parley: Parley, request_head: bytes) -> None:
    """It is answered 400, and no session begins."""
    async with raw_connection(parley) as connection:
        connection.send(request_head)
        await connection.have(lambda: b"\r\n\r\n" in connection.received)
        assert connection.received.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("options", ["keep-alive, Upgrade", "close,UPGRADE ", "x\r\nConnection: upgrade"])
async def test_the_upgrade_may_be_one_option_of_several(parley: Parley, options: str) -> None:
    """Browsers and proxies name others beside it, in one line or more, in any case."""
    async with raw_connection(parley) as connection:
        connection.send(handshake().replace(b"Connection: Upgrade", f"Connection: {options}".encode()))
        await connection.have(lambda: b"\r\n\r\n" in connection.received)
        assert connection.received.startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("offer", ["Extensions: permessage-deflate", "Protocol: chat, superchat"])
async def test_what_a_handshake_offers_is_not_accepted(parley: Parley, offer: str) -> None:
    """The WebSocket opens without compression and without a protocol inside it."""
    async with raw_connection(parley) as connection:
        connection.send(handshake(more=f"Sec-WebSocket-{offer}\r\n".encode()))
        await connection.have(lambda: b"\r\n\r\n" in connection.received)
        head = connection.received.partition(b"\r\n\r\n")[0].lower()
        assert head.startswith(b"http/1.1 101 ")
        assert b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in head
        assert b"sec-websocket-extensions" not in head
        assert b"sec-websocket-protocol" not in head


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_only_a_get_upgrades_a_session(parley: Parley, method: str) -> None:
    """A WebSocket handshake of another method is refused."""
    poller = await open_poller(parley)
    head = handshake(f"EIO=4&transport=websocket&sid={poller.sid}").replace(b"GET", method.encode(), 1)
    async with raw_connection(parley) as connection:
        connection.send(head)
        await connection.have(lambda: b"\r\n\r\n" in connection.received)
        assert int(connection.received.split()[1]) == (101 if method == "GET" else 400)


async def test_bytes_right_behind_a_handshake_are_read(parley: Parley) -> None:
    """What a client sends before it has the answer is not lost."""
    async with raw_connection(parley) as connection:
        connection.send(handshake() + b"\x88\x82\x00\x00\x00\x00\x03\xe8")
        await connection.over()
        assert RawWebSocket.frames.fget(connection)[-1] == (8, b"\x03\xe8")


def origins(port: int) -> dict[str, tuple[list[str], str, int]]:
    """Return what an operator named, from where a page asks, and what it is answered."""
    return {
        "own": ([], f"http://127.0.0.1:{port}", 200),
        "foreign": ([], PAGE, 403),
        "another port": ([], f"http://127.0.0.1:{port + 1}", 403),
        "null": ([], "null", 403),
        "named": ([PAGE], PAGE, 200),
        "named another": ([PAGE], "https://chat.example.evil", 403),
        "named as http": ([PAGE], "http://chat.example", 403),
        "any": (["*"], PAGE, 200),
    }


@pytest.mark.parametrize("case", list(origins(1)))
async def test_a_page_may_connect_from_where_the_operator_says(start: Start, case: str) -> None:
    """A browser's Origin must be the server's own or a named one, on both transports."""
    parley = await start(cors_origin=origins(1)[case][0])
    _, origin, status = origins(parley.node.port)[case]
    found, body = await ask(parley, "GET", POLLING, Origin=origin)
    assert found == status
    if status == 403:
        assert body == FORBIDDEN
    async with raw_connection(parley) as connection:
        own = f"Host: 127.0.0.1:{parley.node.port}".encode()
        head = handshake(more=f"Origin: {origin}\r\n".encode()).replace(b"Host: localhost", own)
        connection.send(head)
        await connection.have(lambda: b"\r\n\r\n" in connection.received)
        assert int(connection.received.split()[1]) == (101 if status == 200 else 403)


async def test_a_session_is_not_continued_from_a_foreign_page(parley: Parley) -> None:
    """Knowing a session's id does not make a page's origin good."""
    poller = await open_poller(parley)
    found = await ask(parley, "GET", {**POLLING, "sid": poller.sid}, Origin=PAGE)
    assert found == (403, FORBIDDEN)
