"""Behind proxies: the client's address, scheme and host are what trusted proxies say, and nobody else."""

import pytest

from tests.rest import API, Rest
from tests.running import Parley, Start

POLL = "/socket.io/?EIO=4&transport=polling"
FULL = 999  # what is left of an address's bucket after its first request


async def left(client: Rest, *forwarded: str) -> int:
    """Return what is left of the bucket of the address that a request is charged to."""
    headers = [("X-Forwarded-For", value) for value in forwarded]
    async with client.session.get(
        f"{client.url}{API}/message-servers", headers=[*client.headers.items(), *headers]
    ) as response:
        assert response.status == 200
        return int(response.headers["X-RateLimit-Remaining"])


async def behind(start: Start, *proxies: str) -> Parley:
    """Run a node with rate limits that trusts these proxies, and charge the peer's own address once."""
    parley = await start(rate_limits="on", trusted_proxies=list(proxies))
    assert await left(parley.service) == FULL
    return parley


async def test_without_proxies_a_client_cannot_choose_its_address(start: Start) -> None:
    """Whatever X-Forwarded-For says, the TCP peer is charged."""
    parley = await behind(start)
    assert await left(parley.service, "203.0.113.1") == FULL - 1
    assert await left(parley.service, "203.0.113.2") == FULL - 2


async def test_what_an_untrusted_peer_forwards_does_not_count(start: Start) -> None:
    """Trust is in addresses, not in the header."""
    parley = await behind(start, "10.0.0.0/8")
    assert await left(parley.service, "203.0.113.1") == FULL - 1


@pytest.mark.parametrize(
    ("same", "forwarded"),
    [
        ("203.0.113.1", ["203.0.113.1"]),
        ("203.0.113.1", ["198.51.100.9, 203.0.113.1"]),  # invented by the client
        ("203.0.113.1", ["198.51.100.9", "203.0.113.1"]),
        ("203.0.113.1", ["203.0.113.1, 10.1.2.3, 10.4.5.6"]),  # three proxies
        ("203.0.113.1", ["198.51.100.9,203.0.113.1,10.1.2.3"]),
        ("203.0.113.1", ["203.0.113.1:49152"]),
        ("203.0.113.1", ["::ffff:203.0.113.1"]),
        ("2001:db8::1", ["[2001:DB8::1]:443"]),
        ("10.1.2.3", ["10.1.2.3"]),  # a client that is itself among the proxies
        ("127.0.0.1", ["unknown"]),
        ("127.0.0.1", [""]),
        ("127.0.0.1", ["203.0.113.1, _hidden"]),
        ("10.1.2.3", ["203.0.113.1, unknown, 10.1.2.3"]),
    ],
    ids=str,
)
async def test_a_trusted_proxy_names_the_client(start: Start, same: str, forwarded: list[str]) -> None:
    """The last address that is no proxy's is charged; what stands before it is the client's invention."""
    parley = await behind(start, "127.0.0.1", "10.0.0.0/8")
    before = await left(parley.service, same)
    assert await left(parley.service, *forwarded) == before - 1


async def test_behind_tls_the_own_page_may_connect(start: Start) -> None:
    """The proxy's word on scheme and host decides which origin is the server's own."""
    parley = await start(trusted_proxies=["127.0.0.1"], allowed_hosts=["chat.example"])
    page = parley.anonymous.having(Origin="https://chat.example")
    plain = page.having(X_Forwarded_Host="chat.example")
    for proto in ("https", "wss", "http, https"):
        assert (await plain.having(X_Forwarded_Proto=proto).get(POLL)).status == 200
    for proto in ("http", "https, http", "gopher", ""):
        assert (await plain.having(X_Forwarded_Proto=proto).get(POLL)).status == 403
    assert (await page.having(X_Forwarded_Proto="https").get(POLL)).status == 403


async def test_a_forwarded_host_is_held_to_the_same_names(start: Start) -> None:
    """A proxy passes on what it was asked for, and only the server knows its names."""
    parley = await start(trusted_proxies=["127.0.0.1"])
    assert (await parley.anonymous.having(X_Forwarded_Host="evil.example").get("/")).status == 421


async def test_a_client_cannot_forward_itself(start: Start) -> None:
    """Without a trusted proxy neither a host nor a scheme is taken from a client."""
    parley = await start(allowed_hosts=["chat.example"])
    forged = parley.anonymous.having(X_Forwarded_Host="localhost", X_Forwarded_Proto="https")
    assert (await forged.having(Host="evil.example").get("/")).status == 421
    page = forged.having(Host="chat.example", Origin="https://chat.example")
    assert (await page.get(POLL)).status == 403


async def test_messages_are_stored_through_a_proxy(start: Start) -> None:
    """Bodies, ids and answers are the same as without one."""
    parley = await start(trusted_proxies=["127.0.0.1"])
    client = parley.service.having(X_Forwarded_For="203.0.113.1", X_Request_ID="my-id")
    channel_id = await client.new_channel("talk", "ann")
    reply = await client.submit(channel_id, "hello", author_id="ann")
    assert (reply.status, reply.headers["X-Request-ID"]) == (201, "my-id")
