"""Addresses, names and origins: what a page under a foreign name gets, and which are the server's own."""

from pathlib import Path

import pytest

from tests.rest import API
from tests.running import Parley, Start, run_parley

EVIL = "evil.example"
POLL = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    "path", ["/", "/app.js", f"{API}/message-servers", POLL, "/openapi.json", "/nothing"]
)
async def test_a_page_of_a_name_that_was_pointed_here_gets_nothing(start: Start, path: str) -> None:
    """Its browser believes it to be of this origin; every door answers 421 and says what to set."""
    parley = await start(auth="open")
    rebound = parley.anonymous.having(Host=f"{EVIL}:{parley.node.port}", Origin=f"http://{EVIL}")
    reply = await rebound.get(path)
    assert reply.refusal == (421, "MISDIRECTED_REQUEST")
    assert EVIL in reply.error["details"]
    assert "PARLEY_ALLOWED_HOSTS" in reply.error["details"]


async def test_a_websocket_under_a_foreign_name_is_refused(start: Start) -> None:
    """The handshake is refused before there is a session."""
    parley = await start(auth="open")
    headers = {**WEBSOCKET, "Host": EVIL, "Origin": f"http://{EVIL}"}
    path = "/socket.io/?EIO=4&transport=websocket"
    assert (await parley.anonymous.request("GET", path, headers=headers)).status == 421


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/health"])
async def test_probes_are_answered_under_any_name(parley: Parley, path: str) -> None:
    """Load balancers ask by address, or by names of their own."""
    assert (await parley.anonymous.having(Host=EVIL).get(path)).status == 200


async def test_a_name_that_the_operator_gave_is_answered_to(start: Start) -> None:
    """Its pages are the server's own, and may connect."""
    parley = await start(allowed_hosts=["chat.example"])
    own = parley.service.having(Host="chat.example", Origin="http://chat.example")
    assert (await own.get(f"{API}/message-servers")).status == 200
    assert (await own.get(POLL)).status == 200


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("chat.example", "http://chat.example", 200),
        ("chat.example:80", "http://chat.example", 200),
        ("Chat.Example", "http://chat.example", 200),
        ("chat.example:81", "http://chat.example:81", 200),
        ("chat.example", "https://chat.example", 403),
        ("chat.example", "http://chat.example:81", 403),
        ("chat.example:81", "http://chat.example", 403),
        ("chat.example", "http://localhost", 403),
        ("chat.example", "null", 403),
    ],
)
async def test_an_origin_is_a_scheme_a_host_and_a_port(
    start: Start, host: str, origin: str, status: int
) -> None:
    """A page may connect if all three are those under which it asks."""
    parley = await start(allowed_hosts=["chat.example"])
    assert (await parley.anonymous.having(Host=host, Origin=origin).get(POLL)).status == status


@pytest.mark.parametrize(("named", "allowed"), [("https://chat.example", "true"), ("*", None)])
@pytest.mark.parametrize("path", [POLL, "/healthz"])
async def test_cookies_go_with_named_origins_only(
    start: Start, named: str, allowed: str | None, path: str
) -> None:
    """Where any page may ask, none may ask in the name of a session that a proxy keeps."""
    parley = await start(cors_origin=[named])
    headers = (await parley.anonymous.having(Origin="https://chat.example").get(path)).headers
    assert headers["Access-Control-Allow-Origin"] == "https://chat.example"
    assert headers.get("Access-Control-Allow-Credentials") == allowed


async def test_a_page_reads_why_its_request_failed(start: Start) -> None:
    """Refusals carry the headers of cross-origin answers too, the one of a foreign host among them."""
    parley = await start(cors_origin=["https://chat.example"])
    reply = await parley.anonymous.having(Host=EVIL, Origin="https://chat.example").get(
        f"{API}/message-servers"
    )
    assert reply.status == 421
    assert reply.headers["Access-Control-Allow-Origin"] == "https://chat.example"


async def test_an_address_that_is_taken_ends_the_start_with_a_sentence(
    parley: Parley, tmp_path: Path
) -> None:
    """It names the address once, and the option that helps."""
    port = parley.url.rpartition(":")[2]
    code, said = await run_parley("serve", "--port", port, "--data-dir", str(tmp_path))
    assert code == 1
    assert said.count(f"{port}: address already in use") == 1
    assert "choose another port with --port" in said
