"""A REST client for tests: one credential, every call that tests make often, and what was answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import orjson

from rooms.rules import DEFAULT_SERVER_ID

API = "/api/messaging"


@dataclass(frozen=True)
class Reply:
    """What a REST request was answered."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The JSON of the answer."""
        return orjson.loads(self.raw)

    @property
    def data(self) -> Any:
        """What a successful answer carries."""
        assert self.status < 300, f"{self.status}: {self.raw.decode()}"
        assert self.body["success"] is True
        return self.body["data"]

    @property
    def error(self) -> dict[str, str]:
        """What a refusal carries; its form is checked on the way."""
        assert set(self.body) == {"success", "error"}, self.body
        assert self.body["success"] is False
        error = self.body["error"]
        assert set(error) == {"code", "message", "details"}
        assert all(isinstance(text, str) and text for text in error.values()), error
        return error

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and code of an error."""
        return self.status, self.error["code"]


@dataclass(frozen=True)
class Rest:
    """A REST client with one credential, or none."""

    session: aiohttp.ClientSession
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: str | None = None

    def having(self, **headers: str) -> "Rest":
        """Return the same client with more headers; ``_`` in a name stands for ``-``."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **more})

    def in_elizas_dialect(self) -> "Rest":
        """Return a client that sends the same secret as elizaOS's clients do."""
        assert self.secret is not None
        return replace(self, headers={"X-API-KEY": self.secret})

    async def request(self, method: str, path: str, **options: Any) -> Reply:
        """Send a request and read the answer to its end."""
        headers = {**self.headers, **options.pop("headers", {})}
        async with self.session.request(method, self.url + path, headers=headers, **options) as response:
            return Reply(response.status, response.headers, await response.read())

    async def get(self, path: str, **query: Any) -> Reply:
        """Send a GET request."""
        return await self.request("GET", path, params=query)

    async def post(self, path: str, body: Any = None, **options: Any) -> Reply:
        """Send a POST request with a JSON body."""
        return await self.request("POST", path, json=body, **options)

    async def delete(self, path: str) -> Reply:
        """Send a DELETE request."""
        return await self.request("DELETE", path)

    async def submit(self, channel_id: str, content: str = "hello", **fields: Any) -> Reply:
        """Submit a message."""
        return await self.post(f"{API}/submit", {"channel_id": channel_id, "content": content, **fields})

    async def message(self, message_id: str) -> Reply:
        """Read one message."""
        return await self.get(f"{API}/messages/{message_id}")

    async def edit(self, message_id: str, content: Any = "changed") -> Reply:
        """Edit a message."""
        return await self.request("PATCH", f"{API}/messages/{message_id}", json={"content": content})

    async def delete_message(self, message_id: str) -> Reply:
        """Delete a message."""
        return await self.delete(f"{API}/messages/{message_id}")

    async def history(self, channel_id: str, **query: Any) -> Reply:
        """Read a channel's history."""
        return await self.get(f"{API}/channels/{channel_id}/messages", **query)

    async def texts(self, channel_id: str, **query: Any) -> list[str]:
        """Return what a page of a channel's history says."""
        page = (await self.history(channel_id, **query)).data
        return [message["text"] for message in page["messages"]]

    async def create_channel(self, name: str, **fields: Any) -> Reply:
        """Create a channel in the default server, unless told otherwise."""
        return await self.post(
            f"{API}/central-channels", {"name": name, "serverId": DEFAULT_SERVER_ID, **fields}
        )

    async def new_channel(self, name: str = "talk", *members: str, **fields: Any) -> str:
        """Create a channel with these members and return its id."""
        channel_id: str = (await self.create_channel(name, **fields)).data["id"]
        for member in members:
            assert (await self.add(channel_id, member)).status == 201
        return channel_id

    async def add(self, channel_id: str, entity_id: str, **fields: Any) -> Reply:
        """Add a participant to a channel."""
        return await self.post(f"{API}/channels/{channel_id}/participants", {"userId": entity_id, **fields})

    async def remove(self, channel_id: str, entity_id: str) -> Reply:
        """Remove a participant from a channel."""
        return await self.delete(f"{API}/channels/{channel_id}/participants/{entity_id}")
