"""Every kind of client in one conversation: they all see the same messages in the same order."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from tests.compat.stock import StockClients, stock_clients
from tests.rest import Rest
from tests.running import Parley, run_parley
from tests.talking import NATIVE, Talker, talking

ROUNDS = 8
# How a stock client is told to travel; nothing at all is the default: polling first, then the upgrade.
NATIVE_WAYS = {
    "upgrading": {},
    "websocket": {"transports": ["websocket"]},
    "polling": {"transports": ["polling"]},
}
ELIZA = "eliza"
EVERYBODY = (*NATIVE_WAYS, ELIZA, "python", "rest")

Say = Callable[[str], Awaitable[Any]]


def stock_options(url: str, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return what each stock client is started with."""
    clients: dict[str, Any] = {
        name: {"url": url + NATIVE, "options": {"auth": {"token": secrets[name]}, **way}}
        for name, way in NATIVE_WAYS.items()
    }
    # elizaOS's clients connect to the root and know nothing of Parley.
    auth = {"apiKey": secrets[ELIZA], "entityId": ELIZA}
    return {**clients, ELIZA: {"url": url, "options": {"auth": auth}}}


def saying(stock: StockClients, talker: Talker, rest: Rest, channel_id: str) -> dict[str, Say]:
    """Return for each client how it says something and learns that it was stored."""

    def natively(text: str) -> dict[str, Any]:
        return {"channel_id": channel_id, "content": text}

    def by_stock(client: str) -> Say:
        return lambda text: stock.call(client, "submit", natively(text))

    async def by_python(text: str) -> Any:
        return await talker.call("submit", natively(text))

    async def by_rest(text: str) -> Any:
        return (await rest.submit(channel_id, text)).body

    async def by_eliza(text: str) -> Any:
        payload = {
            "senderId": ELIZA,
            "senderName": "user",
            "message": text,
            "channelId": channel_id,
            "roomId": channel_id,
            "messageServerId": DEFAULT_SERVER_ID,
            "messageId": f"local-{text}",
            "source": "client_group_chat",
            "attachments": [],
            "metadata": {"channelType": "GROUP"},
        }
        return await stock.call(ELIZA, "message", {"type": 2, "payload": payload})

    ways: dict[str, Say] = {name: by_stock(name) for name in NATIVE_WAYS}
    return {**ways, ELIZA: by_eliza, "python": by_python, "rest": by_rest}


async def talk(name: str, say: Say) -> None:
    """Say something again and again, each time once the one before is stored."""
    for number in range(ROUNDS):
        ack = await say(f"{name}-{number}")
        assert ack["success"] is True, ack


async def assert_log_is_whole(parley: Parley, newest: int) -> None:
    """Check that ``parley check`` finds every event from the first to the newest."""
    code, said = await run_parley("check", "--data-dir", str(parley.data_dir))
    assert code == 0
    assert f"{DEFAULT_SERVER_ID}: {newest} events, 1..{newest} without holes" in said


async def test_all_kinds_of_clients_hold_one_conversation(parley: Parley, node: str) -> None:
    """Each client sees every message exactly once, in the same order, with strictly rising seq."""
    secrets = {name: await parley.key(Kind.USER, name) for name in EVERYBODY}
    channel_id = await parley.service.new_channel("everybody", *EVERYBODY)
    rest = parley.bearer(secrets["rest"])
    async with (
        stock_clients(node, stock_options(parley.url, secrets)) as stock,
        talking(parley.url, {"token": secrets["python"]}) as talker,
    ):
        for name in NATIVE_WAYS:
            await stock.wait_for(name, "ready")
        await stock.wait_for(ELIZA, "authenticated")
        joined = await stock.call(
            ELIZA, "message", {"type": 1, "payload": {"channelId": channel_id, "entityId": ELIZA}}
        )
        assert joined["success"] is True
        await stock.wait_for(ELIZA, "channel_joined")
        await stock.wait_for(ELIZA, "room_joined")

        ways = saying(stock, talker, rest, channel_id)
        await asyncio.gather(*(talk(name, say) for name, say in ways.items()))

        count = ROUNDS * len(EVERYBODY)
        seen = {name: await stock.wait_for(name, "message", count) for name in NATIVE_WAYS}
        seen[ELIZA] = await stock.wait_for(ELIZA, "messageBroadcast", count)
        seen["python"] = await talker.wait_for("message", count)
        seen["rest"] = (await rest.history(channel_id, limit=200)).data["messages"]

        # Each said one more thing by now if it ever says one thing twice.
        end = await stock.call("websocket", "submit", {"channel_id": channel_id, "content": "the end"})
        for name in NATIVE_WAYS:
            assert (await stock.wait_for(name, "message", count + 1))[count]["text"] == "the end"
        assert (await stock.wait_for(ELIZA, "messageBroadcast", count + 1))[count]["text"] == "the end"
        assert (await talker.wait_for("message", count + 1))[count]["text"] == "the end"

        assert await stock.wait_for("upgrading", "upgrade") == ["websocket"]
        for name in ("websocket", "polling"):
            assert (stock.all(name, "connect"), stock.all(name, "upgrade")) == ([name], [])

    order = [(message["seq"], message["id"], message["text"]) for message in seen["rest"]]
    assert len(order) == count
    assert sorted({text for _, _, text in order}) == sorted(
        f"{name}-{number}" for name in EVERYBODY for number in range(ROUNDS)
    )
    assert all(before < after for (before, _, _), (after, _, _) in itertools.pairwise(order))
    for name in EVERYBODY:
        assert [(message["seq"], message["id"], message["text"]) for message in seen[name]] == order, name
    await assert_log_is_whole(parley, end["data"]["seq"])


@pytest.mark.parametrize("way", NATIVE_WAYS)
async def test_what_a_stock_client_sends_at_once_is_stored_in_its_order(
    parley: Parley, node: str, way: str
) -> None:
    """A hundred events that wait for nothing are each acknowledged, over every transport."""
    channel_id = await parley.service.new_channel("talk", "ann")
    auth = {"token": await parley.key(Kind.USER, "ann")}
    clients = {"ann": {"url": parley.url + NATIVE, "options": {"auth": auth, **NATIVE_WAYS[way]}}}
    said = [f"{n}" for n in range(100)]
    async with stock_clients(node, clients) as stock:
        await stock.wait_for("ann", "ready")
        acks = await asyncio.gather(
            *(stock.call("ann", "submit", {"channel_id": channel_id, "content": text}) for text in said)
        )
        assert [ack["data"]["text"] for ack in acks] == said
        heard = await stock.wait_for("ann", "message", 100)
    assert [message["text"] for message in heard] == said
    assert await parley.service.texts(channel_id, limit=100) == said


@pytest.mark.parametrize("way", NATIVE_WAYS)
@pytest.mark.parametrize(
    ("address", "auth", "code"),
    [
        (NATIVE, {}, "AUTHENTICATION_FAILED"),
        (NATIVE, {"token": "parley_wrong"}, "AUTHENTICATION_FAILED"),
        ("/", {"apiKey": "wrong", "entityId": "ann"}, "AUTHENTICATION_FAILED"),
    ],
    ids=["none", "bad", "eliza"],
)
async def test_a_stock_client_without_a_good_credential_learns_why(
    parley: Parley, node: str, way: str, address: str, auth: dict[str, str], code: str
) -> None:
    """The refusal arrives as connect_error with a message and a code in its data."""
    options = {"auth": auth, **NATIVE_WAYS[way]}
    async with stock_clients(node, {"stranger": {"url": parley.url + address, "options": options}}) as stock:
        (error,) = await stock.wait_for("stranger", "connect_error")
        assert error["message"] == "Invalid or missing authorization token"
        assert error["data"]["code"] == code
        assert stock.all("stranger", "connect") == []


@pytest.mark.parametrize("way", ["upgrading", "websocket", "polling"])
async def test_a_client_is_not_disturbed_by_what_its_dialect_leaves_out(
    parley: Parley, node: str, way: str
) -> None:
    """On ``/`` people come and go without a word, over every transport, and the conversation goes on."""
    channel_id = await parley.service.new_channel("talk", "ann")
    options = {"auth": {"apiKey": await parley.key(Kind.USER, "ann")}, **NATIVE_WAYS[way]}
    async with stock_clients(node, {ELIZA: {"url": parley.url, "options": options}}) as stock:
        await stock.wait_for(ELIZA, "authenticated")
        for n in range(3):
            await parley.service.add(channel_id, f"guest-{n}")
            await parley.service.remove(channel_id, f"guest-{n}")
            await parley.service.submit(channel_id, f"{n}", author_id="ann")
            heard = await stock.wait_for(ELIZA, "messageBroadcast", n + 1)
            assert [message["text"] for message in heard] == [f"{m}" for m in range(n + 1)]
        assert stock.all(ELIZA, "disconnect") == []
        assert len(stock.all(ELIZA, "connect")) == 1
