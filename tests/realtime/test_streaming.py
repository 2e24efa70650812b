"""Replies that are streamed over real connections: what everybody is shown, and when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from rooms import streams
from rooms.ids import new_id
from rooms.principals import Kind
from server import dialects, overdue
from server.engine import Engine
from server.frames import Outgoing
from server.relay import Relay
from server.session import Session
from server.sockets import SocketServer
from tests.realtime.raw import Poller, open_poller
from tests.rest import API, Rest
from tests.returning import Returner
from tests.running import Parley, Start, running_parley
from tests.streaming import shown
from tests.talking import ELIZA, NATIVE, Talker, talking


@dataclass(frozen=True)
class Scene:
    """A channel of ann, ben and the agent bot, which has taken ann's question."""

    parley: Parley
    channel_id: str
    keys: dict[str, str]
    run: dict[str, Any]
    bot: Talker

    async def say(self, index: int, chunk: str, **fields: Any) -> Any:
        """Let the agent say a chunk; it must be taken."""
        return await self.bot.data("stream", {**self.where(index, chunk), **fields})

    def where(self, index: int, chunk: str) -> dict[str, Any]:
        """Return what the agent sends."""
        place = {"message_id": self.run["reply_id"], "channel_id": self.channel_id}
        return {**place, "index": index, "chunk": chunk}

    async def complete(self, **fields: Any) -> Any:
        """Let the agent complete the run."""
        return await self.bot.data("complete", {"run_id": self.run["id"], **fields})

    def of(self, who: str) -> Rest:
        """Return somebody's REST client."""
        return self.parley.bearer(self.keys[who])


async def furnish(parley: Parley) -> tuple[str, dict[str, str]]:
    """Create a channel of ann, ben and the agent bot, and return its id and everybody's keys."""
    kinds = {"ann": Kind.USER, "ben": Kind.USER, "bot": Kind.AGENT}
    made = {who: await parley.key(kind, who) for who, kind in kinds.items()}
    return await parley.service.new_channel("talk", *kinds), made


async def ask(rest: Rest, channel_id: str) -> dict[str, Any]:
    """Ask something, and return the run that it opens."""
    asked = (await rest.submit(channel_id, "two and two?")).data
    (run,) = (await rest.get(f"{API}/messages/{asked['id']}/runs")).data["runs"]
    return dict(run)


@pytest.fixture
async def scene(parley: Parley) -> AsyncIterator[Scene]:
    """Give a question, and the agent that is about to answer it."""
    channel_id, made = await furnish(parley)
    async with talking(parley.url, {"token": made["bot"]}) as bot:
        run = await ask(parley.bearer(made["ann"]), channel_id)
        yield Scene(parley, channel_id, made, run, bot)


async def reader(stack: AsyncExitStack, scene: Scene, namespace: str = NATIVE, who: str = "ann") -> Talker:
    """Connect somebody until the stack is closed."""
    auth = {"token": scene.keys[who]}
    return await stack.enter_async_context(talking(scene.parley.url, auth, namespace))


async def test_chunks_reach_everybody_else_in_order_and_the_reply_follows(scene: Scene) -> None:
    """A run that was only queued is taken on the way; the ack says what comes next, and proves it."""
    async with AsyncExitStack() as stack:
        ann, ben = await reader(stack, scene), await reader(stack, scene, who="ben")
        for index, chunk in enumerate(["two ", "and two ", "is ", "four"]):
            said = await scene.say(index, chunk)
            assert (said["next"], said["fence"], said["run_id"]) == (index + 1, 1, scene.run["id"])
        assert (await scene.complete())["response"] == "two and two is four"
        for client in (ann, ben):
            await client.wait_for("complete")
            pieces = client.all("stream")
            assert [piece["index"] for piece in pieces] == [0, 1, 2, 3]
            assert shown(pieces) == "two and two is four"
            assert {(piece["message_id"], piece["agent_id"]) for piece in pieces} == {
                (scene.run["reply_id"], "bot")
            }
            (reply,) = client.all("message")
            assert (reply["id"], reply["text"]) == (scene.run["reply_id"], "two and two is four")
            names = [name for name, _ in client.heard if name in ("run", "stream", "message", "complete")]
            assert names == ["run", "run", *["stream"] * 4, "message", "run", "complete"]
        assert scene.bot.all("stream") == []
        assert [told["run"]["state"] for told in ann.all("run")] == ["working", "streaming", "completed"]


async def test_an_agent_without_a_socket_streams_over_rest(scene: Scene) -> None:
    """Everybody is shown it, also the agent's sockets; another text at the end takes its place."""
    async with AsyncExitStack() as stack:
        ann, bot = await reader(stack, scene), scene.of("bot")
        path = f"{API}/runs/{scene.run['id']}"
        for index, chunk in enumerate("abc"):
            reply = await bot.post(f"{path}/chunks", {"index": index, "chunk": chunk})
            assert (reply.status, reply.data["next"]) == (200, index + 1)
        await bot.post(f"{API}/complete", {"run_id": scene.run["id"], "response": "all new"})
        await ann.wait_for("complete")
        assert shown(ann.all("stream")) == shown(scene.bot.all("stream")) == "abc"
        (reply,) = ann.all("message")
        assert (reply["id"], reply["text"]) == (scene.run["reply_id"], "all new")


async def test_clients_of_elizaos_are_shown_chunks(scene: Scene) -> None:
    """In their words, until the message of the same id comes."""
    async with AsyncExitStack() as stack:
        ann = await reader(stack, scene, ELIZA)
        for index, chunk in enumerate(["fo", "ur"]):
            await scene.say(index, chunk)
        await scene.complete()
        await ann.wait_for("messageComplete")
        pieces = ann.all("messageStreamChunk")
        assert shown(pieces) == "four"
        assert pieces[0] == {
            "messageId": scene.run["reply_id"],
            "chunk": "fo",
            "index": 0,
            "agentId": "bot",
            "channelId": scene.channel_id,
            "roomId": scene.channel_id,
        }
        (reply,) = ann.all("messageBroadcast")
        assert (reply["id"], reply["text"]) == (scene.run["reply_id"], "four")
        assert ann.all("messageStreamError") == []


async def test_clients_of_elizaos_are_told_of_a_reply_that_will_not_come(scene: Scene) -> None:
    """When the question is deleted there is no reply: the error comes before the end."""
    async with AsyncExitStack() as stack:
        ann, native = await reader(stack, scene, ELIZA), await reader(stack, scene)
        await scene.say(0, "fo")
        await scene.of("ann").delete_message(scene.run["message_id"])
        await ann.wait_for("messageComplete")
        (error,) = ann.all("messageStreamError")
        assert (error["messageId"], error["partialText"]) == (scene.run["reply_id"], "fo")
        names = [name for name, _ in ann.heard]
        assert names.index("messageStreamError") < names.index("messageComplete")
        (end,) = await native.wait_for("complete")
        assert (end["reply_id"], end["state"]) == (None, "cancelled")


async def test_a_reply_under_another_id_breaks_the_stream_off(scene: Scene) -> None:
    """An agent that streams, and then submits under an id of its own, is not waited for on elizaOS's side."""
    async with AsyncExitStack() as stack:
        ann = await reader(stack, scene, ELIZA)
        await scene.say(0, "fo")
        await scene.of("bot").submit(scene.channel_id, "four", in_reply_to_message_id=scene.run["message_id"])
        await ann.wait_for("messageComplete")
        assert [error["messageId"] for error in ann.all("messageStreamError")] == [scene.run["reply_id"]]


async def test_what_cannot_be_taken_changes_nothing(scene: Scene) -> None:
    """Chunks out of order, of others, of no run, without text; what was said before is acknowledged."""
    async with AsyncExitStack() as stack:
        ann = await reader(stack, scene)
        bot, where = scene.bot, scene.where
        assert await bot.code("stream", where(1, "b")) == "CONFLICT"
        assert await ann.code("stream", where(0, "a")) == "PERMISSION_DENIED"
        assert await bot.code("stream", {**where(0, "a"), "message_id": new_id()}) == "RESOURCE_NOT_FOUND"
        assert await bot.code("stream", {**where(0, "a"), "channel_id": new_id()}) == "RESOURCE_NOT_FOUND"
        assert (await scene.of("ann").get(f"{API}/runs/{scene.run['id']}")).data["state"] == "queued"
        await scene.say(0, "a")
        assert (await scene.say(0, "other"))["next"] == 1
        ack = await bot.call("stream", where(3, "d"))
        assert ack["error"]["code"] == "CONFLICT"
        assert "index 1" in ack["error"]["details"]
        for chunk in ("", "\x07", "\ud800", "x" * 50_001, 7, None):
            assert await bot.code("stream", where(1, chunk)) == "VALIDATION_ERROR"  # type: ignore[arg-type]
        for index in (-1, "1", 1.5, True, None):
            assert await bot.code("stream", where(index, "b")) == "VALIDATION_ERROR"  # type: ignore[arg-type]
        assert await bot.code("stream", where(1, "x" * 50_000)) == "VALIDATION_ERROR"
        assert await bot.code("stream", {**where(1, "b"), "fence": 2}) == "CONFLICT"
        assert await ann.code("stream", where(1, "b")) == "PERMISSION_DENIED"
        assert (await scene.say(1, "b", fence=1))["next"] == 2
        await scene.complete()
        assert await bot.code("stream", where(2, "c")) == "CONFLICT"
        await ann.wait_for("complete")
        assert shown(ann.all("stream")) == ann.all("message")[0]["text"] == "ab"


async def test_two_processes_of_an_agent_do_not_speak_at_once(scene: Scene) -> None:
    """Whoever began goes on; the other one needs the fence to take its place."""
    async with AsyncExitStack() as stack:
        other = await reader(stack, scene, who="bot")
        assert (await scene.say(0, "mine"))["fence"] == 1
        assert await other.code("stream", scene.where(1, "yours")) == "CONFLICT"
        rest = await scene.of("bot").post(f"{API}/runs/{scene.run['id']}/chunks", {"index": 1, "chunk": "x"})
        assert rest.refusal == (409, "CONFLICT")
        await other.data("stream", {**scene.where(1, " too"), "fence": 1})
        assert (await scene.complete())["response"] == "mine too"


async def test_chunks_take_from_no_bucket(start: Start) -> None:
    """A reply goes on when nothing else is granted any more; calls that lead nowhere are not free."""
    parley = await start(rate_limits="on")
    channel_id, made = await furnish(parley)
    run = await ask(parley.bearer(made["ann"]), channel_id)
    async with talking(parley.url, {"token": made["bot"]}) as talker:
        scene, bot = Scene(parley, channel_id, made, run, talker), parley.bearer(made["bot"])
        await scene.say(0, "0")
        nowhere = {**scene.where(0, "x"), "message_id": new_id()}
        while (code := await talker.code("stream", nowhere)) == "RESOURCE_NOT_FOUND":
            pass
        path = f"{API}/runs/{new_id()}/chunks"
        while (reply := await bot.post(path, {"index": 0, "chunk": "x"})).status == 404:
            pass
        assert (code, reply.refusal) == ("RATE_LIMIT_EXCEEDED", (429, "RATE_LIMIT_EXCEEDED"))
        for index in range(1, 200, 2):
            await scene.say(index, "1")
            chunk = {"index": index + 1, "chunk": "2", "fence": 1}
            reply = await bot.post(f"{API}/runs/{run['id']}/chunks", chunk)
            assert reply.data["next"] == index + 2


async def test_calls_for_one_reply_are_bounded(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gets round the limits by saying the same chunk for ever."""
    monkeypatch.setattr(streams, "FREE_CALLS", 10)
    parley = await start(rate_limits="on")
    channel_id, made = await furnish(parley)
    run = await ask(parley.bearer(made["ann"]), channel_id)
    async with talking(parley.url, {"token": made["bot"]}) as bot:
        scene = Scene(parley, channel_id, made, run, bot)
        await scene.say(0, "a")
        while (ack := await bot.call("stream", scene.where(0, "a")))["success"]:
            pass
        assert ack["error"]["code"] == "RATE_LIMIT_EXCEEDED"


async def returner(
    stack: AsyncExitStack, scene: Scene, namespace: str = NATIVE, who: str = "ann"
) -> Returner:
    """Connect a client that can come back, until the stack is closed."""
    made = Returner(scene.parley.url, {"token": scene.keys[who]}, namespace)
    stack.push_async_callback(made.close)
    await made.connect()
    await made.settle()
    return made


PIECES = {NATIVE: "stream", ELIZA: "messageStreamChunk"}
FINAL = {NATIVE: "message", ELIZA: "messageBroadcast"}


@pytest.mark.parametrize("namespace", PIECES)
async def test_a_slow_reader_gets_what_it_missed_as_one_piece(
    scene: Scene, engines: list[Engine], namespace: str
) -> None:
    """While it is full it is sent nothing; with room it gets that at once, and then goes on."""
    async with AsyncExitStack() as stack:
        quick = await reader(stack, scene, who="ben")
        slow = await returner(stack, scene, namespace)
        (*_, session) = engines[0].sockets.values()
        await scene.say(0, "one ")
        await slow.hears(PIECES[namespace])
        await fill(scene, slow, session)
        waiting = session._backlog()
        for index, chunk in enumerate(["two ", "three ", "four "], 1):
            await scene.say(index, chunk)
        await quick.wait_for("stream", 4)
        assert session._backlog() <= waiting
        slow.transport.resume_reading()
        await slow.hears(PIECES[namespace], 2)
        await scene.say(4, "five")
        pieces = await slow.hears(PIECES[namespace], 3)
        assert [(piece["index"], piece.get("count", 1), piece["chunk"]) for piece in pieces] == [
            (0, 1, "one "),
            (1, 3, "two three four "),
            (4, 1, "five"),
        ]
        await scene.complete()
        await slow.hears("complete" if namespace == NATIVE else "messageComplete")
        assert shown(pieces) == slow.texts()[-1] == "one two three four five"


async def test_a_slow_reader_is_not_sent_pieces_of_what_is_over(scene: Scene, engines: list[Engine]) -> None:
    """Once it has room the message says everything; nothing is kept for anybody."""
    async with AsyncExitStack() as stack:
        slow = await returner(stack, scene)
        (*_, session) = engines[0].sockets.values()
        await fill(scene, slow, session)
        await scene.say(0, "fo")
        await scene.say(1, "ur")
        await scene.complete()
        slow.transport.resume_reading()
        await slow.hears("complete")
        await slow.settle()
        assert (slow.all("stream"), slow.texts()[-1]) == ([], "four")
        assert relay(engines[0])._owed == {}


async def test_nothing_is_kept_of_readers_that_are_gone(scene: Scene, engines: list[Engine]) -> None:
    """Although the reply that they have seen a part of goes on."""
    async with AsyncExitStack() as stack:
        ann, ben = await returner(stack, scene), await returner(stack, scene, who="ben")
        await scene.say(0, "one ")
        for client in (ann, ben):
            await client.hears("stream")
        await ann.drop()
        await scene.say(1, "two")
        await ben.hears("stream", 2)
        assert relay(engines[0])._owed == {}


def relay(engine: Engine) -> Relay:
    """Return the node's relay."""
    assert isinstance(engine.owner, SocketServer)
    return engine.owner.admissions._fanout.relay


async def test_a_polling_client_gets_as_much_with_each_poll_as_was_said(scene: Scene) -> None:
    """Between two polls pieces are joined, and none is lost."""
    poller = await open_poller(scene.parley)
    await poller.join(scene.keys["ann"])
    text = "".join(chr(97 + index) for index in range(20))
    for index, chunk in enumerate(text):
        await scene.say(index, chunk)
    await poller.hear(lambda: shown(pieces_of(poller)) == text)
    await scene.say(20, ".")
    await poller.hear(lambda: shown(pieces_of(poller)) == text + ".")
    assert [(piece["index"], piece.get("count", 1)) for piece in pieces_of(poller)] == [(0, 20), (20, 1)]


def pieces_of(poller: Poller) -> list[Any]:
    """Return the pieces that a polling client has got."""
    found = [packet for packet in poller.heard if '["stream"' in packet]
    return [orjson.loads(packet[packet.index("[") :])[1] for packet in found]


@pytest.mark.parametrize("namespace", PIECES)
async def test_whoever_connects_late_gets_what_was_said_and_then_the_rest(
    scene: Scene, namespace: str
) -> None:
    """The agent, too, on another of its connections."""
    async with AsyncExitStack() as stack:
        await scene.say(0, "one ")
        await scene.say(1, "two ")
        late = [await reader(stack, scene, namespace), await reader(stack, scene, namespace, "bot")]
        for client in late:
            await client.wait_for(PIECES[namespace])
        await scene.say(2, "three")
        await scene.complete()
        for client in late:
            await client.wait_for("complete" if namespace == NATIVE else "messageComplete")
            pieces = client.all(PIECES[namespace])
            assert [(piece["index"], piece.get("count", 1)) for piece in pieces] == [(0, 2), (2, 1)]
            assert shown(pieces) == client.all(FINAL[namespace])[0]["text"] == "one two three"


async def test_whoever_joins_a_channel_late_gets_what_was_said(scene: Scene) -> None:
    """Also who is added to it, and who has left it and comes back; nobody gets it twice."""
    async with AsyncExitStack() as stack:
        service = Returner(scene.parley.url, {"token": scene.parley.service_key, "entityId": "anybody"})
        stack.push_async_callback(service.close)
        await service.connect()
        dan = await returner(
            stack, replace(scene, keys={"dan": await scene.parley.key(Kind.USER, "dan")}), who="dan"
        )
        await scene.say(0, "one ")
        await scene.say(1, "two ")
        await scene.parley.service.add(scene.channel_id, "dan")
        for _ in range(2):
            await service.data("join", {"channel_id": scene.channel_id})
        for client in (service, dan):
            await client.hears("stream")
        await service.data("leave", {"channel_id": scene.channel_id})
        await scene.say(2, "three ")
        await service.data("join", {"channel_id": scene.channel_id})
        await scene.say(3, "four")
        await scene.complete()
        for client in (service, dan):
            await client.hears("complete")
            assert shown(client.all("stream")) == "one two three four"
        assert [piece["index"] for piece in service.all("stream")] == [0, 0, 3]
        assert [piece["index"] for piece in dan.all("stream")] == [0, 2, 3]


async def test_whoever_leaves_amid_a_stream_begins_anew_when_it_returns(
    scene: Scene, engines: list[Engine]
) -> None:
    """Although it was still to get a part of what was said before."""
    async with AsyncExitStack() as stack:
        ben = await returner(stack, scene, who="ben")
        (*_, session) = engines[0].sockets.values()
        await scene.say(0, "one ")
        await ben.hears("stream")
        await fill(scene, ben, session)
        await scene.say(1, "two ")
        await scene.parley.service.remove(scene.channel_id, "ben")
        await scene.say(2, "three ")
        await scene.parley.service.add(scene.channel_id, "ben")
        await scene.say(3, "four")
        ben.transport.resume_reading()
        pieces = await ben.hears("stream", 2)
        assert [(piece["index"], piece.get("count", 1)) for piece in pieces] == [(0, 1), (0, 4)]


async def fill(scene: Scene, client: Returner, session: Session) -> None:
    """Let a client read nothing until it takes less than it is sent."""
    client.transport.pause_reading()
    big = [{"channel_id": scene.channel_id, "author_id": "ann", "content": "x" * 4_000}] * 100
    while not session.is_full:
        await scene.parley.service.post(f"{API}/submit/batch", {"messages": big})


async def test_whoever_is_removed_is_shown_nothing_more(scene: Scene) -> None:
    """Not even what it was still to get."""
    async with AsyncExitStack() as stack:
        ben = await returner(stack, scene, who="ben")
        await scene.say(0, "one ")
        await ben.hears("stream")
        await scene.parley.service.remove(scene.channel_id, "ben")
        await scene.say(1, "two")
        await ben.settle()
        assert shown(ben.all("stream")) == "one "


async def test_a_join_with_a_cursor_neither_loses_nor_doubles_a_piece(scene: Scene) -> None:
    """Who is amid a stream while delivery stands still goes on where it was."""
    async with AsyncExitStack() as stack:
        ann = await returner(stack, scene)
        cursor = (await ann.data("heartbeat"))["cursor"]
        await scene.say(0, "one ")
        await ann.hears("stream")
        for index in range(1, 21):
            joining = asyncio.create_task(ann.data("join", {"channel_id": scene.channel_id, "after": cursor}))
            await scene.say(index, f"{index} ")
            await joining
        await scene.complete()
        await ann.hears("complete")
        pieces = ann.all("stream")
        assert shown(pieces) == ann.texts()[-1]
        assert [piece["index"] for piece in pieces].count(0) == 1


async def test_a_client_that_comes_back_begins_the_text_anew(scene: Scene) -> None:
    """What was said while it was away is in it, and what is said then follows."""
    async with AsyncExitStack() as stack:
        ann = await returner(stack, scene)
        await scene.say(0, "one ")
        await ann.hears("stream")
        await ann.drop()
        await scene.say(1, "two ")
        await ann.connect()
        await ann.hears("stream", 2)
        await scene.say(2, "three")
        await scene.complete()
        await ann.hears("complete")
        assert ann.recovered
        assert [piece["index"] for piece in ann.all("stream")] == [0, 0, 2]
        assert shown(ann.all("stream")) == "one two three"


async def test_a_restart_goes_on_with_what_was_shown(tmp_path: Path) -> None:
    """A server that ends in good order loses no chunk: readers find the text, the agent its place."""
    async with running_parley(tmp_path) as parley:
        service_key = parley.service_key
        channel_id, made = await furnish(parley)
        run = await ask(parley.bearer(made["ann"]), channel_id)
        bot = parley.bearer(made["bot"])
        for index, chunk in enumerate(["one ", "two "]):
            await bot.post(f"{API}/runs/{run['id']}/chunks", {"index": index, "chunk": chunk})
    async with (
        running_parley(tmp_path) as parley,
        talking(parley.url, {"token": made["ann"]}) as ann,
        talking(parley.url, {"token": made["bot"]}) as bot_talker,
    ):
        await ann.wait_for("stream")
        scene = Scene(parley, channel_id, made, run, bot_talker)
        assert await bot_talker.code("stream", {**scene.where(3, "four"), "fence": 1}) == "CONFLICT"
        await scene.say(2, "three", fence=1)
        await scene.complete()
        await ann.wait_for("complete")
        assert [piece["index"] for piece in ann.all("stream")] == [0, 2]
        assert shown(ann.all("stream")) == ann.all("message")[-1]["text"] == "one two three"
        assert await parley.bearer(service_key).texts(channel_id) == ["two and two?", "one two three"]


async def test_what_was_said_is_kept_of_an_agent_that_hangs(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although its connection answers: after the lease the part is the reply, and everybody is told."""
    monkeypatch.setattr(overdue, "LOOK_SECONDS", 0.05)
    parley = await start()
    channel_id, made = await furnish(parley)
    run = await ask(parley.bearer(made["ann"]), channel_id)
    async with (
        talking(parley.url, {"token": made["bot"]}) as bot,
        talking(parley.url, {"token": made["ann"]}) as ann,
    ):
        scene = Scene(parley, channel_id, made, run, bot)
        await scene.say(0, "one ")
        await scene.say(1, "two")
        parley.pass_time(30)  # as long as a lease is
        (end,) = await ann.wait_for("complete")
        (part,) = ann.all("message")
        assert (end["state"], end["reason"], end["reply_id"]) == ("timed_out", "lease", run["reply_id"])
        assert (part["id"], part["text"], part["metadata"]["partial"]) == (run["reply_id"], "one two", True)
        assert shown(ann.all("stream")) == "one two"


async def test_each_chunk_is_encoded_once_for_each_namespace(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many read it."""
    encoded: list[str] = []
    encode = dialects.chunk

    def count(namespace: str, *arguments: Any) -> Outgoing:
        encoded.append(namespace)
        return encode(namespace, *arguments)

    async with AsyncExitStack() as stack:
        readers = [await reader(stack, scene) for _ in range(4)]
        elizas = [await reader(stack, scene, ELIZA) for _ in range(3)]
        monkeypatch.setattr(dialects, "chunk", count)
        await scene.say(0, "one ")
        for client in readers:
            await client.wait_for("stream")
        for client in elizas:
            await client.wait_for("messageStreamChunk")
        assert sorted(encoded) == [ELIZA, NATIVE]
