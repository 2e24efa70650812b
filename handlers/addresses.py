"""Who asks, and under which name, when proxies stand in between: their word counts, a client's does not."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Sequence
from typing import Any

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Some proxies name the scheme of the WebSocket that is being opened.
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


def network(text: str) -> Network:
    """Return an address or a network; raise ValueError if it is none."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            "must be addresses or networks like 127.0.0.1 or 10.0.0.0/8, separated by commas"
        ) from None


def believe(proxies: Sequence[Network]) -> Middleware:
    """Return a middleware that gives each request the address, scheme and host that these proxies state."""

    @web.middleware
    def restate(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
        peer = _address(request.remote or "")
        if peer is None or not _is_in(peer, proxies):
            return handler(request)
        return handler(request.clone(**_stated(request, peer, proxies)))

    return restate


def _stated(request: web.Request, peer: Address, proxies: Sequence[Network]) -> dict[str, Any]:
    stated: dict[str, Any] = {"remote": str(_client(_list(request, hdrs.X_FORWARDED_FOR), peer, proxies))}
    # The nearest proxy's word is the last one.
    if scheme := _SCHEMES.get(_list(request, hdrs.X_FORWARDED_PROTO)[-1].lower()):
        stated["scheme"] = scheme
    if host := _list(request, hdrs.X_FORWARDED_HOST)[-1]:
        stated["host"] = host
    return stated


def _client(chain: Sequence[str], peer: Address, proxies: Sequence[Network]) -> Address:
    """Return the last address in the chain that is no trusted proxy: what stands before it, it may invent."""
    address = peer
    for text in reversed(chain):
        stated = _address(text)
        if stated is None or not _is_in(address, proxies):
            break
        address = stated
    return address


def _list(request: web.Request, name: str) -> list[str]:
    return [part.strip() for part in ",".join(request.headers.getall(name, ())).split(",")]


def _address(text: str) -> Address | None:
    """Read an address, with or without a port; IPv4 in IPv6's clothes counts as IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
