"""Where an elizaOS 1.x server keeps what was said: its PostgreSQL database, or its REST API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from server import eliza_api, eliza_database

Row = dict[str, Any]


class Source(Protocol):
    """What is asked of an elizaOS server; rows have the names of :mod:`rooms.foreign`'s fields."""

    async def servers(self) -> list[Row]:
        """Return the message servers."""

    async def agents(self) -> list[Row]:
        """Return the agents; of some nothing but the id is known."""

    async def channels(self) -> list[Row]:
        """Return the channels of all servers, with their participants."""

    async def count_messages(self) -> int | None:
        """Return how many messages there are, if that can be known."""

    def messages(self, channel_ids: Sequence[str]) -> AsyncIterator[list[Row]]:
        """Yield pages of messages; those of each channel come in the order of their time."""


@asynccontextmanager
async def opened_source(address: str, api_key: str | None) -> AsyncIterator[Source]:
    """Give the source behind an address; raise BadSetting if there is none that can be read."""
    if address.startswith(("http://", "https://")):
        async with eliza_api.opened(address, api_key) as source:
            yield source
    else:
        async with eliza_database.opened(address) as tables:
            yield tables
