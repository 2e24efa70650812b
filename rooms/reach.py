"""Where requests to addresses that users name may go.

Whoever names an address has the server connect to it. What only the server can reach (itself, the
machines beside it, its cloud's metadata) is therefore out of reach, unless the operator allows it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from yarl import URL

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL = 2_048

# Written out, because what ipaddress calls global differs between versions of Python.
_REFUSED = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network, and "unspecified"
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by a carrier's customers
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's metadata; the other clouds' are link-local, private or shared
        "169.254.0.0/16",  # link-local
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays from IPv6 to IPv4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # IPv4 in IPv6 (6to4)
        "3fff::/20",  # documentation
    )
]
# All that is routed over the Internet in IPv6; loopback, private, link-local and multicast lie outside.
_ROUTED = ipaddress.ip_network("2000::/3")
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # IPv4 behind a translator, which will connect to it
_HOST = re.compile(r"[A-Za-z0-9._-]+|[A-Za-z0-9.:%_-]*:[A-Za-z0-9.:%_-]*")
_NAME = re.compile(r"(?=.*[a-z])[a-z0-9_.-]*[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be connected to: the Internet, and these names and networks of the operator's own.

    A name that is allowed may lead anywhere.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def beyond(cls, entries: Iterable[str]) -> Reach:
        """Return the reach that includes these names and networks; raise ValueError for what is neither."""
        names, networks = set[str](), list[Network]()
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                names.add(_name(entry))
        return cls(frozenset(names), tuple(networks))

    def require_url(self, text: str) -> URL:
        """Return the URL, if requests may be made to it; raise ValueError with the reason otherwise.

        Where its name leads is asked only when it is connected to: see :meth:`require`.
        """
        url = _parse(text)
        host = url.raw_host or ""
        # What looks like an address is connected to without asking for a name.
        if ":" in host or host.replace(".", "").isdigit():
            self.require(host, [host])
        return url

    def require(self, host: str, addresses: Sequence[str]) -> None:
        """Raise ValueError unless each address that the host has may be connected to."""
        if host.lower().rstrip(".") in self.names:
            return
        if not all(self._includes(address) for address in addresses):
            raise ValueError("must not lead to a private or reserved address, unless the operator allows it")

    def _includes(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:  # an odd spelling, which somebody else might read as an address
            return False
        if getattr(address, "scope_id", None) is not None:
            return False
        address = _inner(address)
        if any(address in network for network in self.networks):
            return True
        is_routed = address.version == 4 or address in _ROUTED
        return is_routed and not any(address in network for network in _REFUSED)


def _parse(text: str) -> URL:
    try:
        url = URL(text)
    except ValueError:
        raise ValueError("must be an http or https URL") from None
    is_placed = url.scheme in ("http", "https") and _HOST.fullmatch(url.raw_host or "")
    if not is_placed or len(text) > MAX_URL or not text.isprintable() or " " in text:
        raise ValueError(f"must be an http or https URL of at most {MAX_URL} characters")
    if url.user is not None or url.password is not None:
        raise ValueError("must not contain a user name or a password")
    return url


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address


def _name(text: str) -> str:
    name = text.lower().rstrip(".")
    if _NAME.fullmatch(name) is None:
        raise ValueError(
            "must be host names and networks like hooks.example or 10.0.0.0/8, separated by commas"
        )
    return name
