"""Which Host headers name this server, by what its operator set."""

import pytest

from server.config import load

LOOPBACK = [
    "localhost",
    "LocalHost:3000",
    "127.0.0.1:80",
    "[::1]",
    "[::1]:3000",
    "chat.localhost",
    "localhost.",
]
STRANGE = ["", "evil.example", "localhost.evil.example", "evil.example:3000", "localhost@evil.example"]
STRANGE += [
    "127.0.0.1.evil.example",
    "evillocalhost",
    "a b",
    "[::1",
    "localhost:x",
    "localhost/",
    "::1",
]
ADDRESSES = ["192.168.1.5:3000", "10.0.0.1", "[fe80::1]:3000", "[::2]"]


def answers(stated: str, **settings: object) -> bool:
    """Tell whether a server with these settings answers to a Host header."""
    hosts = load(**settings).hosts()
    return hosts is None or hosts.include(stated)


@pytest.mark.parametrize("host", LOOPBACK)
def test_the_names_of_this_machine_are_always_answered_to(host: str) -> None:
    """Whatever was set, a client on this machine gets through; no name server can hand these names out."""
    everywhere = {"host": "0.0.0.0", "auth": "open", "allow_open": True}
    for settings in ({}, {"allowed_hosts": "chat.example"}, everywhere):
        assert answers(host, **settings)


@pytest.mark.parametrize("host", [*STRANGE, *ADDRESSES])
def test_a_server_of_this_machine_alone_answers_to_nothing_else(host: str) -> None:
    """On loopback, keyed or open, every other name is somebody else's."""
    assert not answers(host)
    assert not answers(host, auth="open")


def test_with_keys_a_public_server_answers_to_any_name() -> None:
    """A page of a foreign name has no key to send, and proxies name servers as they like."""
    assert all(answers(host, host="0.0.0.0") for host in [*LOOPBACK, *STRANGE, *ADDRESSES])


def test_without_keys_a_public_server_answers_to_addresses_only() -> None:
    """In open mode no name passes that a name server could point here, unless the operator named it."""
    public = {"host": "0.0.0.0", "auth": "open", "allow_open": True}
    assert [host for host in STRANGE if answers(host, **public)] == []
    assert [host for host in ADDRESSES if not answers(host, **public)] == []
    assert answers("box.lan:3000", **public | {"host": "Box.lan"})


@pytest.mark.parametrize("host", ["chat.example", "CHAT.example:3000", "chat.example.", "[fe80::1]:80"])
def test_the_names_that_the_operator_gave_are_answered_to(host: str) -> None:
    """Without regard to case and port; and no other name is."""
    for bound in ("127.0.0.1", "0.0.0.0"):
        named = {"host": bound, "allowed_hosts": "Chat.Example, fe80::1"}
        assert answers(host, **named)
        assert not answers("evil.example", **named)
        assert not answers("192.168.1.5", **named)


def test_a_star_stands_for_any_name() -> None:
    """Even on loopback and in open mode, if that is what somebody wants."""
    assert answers("evil.example", auth="open", allowed_hosts="*")
