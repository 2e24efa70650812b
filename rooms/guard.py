"""The guard: agents that go on talking with each other, and with nobody else, are stopped.

What an agent says is looked at before it opens runs for other agents. If it goes too far, the channel is
paused: until a person speaks, or whoever may lets the agents go on, agents' messages open no runs there,
and what goes on with an agent's words without a run is refused. An agent's one answer to what a person has
said never pauses a channel.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rooms import access, servers, store
from rooms.context import Context
from rooms.policy import MINUTE_MS
from rooms.principals import Principal
from rooms.rows import Line, Message, Seat
from rooms.rules import name_key
from rooms.runs import REFUSALS
from rooms.transaction import Transaction, one_by_one

CHAIN_MS = 10 * MINUTE_MS  # so long after a message another one may still go on with it
LINES = 6  # among which an agent's own words are looked for
REPETITIONS = 2


class Reason(enum.StrEnum):
    """Why agents do not go on in a channel."""

    HOPS = "hops"  # too many agents' messages lead from a person's to this one
    REPETITION = "repetition"  # the agent says again what it has just said twice
    PAIR = "pair"  # the agent has said too much to another one within a minute
    SHARE = "share"  # agents have said too much within a minute, this one more than its share of it


@dataclass(frozen=True, slots=True)
class Resuming:
    """A wish that agents should go on in a channel."""

    principal: Principal
    channel_id: str


async def resume(ctx: Context, principal: Principal, channel_id: str) -> None:
    """Let agents go on in the channel, as if they had said nothing yet.

    Raises NotFound if the principal may not see the channel, PermissionDenied unless it manages it.
    """
    server_id = await servers.require_home(ctx, channel_id)
    await ctx.journal.append_one(_resume_all, Resuming(principal, channel_id), server_id)


async def find_pause(ctx: Context, channel_id: str) -> str | None:
    """Return why agents do not go on in the channel, or None if they do."""
    return await ctx.database.read(lambda connection: store.guards.find_pause(connection, channel_id))


def _resume(transaction: Transaction, wish: Resuming) -> None:
    standing = access.require_standing(transaction.connection, wish.principal, wish.channel_id)
    access.require_management(standing)
    if store.guards.find_pause(transaction.connection, wish.channel_id) is not None:
        _record_resumption(transaction, standing.channel.server_id, wish.channel_id, wish.principal.id)


def _record_resumption(transaction: Transaction, server_id: str, channel_id: str, by: str) -> int:
    """Let agents go on, announce it, and return the seq of that."""
    payload = {"channel_id": channel_id, "server_id": server_id, "by": by}
    seq = transaction.record(server_id, channel_id, "agents_resumed", payload).seq
    store.guards.resume(transaction.connection, channel_id, seq)
    return seq


class Guard:
    """Watches one channel over the messages of one commit, from the seats of its agents.

    ``pause`` is why agents do not go on there now, or None.
    """

    def __init__(self, transaction: Transaction, seats: Sequence[Seat]) -> None:
        self._transaction = transaction
        self._channel_id = seats[0].channel_id
        self.pause = seats[0].pause
        self._resumed_seq = seats[0].resumed_seq
        self._agents = {seat.agent_id for seat in seats if seat.is_active}
        self._said: list[Line] = []  # in this commit
        self._addressed: Counter[tuple[str, str]] = Counter()  # in this commit, by speaker and listener
        self._stored_lines: list[Line] | None = None

    def inherit_hops(self, author_id: str) -> int:
        """Return the hops of an agent's message that goes on with what was said last in the channel.

        Whoever goes on with its own words is as far from a person's as before.
        """
        newest = self._newest_lines()[-1:] if self._agents - {author_id} else []
        if not newest or newest[0].created_at < self._transaction.now - CHAIN_MS:
            return 1
        return newest[0].hops + (newest[0].author_id != author_id)

    def admit(self, message: Message, agent_ids: Collection[str], *, is_answer: bool) -> bool:
        """Tell whether the message may open runs for these agents, and pause the channel if it is too much.

        A person's message always may. ``is_answer`` is the message of an agent that ends its run for a
        person's.
        """
        if not message.by_agent:
            self._let_go_on(message)
        elif agent_ids and self.pause is None:
            self._watch(message, agent_ids, is_answer=is_answer)
        self._note(message, agent_ids)
        limit = self._transaction.policy.max_hops
        return not message.by_agent or (self.pause is None and message.hops < limit)

    def _let_go_on(self, message: Message) -> None:
        if self.pause is None:
            return
        self.pause = None
        self._said.clear()
        self._addressed.clear()
        self._stored_lines = []
        self._resumed_seq = _record_resumption(
            self._transaction, message.server_id, message.channel_id, message.author_id
        )

    def _watch(self, message: Message, agent_ids: Collection[str], *, is_answer: bool) -> None:
        reason = self._find_fault(message, agent_ids) if message.hops > 1 else None
        if reason is None and not is_answer and self._exceeds_share(message.author_id):
            reason = Reason.SHARE
        if reason is not None:
            self._announce_pause(message, reason)

    def _find_fault(self, message: Message, agent_ids: Collection[str]) -> Reason | None:
        """Return what is wrong with a message that goes on with an agent's."""
        if message.hops >= self._transaction.policy.max_hops:
            return Reason.HOPS
        if self._repeats(message):
            return Reason.REPETITION
        return Reason.PAIR if self._exceeds_pair(message.author_id, agent_ids) else None

    def _repeats(self, message: Message) -> bool:
        """Tell whether its author, in answer to agents, has said the same before, since a person spoke."""
        times = 0
        for line in reversed(self._newest_lines()):
            if not line.by_agent:
                break
            is_own = line.author_id == message.author_id and line.hops > 1
            times += is_own and _spoken(line.content) == _spoken(message.content)
        return times >= REPETITIONS

    def _exceeds_pair(self, author_id: str, agent_ids: Collection[str]) -> bool:
        before = store.runs.count_addressed(
            self._transaction.connection,
            self._channel_id,
            author_id,
            since=self._transaction.now - MINUTE_MS,
            after_seq=self._resumed_seq,
            refusals=REFUSALS,
        )
        most = max(before.get(agent, 0) + self._addressed[author_id, agent] for agent in agent_ids)
        return most >= self._transaction.policy.pair_messages

    def _exceeds_share(self, author_id: str) -> bool:
        said = store.messages.count_by_agents(
            self._transaction.connection,
            self._channel_id,
            since=self._transaction.now - MINUTE_MS,
            after_seq=self._resumed_seq,
        )
        said.update(line.author_id for line in self._said if line.by_agent)
        said[author_id] += 1
        budget = self._transaction.policy.agent_messages
        return said.total() > budget and said[author_id] * len(self._agents | {author_id}) > budget

    def _newest_lines(self) -> list[Line]:
        """Return what was said last since agents were let go on, the newest last."""
        if self._stored_lines is None:
            self._stored_lines = store.messages.list_newest(
                self._transaction.connection, self._channel_id, self._resumed_seq, LINES
            )
        return [*self._stored_lines, *self._said[-LINES:]][-LINES:]

    def _note(self, message: Message, agent_ids: Collection[str]) -> None:
        """Remember the message, which is not stored before the others of this commit are decided on."""
        self._said.append(Line(*(getattr(message, name) for name in Line._fields)))
        if message.hops > 1 and self.pause is None:
            self._addressed.update((message.author_id, agent) for agent in agent_ids)

    def _announce_pause(self, message: Message, reason: Reason) -> None:
        self.pause = reason
        payload = {
            "channel_id": message.channel_id,
            "server_id": message.server_id,
            "reason": reason,
            "message_id": message.id,
            "agent_id": message.author_id,
        }
        self._transaction.record(message.server_id, message.channel_id, "agents_paused", payload)
        store.guards.pause(
            self._transaction.connection, message.channel_id, reason, message.id, self._transaction.now
        )


def _spoken(text: str) -> str:
    """Return the text as it is compared: without regard to case and white space."""
    return " ".join(name_key(text).split())


_resume_all = one_by_one(_resume)
