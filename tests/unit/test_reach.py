"""Reach: which addresses requests may go to, however they are spelled."""

import contextlib

import pytest

from rooms.reach import MAX_URL, Reach

INTERNET = Reach()

# A host as it stands in a URL, and whether requests may go there without a setting.
HOSTS = [
    ("hooks.example", True),
    ("93.184.215.14", True),
    ("1.1.1.1", True),
    ("[2606:4700:4700::1111]", True),
    ("[64:ff9b::101:101]", True),  # 1.1.1.1 behind a translator
    ("[::ffff:1.1.1.1]", True),
    ("0.0.0.0", False),
    ("0.1.2.3", False),
    ("10.0.0.1", False),
    ("100.64.0.1", False),
    ("100.100.100.200", False),  # a cloud's metadata
    ("100.127.255.255", False),
    ("100.128.0.0", True),
    ("127.0.0.1", False),
    ("127.255.255.254", False),
    ("128.0.0.0", True),
    ("168.63.129.16", False),  # a cloud's metadata, at a public address
    ("169.254.1.1", False),
    ("169.254.169.254", False),  # the metadata of most clouds
    ("172.15.255.255", True),
    ("172.16.0.1", False),
    ("172.31.255.255", False),
    ("172.32.0.0", True),
    ("192.0.0.192", False),  # a cloud's metadata
    ("192.0.2.1", False),
    ("192.88.99.1", False),
    ("192.168.1.1", False),
    ("198.18.0.1", False),
    ("198.51.100.1", False),
    ("203.0.113.1", False),
    ("224.0.0.1", False),
    ("239.255.255.255", False),
    ("240.0.0.1", False),
    ("255.255.255.255", False),
    ("[::]", False),
    ("[::1]", False),
    ("[::127.0.0.1]", False),
    ("[::ffff:127.0.0.1]", False),
    ("[::ffff:7f00:1]", False),
    ("[::ffff:a9fe:a9fe]", False),
    ("[::ffff:0:127.0.0.1]", False),
    ("[64:ff9b::127.0.0.1]", False),
    ("[64:ff9b::a9fe:a9fe]", False),
    ("[64:ff9b:1::1]", False),
    ("[100::1]", False),
    ("[2001::1]", False),
    ("[2001:db8::1]", False),
    ("[2002:7f00:1::]", False),
    ("[3fff::1]", False),
    ("[fc00::1]", False),
    ("[fd00:ec2::254]", False),  # a cloud's metadata
    ("[fe80::1]", False),
    ("[fe80::1%25eth0]", False),
    ("[2606:4700:4700::1111%25eth0]", False),
    ("[fec0::1]", False),
    ("[ff02::1]", False),
    ("127.1", False),
    ("127.0.1", False),
    ("2130706433", False),
    ("0", False),
    ("0177.0.0.1", False),
    ("127.0.0.1.", False),
    ("1.1.1.1.", False),
    ("1.1", False),
    ("１２７.0.0.1", False),
    ("①②⑦.0.0.1", False),
    ("127。0。0。1", False),
]


@pytest.mark.parametrize(("host", "is_within"), HOSTS)
def test_only_the_internet_is_within_reach(host: str, is_within: bool) -> None:
    """Private, local, reserved and metadata addresses are refused in every spelling."""
    refused = pytest.raises(ValueError, match="private or reserved")
    with contextlib.nullcontext() if is_within else refused:
        INTERNET.require_url(f"http://{host}:8080/hook")


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["fe80::1%eth0"], ["0x7f.1"], [""], ["::1"]]
)
def test_a_name_must_lead_nowhere_else(addresses: list[str]) -> None:
    """One address that is out of reach spoils the others."""
    with pytest.raises(ValueError, match="private or reserved"):
        INTERNET.require("hooks.example", addresses)


@pytest.mark.parametrize(
    ("entry", "host", "address"),
    [
        ("hooks.internal", "hooks.internal", "10.1.2.3"),
        ("hooks.internal", "HOOKS.internal.", "10.1.2.3"),
        ("Hooks.Internal.", "hooks.internal", "::1"),
        ("10.0.0.0/8", "anything.example", "10.1.2.3"),
        ("127.0.0.1", "localhost", "127.0.0.1"),
        ("127.0.0.1", "localhost", "::ffff:127.0.0.1"),
        ("fd00::/8", "hooks.internal", "fd12::1"),
    ],
)
def test_an_operator_allows_names_and_networks(entry: str, host: str, address: str) -> None:
    """What is allowed is within reach, and what is beside it stays out."""
    reach = Reach.beyond([entry])
    reach.require(host, [address])
    for other in ("192.168.0.1", "fe80::1"):
        with pytest.raises(ValueError, match="private or reserved"):
            reach.require("other.example", [other])


def test_an_allowed_network_covers_addresses_in_urls() -> None:
    """A literal address is looked up in the operator's networks too."""
    assert Reach.beyond(["127.0.0.0/8"]).require_url("http://127.0.0.1:9/").port == 9


@pytest.mark.parametrize("entry", ["https://hooks.example", "hooks.example:80", "*.example", "10.0.0.0/33"])
def test_what_is_neither_name_nor_network_cannot_be_allowed(entry: str) -> None:
    """An entry that could never match is a mistake."""
    with pytest.raises(ValueError, match="host names and networks"):
        Reach.beyond([entry])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example",
        "/hook",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "gopher://hooks.example/",
        "javascript:alert(1)",
        "http://",
        "http:///hook",
        "http://hooks.example:99999/",
        "http://[::1/",
        "http://hooks example/",
        "http://hooks%0d%0a.example/",
        "http://hooks.example;evil.example/",
        "http://user@hooks.example/",
        "http://user:password@hooks.example/",
        "http://:password@hooks.example/",
        "http://hooks.example/" + "x" * MAX_URL,
    ],
)
def test_what_is_no_http_url_is_refused(url: str) -> None:
    """Other schemes, no host, credentials and endless texts are named as what they are."""
    with pytest.raises(ValueError, match="must"):
        INTERNET.require_url(url)
