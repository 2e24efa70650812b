"""However chunks, slow readers and arrivals mix: everybody is shown the replies as they are said."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from server.fanout import Fanout
from server.relay import Relay
from server.websocket import WebSocket
from tests.fuzz.inputs import examples, sound_texts
from tests.fuzz.machines import NodeMachine
from tests.realtime.raw import until
from tests.rest import API
from tests.returning import Returner
from tests.streaming import shown
from tests.talking import ELIZA, NATIVE

READERS = {"ben": NATIVE, "cat": NATIVE, "dan": ELIZA}
ENDS = ("complete", "cancel", "replace", "retract")

readers, which = st.sampled_from(sorted(READERS)), st.integers(0)
chunks = st.lists(sound_texts, min_size=1, max_size=5)


@dataclass
class Given:
    """A reply that is being given."""

    run: dict[str, Any]
    chunks: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The id that it will have."""
        return str(self.run["reply_id"])

    @property
    def text(self) -> str:
        """What was said of it."""
        return "".join(self.chunks)


class Streaming(NodeMachine):
    """One node, one agent that answers several questions at once, and three readers."""

    def __init__(self) -> None:
        super().__init__()
        self._open: list[Given] = []
        self._all: dict[str, Given] = {}
        self._here: set[str] = set()
        self._members: set[str] = set(READERS)
        self._full: set[str] = set()
        self._numbers = itertools.count()

    @initialize()
    def begin(self) -> None:
        """Start the node, let everybody come, and ask something."""
        self._run(self._begin())
        self.ask()

    @rule()
    def ask(self) -> None:
        """Somebody asks something."""
        self._run(self._ask())

    @precondition(lambda self: self._open)
    @rule(which=which, texts=chunks)
    def say(self, which: int, texts: list[str]) -> None:
        """The agent says some chunks of a reply."""
        self._run(self._say(self._open[which % len(self._open)], texts))

    @precondition(lambda self: self._open)
    @rule(which=which)
    def repeat(self, which: int) -> None:
        """The agent says again what it has said, and what is not due."""
        self._run(self._repeat(self._open[which % len(self._open)]))

    @rule(who=readers)
    def fill_or_empty(self, who: str) -> None:
        """Somebody takes no more, or has taken what there was."""
        self._run(self._fill_or_empty(who))

    @precondition(lambda self: self._open)
    @rule(who=readers, which=which, before=chunks, after=chunks, stays=st.booleans())
    def lag(self, who: str, which: int, before: list[str], after: list[str], stays: bool) -> None:
        """Somebody takes no more while a reply goes on, and perhaps takes the rest later."""
        self.say(which, before)
        if who not in self._full:
            self.fill_or_empty(who)
        self.say(which, after)
        if not stays:
            self.fill_or_empty(who)

    @rule(who=readers)
    def go_or_come(self, who: str) -> None:
        """Somebody loses the connection, or comes back."""
        self._run(self._go_or_come(who))

    @rule(who=readers)
    def remove_or_add(self, who: str) -> None:
        """Somebody is removed from the channel, or added to it again."""
        self._run(self._remove_or_add(who))

    @precondition(lambda self: self._open)
    @rule(which=which, end=st.sampled_from(ENDS))
    def end(self, which: int, end: str) -> None:
        """A reply is complete, or is ended in another way."""
        self._run(self._end(self._open.pop(which % len(self._open)), end))

    @invariant()
    def everybody_is_shown_a_beginning_of_the_truth(self) -> None:
        """Nobody ever sees a gap, a double or anything else."""
        for who in READERS if self._has_begun else ():
            for reply in self._all.values():
                assert reply.text.startswith(self._shown(who, reply))

    async def _begin(self) -> None:
        await self._start_node()
        self._bot = await self._parley.agent("bot")
        keys = {who: await self._parley.key(Kind.USER, who) for who in READERS}
        self._channel_id = await self._parley.service.new_channel("talk", "ann", "bot", *READERS)
        self._readers = {
            who: Returner(self._parley.url, {"token": keys[who]}, namespace)
            for who, namespace in READERS.items()
        }
        self._has_begun = True
        for who, reader in self._readers.items():
            self._stack.push_async_callback(reader.close)
            await self._go_or_come(who)

    @property
    def _relay(self) -> Relay:
        relay = self._parley.node.ctx.streams.listener
        assert isinstance(relay, Relay)
        return relay

    def _websocket(self, who: str) -> WebSocket:
        """Return the server's side of somebody's connection."""
        fanout = self._relay._room_of.__self__  # type: ignore[attr-defined]
        assert isinstance(fanout, Fanout)
        (connection,) = fanout._connections[DEFAULT_SERVER_ID, who]
        websocket = connection.session._websocket  # type: ignore[attr-defined]
        assert isinstance(websocket, WebSocket)
        return websocket

    def _shown(self, who: str, reply: Given) -> str:
        names = ("message_id", "messageId")
        pieces = self._readers[who].all("stream", "messageStreamChunk")
        return shown(piece for piece in pieces if reply.id in map(piece.get, names))

    async def _ask(self) -> None:
        text = f"question {next(self._numbers)}"
        asked = (await self._parley.service.submit(self._channel_id, text, author_id="ann")).data
        (run,) = (await self._bot.get(f"{API}/messages/{asked['id']}/runs")).data["runs"]
        self._open.append(Given(run))
        self._all[run["reply_id"]] = self._open[-1]

    async def _post(self, reply: Given, index: int, chunk: str) -> int:
        path = f"{API}/runs/{reply.run['id']}/chunks"
        return (await self._bot.post(path, {"index": index, "chunk": chunk})).status

    async def _say(self, reply: Given, texts: list[str]) -> None:
        for text in texts:
            reply.chunks.append(text)
            assert await self._post(reply, len(reply.chunks) - 1, text) == 200

    async def _repeat(self, reply: Given) -> None:
        for index in range(len(reply.chunks)):
            assert await self._post(reply, index, "again") == 200
        assert await self._post(reply, len(reply.chunks) + 1, "too early") == 409

    async def _fill_or_empty(self, who: str) -> None:
        if who not in self._here:
            return
        websocket = self._websocket(who)
        if who in self._full:
            self._full.discard(who)
            websocket.resume_writing()
        else:
            self._full.add(who)
            websocket.pause_writing()

    async def _go_or_come(self, who: str) -> None:
        if who in self._here:
            self._here.discard(who)
            self._full.discard(who)
            await self._readers[who].drop()
        else:
            await self._readers[who].connect()
            self._here.add(who)

    async def _remove_or_add(self, who: str) -> None:
        if who in self._members:
            self._members.discard(who)
            assert (await self._parley.service.remove(self._channel_id, who)).status == 200
        else:
            self._members.add(who)
            assert (await self._parley.service.add(self._channel_id, who)).status == 201

    async def _end(self, reply: Given, end: str) -> None:
        await self._wait_until_shown(reply)
        if end == "retract":
            assert (await self._parley.service.delete_message(reply.run["message_id"])).status == 200
        elif end == "cancel":
            assert (await self._parley.service.post(f"{API}/runs/{reply.run['id']}/cancel", {})).status == 200
        else:
            said = {"response": "something else"} if end == "replace" else {}
            done = await self._bot.post(f"{API}/complete", {"run_id": reply.run["id"], **said})
            assert done.data["response"] == said.get("response", reply.text)
        await self._verify_final(reply, end)

    async def _verify_final(self, reply: Given, end: str) -> None:
        """Check that what is stored is what was shown, unless the agent has said otherwise."""
        stored = await self._parley.service.message(reply.id)
        if end == "replace":
            assert stored.data["text"] == "something else"
        elif end == "retract" or not reply.text:
            assert stored.status == 404
        else:
            assert stored.data["text"] == reply.text

    async def _wait_until_shown(self, reply: Given) -> None:
        for who in (self._here & self._members) - self._full:
            await until(lambda who=who: self._shown(who, reply) == reply.text)

    async def _verify(self) -> None:
        """Who is here, and reads, is shown everything; and then nothing is left of it."""
        for who in sorted(READERS):
            if who in self._full:
                await self._fill_or_empty(who)
            if who not in self._here:
                await self._go_or_come(who)
        for reply in self._open:
            await self._end(reply, "complete")
        for who in self._members:
            for reply in self._all.values():
                await until(lambda who=who, reply=reply: self._is_final(who, reply))
        assert not self._relay._owed
        assert not self._parley.node.ctx.streams.of_channel(self._channel_id)

    def _is_final(self, who: str, reply: Given) -> bool:
        """Tell whether somebody was told the end of a reply that was open to the last, once."""
        if reply not in self._open:
            return True
        names = ("message", "messageBroadcast")
        told = [said["text"] for said in self._readers[who].all(*names) if said["id"] == reply.id]
        return told == ([reply.text] if reply.text else [])


Streaming.TestCase.settings = settings(examples(15), stateful_step_count=40)
TestStreaming = Streaming.TestCase
