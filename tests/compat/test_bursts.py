"""A stock client that says a great deal at once: each thing is answered once, in order."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rooms import messages
from rooms.principals import Kind
from tests.running import Parley
from tests.talking import NATIVE

SCRIPT = Path(__file__).parent / "bursts.mjs"
PATIENCE = 60.0

WAYS = {"polling": {"transports": ["polling"]}, "websocket": {"transports": ["websocket"]}, "upgrading": {}}
way = pytest.mark.parametrize("way", WAYS)


Seen = list[dict[str, Any]]


async def burst(
    node: str, parley: Parley, secret: str, way: str, ends: Callable[[Seen], bool] | None = None, **what: Any
) -> Seen:
    """Let a client emit, and return what it saw until it has as many acks, and events, as are due."""
    options = {"auth": {"token": secret}, **WAYS[way]}
    due = what["count"] + what.pop("hears", 0)
    ends = ends or (lambda seen: len([line for line in seen if "upgrade" not in line]) >= due)
    process = await asyncio.create_subprocess_exec(
        node,
        SCRIPT,
        json.dumps({"url": parley.url + NATIVE, "options": options, **what}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    seen: Seen = []
    try:
        async with asyncio.timeout(PATIENCE):
            while not ends(seen):
                seen.append(json.loads(await process.stdout.readline()))
                assert "disconnect" not in seen[-1], seen[-1]
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), PATIENCE)
    # Whatever it saw beyond that, it saw too much.
    return seen + [json.loads(line) async for line in process.stdout if b"disconnect" not in line]


def acks(seen: Seen) -> list[int]:
    """Return which emits were acknowledged, as the acks came."""
    return [line["ack"] for line in seen if "ack" in line]


def heard(seen: Seen) -> list[str]:
    """Return the messages that came."""
    return [line["heard"] for line in seen if "heard" in line]


@pytest.fixture
async def secret(parley: Parley) -> str:
    """Give the key of an agent, which may say long things."""
    return await parley.key(Kind.AGENT, "bot")


@pytest.fixture
async def channel_id(parley: Parley, secret: str) -> str:
    """Give a channel of the agent's."""
    return await parley.service.new_channel("talk", "bot")


@way
@pytest.mark.parametrize("count", [300, 2_000])
async def test_many_emits_of_one_tick_are_stored_in_order(
    node: str, parley: Parley, secret: str, channel_id: str, way: str, count: int
) -> None:
    """Each is stored, heard and acknowledged once, in the order of the emits."""
    payload = {"channel_id": channel_id, "content": "message $n"}
    seen = await burst(node, parley, secret, way, event="submit", payload=payload, count=count, hears=count)
    assert acks(seen) == list(range(count))
    assert all(line["payload"]["success"] is True for line in seen if "ack" in line)
    assert heard(seen) == [f"message {n}" for n in range(count)]


@way
async def test_half_a_megabyte_at_once_is_stored(
    node: str, parley: Parley, secret: str, channel_id: str, way: str
) -> None:
    """A message of 500 KB is taken whole, and so is what it makes everybody hear."""
    payload = {"messages": [{"channel_id": channel_id, "content": f"{n} $x"} for n in range(10)]}
    texts = [f"{n} {'x' * 49_000}" for n in range(10)]
    seen = await burst(
        node, parley, secret, way, event="submit_many", payload=payload, pad=49_000, count=1, hears=10
    )
    (answer,) = [line["payload"] for line in seen if "ack" in line]
    assert [outcome["data"]["text"] for outcome in answer["data"]] == heard(seen) == texts


@way
async def test_five_thousand_binary_events_are_each_answered_once_and_in_order(
    node: str, parley: Parley, secret: str, channel_id: str, way: str
) -> None:
    """Bytes are no content, and every ack says so."""
    payload = {"channel_id": channel_id}
    seen = await burst(node, parley, secret, way, event="submit", payload=payload, binary=4, count=5_000)
    assert acks(seen) == list(range(5_000))
    assert {line["payload"]["error"]["code"] for line in seen if "ack" in line} == {"VALIDATION_ERROR"}


BINARY_BURSTS = [(5_000, 100), (3_000, 400), (2_000, 1_000), (6_000, 1), (1, 900_000)]


@pytest.mark.parametrize(("count", "size"), BINARY_BURSTS)
async def test_bytes_of_any_length_are_answered_over_polling(
    node: str, parley: Parley, secret: str, channel_id: str, count: int, size: int
) -> None:
    """However the client cuts what it says in one tick into payloads, each event is answered, in order."""
    what = {"event": "submit", "payload": {"channel_id": channel_id}, "count": count, "binary": size}
    seen = await burst(node, parley, secret, "polling", **what)
    assert acks(seen) == list(range(count))


@way
async def test_acks_with_a_timeout_come_in_time(
    node: str, parley: Parley, secret: str, channel_id: str, way: str
) -> None:
    """``emitWithAck`` with a timeout resolves for each emit, in order."""
    payload = {"channel_id": channel_id, "content": "message $n"}
    seen = await burst(
        node, parley, secret, way, event="submit", payload=payload, count=200, hears=200, timeout=20_000
    )
    assert acks(seen) == list(range(200))
    assert heard(seen) == [f"message {n}" for n in range(200)]


async def test_what_is_said_while_the_transport_is_upgraded_is_stored_in_order(
    node: str, parley: Parley, secret: str, channel_id: str
) -> None:
    """Fifty submits are under way when a WebSocket takes over from polling: nothing is lost or repeated."""
    count = 50

    def is_over(seen: Seen) -> bool:
        if not (upgrades := [line["upgrade"] for line in seen if "upgrade" in line]):
            return False
        due = max(upgrades[0], count) + count
        return len(acks(seen)) == len(heard(seen)) == due

    payload = {"channel_id": channel_id, "content": "message $n"}
    what = {"event": "submit", "payload": payload, "count": count, "onward": True}
    seen = await burst(node, parley, secret, "upgrading", is_over, **what)
    (at,) = [number for number, line in enumerate(seen) if "upgrade" in line]
    assert len(acks(seen[:at])) < seen[at]["upgrade"] or seen[at]["upgrade"] == 0
    assert len(acks(seen)) >= 2 * count
    assert acks(seen) == list(range(len(acks(seen))))
    assert heard(seen) == [f"message {n}" for n in range(len(acks(seen)))]


@way
async def test_an_ack_that_is_late_fails_its_emit_alone(
    node: str, parley: Parley, secret: str, channel_id: str, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A client that waits no longer stays connected; what it said is stored, once and in order."""
    begin, released = messages.begin, asyncio.Event()

    async def begin_late(*arguments: Any) -> Any:
        await released.wait()
        return await begin(*arguments)

    def is_over(seen: Seen) -> bool:
        if sum("failed" in line for line in seen) == 20:
            released.set()
        return len(heard(seen)) == 20

    monkeypatch.setattr(messages, "begin", begin_late)
    payload = {"channel_id": channel_id, "content": "message $n"}
    what = {"event": "submit", "payload": payload, "count": 20, "timeout": 300}
    seen = await burst(node, parley, secret, way, is_over, **what)
    assert [line["failed"] for line in seen if "failed" in line] == list(range(20))
    assert acks(seen) == []
    assert heard(seen) == [f"message {n}" for n in range(20)]
