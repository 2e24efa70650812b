"""Socket.IO clients for tests: one that remembers what it heard, and one that speaks by hand."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import socketio

from rooms.rules import DEFAULT_SERVER_ID

NATIVE = f"/servers/{DEFAULT_SERVER_ID}"
ELIZA = "/"
PATIENCE = 30.0

Connect = Callable[..., Awaitable["Talker"]]  # by the id of a user, and the namespace


class Talker:
    """A stock client of one namespace, which keeps every event in the order of its arrival."""

    def __init__(self, client: socketio.AsyncClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.heard: list[tuple[str, Any]] = []
        self._more = asyncio.Event()
        client.on("*", self._hear, namespace=namespace)

    def _hear(self, event: str, *arguments: Any) -> None:
        self.heard.append((event, arguments[0] if arguments else None))
        self._more.set()

    def all(self, *names: str) -> list[Any]:
        """Return the payloads of the events of these names so far."""
        return [payload for event, payload in self.heard if event in names]

    async def wait_for(self, name: str, count: int = 1) -> list[Any]:
        """Wait until an event of this name has come so often, and return all payloads."""
        async with asyncio.timeout(PATIENCE):
            while len(found := self.all(name)) < count:
                self._more.clear()
                await self._more.wait()
        return found

    async def emit(self, event: str, payload: Any = None) -> None:
        """Send an event without waiting for its ack."""
        await self.client.emit(event, payload, namespace=self.namespace)

    async def call(self, event: str, payload: Any = None) -> Any:
        """Send an event and return its ack."""
        return await self.client.call(event, payload, namespace=self.namespace, timeout=PATIENCE)

    async def data(self, event: str, payload: Any = None) -> Any:
        """Send an event and return what its ack carries; the call must succeed."""
        ack = await self.call(event, payload)
        assert ack["success"] is True, ack
        return ack["data"]

    async def code(self, event: str, payload: Any = None) -> str:
        """Send an event that must be refused, and return the code of the refusal."""
        ack = await self.call(event, payload)
        assert ack["success"] is False, ack
        assert set(ack["error"]) == {"code", "message", "details"}
        code: str = ack["error"]["code"]
        return code

    async def settle(self) -> None:
        """Wait until everything that the server has queued for this client so far is here."""
        # An event that nobody knows is acknowledged behind all that was sent before.
        assert (await self.call("settle", {}))["success"] is False


@asynccontextmanager
async def talking(
    url: str, auth: Any, namespace: str = NATIVE, transport: str = "websocket"
) -> AsyncIterator[Talker]:
    """Connect a stock client until the block ends; an admitted one has been greeted already."""
    async with aiohttp.ClientSession() as session:
        client = socketio.AsyncClient(reconnection=False, http_session=session)
        talker = Talker(client, namespace)
        await client.connect(
            url, auth=auth, namespaces=[namespace], transports=[transport], wait_timeout=PATIENCE
        )
        try:
            await talker.wait_for("authenticated" if namespace == ELIZA else "ready")
            yield talker
        finally:
            await client.disconnect()


class ByHand:
    """Engine.IO over a WebSocket without a library, for what no proper client would send."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, namespace: str) -> None:
        self._socket = socket
        self._prefix = "" if namespace == ELIZA else f"{namespace},"
        self._ids = itertools.count(1)
        self.received: list[str] = []

    @property
    def is_closed(self) -> bool:
        """Tell whether the server has ended the connection."""
        return self._socket.closed

    async def send(self, text: str | bytes) -> None:
        """Send one Engine.IO packet as it stands."""
        if isinstance(text, bytes):
            await self._socket.send_frame(text, aiohttp.WSMsgType.TEXT)
        else:
            await self._socket.send_str(text)

    async def receive(self) -> str:
        """Return the next packet that is no ping; the server must not have closed."""
        while True:
            message = await self._socket.receive(timeout=PATIENCE)
            assert message.type is aiohttp.WSMsgType.TEXT, message
            if message.data != "2":
                self.received.append(message.data)
                return str(message.data)
            await self._socket.send_str("3")

    async def is_closed_for(self, text: str | bytes) -> bool:
        """Send something and tell whether the server ends the connection for it, as a broken protocol."""
        await self.send(text)
        while (message := await self._socket.receive(timeout=PATIENCE)).type is aiohttp.WSMsgType.TEXT:
            if message.data == "2":
                await self._socket.send_str("3")
        return self._socket.close_code == aiohttp.WSCloseCode.PROTOCOL_ERROR

    async def connect(self, auth: Any, namespace: str | None = None) -> Any:
        """Ask for the namespace, or another one; return the payload of CONNECT or CONNECT_ERROR."""
        prefix = self._prefix if namespace is None else f"{namespace},"
        await self.send(f"40{prefix}{orjson.dumps(auth).decode()}")
        while not (packet := await self.receive()).startswith((f"40{prefix}", f"44{prefix}")):
            pass
        return _json(packet)

    async def settle(self) -> None:
        """Wait until everything that was sent to this client so far is here."""
        await self.event('["settle"]')

    async def event(self, arguments: str | bytes) -> Any:
        """Send an event whose list of arguments is given as raw JSON, and return its ack."""
        number = next(self._ids)
        head = f"42{self._prefix}{number}"
        await self.send(head + arguments if isinstance(arguments, str) else head.encode() + arguments)
        while not (packet := await self.receive()).startswith(f"43{self._prefix}{number}["):
            pass
        return _json(packet)[0]


def _json(packet: str) -> Any:
    begin = min(at for at in (packet.find("{"), packet.find("["), len(packet)) if at >= 0)
    return orjson.loads(packet[begin:])


@asynccontextmanager
async def speaking_by_hand(url: str, namespace: str = NATIVE) -> AsyncIterator[ByHand]:
    """Open a WebSocket and its Engine.IO session until the block ends, without a namespace yet."""
    async with aiohttp.ClientSession() as session:
        address = f"{url}/socket.io/?EIO=4&transport=websocket"
        async with session.ws_connect(address, max_msg_size=0) as socket:
            by_hand = ByHand(socket, namespace)
            assert (await by_hand.receive()).startswith("0{")
            yield by_hand
