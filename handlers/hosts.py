"""Which names the server answers to.

A page whose domain was pointed at this address is, to its browser, of the same origin as everything
here (DNS rebinding). What gives it away is the name in the Host header.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

ANY_HOST = "*"
# Nobody else's page can have these names, whatever a name server says.
OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
# Load balancers ask for these by address.
PROBES = frozenset({"/healthz", "/readyz", "/health"})
REMEMBERED = 256

_NAME = re.compile(r"\[[0-9a-f:.]+\]|[\w.-]*\w", re.IGNORECASE)
_HOST = re.compile(rf"({_NAME.pattern})\.?(?::\d*)?", re.IGNORECASE)


def in_url(host: str) -> str:
    """Return a host as it stands in a URL and in a Host header: IPv6 in brackets."""
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def host_name(text: str) -> str:
    """Return the name of a host as it stands in a Host header; raise ValueError if it cannot stand there."""
    name = in_url(text)
    if name != ANY_HOST and _NAME.fullmatch(name) is None:
        raise ValueError("must be host names without scheme and port, separated by commas, or * for any")
    return name.lower()


@dataclass(frozen=True)
class Hosts:
    """The names that are answered to; ``addresses`` adds every IP address, which no name server can move."""

    names: frozenset[str]
    addresses: bool = False

    def include(self, host: str) -> bool:
        """Tell whether a Host header names this server."""
        found = _HOST.fullmatch(host)
        name = found[1].lower() if found else ""
        return name in self.names or name.endswith(".localhost") or (self.addresses and _is_address(name))


def serve_only(hosts: Hosts) -> Middleware:
    """Return a middleware that refuses what was meant for another host."""
    include = lru_cache(REMEMBERED)(hosts.include)

    @web.middleware
    def check(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
        if include(request.host) or request.path in PROBES:
            return handler(request)
        raise web.HTTPMisdirectedRequest(
            reason="Misdirected request",
            text=f"This server does not answer to '{request.host[:80]}'; if it should, its operator "
            "adds that name to PARLEY_ALLOWED_HOSTS",
        )

    return check


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
