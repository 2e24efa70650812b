"""Coming back over a socket: what was missed is sent, once and in order, or nothing and a reason."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest

from rooms import epochs, participants, recovery, replay, retention
from rooms.cursors import Cursor, Pid
from rooms.errors import Unavailable
from rooms.principals import Kind
from rooms.retention import Retention
from rooms.rules import DEFAULT_SERVER_ID
from server import socket_connection
from server.client import client_of
from server.engine import Engine
from server.session import Session
from tests.realtime.raw import raw_websocket, until
from tests.returning import DURABLE, Returner
from tests.running import Parley, Start
from tests.talking import ELIZA, NATIVE

Enter = Callable[..., Any]


@pytest.fixture
async def enter(parley: Parley) -> AsyncIterator[Enter]:
    """Give a function that connects a client of a user, who is registered at need."""
    clients: list[Returner] = []

    async def enter_as(who: str = "ben", namespace: str = NATIVE, **auth: Any) -> Returner:
        secret = auth.pop("token", None) or await parley.key(Kind.USER, who)
        clients.append(Returner(parley.url, {"token": secret, **auth}, namespace))
        await clients[-1].connect()
        return clients[-1]

    yield enter_as
    for client in clients:
        await client.close()


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of two."""
    return await parley.service.new_channel("talk", "ann", "ben")


async def say(parley: Parley, channel_id: str, *texts: str) -> list[dict[str, Any]]:
    """Say something as ann."""
    return [(await parley.service.submit(channel_id, text, author_id="ann")).data for text in texts]


async def new_server(parley: Parley) -> str:
    """Create a message server and return its id."""
    reply = await parley.service.post("/api/messaging/message-servers", {"name": "other"})
    server_id: str = reply.data["server"]["id"]
    return server_id


@pytest.mark.parametrize("namespace", [NATIVE, ELIZA])
async def test_what_was_missed_comes_with_the_same_pid(
    parley: Parley, enter: Enter, channel_id: str, namespace: str
) -> None:
    """The missed messages come in order behind CONNECT, then live ones; the client is recovered."""
    ben = await enter(namespace=namespace)
    await say(parley, channel_id, "one")
    event = "message" if namespace == NATIVE else "messageBroadcast"
    await ben.hears(event)
    pid = ben.pid
    await ben.drop()
    await say(parley, channel_id, "two", "three")
    await ben.connect()
    await ben.hears(event, 3)
    await say(parley, channel_id, "four")
    await ben.hears(event, 4)
    assert (ben.texts(), ben.recovered, ben.pid) == (["one", "two", "three", "four"], True, pid)


async def test_ready_tells_the_cursor_and_whether_it_was_recovered(
    parley: Parley, enter: Enter, channel_id: str
) -> None:
    """A new connection begins at the present; a recovered one goes on from its own."""
    ben = await enter()
    await say(parley, channel_id, "one")
    await ben.hears("message")
    offset = ben.offset
    await ben.come_back()
    first, second = await ben.hears("ready", 2)
    assert (first["recovered"], second["recovered"]) == (False, True)
    assert second["cursor"] == offset == (await ben.data("heartbeat"))["cursor"]
    assert parley.node.ctx.cursors.read(first["cursor"]).seq == second["server"]["seq"] - 1


@pytest.mark.parametrize("damage", ["forged", "truncated", "garbage", "number", "long"])
@pytest.mark.parametrize("field", ["pid", "offset"])
async def test_what_the_server_did_not_write_begins_anew(
    parley: Parley, enter: Enter, channel_id: str, field: str, damage: str
) -> None:
    """A forged pid or offset refuses nobody: the connection is new, nothing is replayed, and why is told."""
    ben = await enter()
    await say(parley, channel_id, "one")
    await ben.hears("message")
    await ben.drop()
    await say(parley, channel_id, "two")
    text = getattr(ben, field)
    forged = text[:10] + ("B" if text[10] == "A" else "A") + text[11:]
    ways = {
        "forged": forged, "truncated": text[:-1], "garbage": "ü" * 9, "number": 7, "long": "A" * 5_000
    }  # fmt: skip
    before = ben.pid
    setattr(ben, field, ways[damage])
    await ben.connect()
    (told,) = await ben.hears("resync_required")
    await say(parley, channel_id, "three")
    await ben.hears("message", 2)
    assert (told["reason"], ben.texts()) == ("invalid", ["one", "three"])
    assert (ben.recovered, ben.pid == before) == (False, False)
    await ben.come_back()
    await ben.hears("ready", 3)
    assert ben.recovered


async def test_nobody_comes_back_as_another(parley: Parley, enter: Enter, channel_id: str) -> None:
    """Another's pid gives a new connection with one's own rooms."""
    ben, eve = await enter("ben"), await enter("eve")
    await eve.drop()
    eve.pid = ben.pid
    await eve.connect()
    (told,) = await eve.hears("resync_required")
    await say(parley, channel_id, "for ben")
    await ben.hears("message")
    await eve.settle()
    assert (told["reason"], eve.texts(), eve.recovered) == ("invalid", [], False)
    assert not ben.was_dismissed


async def test_a_cursor_of_another_server_is_worth_nothing(parley: Parley, enter: Enter) -> None:
    """A position in one log is none in another."""
    other = (await parley.service.post("/api/messaging/message-servers", {"name": "other"})).data["server"][
        "id"
    ]
    ben = await enter()
    elsewhere = await enter(namespace=f"/servers/{other}", after=(await ben.data("heartbeat"))["cursor"])
    (told,) = await elsewhere.hears("resync_required")
    assert told["reason"] == "invalid"


async def test_who_comes_back_supersedes_what_lingers(parley: Parley, enter: Enter, channel_id: str) -> None:
    """The old connection is told to stay away, and of two that hold one pid the later one goes on."""
    ben = await enter()
    twin = await enter(token=ben.auth["token"], pid=ben.pid)
    await ben.ended()
    assert (ben.was_dismissed, twin.pid) == (True, ben.pid)
    await say(parley, channel_id, "one")
    await twin.hears("message")
    assert ben.texts() == []


async def test_what_a_client_said_on_a_session_that_it_gave_up_ends_nothing(
    parley: Parley, enter: Enter, channel_id: str
) -> None:
    """A CONNECT that arrives after the one of a newer session closes its own transport, and no other."""
    ben = await enter()
    await ben.drop()
    async with raw_websocket(parley) as given_up:
        await ben.connect()
        auth = orjson.dumps({**ben.auth, "pid": ben.pid}).decode()
        given_up.say(f"40{NATIVE},{auth}")
        assert await given_up.closed() == 1013
        assert given_up.packets[1:] == []
    await say(parley, channel_id, "one")
    await ben.hears("message")
    assert (ben.recovered, ben.was_dismissed) == (True, False)


async def test_superseding_one_namespace_leaves_the_others(
    parley: Parley, enter: Enter, channel_id: str
) -> None:
    """A session that carries another namespace besides goes on with that."""
    async with raw_websocket(parley) as socket:
        secret = await parley.key(Kind.USER, "ben")
        await socket.join(secret)
        socket.say(f'40{{"token":"{secret}"}}')
        connected = await socket.packet("40{")
        pid = connected.partition('"pid":"')[2].partition('"')[0]
        await enter(namespace=ELIZA, token=secret, pid=pid)
        await socket.packet("41")
        await say(parley, channel_id, "one")
        await socket.packet(f'42{NATIVE},["message"')
        assert not [packet for packet in socket.packets if packet.startswith('42["messageBroadcast')]


async def test_another_client_brings_a_cursor(parley: Parley, enter: Enter, channel_id: str) -> None:
    """With a cursor in the handshake, and no pid, everything after it comes."""
    ben = await enter()
    cursor = (await ben.data("heartbeat"))["cursor"]
    await say(parley, channel_id, "one", "two")
    page = (await parley.service.history(channel_id)).data
    for after, expected in ((cursor, ["one", "two"]), (page["cursors"]["after"], [])):
        newcomer = await enter(after=after)
        await newcomer.settle()
        assert newcomer.texts() == expected


async def test_who_was_removed_meanwhile_learns_that_and_no_more(
    parley: Parley, enter: Enter, channel_id: str
) -> None:
    """What was said before the removal comes, then the removal itself, and nothing after it."""
    ben = await enter()
    await ben.drop()
    await say(parley, channel_id, "before")
    await parley.service.remove(channel_id, "ben")
    await say(parley, channel_id, "after")
    await ben.connect()
    await ben.settle()
    assert [heard.name for heard in ben.heard if heard.name in DURABLE] == ["message", "participant_left"]
    assert ben.texts() == ["before"]


async def test_who_was_added_meanwhile_hears_from_there_on(parley: Parley, enter: Enter) -> None:
    """A channel that one was added to while away begins with that."""
    ben = await enter()
    channel_id = await parley.service.new_channel("later", "ann")
    await ben.drop()
    await say(parley, channel_id, "before")
    await parley.service.add(channel_id, "ben")
    await say(parley, channel_id, "after")
    await ben.connect()
    await ben.settle()
    assert [heard.name for heard in ben.heard if heard.name in DURABLE] == ["participant_joined", "message"]
    assert ben.texts() == ["after"]


async def test_what_was_said_between_leaving_and_joining_again_was_not_missed(
    parley: Parley, enter: Enter, channel_id: str
) -> None:
    """A connection that had left a channel for a while comes back to what followed its return."""
    ben = await enter()
    await ben.data("leave", {"channel_id": channel_id})
    await say(parley, channel_id, "while it had left")
    await ben.data("join", {"channel_id": channel_id})
    await ben.drop()
    await say(parley, channel_id, "after its return")
    await ben.connect()
    await ben.hears("message")
    await ben.settle()
    assert (ben.texts(), ben.recovered) == (["after its return"], True)


async def test_what_a_client_left_it_has_left_however_often_it_was_there(
    parley: Parley, enter: Enter, channel_id: str
) -> None:
    """It left, joined and left again; and a later membership is another one."""
    ben = await enter()
    for event in ("leave", "join", "leave"):
        await ben.data(event, {"channel_id": channel_id})
    await ben.drop()
    await say(parley, channel_id, "not for ben")
    await ben.connect()
    await ben.settle()
    await ben.drop()
    await parley.service.remove(channel_id, "ben")
    await parley.service.add(channel_id, "ben")
    await say(parley, channel_id, "for ben")
    await ben.connect()
    await ben.hears("message")
    assert ben.texts() == ["for ben"]


async def test_an_entity_that_was_removed_is_out_for_its_service_too(parley: Parley, enter: Enter) -> None:
    """What the service had joined on its behalf is over, while it is here and after it was away."""
    zed = await enter(token=parley.service_key, entityId="zed")
    channel_id = await parley.service.new_channel("talk", "ann")
    await zed.data("join", {"channel_id": channel_id})
    await parley.service.add(channel_id, "zed")
    await say(parley, channel_id, "one")
    await parley.service.remove(channel_id, "zed")
    await say(parley, channel_id, "not for zed")
    for _ in range(2):
        await zed.come_back()
        await say(parley, channel_id, "not for zed either")
        await zed.settle()
    assert zed.texts() == ["one"]
    await zed.data("join", {"channel_id": channel_id})
    await zed.drop()
    await say(parley, channel_id, "for zed again")
    await zed.connect()
    await zed.hears("message", 2)
    assert zed.texts() == ["one", "for zed again"]


async def test_two_namespaces_of_one_client_catch_up_together(parley: Parley, engines: list[Engine]) -> None:
    """Neither waits for room in vain because the other waits, too."""
    secret = await parley.key(Kind.USER, "ben")
    servers = [DEFAULT_SERVER_ID, await new_server(parley)]
    channels = []
    for server_id in servers:
        reply = await parley.service.create_channel("long", serverId=server_id)
        channels.append(reply.data["id"])
        await parley.service.add(channels[-1], "ben")
    begin = []
    for server_id in servers:
        begun = Returner(parley.url, {"token": secret}, f"/servers/{server_id}")
        await begun.connect()
        begin.append((await begun.data("heartbeat"))["cursor"])
        await begun.close()
    items = [
        {"channel_id": channel_id, "author_id": "ann", "content": "x" * 4_000}
        for channel_id in channels
        for _ in range(50)
    ]
    for _ in range(40):
        await parley.service.post("/api/messaging/submit/batch", {"messages": items})
    async with raw_websocket(parley) as socket:
        socket.transport.pause_reading()
        for server_id, cursor in zip(servers, begin, strict=True):
            socket.say(f'40/servers/{server_id},{{"token":"{secret}","after":"{cursor}"}}')
        (session,) = engines[0].sockets.values()
        await until(lambda: session.is_full and all_catch_up(session))
        socket.transport.resume_reading()
        await until(lambda: socket.received.count(b'["message",{"seq":') == 4_000)


def all_catch_up(session: Session) -> bool:
    """Tell whether both of a session's connections are on their way."""
    connections = client_of(session).connections.values()
    return len(connections) == 2 and all(connection.catching_up for connection in connections)


async def test_edits_and_deletions_are_replayed_as_they_are_now(
    parley: Parley, enter: Enter, channel_id: str
) -> None:
    """An edited message says what it says now, a deleted one nothing; elizaOS's clients do not see it."""
    ben, eliza = await enter(), await enter(namespace=ELIZA)
    for client in (ben, eliza):
        await client.drop()
    edited, deleted = await say(parley, channel_id, "edited", "deleted")
    path = "/api/messaging/messages"
    await parley.service.request("PATCH", f"{path}/{edited['id']}", json={"content": "as it is"})
    await parley.service.delete(f"{path}/{deleted['id']}")
    for client in (ben, eliza):
        await client.connect()
    await ben.hears("message_deleted")
    await eliza.hears("messageDeleted")
    first, second = ben.all("message")
    assert (first["text"], second["deleted"], "text" in second) == ("as it is", True, False)
    assert [told["text"] for told in eliza.all("messageBroadcast")] == ["as it is", "as it is"]
    assert "deleted" not in str([heard for heard in ben.heard if heard.name == "message_updated"])


async def test_joining_with_a_cursor_brings_what_was_missed_behind_the_ack(
    parley: Parley, enter: Enter
) -> None:
    """What was said after the cursor comes in order, also while more is said, then live messages."""
    service = await enter("anybody", token=parley.service_key)
    channel_id = await parley.service.new_channel("talk", "ann")
    cursor = (await service.data("heartbeat"))["cursor"]
    texts = [f"message {n}" for n in range(60)]
    await say(parley, channel_id, *texts[:30])
    speaking = asyncio.create_task(say(parley, channel_id, *texts[30:]))
    joined = await service.data("join", {"channel_id": channel_id, "after": cursor})
    await speaking
    await service.hears("message", 60)
    await service.settle()
    assert service.texts() == texts
    assert parley.node.ctx.cursors.read(joined["cursor"]).seq >= 30


async def test_joining_with_a_cursor_repeats_nothing(parley: Parley, enter: Enter, channel_id: str) -> None:
    """What a connection was sent already is not sent again; what it was not sent is."""
    ben = await enter()
    cursor = (await ben.data("heartbeat"))["cursor"]
    await say(parley, channel_id, "one")
    await ben.hears("message")
    await ben.data("join", {"channel_id": channel_id, "after": cursor})
    await ben.settle()
    assert ben.texts() == ["one"]
    later = await enter()
    await say(parley, channel_id, "two")
    for _ in range(2):
        await later.data("join", {"channel_id": channel_id, "after": cursor})
    await later.settle()
    assert sorted(later.texts()) == ["one", "two"]


async def test_a_client_that_is_cut_while_it_joins_gets_the_rest(
    parley: Parley, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its return brings what had not come yet of the channel that it joined, then the other channels'."""
    read, pages = replay.read, itertools.count(1)

    async def read_two(*arguments: Any) -> replay.Page:
        if next(pages) > 2:
            await asyncio.get_running_loop().create_future()
        return await read(*arguments)

    service = await enter("anybody", token=parley.service_key)
    one, other = [await parley.service.new_channel(name, "ann") for name in ("one", "other")]
    await service.data("join", {"channel_id": other})
    cursor = (await service.data("heartbeat"))["cursor"]
    texts = [f"message {n}" for n in range(40)]
    await say(parley, one, *texts)
    monkeypatch.setattr(replay, "PAGE_ENTRIES", 5)
    monkeypatch.setattr(replay, "read", read_two)
    await service.data("join", {"channel_id": one, "after": cursor})
    await service.hears("message", 8)
    await say(parley, other, "elsewhere")
    await service.drop()
    assert 8 <= len(service.texts()) <= 10
    monkeypatch.undo()
    await service.connect()
    await service.hears("message", 41)
    await service.settle()
    assert (service.texts(), service.recovered) == ([*texts, "elsewhere"], True)


async def test_the_ack_of_a_join_claims_no_more_than_was_sent(parley: Parley, enter: Enter) -> None:
    """Who is cut behind the ack, and brings its cursor, gets everything that was to follow it."""
    service = await enter("anybody", token=parley.service_key)
    channel_id = await parley.service.new_channel("talk", "ann", "ben")
    cursor = (await service.data("heartbeat"))["cursor"]
    await say(parley, channel_id, "one", "two")
    joined = await service.data("join", {"channel_id": channel_id, "after": cursor})
    await service.drop()
    again = await enter("anybody", token=parley.service_key)
    await again.data("join", {"channel_id": channel_id, "after": joined["cursor"]})
    await again.hears("message", 2)
    assert again.texts() == ["one", "two"]


async def test_a_client_that_is_cut_behind_the_ack_of_a_join_gets_what_was_to_follow(
    parley: Parley, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a stock one that keeps nothing of acks, and as one that goes on with the cursor of such a cut."""

    async def hang(*_arguments: Any) -> replay.Page:
        return await asyncio.get_running_loop().create_future()

    service = await enter("anybody", token=parley.service_key)
    channel_id = await parley.service.new_channel("talk", "ann")
    cursor = (await service.data("heartbeat"))["cursor"]
    await say(parley, channel_id, "one", "two")
    monkeypatch.setattr(replay, "read", hang)
    await service.data("join", {"channel_id": channel_id, "after": cursor})
    await service.drop()
    another = await enter("anybody", token=parley.service_key, after=service.offset)
    await another.hears("cursor")
    await another.drop()
    another.auth["after"] = None
    monkeypatch.undo()
    for client in (service, another):
        await client.connect()
        await client.hears("message", 2)
        assert (client.texts(), client.recovered) == (["one", "two"], True)


@pytest.mark.parametrize("who", ["a member", "a service"])
async def test_leaving_a_channel_ends_what_was_to_follow_a_join(
    parley: Parley, enter: Enter, channel_id: str, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """Nothing of the channel comes behind the ack of the leave, not even when the client comes back."""
    read, pages, released = replay.read, itertools.count(1), asyncio.Event()

    async def read_one(*arguments: Any) -> replay.Page:
        page = await read(*arguments)
        if next(pages) > 1:
            await released.wait()
        return page

    client = await (enter() if who == "a member" else enter("anybody", token=parley.service_key))
    other = await parley.service.new_channel("other", "ben")
    await client.data("join", {"channel_id": other})
    cursor = (await client.data("heartbeat"))["cursor"]
    texts = [f"message {n}" for n in range(40)]
    await say(parley, channel_id, *texts)
    later = await enter(token=client.auth["token"])
    await later.data("join", {"channel_id": other})
    monkeypatch.setattr(replay, "PAGE_ENTRIES", 5)
    monkeypatch.setattr(replay, "read", read_one)
    await later.data("join", {"channel_id": channel_id, "after": cursor})
    await later.hears("message", 4)
    stored = later.offset
    await later.data("leave", {"channel_id": channel_id})
    released.set()
    await parley.service.submit(other, "elsewhere", author_id="ben")
    await until(lambda: "elsewhere" in later.texts())
    heard = later.texts()
    assert heard == [*texts[: len(heard) - 1], "elsewhere"]
    assert len(heard) <= 6
    assert later.offset != stored
    for offset in (later.offset, stored):
        later.offset = offset
        await later.come_back()
        heard.append(f"back at {offset}")
        await parley.service.submit(other, heard[-1], author_id="ben")
        await until(lambda: heard[-1] in later.texts())
        assert (set(later.texts()), later.recovered) == (set(heard), True)


async def test_the_sender_finds_its_own_id_in_what_is_replayed_to_elizas_clients(
    parley: Parley, enter: Enter, channel_id: str
) -> None:
    """And nobody else does."""
    ben, ann = await enter("ben", ELIZA), await enter("ann", ELIZA)
    payload = {"channelId": channel_id, "senderId": "ben", "message": "hello", "messageId": "client-1"}
    for client in (ben, ann):
        client.offset = None
    await ben.call("message", {"type": 2, "payload": payload})
    for client in (ben, ann):
        client.offset = None
        await client.come_back()
        await client.hears("messageBroadcast", 2)
    ids = [[told.get("clientMessageId") for told in one.all("messageBroadcast")] for one in (ben, ann)]
    assert ids == [["client-1", "client-1"], [None, None]]


async def test_what_passes_by_itself_is_no_refusal(
    parley: Parley, enter: Enter, channel_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away closes the transport: stock clients would never return from a refusal."""

    async def refuse(*_arguments: Any, **_options: Any) -> Any:
        raise Unavailable

    ben = await enter()
    await ben.drop()
    await say(parley, channel_id, "missed")
    monkeypatch.setattr(recovery, "recover", refuse)
    async with raw_websocket(parley) as socket:
        socket.say(f'40{NATIVE},{{"token":"{ben.auth["token"]}","pid":"{ben.pid}"}}')
        assert await socket.closed() == 1013
    monkeypatch.undo()
    await ben.connect()
    await ben.hears("message")
    assert ben.recovered


async def test_what_is_said_while_a_client_joins_with_a_cursor_comes_once(
    parley: Parley, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored after delivery was paused, and before the channel is entered, is not sent twice."""
    service = await enter("anybody", token=parley.service_key)
    channel_id = await parley.service.new_channel("talk", "ann")
    cursor = (await service.data("heartbeat"))["cursor"]
    await say(parley, channel_id, "one")
    join = participants.join

    async def say_and_join(*arguments: Any) -> None:
        await say(parley, channel_id, "two", "three")
        await join(*arguments)

    monkeypatch.setattr(participants, "join", say_and_join)
    await service.data("join", {"channel_id": channel_id, "after": cursor})
    await say(parley, channel_id, "four")
    await service.hears("message", 4)
    await service.settle()
    assert service.texts() == ["one", "two", "three", "four"]


async def test_a_client_that_is_cut_while_it_joins_may_join_again_with_its_newest_cursor(
    parley: Parley, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a fresh connection, too, the channel goes on where it was cut."""
    service = await enter("anybody", token=parley.service_key)
    channel_id = await parley.service.new_channel("talk", "ann")
    cursor = (await service.data("heartbeat"))["cursor"]
    texts = [f"message {n}" for n in range(20)]
    await say(parley, channel_id, *texts)
    await cut_while_joining(service, channel_id, cursor, monkeypatch)
    again = await enter("anybody", token=parley.service_key)
    await again.data("join", {"channel_id": channel_id, "after": service.offset})
    await again.hears("message", 20 - len(service.texts()))
    await again.settle()
    assert service.texts() + again.texts() == texts


async def cut_while_joining(
    service: Returner, channel_id: str, cursor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let a client join after a cursor, and lose its transport after the first five messages."""
    read, pages = replay.read, itertools.count(1)

    async def read_one(*arguments: Any) -> replay.Page:
        if next(pages) > 1:
            await asyncio.get_running_loop().create_future()
        return await read(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(replay, "PAGE_ENTRIES", 5)
        patch.setattr(replay, "read", read_one)
        await service.data("join", {"channel_id": channel_id, "after": cursor})
        await service.hears("message", 4)
        await service.drop()


async def test_who_joins_with_a_cursor_hears_nothing_from_before_it_was_a_member(
    parley: Parley, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not what is said while it is joining."""
    join, numbers = participants.join, itertools.count(1)

    async def join_late(*arguments: Any) -> None:
        await say(parley, channel_id, f"join {next(numbers)}")
        await join(*arguments)

    ben = await enter()
    cursor = (await ben.data("heartbeat"))["cursor"]
    channel_id = await parley.service.new_channel("talk", "ann", joinable=True)
    await say(parley, channel_id, "before")
    monkeypatch.setattr(participants, "join", join_late)
    for _ in range(2):
        await ben.data("join", {"channel_id": channel_id, "after": cursor})
    await say(parley, channel_id, "after")
    await ben.hears("message", 2)
    await ben.settle()
    assert ben.texts() == ["join 2", "after"]


@pytest.mark.parametrize("after", ["forged", "foreign", 7, "A" * 300])
async def test_joining_with_a_bad_cursor_is_refused_and_changes_nothing(
    parley: Parley, enter: Enter, after: Any
) -> None:
    """The ack says what is wrong, and the channel is not entered."""
    ben = await enter()
    channel_id = await parley.service.new_channel("talk", joinable=True)
    if after == "foreign":
        server = await new_server(parley)
        after = (await (await enter(namespace=f"/servers/{server}")).data("heartbeat"))["cursor"]
    ack = await ben.call("join", {"channel_id": channel_id, "after": after})
    assert (ack["success"], ack["error"]["code"]) == (False, "VALIDATION_ERROR")
    members = await parley.service.get(f"/api/messaging/channels/{channel_id}/participants")
    assert members.data["participants"] == []


async def test_a_quiet_client_is_told_its_position_now_and_then(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events of channels that are not its own move its cursor on, with a heartbeat."""
    monkeypatch.setattr(socket_connection, "CURSOR_EVENTS", 10)
    parley = await start(ping_interval=0.1)
    for namespace in (NATIVE, ELIZA):
        quiet = Returner(parley.url, {"token": await parley.key(Kind.USER, "ben")}, namespace)
        await quiet.connect()
        channel_id = await parley.service.new_channel(f"talk{len(namespace)}", "ann")
        await say(parley, channel_id, *map(str, range(12)))
        *_, cursor = await quiet.hears("cursor")
        seq = parley.node.ctx.tail.position(DEFAULT_SERVER_ID).seq
        # The heartbeat may have come before the last of it was said.
        assert seq - 10 < parley.node.ctx.cursors.read(cursor).seq <= seq
        await quiet.close()


async def test_a_position_beyond_the_log_proves_that_it_went_back(
    parley: Parley, enter: Enter, channel_id: str
) -> None:
    """A cursor of this deployment that is ahead of the log is not gone on from."""
    ben = await enter()
    ctx = parley.node.ctx
    epoch, seq = ctx.tail.position(DEFAULT_SERVER_ID)
    ahead = ctx.cursors.write_position(DEFAULT_SERVER_ID, epoch, seq + 1)
    later = await enter(after=ahead)
    (told,) = await later.hears("resync_required")
    assert (told["reason"], ctx.cursors.read(told["oldest"]).epoch) == ("epoch", later_epoch(parley))
    assert later_epoch(parley) != epoch
    # Those that are here go on, in the new epoch; who comes back with the old one begins anew.
    (said,) = await say(parley, channel_id, "one")
    await ben.hears("message")
    assert ctx.cursors.read(ben.offset or "") == Cursor(DEFAULT_SERVER_ID, later_epoch(parley), said["seq"])
    await ben.come_back()
    await ben.hears("ready", 2)
    assert ben.recovered


def later_epoch(parley: Parley) -> int:
    """Return the epoch that the default server's log is in."""
    return parley.node.ctx.tail.position(DEFAULT_SERVER_ID).epoch


async def test_what_is_no_longer_kept_is_not_replayed_in_part(
    parley: Parley, enter: Enter, channel_id: str
) -> None:
    """A client that was away for too long is told so, by every way of coming back."""
    ben = await enter()
    cursor = (await ben.data("heartbeat"))["cursor"]
    await ben.drop()
    await say(parley, channel_id, *map(str, range(20)))
    async for _ in retention.forget(parley.node.ctx, Retention(days=0, events=5)):
        pass
    await ben.connect()
    (told,) = await ben.hears("resync_required")
    floor = parley.node.ctx.tail.position(DEFAULT_SERVER_ID).seq - 5
    assert (told["reason"], parley.node.ctx.cursors.read(told["oldest"]).seq) == ("retention", floor)
    joined = await ben.data("join", {"channel_id": channel_id, "after": cursor})
    assert joined["resync_required"]["reason"] == "retention"
    oldest = await enter(after=told["oldest"])
    await oldest.hears("message", 5)
    assert (ben.texts(), oldest.texts()) == ([], [str(n) for n in range(15, 20)])


@pytest.mark.parametrize("has_offset", [True, False], ids=["offset", "no offset"])
@pytest.mark.parametrize("reason", ["retention", "epoch", "invalid"])
async def test_who_was_cut_before_it_was_told_to_begin_anew_is_told_again(
    parley: Parley, enter: Enter, channel_id: str, reason: str, has_offset: bool
) -> None:
    """Its new pid does not stand for what it has never heard; once it has a cursor of it, that counts."""
    ctx, ben = parley.node.ctx, await enter()
    if has_offset:
        await say(parley, channel_id, "heard")
        await ben.hears("message")
    await ben.drop()
    before = ben.offset if has_offset else None
    await say(parley, channel_id, *map(str, range(20)))
    if reason == "retention":
        async for _ in retention.forget(ctx, Retention(days=0, events=5)):
            pass
    elif reason == "epoch":
        epoch, seq = ctx.tail.position(DEFAULT_SERVER_ID)
        await epochs.begin_epoch(ctx, DEFAULT_SERVER_ID, Cursor(DEFAULT_SERVER_ID, epoch, seq + 1))
    else:
        ben.pid = ctx.cursors.write_pid(Pid.make("eve", ctx.cursors.read_pid(ben.pid or "").start))
    for count in range(1, 4):
        ben.offset = before
        await ben.connect()
        assert (await ben.hears("resync_required", count))[-1]["reason"] == reason
        assert not ben.recovered
        await ben.hears("cursor", count)
        await ben.drop()
    await say(parley, channel_id, "missed")
    await ben.connect()
    await ben.hears("message", 1 + has_offset)
    assert (ben.texts()[-1], ben.recovered) == ("missed", True)
    assert len(ben.all("resync_required")) == 3


async def test_an_offset_from_before_the_pid_is_gone_on_from(
    parley: Parley, enter: Enter, channel_id: str
) -> None:
    """Whoever has got less than its pid stands for misses what came between."""
    older = (await (await enter()).data("heartbeat"))["cursor"]
    await say(parley, channel_id, "one")
    ben = await enter()
    await ben.drop()
    await say(parley, channel_id, "two")
    ben.offset = older
    await ben.connect()
    await ben.hears("message", 2)
    assert (ben.texts(), ben.recovered) == (["one", "two"], True)


async def test_a_replay_that_is_overtaken_begins_anew(
    parley: Parley, enter: Enter, channel_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is pruned while it is being replayed is not left out: the client comes back, and is told."""
    read, pages = replay.read, itertools.count(1)

    async def read_and_prune(*arguments: Any) -> replay.Page:
        if next(pages) == 2:
            async for _ in retention.forget(parley.node.ctx, Retention(days=0, events=5)):
                pass
        return await read(*arguments)

    ben = await enter()
    await ben.drop()
    await say(parley, channel_id, *map(str, range(40)))
    monkeypatch.setattr(replay, "PAGE_ENTRIES", 10)
    monkeypatch.setattr(replay, "read", read_and_prune)
    monkeypatch.setattr(parley.node.ctx.tail, "read", lambda *_arguments: None)
    await ben.connect()
    await ben.ended()
    assert ben.texts() == [str(n) for n in range(10)]
    await ben.connect()
    (told,) = await ben.hears("resync_required")
    assert told["reason"] == "retention"


async def test_a_thousand_clients_come_back_at_once(
    start: Start, engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gets the fifty messages that it missed, once and in order."""
    # However long a machine takes that plays all of them.
    monkeypatch.setattr("tests.returning.PATIENCE", 180.0)
    monkeypatch.setattr("server.sockets.OWING_SECONDS", 180.0)
    parley = await start()
    channel_id = await parley.service.new_channel("talk", "ann")
    secret = parley.service_key
    crowd = [Returner(parley.url, {"token": secret, "entityId": f"user-{n}"}) for n in range(1_000)]
    for first in range(0, 1_000, 100):
        some = crowd[first : first + 100]
        await asyncio.gather(*(client.connect() for client in some))
        await asyncio.gather(*(client.data("join", {"channel_id": channel_id}) for client in some))
    for session in list(engines[0].sockets.values()):
        session.close(1012)
    await asyncio.gather(*(client.ended() for client in crowd))
    texts = [f"message {n}" for n in range(50)]
    await say(parley, channel_id, *texts)
    await asyncio.gather(*(client.connect() for client in crowd))
    for client in crowd:
        await client.hears("message", 50)
        assert (client.texts(), client.recovered) == (texts, True)
        await client.close()


async def test_a_slow_reader_catches_up_at_its_own_pace(
    parley: Parley, enter: Enter, engines: list[Engine]
) -> None:
    """One that reads nothing while it is far behind is not closed for that, and holds a page at most."""
    ben = await enter()
    channel_id = await parley.service.new_channel("long", "ann", "ben")
    await ben.drop()
    items = [{"channel_id": channel_id, "author_id": "ann", "content": "x" * 4_000}] * 100
    for _ in range(30):
        await parley.service.post("/api/messaging/submit/batch", {"messages": items})
    await ben.connect()
    ben.transport.pause_reading()
    (session,) = engines[0].sockets.values()
    await until(lambda: session.is_full)
    await say(parley, channel_id, "live")
    assert session._backlog() < 512 * 1024
    ben.transport.resume_reading()
    await ben.hears("message", 3_001)
    seqs = [message["seq"] for message in ben.all("message")]
    assert (seqs, ben.texts()[-1]) == (sorted(set(seqs)), "live")
