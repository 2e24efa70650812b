"""Dispatch: which runs a stored message opens, and which one it ends.

A message addresses every agent that takes part in its channel, except its author. An agent that is muted
there, and is not mentioned, is told nothing; that it was passed over is told to everybody. What agents
say opens no runs at all where the guard has paused them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from rooms import mentions, outbox, response_cache, runs, store
from rooms.drafts import Answering, Draft
from rooms.errors import Conflict, PermissionDenied
from rooms.guard import Guard
from rooms.rows import Message, Run, Seat
from rooms.runs import Reason
from rooms.transaction import Transaction


class Dispatch:
    """What one batch of messages does to the runs of its channels; ``speakers`` are those of agents."""

    def __init__(self, transaction: Transaction, drafts: Sequence[Draft], speakers: Sequence[Draft]) -> None:
        self._transaction = transaction
        self._seats: dict[str, list[Seat]] = defaultdict(list)
        channel_ids = {draft.channel_id for draft in drafts}
        for seat in store.agents.list_seats(transaction.connection, channel_ids):
            self._seats[seat.channel_id].append(seat)
        self._guards = {channel_id: Guard(transaction, seats) for channel_id, seats in self._seats.items()}
        self._reserved = self._find_reserved(drafts)
        # What people wait for goes before what agents do, and then the oldest.
        found = sorted(self._find_open(speakers), key=lambda run: (run.hops > 1, run.id))
        self._open = {run.id: run for run in found}
        self._opened: dict[str, Run] = {}
        self._sent: set[str] = set()  # of these, those whose agents have webhooks
        self._asked: dict[bytes, str] = {}  # the runs of this batch, by the prompts that they are to answer

    def _find_reserved(self, drafts: Sequence[Draft]) -> dict[str, Run]:
        """Return the runs whose replies have ids that clients have chosen."""
        ids = {draft.id for draft in drafts if draft.id == draft.key}
        return store.runs.find_by_replies(self._transaction.connection, ids) if ids else {}

    def _find_open(self, speakers: Sequence[Draft]) -> Iterable[Run]:
        """Return the open runs that these messages may be the replies of."""
        connection = self._transaction.connection
        yield from (run for run in self._reserved.values() if not runs.is_over(run))
        if parents := {draft.parent_id for draft in speakers if draft.parent_id}:
            yield from store.runs.list_open_of_messages(connection, parents)
        loose = Counter((draft.author_id, draft.channel_id) for draft in speakers if not draft.parent_id)
        for (agent_id, channel_id), count in loose.items():
            yield from store.runs.list_untaken(connection, agent_id, channel_id, count)

    def require_free(self, draft: Draft) -> None:
        """Raise Conflict if the draft's id is reserved for a reply that it is not, or that comes too late."""
        run = self._reserved.get(draft.id)
        if run is None:
            return
        place = (draft.author_id, draft.channel_id)
        if (run.agent_id, run.channel_id) != place or draft.approval is not None or draft.is_action:
            raise Conflict(f"messageId '{draft.id}' is already in use; choose another")
        if run.id not in self._open:
            raise runs.has_ended(run)

    def find_answered(self, draft: Draft) -> Answering | None:
        """Return the run that an agent's message ends.

        That is the one whose reply it is by its id, or by the message that it answers. Whoever answers
        without saying what ends the oldest run that nobody has taken, of those for people if there is one:
        an agent that knows of runs says what it answers.
        Whoever asks people for something, or says what it does, has not answered yet.
        """
        if draft.answering is not None or draft.approval is not None or draft.is_action:
            return draft.answering
        own = self._list_own(draft)
        found = (
            [run for run in own if run.reply_id == draft.id]
            or [run for run in own if run.message_id == draft.parent_id]
            or [run for run in own if draft.parent_id is None and self._is_untaken(run)]
        )
        return Answering(found[0]) if found else None

    def find_worked_on(self, draft: Draft) -> Run | None:
        """Return the run for which an agent does what the draft says, found as the one that it would end."""
        own = self._list_own(draft)
        if draft.parent_id is not None:
            own = [run for run in own if run.message_id == draft.parent_id]
        return own[0] if own else None

    def _list_own(self, draft: Draft) -> list[Run]:
        """Return the open runs of the draft's author in its channel that the draft may be about."""
        place = (draft.author_id, draft.channel_id)
        return [run for run in self._open.values() if (run.agent_id, run.channel_id) == place]

    def give_sign(self, run: Run) -> None:
        """Note that the agent works on the run; one that it has not taken waits as long again."""
        if run.id not in self._opened:
            self.note(runs.hear_of(self._transaction, run))

    def _is_untaken(self, run: Run) -> bool:
        """Tell whether the run waits, and not only since this batch, whose messages nobody has heard yet."""
        return not run.fence and run.id not in self._opened

    def conclude(self, answered: Answering, reply_id: str) -> None:
        """End the run whose reply was recorded."""
        self._open.pop(answered.run.id, None)
        ended = runs.end(self._transaction, answered.run, answered.state, answered.reason, reply_id)
        if ended.id in self._opened:
            self._opened[ended.id] = ended

    def note(self, run: Run) -> None:
        """Know how a run that may be answered stands now."""
        if run.id in self._open:
            self._open[run.id] = run

    def hops(self, draft: Draft, run: Run | None, parent: Message | None) -> int:
        """Return how many messages of agents, this one among them, lead from a person's to an agent's.

        What belongs to no run goes on with what was said last: otherwise agents that say nothing of what they
        answer, or name one old message each time, would begin anew with each of theirs.
        """
        if run is not None:
            return run.hops
        stated = parent.hops + 1 if parent else 1
        guard = self._guards.get(draft.channel_id)
        return max(stated, guard.inherit_hops(draft.author_id)) if guard else stated

    def require_wanted(self, draft: Draft, run: Run | None, hops: int) -> None:
        """Raise PermissionDenied if an agent that is paused goes on with an agent's words, without a run.

        Otherwise agents that know nothing of runs, and answer what they hear, would not stop.
        """
        guard = self._guards.get(draft.channel_id)
        if guard is not None and guard.pause is not None and run is None and hops > 1:
            raise PermissionDenied(
                f"Agents are paused in this channel ({guard.pause}): wait until a person has spoken",
                message="Agents are paused",
            )

    def address(self, message: Message, answered: Answering | None) -> None:
        """Open a run for each agent that the message addresses, unless the guard stops them."""
        guard = self._guards.get(message.channel_id)
        if guard is None:
            return
        seats = [seat for seat in self._seats[message.channel_id] if seat.agent_id != message.author_id]
        refusals = [self._find_refusal(message, seat) for seat in seats]
        pairs = list(zip(seats, refusals, strict=True))
        addressed = [seat.agent_id for seat, refusal in pairs if refusal is None]
        is_answer = answered is not None and answered.run.hops == 1
        if guard.admit(message, addressed, is_answer=is_answer):
            for seat, refusal in pairs:
                self._open_run(message, seat, refusal)

    def _open_run(self, message: Message, seat: Seat, refusal: Reason | None) -> None:
        if refusal is not None:
            run = runs.refuse_run(self._transaction, message, seat.agent_id, refusal)
        else:
            run = self._ask(message, seat)
        self._opened[run.id] = run

    def _ask(self, message: Message, seat: Seat) -> Run:
        """Open a run for the agent, or one that awaits what the agent says to the same prompt elsewhere."""
        key = response_cache.key_of(message, seat)
        if key is not None and (awaited := self._find_asked(key)):
            return runs.open_awaiting(self._transaction, message, seat.agent_id, key, awaited)
        run = runs.open_run(
            self._transaction, message, seat.agent_id, is_sent=seat.has_webhook, prompt_key=key
        )
        self._open[run.id] = run  # its answer may be a part of the same batch
        if key is not None:
            self._asked[key] = run.id
        if seat.has_webhook:
            self._sent.add(run.id)
        return run

    def _find_asked(self, key: bytes) -> str | None:
        """Return the run that has answered such a prompt, or that will; it is the first one's for all."""
        known = self._asked.get(key) or self._transaction.responses.find(key)
        if known is None:
            # What has ended in this very commit nobody was told of yet, the cache neither.
            found = store.runs.find_asked(self._transaction.connection, key, self._transaction.now)
            known = found.id if found else None
        return known

    def _find_refusal(self, message: Message, seat: Seat) -> Reason | None:
        """Return why the agent is passed over, if it is."""
        if not seat.is_active:
            return Reason.STOPPED
        if self._is_muted(seat) and seat.agent_id not in mentions.entity_ids(message):
            return Reason.MUTED
        return None

    def _is_muted(self, seat: Seat) -> bool:
        return seat.is_muted and (seat.muted_until is None or seat.muted_until > self._transaction.now)

    def store(self) -> None:
        """Store the runs that were opened; their messages must be stored already."""
        store.runs.add(self._transaction.connection, list(self._opened.values()))
        sent = [run for run in self._opened.values() if run.id in self._sent and not runs.is_over(run)]
        outbox.queue(self._transaction, sent)
