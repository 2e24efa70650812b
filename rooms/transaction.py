"""A transaction of the journal, and the functions that are applied within one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection

from rooms import store
from rooms.encoding import encode
from rooms.errors import ParleyError, server_not_found
from rooms.policy import Policy
from rooms.publishing import Event, Origin
from rooms.response_cache import ResponseCache
from rooms.rows import Approval, Message

D = TypeVar("D")
R = TypeVar("R")

Payload = dict[str, Any]


class Transaction:
    """One commit in the making: its connection, its time, and the events that it adds.

    ``now`` is in epoch milliseconds. The rows of ``server_ids`` are locked, in order of id, before
    anything is read: whoever appends to a log holds its server.
    """

    def __init__(
        self,
        connection: Connection,
        server_ids: set[str],
        now: int,
        policy: Policy,
        responses: ResponseCache,
    ) -> None:
        self.connection = connection
        self.now = now
        self.policy = policy
        self.responses = responses
        self.events: list[Event] = []
        self.bells: set[str] = set()  # that are rung once this is committed
        locked = store.servers.lock(connection, sorted(server_ids))
        self._epochs = {server_id: epoch for server_id, (epoch, _) in locked.items()}
        self._seqs = {server_id: seq for server_id, (_, seq) in locked.items()}

    def record(
        self,
        server_id: str,
        channel_id: str,
        kind: str,
        payload: dict[str, Any],
        *,
        message_id: str | None = None,
        subject: object = None,
        origin: Origin | None = None,
        mentioned: Sequence[str] = (),
    ) -> Event:
        """Append an event to the server's log and return it, with its ``seq`` in the payload."""
        seq = self.next_seq(server_id)
        payload = {"seq": seq, **payload}
        encoded = encode(payload)
        epoch = self._epochs[server_id]
        event = Event(
            server_id, epoch, seq, channel_id, kind, payload, encoded, message_id, subject, origin, mentioned
        )
        self._seqs[server_id] = seq
        self.events.append(event)
        return event

    def begin_epoch(self, server_id: str, epoch: int) -> None:
        """Begin another epoch of the server's log."""
        store.servers.set_epoch(self.connection, server_id, epoch)
        self._epochs[server_id] = epoch

    def close_log(self, server_id: str) -> None:
        """Let nothing more be recorded for a server that is gone."""
        del self._seqs[server_id]

    def next_seq(self, server_id: str) -> int:
        """Return the seq that the server's next event will have; raise NotFound without that server."""
        if server_id not in self._seqs:
            raise server_not_found(server_id)
        return self._seqs[server_id] + 1

    def retell(self, message: Message | Approval, change: Callable[[Payload], Payload]) -> int:
        """Change the payload of each event that tells of the message; return how many there are.

        They keep their seqs. Some may be stored, others part of this commit. An approval stands for the
        message that carries it.
        """
        stored = store.log.list_payloads(self.connection, message)
        changed = [(seq, orjson.dumps(change(orjson.loads(payload)))) for seq, payload in stored]
        store.log.rewrite(self.connection, message.server_id, changed)
        pending = [at for at, event in enumerate(self.events) if event.message_id == message.id]
        for at in pending:
            self._tell_instead(at, change(self.events[at].payload))
        return len(stored) + len(pending)

    def bury(self, server_id: str, places: Mapping[int, str], tombstones: Mapping[str, Payload]) -> None:
        """Tell of messages nothing but their tombstones, which are given by the messages' ids.

        ``places`` are those ids by the seqs of the stored events that tell of them.
        """
        changed = [
            (seq, orjson.dumps({"seq": seq, **tombstones[message_id]})) for seq, message_id in places.items()
        ]
        store.log.rewrite(self.connection, server_id, changed)
        for at, event in enumerate(self.events):
            if tombstone := tombstones.get(event.message_id or ""):
                self._tell_instead(at, {"seq": event.seq, **tombstone})

    def _tell_instead(self, at: int, payload: Payload) -> None:
        self.events[at] = replace(self.events[at], payload=payload, encoded=encode(payload))

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block did, in the database and in the log, if it raises."""
        events, seqs = list(self.events), dict(self._seqs)
        try:
            with self.connection.begin_nested():
                yield
        except BaseException:
            self.events, self._seqs = events, seqs
            raise

    def finish(self) -> None:
        """Write the events and the servers' new positions."""
        if self.events:
            store.log.append(self.connection, self.events, self.now)
            store.log.advance(self.connection, self.events, self.now)


Apply = Callable[[Transaction, Sequence[D]], Sequence[R | ParleyError]]


def one_by_one(apply: Callable[[Transaction, D], R]) -> Apply[D, R]:
    """Make an apply function of one draft into one of many; a refused draft leaves nothing behind."""

    def apply_each(transaction: Transaction, drafts: Sequence[D]) -> list[R | ParleyError]:
        return [_apply_one(transaction, apply, draft) for draft in drafts]

    return apply_each


def _apply_one(transaction: Transaction, apply: Callable[[Transaction, D], R], draft: D) -> R | ParleyError:
    try:
        with transaction.savepoint():
            return apply(transaction, draft)
    except ParleyError as error:
        return error
