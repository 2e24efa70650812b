"""Whatever is said, changed and lost, by whichever doors they come: all are told just what is theirs."""

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from sqlalchemy import Connection

from rooms.principals import Kind
from tests.fuzz.doors import Traveller
from tests.fuzz.inputs import examples
from tests.fuzz.machines import NodeMachine
from tests.realtime.raw import until
from tests.rest import API

CHANNELS, USERS = ("red", "green", "blue"), ("ben", "cat", "dan")
DOORS = ("pid", "after", "stream", "poll")

channels, users, doors = map(st.sampled_from, (CHANNELS, USERS, DOORS))

_EXPECTED = """
    SELECT events.seq FROM events JOIN participants ON participants.channel_id = events.channel_id
    WHERE participants.entity_id = ? AND participants.joined_seq <= events.seq
    AND (participants.left_seq IS NULL OR events.seq < participants.left_seq) AND events.seq > ?
    ORDER BY events.seq
"""


class Delivery(NodeMachine):
    """One node, three channels, and three users who come and go by every door."""

    def __init__(self) -> None:
        super().__init__()
        self._texts = (f"text {n}." for n in itertools.count())
        self._said: list[tuple[str, str]] = []  # ids and texts of messages that are there
        self._places: dict[str, str] = {}  # the channels of the messages
        self._gone: list[tuple[str, dict[str, int]]] = []  # texts that went, and how much each had heard

    @initialize(members=st.lists(st.sets(users), min_size=3, max_size=3))
    def begin(self, members: list[set[str]]) -> None:
        """Start the node, with somebody in the channels, and let everybody come."""
        self._run(self._begin(members))

    @rule(channel=channels, count=st.integers(1, 4))
    def say(self, channel: str, count: int) -> None:
        """Somebody says something."""
        self._run(self._say(channel, count))

    @precondition(lambda self: self._said)
    @rule(which=st.integers(0), anew=st.booleans())
    def change(self, which: int, anew: bool) -> None:
        """A message is edited, or deleted, when everybody who is here has been told of it."""
        message_id, text = self._said.pop(which % len(self._said))
        self._run(self._change(message_id, text, anew=anew))

    @precondition(lambda self: self._said)
    @rule(which=st.integers(0), method=st.sampled_from(["PUT", "DELETE"]))
    def react(self, which: int, method: str) -> None:
        """Somebody reacts to a message, or no longer, perhaps for the second time."""
        message_id, _ = self._said[which % len(self._said)]
        path = f"{API}/messages/{message_id}/reactions/+1"
        reply = self._run(self._parley.service.request(method, path))
        assert reply.status == 200

    @rule(channel=channels)
    def clear(self, channel: str) -> None:
        """A channel is cleared, perhaps of nothing, when everybody who is here has been told of all in it."""
        self._run(self._clear(channel))

    @rule(channel=channels, user=users)
    def add(self, channel: str, user: str) -> None:
        """Somebody is added to a channel, perhaps for the second time."""
        self._run(self._parley.service.add(self._ids[channel], user))

    @rule(channel=channels, user=users)
    def remove(self, channel: str, user: str) -> None:
        """Somebody is removed from a channel, perhaps without having been in it."""
        self._run(self._parley.service.remove(self._ids[channel], user))

    @rule(user=users, door=doors)
    def go_or_come(self, user: str, door: str) -> None:
        """Somebody loses the connection, or comes back by a door."""
        traveller = self._travellers[user]
        self._run(traveller.go() if traveller.is_here else traveller.come(door))

    @rule(user=users, door=doors)
    def change_doors(self, user: str, door: str) -> None:
        """Somebody loses the connection and comes back by a door in the same moment."""
        self._run(self._change_doors(self._travellers[user], door))

    @rule(user=users, channel=channels, door=doors, anew=st.booleans())
    def miss(self, user: str, channel: str, door: str, anew: bool) -> None:
        """While somebody is away something is said, and changed; then it comes by a door."""
        traveller = self._travellers[user]
        if traveller.is_here:
            self._run(traveller.go())
        self.say(channel, 2)
        self.change(-1, anew)
        self._run(traveller.come(door))

    async def _begin(self, members: list[set[str]]) -> None:
        await self._start_node()
        service = self._parley.service
        self._ids = {
            name: await service.new_channel(name, "ann", *some)
            for name, some in zip(CHANNELS, members, strict=True)
        }
        self._travellers = {user: await self._traveller(user) for user in USERS}
        for traveller in self._travellers.values():
            await traveller.come("after")
        self._starts = {user: self._seq_of(traveller) for user, traveller in self._travellers.items()}
        self._has_begun = True

    async def _traveller(self, user: str) -> Traveller:
        traveller = Traveller(self._parley, user, await self._parley.key(Kind.USER, user))
        self._stack.push_async_callback(traveller.end)
        return traveller

    def _seq_of(self, traveller: Traveller) -> int:
        assert traveller.cursor is not None
        return self._parley.node.ctx.cursors.read(traveller.cursor).seq

    async def _say(self, channel: str, count: int) -> None:
        for text in itertools.islice(self._texts, count):
            reply = await self._parley.service.submit(self._ids[channel], text, author_id="ann")
            self._said.append((reply.data["id"], text))
            self._places[reply.data["id"]] = channel

    async def _change(self, message_id: str, text: str, *, anew: bool) -> None:
        await self._wait_for_those_here()
        self._gone.append((text, {user: len(one.payloads) for user, one in self._travellers.items()}))
        path = f"{API}/messages/{message_id}"
        if not anew:
            assert (await self._parley.service.delete(path)).status == 200
            return
        fresh = next(self._texts)
        reply = await self._parley.service.request("PATCH", path, json={"content": fresh})
        assert reply.status == 200
        self._said.append((message_id, fresh))

    async def _clear(self, channel: str) -> None:
        await self._wait_for_those_here()
        cleared = [entry for entry in self._said if self._places[entry[0]] == channel]
        heard = {user: len(one.payloads) for user, one in self._travellers.items()}
        self._gone += [(text, heard) for _, text in cleared]
        self._said = [entry for entry in self._said if entry not in cleared]
        path = f"{API}/channels/{self._ids[channel]}/messages"
        assert (await self._parley.service.delete(path)).status == 204

    async def _change_doors(self, traveller: Traveller, door: str) -> None:
        if traveller.is_here:
            await traveller.go()
        await traveller.come(door)

    async def _wait_for_those_here(self) -> None:
        for traveller in self._travellers.values():
            if traveller.is_here:
                await self._wait_for(traveller)

    async def _wait_for(self, traveller: Traveller) -> None:
        expected = await self._expected(traveller.who)
        await until(lambda: len(traveller.seqs) >= len(expected))
        assert traveller.seqs == expected, traveller.who

    async def _expected(self, user: str) -> list[int]:
        def read(connection: Connection) -> list[int]:
            return list(connection.exec_driver_sql(_EXPECTED, (user, self._starts[user])).scalars())

        return await self._parley.node.ctx.database.read(read)

    async def _verify(self) -> None:
        """Everybody comes back, and has been told what the log holds for them, once and in order."""
        for traveller in self._travellers.values():
            if not traveller.is_here:
                await traveller.come("pid")
        for channel in CHANNELS:
            await self._say(channel, 1)
        await self._wait_for_those_here()
        for text, heard in self._gone:
            for user, traveller in self._travellers.items():
                assert text not in str(traveller.payloads[heard[user] :]), user


Delivery.TestCase.settings = settings(examples(15), stateful_step_count=25)
TestDelivery = Delivery.TestCase
