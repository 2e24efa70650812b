"""What the log says of trouble: enough to find the request, never a secret or what somebody said."""

import asyncio
import io
import logging
import re
import signal
import socket
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiohttp
import orjson
import pytest
from sqlalchemy import Connection

from rooms import messages, store
from rooms.drafts import Draft
from rooms.principals import Kind
from rooms.rows import Message
from server import logs
from tests.api.bad_input import BAD, MALFORMED, MARKER
from tests.rest import API
from tests.running import DEADLINE, Parley, serving
from tests.talking import ELIZA, NATIVE, speaking_by_hand, talking

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Give what the process would write to standard error, in the form in which it would."""
    root, chatty = logging.getLogger(), ("aiohttp", "engineio", "socketio", "alembic", "asyncio")
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in chatty}
    root.handlers[:] = []
    logs.configure()
    written = io.StringIO()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


async def test_a_flood_of_bad_input_leaves_no_secret_in_the_log(tmp_path: Path) -> None:
    """Each refused request stands there under its id; neither keys nor contents do, whatever the door."""
    async with (
        serving(tmp_path / "data", PARLEY_RATE_LIMITS="off") as served,
        aiohttp.ClientSession() as session,
    ):
        service = served.rest(session)
        channel_id = await service.new_channel("talk", "ann")
        assert served.service_key is not None
        guess = served.service_key[:-1] + "x"
        bodies = [bad.native(channel_id) for bad in BAD]
        bodies += [raw.replace("%s", channel_id) for raw in MALFORMED.values()]
        for number, body in enumerate(bodies):
            headers = {**JSON, "X-Request-ID": f"bad-{number}"}
            reply = await service.request("POST", f"{API}/submit", data=body.encode(), headers=headers)
            assert reply.status in (400, 404, 201), body[:200]
            served_as = {"Authorization": f"Bearer {guess}", "X-Request-ID": f"guess-{number}"}
            assert (await service.request("GET", f"{API}/message-servers", headers=served_as)).status == 401
        for namespace, event in ((NATIVE, "submit"), (ELIZA, "2")):
            async with speaking_by_hand(served.url, namespace) as socket:
                await socket.connect({"token": guess, "note": MARKER})
                await socket.connect({"token": served.service_key, "entityId": "ann", "note": MARKER})
                prefix = "" if namespace == ELIZA else f"{namespace},"
                for bad in BAD:
                    await socket.send(f'42{prefix}["{event}",{bad.native(channel_id)}]')
                await socket.settle()
            for broken in (f'2{prefix}["{event}",{MALFORMED["cut"]}]', f"2{prefix}{MARKER}", f"9{MARKER}"):
                async with speaking_by_hand(served.url, namespace) as socket:
                    await socket.connect({"token": served.service_key})
                    assert await socket.is_closed_for(f"4{broken}")
    written = served.log.read_text()
    refused = re.findall(r"POST /api/messaging/submit -> (\d+) (\w+) \[bad-(\d+)\]", written)
    assert len(refused) >= len(bodies) - 2
    assert len(re.findall(r"401 AUTHENTICATION_FAILED \[guess-\d+\]", written)) == len(bodies)
    for secret in (served.service_key, guess, served.sign_in_code, MARKER):
        assert secret is not None
        assert secret not in written
        assert secret[:16] not in written


async def test_a_client_that_went_at_once_has_no_address_in_the_log(tmp_path: Path) -> None:
    """Who resets its connection before it is accepted is refused from an unknown address."""
    count = 10
    async with serving(tmp_path / "data") as served:
        address = ("127.0.0.1", int(served.url.rpartition(":")[2]))
        head = f"POST {API}/submit HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n"
        served.process.send_signal(signal.SIGSTOP)
        for _ in range(count):
            with socket.create_connection(address) as client:
                client.sendall(head.encode())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        served.process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(DEADLINE):
            while len(said := re.findall(r"POST .* -> \d+ \w+ \[\w+\] (.*)", served.log.read_text())) < count:
                await asyncio.to_thread(served.log.read_text)
    assert set(said) == {"an unknown address"}


async def test_a_failure_is_logged_with_its_frames_and_without_its_message(
    log: io.StringIO, parley: Parley, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id, the kind and the place of a failure are there; what its message quotes is not."""

    async def break_down(_ctx: object, draft: Draft) -> None:
        raise RuntimeError(f"cannot store {draft.content}")

    monkeypatch.setattr(messages, "submit", break_down)
    monkeypatch.setattr(messages, "begin", break_down)
    channel_id = await parley.service.new_channel("talk", "ann")
    ann = await parley.user("ann")
    assert (await ann.having(X_Request_ID="the-id").submit(channel_id, MARKER)).status == 500
    body = {"channel_id": channel_id, "content": MARKER}
    async with talking(parley.url, {"token": ann.secret}) as talker:
        assert await talker.code("submit", body) == "INTERNAL_ERROR"
    async with talking(parley.url, {"token": ann.secret}, ELIZA) as talker:
        payload = {"channelId": channel_id, "message": MARKER}
        assert await talker.code("message", {"type": 2, "payload": payload}) == "INTERNAL_ERROR"
    written = log.getvalue()
    assert "[the-id]" in written
    assert len(re.findall("^RuntimeError$", written, re.MULTILINE)) == 3
    assert written.count("in break_down") == 3
    assert MARKER not in written
    assert (ann.secret or "") not in written


async def test_a_refusal_of_the_database_is_logged_without_the_values(
    log: io.StringIO, parley: Parley, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drivers put the parameters of a statement into their errors; these do not reach the log."""
    channel_id = await parley.service.new_channel("talk", "ann")
    insert = store.messages.add

    def insert_twice(connection: Connection, added: Sequence[Message]) -> None:
        insert(connection, added)
        insert(connection, added)

    monkeypatch.setattr(store.messages, "add", insert_twice)
    assert (await parley.service.submit(channel_id, MARKER, author_id="ann")).status == 500
    written = log.getvalue()
    assert "IntegrityError" in written
    assert MARKER not in written


@pytest.mark.parametrize(
    "path", ["/a%0aFORGED", "/a%0d%0aFORGED", "/a%1b[31mFORGED", "/a%00FORGED", "/%c2%85FORGED"]
)
async def test_a_path_cannot_forge_lines_of_the_log(log: io.StringIO, parley: Parley, path: str) -> None:
    """One refused request is one line, and no character in it drives a terminal."""
    assert (await parley.anonymous.request("GET", path)).status == 404
    (line,) = [line for line in log.getvalue().splitlines() if "FORGED" in line]
    assert re.match(r"\d{4}-\d\d-\d\dT\S+ \[info +\] GET /.* -> 404 RESOURCE_NOT_FOUND", line)
    assert line.isprintable()


@pytest.mark.parametrize("event", ["a\nFORGED", "\x1b[31mFORGED", "x" * 10_000])
async def test_an_events_name_cannot_forge_lines_of_the_log(
    log: io.StringIO, parley: Parley, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    """Whatever a client calls its event, the log stays readable and small."""
    async with speaking_by_hand(parley.url) as socket:
        await socket.connect({"token": await parley.key(Kind.USER, "ann")})
        name = orjson.dumps(event).decode()
        assert (await socket.event(f"[{name},{{}}]"))["success"] is False
    written = log.getvalue()
    assert "\x1b[31m" not in written
    assert not [line for line in written.splitlines() if line.startswith("FORGED")]
    assert len(written) < 5_000
