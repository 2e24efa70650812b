"""The servers of the official suites answer as the suites expect, also where the suites are not at hand."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.suites import echo

PATIENCE = 10.0


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client."""
    async with aiohttp.ClientSession() as session:
        yield session


async def hear(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[Any]:
    """Return the next messages; heartbeats are answered and not returned."""
    heard: list[Any] = []
    async with asyncio.timeout(PATIENCE):
        while len(heard) < count:
            message = await socket.receive()
            assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
            if message.data == "2":
                await socket.send_str("3")
            else:
                heard.append(message.data)
    return heard


async def test_the_engine_sends_messages_back(http: aiohttp.ClientSession) -> None:
    """Texts and bytes come back as they were, over polling and over a WebSocket."""
    async with echo.listening(echo.engine_app()) as port:
        url = f"http://127.0.0.1:{port}/engine.io/"
        async with http.ws_connect(url, params={"EIO": "4", "transport": "websocket"}) as socket:
            await socket.send_str("4text")
            await socket.send_bytes(b"\x01\xff")
            assert (await hear(socket, 3))[1:] == ["4text", b"\x01\xff"]
        polling = {"EIO": "4", "transport": "polling"}
        async with http.get(url, params=polling) as opened:
            polling["sid"] = (await opened.text()).split('"')[3]
        async with http.post(url, params=polling, data="4text\x1ebAf8=") as posted:
            assert await posted.text() == "ok"
        async with http.get(url, params=polling) as polled:
            assert await polled.text() == "4text\x1ebAf8="


PLACES = '{"_placeholder":true,"num":0},{"a":{"_placeholder":true,"num":1}}'
EXCHANGES = {
    "an event": (['42["message",1,{"a":[true]}]'], ['42["message-back",1,{"a":[true]}]']),
    "bytes": (
        [f'452-["message",{PLACES}]', b"one", b"two"],
        [f'452-["message-back",{PLACES}]', b"one", b"two"],
    ),
    "an ack": (['427["message-with-ack","x"]'], ['437["x"]']),
    "bytes in an ack": (
        [f'452-7["message-with-ack",{PLACES}]', b"one", b"two"],
        [f"462-7[{PLACES}]", b"one", b"two"],
    ),
    "a custom namespace": (['40/custom,{"a":1}'], ["40/custom,", '42/custom,["auth",{"a":1}]']),
    "an unknown namespace": (["40/random"], ['44/random,{"message":"Invalid namespace"}']),
}


@pytest.mark.parametrize(("said", "answers"), EXCHANGES.values(), ids=EXCHANGES)
async def test_the_socket_server_answers(
    http: aiohttp.ClientSession, said: list[Any], answers: list[Any]
) -> None:
    """Whoever connects is told what it said; what it says then is answered letter by letter."""
    async with echo.listening(echo.socket_app()) as port:
        url = f"http://127.0.0.1:{port}/socket.io/"
        async with http.ws_connect(url, params={"EIO": "4", "transport": "websocket"}) as socket:
            await socket.send_str("40")
            assert (await hear(socket, 3))[2] == '42["auth",{}]'
            for message in said:
                await (socket.send_str if isinstance(message, str) else socket.send_bytes)(message)
            heard = await hear(socket, len(answers))
            assert all(
                found.startswith(answer) if str(answer).startswith("40") else found == answer
                for found, answer in zip(heard, answers, strict=True)
            ), heard
