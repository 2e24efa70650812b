"""Requests to addresses that users name: every one that Parley makes goes through here.

The name is resolved once, by the resolver that the connection is made with, so that what was checked
is what is connected to. Each request has a connection of its own. Redirects are not followed, nothing
is remembered from one answer to the next, and neither time nor size is in the other side's hands.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from socket import AddressFamily

import aiohttp
from aiohttp import ClientTimeout, hdrs
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from rooms.reach import Reach

SECONDS = 10.0
MAX_ANSWER = 256 * 1024

_OWN_HEADERS: Mapping[str, str] = {hdrs.USER_AGENT: "Parley", hdrs.ACCEPT_ENCODING: "identity"}


class FetchFailed(Exception):
    """There is no answer that could be used; ``reason`` is a word for why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask, how long to wait for all of the answer, and how many bytes it may have."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    seconds: float = SECONDS
    max_answer: int = MAX_ANSWER


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, whatever the status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Fetcher:
    """Makes requests, within reach."""

    def __init__(self, reach: Reach, session: aiohttp.ClientSession) -> None:
        self._reach = reach
        self._session = session

    async def fetch(self, request: Request) -> Answer:
        """Return the answer; raise FetchFailed if there is none, or if it is a redirect."""
        try:
            url = self._reach.require_url(request.url)
        except ValueError:
            raise FetchFailed("forbidden_address") from None
        try:
            return await self._ask(url, request)
        except TimeoutError:
            raise FetchFailed("timeout") from None
        except (aiohttp.ClientError, OSError) as error:
            raise FetchFailed(_reason(error)) from None

    async def _ask(self, url: URL, request: Request) -> Answer:
        async with self._session.request(
            request.method,
            url,
            data=request.body,
            headers={**_OWN_HEADERS, **request.headers},
            allow_redirects=False,
            timeout=ClientTimeout(total=request.seconds),
        ) as response:
            if 300 <= response.status < 400:
                raise FetchFailed("redirect")
            return Answer(response.status, response.headers, await _read(response, request.max_answer))


@asynccontextmanager
async def fetching(reach: Reach, resolver: AbstractResolver | None = None) -> AsyncIterator[Fetcher]:
    """Give a fetcher until the block ends; names are looked up as this machine does, unless told."""
    checked = _Checked(reach, resolver or aiohttp.ThreadedResolver())
    connector = aiohttp.TCPConnector(resolver=checked, use_dns_cache=False, force_close=True)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,  # a proxy would resolve the name again
        auto_decompress=False,  # what is counted is what was sent
    ) as session:
        yield Fetcher(reach, session)


class _Checked(AbstractResolver):
    """A resolver that keeps to itself what may not be connected to."""

    def __init__(self, reach: Reach, resolver: AbstractResolver) -> None:
        self._reach = reach
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of the host; raise FetchFailed if one of them may not be connected to."""
        found = await self._resolver.resolve(host, port, family)
        try:
            self._reach.require(host, [result["host"] for result in found])
        except ValueError:
            raise FetchFailed("forbidden_address") from None
        return found

    async def close(self) -> None:
        """Close the resolver behind it."""
        await self._resolver.close()


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit:
            raise FetchFailed("too_large")
    return bytes(body)


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "unknown_host"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "bad_certificate"
    return "unreachable"
