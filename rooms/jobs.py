"""Jobs: one question to one agent, asked by whoever comes back later to see what became of it.

Each has a channel of its own, in which it is asked. What has become of it follows from what happened there,
and from its time: see :mod:`rooms.job_ends`.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from rooms import access, channels, job_ends, messages, participants, runs, store
from rooms.context import Context
from rooms.drafts import Draft
from rooms.errors import AgentNotFound, Conflict, ValidationFailed
from rooms.ids import new_id
from rooms.job_status import OPEN, Status
from rooms.principals import Kind, Principal, Scope
from rooms.rows import Job, Message, Run, Tally
from rooms.rules import DEFAULT_SERVER_ID, is_uuid
from rooms.storing import store_one
from rooms.tables import Channel
from rooms.transaction import Transaction, one_by_one

MIN_TIMEOUT_MS, DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS = 1_000, 30_000, 300_000
UNASKED = "unasked"  # why a job fails: an agent has asked, and agents are not to go on by themselves
KEPT_DAYS, KEPT_JOBS = 7, 100_000  # since their time was over; see :mod:`rooms.retention`

_JOBS = uuid.UUID("0c1a3f0e-7c1d-5d3f-8c8e-5a3b8b1f6f24")


@dataclass(frozen=True, slots=True)
class JobDraft:
    """A question that is to be asked; without an agent, to the first that is active.

    ``key`` is an idempotency key of the user's. ``id`` is the job's, and is one, too.
    """

    principal: Principal
    user_id: str
    content: str
    agent_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    key: str | None = None
    id: str | None = None

    def fingerprint(self) -> bytes:
        """Return what must be the same for two drafts of one key to be one job."""
        asked = [self.user_id, self.agent_id, self.content]
        return hashlib.sha256(orjson.dumps(asked)).digest()


class Report(NamedTuple):
    """A job, what was asked, and what was answered, as far as that is still there."""

    job: Job
    question: Message | None
    reply: Message | None


class Found(NamedTuple):
    """The newest jobs, how many there are in all, and how many with the status that is asked for."""

    reports: Sequence[Report]
    total: int
    filtered: int


class Totals(NamedTuple):
    """How many jobs there are of each status, and how many ms those that are completed took on average."""

    counts: dict[Status, int]
    average_ms: float


async def create(ctx: Context, draft: JobDraft) -> Job:
    """Ask, once, in a channel of the job's own.

    Raises ValidationFailed if the content is not allowed, PermissionDenied unless the principal may speak as
    the user, AgentNotFound without the agent or any agent, Conflict if the key or the id has another job.
    """
    # As long as what agents say.
    messages.check_content(ctx, draft.content, Kind.AGENT)
    return await ctx.journal.append_one(_create_all, draft, DEFAULT_SERVER_ID)


async def require(ctx: Context, principal: Principal, job_id: str) -> Report:
    """Return the job; raise NotFound if it is absent, or not the principal's to see."""

    def read(connection: Connection) -> Report:
        found = store.jobs.find(connection, [job_id]) if is_uuid(job_id) else {}
        job = access.require_job(principal, job_id, found.get(job_id))
        return _reports(connection, [job])[0]

    return await ctx.database.read(read)


async def list_page(ctx: Context, principal: Principal, status: Status | None, limit: int) -> Found:
    """Return the principal's newest jobs, or everybody's for whoever may read every channel."""
    user_id = None if principal.may(Scope.MESSAGES_READ) else principal.id

    def read(connection: Connection) -> Found:
        now = ctx.now()
        page = store.jobs.list_page(connection, user_id, status, now, limit)
        total = store.jobs.count(connection, user_id, None, now)
        filtered = store.jobs.count(connection, user_id, status, now) if status else total
        return Found(_reports(connection, page), total, filtered)

    return await ctx.database.read(read)


async def count(ctx: Context) -> Totals:
    """Count all jobs by what has become of them."""
    found = await ctx.database.read(lambda connection: store.jobs.tally(connection, ctx.now()))
    tallies = {tally.state: tally for tally in found}
    none = Tally("", 0, 0, 0.0)
    opened, completed, failed = (
        tallies.get(state, none) for state in (OPEN, Status.COMPLETED, Status.FAILED)
    )
    counts = {
        Status.PENDING: 0,
        Status.PROCESSING: opened.jobs - opened.late,
        Status.COMPLETED: completed.jobs,
        Status.FAILED: failed.jobs,
        Status.TIMEOUT: opened.late,
    }
    return Totals(counts, completed.average_ms)


def _reports(connection: Connection, jobs: Sequence[Job]) -> list[Report]:
    ids = {job.message_id for job in jobs} | {job.reply_id for job in jobs if job.reply_id}
    found = store.messages.find(connection, ids) if ids else {}
    there = {one.id: one for one in found.values() if one.deleted_at is None}
    return [Report(job, there.get(job.message_id), there.get(job.reply_id or "")) for job in jobs]


def _create(transaction: Transaction, draft: JobDraft) -> Job:
    (user_id,) = access.resolve_stated(transaction.connection, [(draft.principal, draft.user_id)])
    draft = replace(draft, user_id=user_id)
    access.require_author(draft.principal, user_id)
    job_id = _choose_id(draft)
    if known := store.jobs.find(transaction.connection, [job_id]).get(job_id):
        return _repeat(known, draft)
    agent_id = _require_agent(transaction.connection, draft)
    channel = _open(transaction, job_id, user_id, agent_id)
    job = _ask(transaction, draft, channel, agent_id, job_id)
    store.jobs.add(transaction.connection, job)
    return job


def _choose_id(draft: JobDraft) -> str:
    """Return the id that the job has: with a key, the one that the same has again."""
    if draft.id is not None:
        return draft.id
    return str(uuid.uuid5(_JOBS, f"{draft.user_id} {draft.key}")) if draft.key else new_id()


def _repeat(known: Job, draft: JobDraft) -> Job:
    if known.fingerprint != draft.fingerprint():
        named = f"jobId '{draft.id}'" if draft.id else f"messageId '{draft.key}'"
        raise Conflict(f"{named} is in use for another job; choose a new one")
    return known


def _require_agent(connection: Connection, draft: JobDraft) -> str:
    """Return whom is asked: the agent that is named, or else the first that is active."""
    found = store.agents.list_profiles(connection, 1, viewer=None, agent_id=draft.agent_id)
    if draft.agent_id is None and not (found and found[0].is_active):
        raise AgentNotFound("No agents available on server")
    if not found:
        raise AgentNotFound(f"Agent {draft.agent_id} not found")
    if found[0].id == draft.user_id:
        raise ValidationFailed("Field 'userId' must name somebody else than the agent")
    return found[0].id


def _open(transaction: Transaction, job_id: str, user_id: str, agent_id: str) -> Channel:
    """Create the job's channel, with the user and the agent in it."""
    channel = Channel(
        id=new_id(),
        server_id=DEFAULT_SERVER_ID,
        name=f"job-{job_id}",
        type=participants.DM.upper(),
        source_type=job_ends.SOURCE_TYPE,
        source_id=job_id,
        details={"jobId": job_id, "agentId": agent_id, "userId": user_id, "isJobChannel": True},
        created_at=transaction.now,
        updated_at=transaction.now,
    )
    channels.open_with_agent(transaction, channel, user_id, agent_id)
    return channel


def _ask(transaction: Transaction, draft: JobDraft, channel: Channel, agent_id: str, job_id: str) -> Job:
    """Say in the channel what is asked, and return the job that waits for the answer."""
    said = Draft(
        principal=replace(draft.principal, id=draft.user_id),
        channel_id=channel.id,
        author_id=draft.user_id,
        content=draft.content,
        source_type="job_request",
        metadata=draft.metadata | {"jobId": job_id, "isJobMessage": True},
    )
    message = store_one(transaction, said).message
    run = next(iter(store.runs.list_of_messages(transaction.connection, [message.id])), None)
    refusal = _find_refusal(run)
    return Job(
        id=job_id,
        user_id=draft.user_id,
        agent_id=agent_id,
        channel_id=channel.id,
        message_id=message.id,
        run_id=run.id if run else None,
        fingerprint=draft.fingerprint(),
        state=Status.FAILED if refusal else OPEN,
        reason=refusal,
        reply_id=None,
        created_at=transaction.now,
        expires_at=transaction.now + draft.timeout_ms,
        ended_at=transaction.now if refusal else None,
    )


def _find_refusal(run: Run | None) -> str | None:
    """Return why the agent is not asked, if it is not."""
    if run is None:
        return UNASKED
    return run.reason if runs.is_over(run) else None


_create_all = one_by_one(_create)
