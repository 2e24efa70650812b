"""Storing messages: what happens inside the transaction, for all drafts that share it.

Rights, idempotency, threads, mentions and runs are decided here, on rows that nobody else can change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from rooms import access, bylines, decisions, job_ends, mentions, participants, payloads, rules, store
from rooms.access import Role
from rooms.decisions import Question
from rooms.dispatch import Dispatch
from rooms.drafts import Answering, Draft, Submitted
from rooms.errors import Conflict, ParleyError, channel_not_found, foreign_parent
from rooms.participants import Newcomer
from rooms.principals import Kind, Scope
from rooms.publishing import Event
from rooms.rows import Attendance, Message, Run
from rooms.runs import State
from rooms.store.statements import Pair
from rooms.tables import Channel
from rooms.transaction import Transaction


def store_all(transaction: Transaction, drafts: Sequence[Draft]) -> list[Submitted | ParleyError]:
    """Store what may be stored and return an outcome for each draft; see ``messages.submit_many``."""
    claims = [(draft.principal, draft.author_id) for draft in drafts]
    authors = access.resolve_stated(transaction.connection, claims)
    meant = [_by(draft, author) for draft, author in zip(drafts, authors, strict=True)]
    return _Batch(transaction, meant).store()


def _by(draft: Draft, author_id: str) -> Draft:
    return draft if author_id == draft.author_id else replace(draft, author_id=author_id)


def store_one(transaction: Transaction, draft: Draft) -> Submitted:
    """Store one message as a part of something else; raise what :func:`store_all` returns."""
    (outcome,) = store_all(transaction, [draft])
    if isinstance(outcome, ParleyError):
        raise outcome
    return outcome


class _Work(NamedTuple):
    """What a message has to do with runs: it asks people in one, answers one, or says what one does."""

    question: Question | None
    answered: Answering | None = None
    doing: Run | None = None

    @property
    def run(self) -> Run | None:
        """The run that it belongs to, if there is one."""
        if self.answered is not None:
            return self.answered.run
        return self.question.run if self.question is not None else self.doing

    @property
    def is_reply(self) -> bool:
        """Tell whether it completes its run."""
        return self.answered is not None and self.answered.state == State.COMPLETED


class _Batch:
    """Drafts that are stored together, with all that deciding on them needs, looked up at once."""

    def __init__(self, transaction: Transaction, drafts: Sequence[Draft]) -> None:
        connection = transaction.connection
        self._transaction = transaction
        self._drafts = drafts
        self._channels = store.channels.find(connection, {draft.channel_id for draft in drafts})
        self._present = store.participants.find(
            connection, {pair for draft in drafts for pair in _pairs(draft)}
        )
        self._records = self._find_records()
        self._messages = self._find_messages()
        self._directory = mentions.look_up(
            connection, [(draft.channel_id, draft.content) for draft in drafts]
        )
        self._dispatch = Dispatch(transaction, drafts, [draft for draft in drafts if self._is_agents(draft)])
        self._added: list[Message] = []
        self._remembered: list[dict[str, Any]] = []

    def store(self) -> list[Submitted | ParleyError]:
        """Store what may be stored and return an outcome for each draft."""
        outcomes = [self._decide(draft) for draft in self._drafts]
        if self._added:
            store.messages.add(self._transaction.connection, self._added)
            mentions.keep(self._transaction.connection, self._added)
            store.messages.count_replies(self._transaction.connection, self._added, 1)
            store.idempotency.add(self._transaction.connection, self._remembered)
            self._dispatch.store()
        return outcomes

    def _is_agents(self, draft: Draft) -> bool:
        """Tell whether an agent says it."""
        author = self._present.get((draft.channel_id, draft.author_id))
        return draft.is_from_agent or (author is not None and author.kind == Kind.AGENT)

    def _find_records(self) -> dict[Pair, tuple[bytes, str]]:
        """Return the fingerprints and message ids of the keys that are in use."""
        pairs = {(draft.owner, draft.key) for draft in self._drafts if draft.key is not None}
        if not pairs:
            return {}
        store.idempotency.forget(self._transaction.connection, self._transaction.now - rules.IDEMPOTENCY_MS)
        found = store.idempotency.find(self._transaction.connection, pairs)
        return {pair: (record.fingerprint, record.message_id) for pair, record in found.items()}

    def _find_messages(self) -> dict[str, Message]:
        """Return what is known of the messages that drafts repeat, collide with, or reply to."""
        ids = {message_id for _, message_id in self._records.values()}
        ids |= {draft.parent_id for draft in self._drafts if draft.parent_id is not None}
        ids |= {draft.id for draft in self._drafts if draft.id == draft.key}
        return store.messages.find(self._transaction.connection, ids) if ids else {}

    def _decide(self, draft: Draft) -> Submitted | ParleyError:
        try:
            channel = self._require_right(draft)
            return self._repeat(draft) or self._accept(draft, channel)
        except ParleyError as error:
            return error

    def _require_right(self, draft: Draft) -> Channel:
        channel = self._channels.get(draft.channel_id)
        if channel is None:
            raise channel_not_found(draft.channel_id)
        access.require_sight(draft.principal, channel, self._role(channel, draft.principal.id))
        access.require_author(draft.principal, draft.author_id)
        access.require_post(draft.principal, self._role(channel, draft.author_id))
        return channel

    def _role(self, channel: Channel, entity_id: str) -> Role | None:
        attendance = self._present.get((channel.id, entity_id))
        return Role(attendance.role) if attendance else None

    def _repeat(self, draft: Draft) -> Submitted | None:
        """Return the first answer if its owner has used the key before."""
        if draft.key is None:
            return None
        known = self._records.get((draft.owner, draft.key))
        if known is None:
            return None
        fingerprint, message_id = known
        if fingerprint != draft.fingerprint():
            raise Conflict(
                f"messageId '{draft.key}' was used within 24 hours for another message; choose a new one"
            )
        return Submitted(self._messages[message_id], draft.key)

    def _accept(self, draft: Draft, channel: Channel) -> Submitted:
        if draft.id in self._messages:
            raise Conflict(f"messageId '{draft.id}' is already in use; choose another")
        self._dispatch.require_free(draft)
        self._require_parent(draft)
        by_agent = self._is_agents(draft)
        work = self._find_work(draft, by_agent=by_agent)
        parent = self._messages.get(draft.parent_id or "")
        hops = self._dispatch.hops(draft, work.run, parent) if by_agent else 0
        self._dispatch.require_wanted(draft, work.run, hops)
        author = self._enrol(draft, channel)
        message = self._message(draft, channel, author, by_agent=by_agent, hops=hops)
        if work.question is not None:
            message = message._replace(approval=work.question.of(message))
        event = self._record(draft, message)
        self._remember(draft, message)
        if by_agent and not draft.is_action and channel.source_type == job_ends.SOURCE_TYPE:
            job_ends.hear(self._transaction, message, is_reply=work.is_reply)
        self._go_on(work, message)
        if not (by_agent and draft.is_action):
            self._dispatch.address(message, work.answered)
        return Submitted(message, draft.key, event.encoded)

    def _find_work(self, draft: Draft, *, by_agent: bool) -> _Work:
        """Return what the draft has to do with runs; raises what ``decisions.examine`` does."""
        question = decisions.examine(self._transaction, draft, by_agent=by_agent)
        if not by_agent:
            return _Work(question)
        doing = self._dispatch.find_worked_on(draft) if draft.is_action else None
        return _Work(question, self._dispatch.find_answered(draft), doing)

    def _go_on(self, work: _Work, message: Message) -> None:
        """Let the run wait for people, end, or go on, as the message has it."""
        waiting = decisions.ask(self._transaction, message, work.question) if work.question else None
        if waiting is not None:
            self._dispatch.note(waiting)
        if work.answered is not None:
            self._dispatch.conclude(work.answered, message.id)
        if work.doing is not None:
            self._dispatch.give_sign(work.doing)

    def _record(self, draft: Draft, message: Message) -> Event:
        return self._transaction.record(
            message.server_id,
            message.channel_id,
            "message",
            payloads.message(message, draft.key),
            message_id=message.id,
            subject=message,
            origin=draft.origin,
            mentioned=mentions.told(message),
        )

    def _require_parent(self, draft: Draft) -> None:
        if draft.parent_id is None:
            return
        parent = self._messages.get(draft.parent_id)
        if parent is None or parent.deleted_at is not None or parent.channel_id != draft.channel_id:
            raise foreign_parent(draft.parent_id)

    def _root_of(self, draft: Draft) -> str | None:
        """Return the message that begins the thread in which the draft answers."""
        if draft.parent_id is None:
            return None
        return self._messages[draft.parent_id].root_id or draft.parent_id

    def _enrol(self, draft: Draft, channel: Channel) -> Attendance:
        """Return the author; one that a service names for the first time is registered and joined."""
        author = self._present.get((channel.id, draft.author_id))
        if author is None:
            kind = Kind.AGENT if draft.is_from_agent else Kind.USER
            name = bylines.find_name(draft.metadata, by_agent=draft.is_from_agent)
            newcomer = Newcomer(draft.author_id, kind=kind, name=name)
            author = participants.enrol(self._transaction, channel, newcomer)
            self._present[channel.id, draft.author_id] = author
        return author

    def _message(
        self, draft: Draft, channel: Channel, author: Attendance, *, by_agent: bool, hops: int
    ) -> Message:
        return Message(
            id=draft.id,
            server_id=channel.server_id,
            channel_id=channel.id,
            seq=self._transaction.next_seq(channel.server_id),
            author_id=draft.author_id,
            by_agent=by_agent,
            content=draft.content,
            source_type=draft.source_type,
            parent_id=draft.parent_id,
            root_id=self._root_of(draft),
            hops=hops,
            raw_message=draft.raw_message,
            details=bylines.trusted(draft.principal, draft.metadata, author.name, by_agent=by_agent),
            attachments=draft.attachments,
            mentions=self._directory.resolve(channel, draft.content),
            reply_count=0,
            created_at=self._transaction.now,
            updated_at=self._transaction.now,
            author_name=author.name,
        )

    def _remember(self, draft: Draft, message: Message) -> None:
        self._added.append(message)
        self._messages[message.id] = message
        if draft.key is None:
            return
        fingerprint = draft.fingerprint()
        self._records[draft.owner, draft.key] = (fingerprint, message.id)
        self._remembered.append(
            {
                "author_id": draft.owner,
                "key": draft.key,
                "fingerprint": fingerprint,
                "message_id": message.id,
                "created_at": self._transaction.now,
            }
        )


def _pairs(draft: Draft) -> set[Pair]:
    """Return whose memberships decide; what may read everything needs none of its own."""
    pairs = {(draft.channel_id, draft.author_id)}
    if not draft.principal.may(Scope.MESSAGES_READ):
        pairs.add((draft.channel_id, draft.principal.id))
    return pairs
