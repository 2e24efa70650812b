"""Stock clients, with no option set but the URL and their credential, get what they missed."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from tests.compat.recovering import recovering
from tests.rest import API, Rest
from tests.running import Parley, run_parley, serving
from tests.talking import NATIVE

MISSED = 500
BATCH = 100


def client_of(url: str, secret: str, namespace: str = NATIVE, **auth: str) -> dict[str, Any]:
    """Return a client's URL and its one option."""
    return {"url": url + namespace, "options": {"auth": {"token": secret, **auth}}}


async def say(rest: Rest, channel_id: str, texts: list[str], author: str = "ann") -> list[int]:
    """Send messages through REST and return their seqs."""
    seqs = []
    for first in range(0, len(texts), BATCH):
        items = [
            {"channel_id": channel_id, "author_id": author, "content": text}
            for text in texts[first : first + BATCH]
        ]
        reply = await rest.post(f"{API}/submit/batch", {"messages": items})
        seqs += [outcome["data"]["seq"] for outcome in reply.data]
    return seqs


@pytest.mark.parametrize("had_heard", [True, False], ids=["after events", "before any event"])
async def test_a_client_gets_what_it_missed_across_a_killed_server(
    node: str, tmp_path: Path, had_heard: bool
) -> None:
    """Five hundred messages come, once and in order, and the client calls itself recovered."""
    data_dir, limits = tmp_path / "data", {"PARLEY_RATE_LIMITS": "off"}
    texts = [f"missed {n}" for n in range(MISSED)]
    async with aiohttp.ClientSession() as session, serving(data_dir, **limits) as served:
        rest, port = served.rest(session), int(served.url.rpartition(":")[2])
        channel_id = await rest.new_channel("talk", "ann", "ben")
        assert served.service_key is not None
        options = client_of(served.url, served.service_key, entityId="ben")
        async with recovering(node, {"ben": options}) as clients:
            await clients.sees("ben", "ready")
            if had_heard:
                await say(rest, channel_id, ["before"])
                await clients.sees("ben", "message")
            served.process.kill()
            await clients.sees("ben", "disconnect")
            async with serving(data_dir, port=port, **limits) as again:
                rest = Rest(session, again.url, {"Authorization": f"Bearer {served.service_key}"})
                seqs = await say(rest, channel_id, texts)
                expected = ["before"] * had_heard + texts
                heard = await clients.sees("ben", "message", len(expected))
                assert [message["text"] for message in heard] == expected
                assert [message["seq"] for message in heard][-MISSED:] == seqs
                assert clients.all("ben", "connect") == [False, True]
                await say(rest, channel_id, ["after all"])
                heard = await clients.sees("ben", "message", len(expected) + 1)
                assert heard[-1]["text"] == "after all"
    code, report = await run_parley("check", "--data-dir", str(data_dir))
    assert code == 0, report


async def test_elizas_web_client_goes_on_in_a_room_that_it_does_not_join_again(
    node: str, parley: Parley
) -> None:
    """It joined by type 1 what it is no participant of, is cut, and hears on without a word of its own."""
    channel_id = await parley.service.new_channel("talk", "ann")
    options = client_of(parley.url, parley.service_key, "/", entityId="ben")
    async with recovering(node, {"ben": options}) as clients:
        await clients.sees("ben", "authenticated")
        joining = {"type": 1, "payload": {"channelId": channel_id, "roomId": channel_id, "entityId": "ben"}}
        assert (await clients.ack("ben", "message", joining))["success"]
        await say(parley.service, channel_id, ["one"])
        await clients.sees("ben", "messageBroadcast")
        clients.cut("ben")
        await clients.sees("ben", "disconnect")
        await say(parley.service, channel_id, ["two", "three"])
        await clients.sees("ben", "messageBroadcast", 3)
        await say(parley.service, channel_id, ["four"])
        heard = await clients.sees("ben", "messageBroadcast", 4)
    assert [message["text"] for message in heard] == ["one", "two", "three", "four"]
    assert clients.all("ben", "connect") == [False, True]


async def test_a_client_that_left_a_channel_does_not_find_itself_in_it(node: str, parley: Parley) -> None:
    """What a connection left, it has left also after it came back."""
    left, kept = [await parley.service.new_channel(name, "ann", "ben") for name in ("left", "kept")]
    options = client_of(parley.url, await parley.key(Kind.USER, "ben"))
    async with recovering(node, {"ben": options}) as clients:
        await clients.sees("ben", "ready")
        assert (await clients.ack("ben", "leave", {"channel_id": left}))["success"]
        clients.cut("ben")
        await clients.sees("ben", "disconnect")
        await say(parley.service, left, ["not for ben"])
        await say(parley.service, kept, ["for ben"])
        await clients.sees("ben", "ready", 2)
        await say(parley.service, left, ["still not"])
        await say(parley.service, kept, ["still"])
        heard = await clients.sees("ben", "message", 2)
    assert [message["text"] for message in heard] == ["for ben", "still"]


async def test_many_cuts_lose_and_repeat_nothing(node: str, parley: Parley) -> None:
    """While messages flow, five clients are cut again and again: each hears all, once and in order."""
    names = [f"user-{n}" for n in range(5)]
    channel_id = await parley.service.new_channel("talk", "ann", *names)
    clients_of = {name: client_of(parley.url, await parley.key(Kind.USER, name)) for name in names}
    for options in clients_of.values():
        options["options"] |= {"reconnectionDelay": 20, "reconnectionDelayMax": 50}
    async with recovering(node, clients_of) as clients:
        for name in names:
            await clients.sees(name, "ready")
        speaking = asyncio.create_task(speak(parley, channel_id))
        for round_ in range(1, 9):
            clients.cut(names[round_ % 5])
            await clients.sees(names[round_ % 5], "connect", 2)
            await clients.sees(names[0], "message", round_ * 10)
        texts = await speaking
        for name in names:
            heard = await clients.sees(name, "message", len(texts))
            assert [message["text"] for message in heard] == texts
            assert all(clients.all(name, "connect")[1:])


async def speak(parley: Parley, channel_id: str) -> list[str]:
    """Say something two hundred times, one after the other, and return it."""
    texts = [f"message {n}" for n in range(200)]
    for text in texts:
        await say(parley.service, channel_id, [text])
    return texts


async def test_who_cannot_go_on_begins_anew_and_is_told_why(node: str, parley: Parley) -> None:
    """After the log has begun anew nothing is replayed; the client is new, and hears what follows."""
    channel_id = await parley.service.new_channel("talk", "ann", "ben")
    options = client_of(parley.url, await parley.key(Kind.USER, "ben"))
    async with recovering(node, {"ben": options}) as clients:
        await clients.sees("ben", "ready")
        await say(parley.service, channel_id, ["one"])
        await clients.sees("ben", "message")
        position = parley.node.ctx.tail.position(DEFAULT_SERVER_ID)
        await begin_anew(parley)
        parley.node.ctx.tail.renew(DEFAULT_SERVER_ID, position.epoch + 1)
        clients.cut("ben")
        await clients.sees("ben", "disconnect")
        await say(parley.service, channel_id, ["missed"])
        (told,) = await clients.sees("ben", "resync_required")
        await say(parley.service, channel_id, ["two"])
        heard = await clients.sees("ben", "message", 2)
        # The cursor of the new log has taken the place of the old one.
        clients.cut("ben")
        await clients.sees("ben", "connect", 3)
    assert told["reason"] == "epoch"
    assert [message["text"] for message in heard] == ["one", "two"]
    assert clients.all("ben", "connect") == [False, False, True]


async def begin_anew(parley: Parley) -> None:
    """Give the default server's log another epoch, as a restored backup has."""
    statement = "UPDATE servers SET epoch = epoch + 1"
    await parley.node.ctx.database.write(lambda connection: connection.exec_driver_sql(statement))
