"""Sessions: conversations of one user with one agent, which end when nobody goes on with them for a while.

Each has a channel of its own, which outlasts it. That it has ended is known for :data:`KEPT_DAYS`; when
it ends follows from what is stored, so nothing has to happen for it. See :mod:`rooms.timeouts`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection

from rooms import access, channels, participants, store, timeouts
from rooms.context import Context
from rooms.errors import AgentNotFound, ParleyError, ValidationFailed
from rooms.ids import new_id
from rooms.principals import Principal, Scope
from rooms.rows import Session
from rooms.rules import DEFAULT_SERVER_ID, is_uuid
from rooms.store.sessions import Filter
from rooms.tables import Channel
from rooms.timeouts import Terms, Wish
from rooms.transaction import Transaction, one_by_one

TOGETHER_SECONDS = 0.05  # heartbeats that come within it are taken together
KEPT_DAYS = 30  # since its end; see :mod:`rooms.retention`


@dataclass(frozen=True, slots=True)
class SessionDraft:
    """A session that is to begin."""

    principal: Principal
    agent_id: str
    user_id: str
    metadata: dict[str, Any] = field(default_factory=dict)
    wish: Wish = field(default_factory=Wish)
    id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which sessions are asked for, and up to which of them the page goes."""

    user_id: str | None = None
    agent_id: str | None = None
    is_live: bool | None = None
    before: str | None = None
    limit: int = 50


class Found(NamedTuple):
    """A page of sessions, and how many there are of them in all: ended or not, and not ended."""

    sessions: Sequence[Session]
    total: int
    live: int


@dataclass(frozen=True, slots=True)
class Touch:
    """Something that somebody does to a session, and what becomes of it at a time, if it lives then."""

    principal: Principal
    session_id: str
    change: Callable[[Session, int], Session]


@dataclass(frozen=True, slots=True)
class _Change:
    """A wish that a session should have other terms; without one, that it should not be at all."""

    principal: Principal
    session_id: str
    wish: Wish | None = None


async def create(ctx: Context, draft: SessionDraft) -> Session:
    """Begin a session, in a channel of its own.

    Raises PermissionDenied unless the principal may speak as the user, AgentNotFound without the agent.
    """
    return await ctx.journal.append_one(_create_all, draft, DEFAULT_SERVER_ID)


async def require(ctx: Context, principal: Principal, session_id: str) -> Session:
    """Return the session.

    Raises NotFound if it is absent, or not the principal's to see, and SessionExpired if it has ended.
    """
    found = await ctx.sessions.find(session_id) if is_uuid(session_id) else None
    session = access.require_session(principal, session_id, found)
    timeouts.require_live(session, ctx.now())
    return session


async def list_page(ctx: Context, principal: Principal, asked: Asked) -> Found:
    """Return the principal's newest sessions, or everybody's for whoever may read every channel."""
    user_id = asked.user_id
    if not principal.may(Scope.MESSAGES_READ):
        if user_id not in (None, principal.id):
            return Found([], 0, 0)
        user_id = principal.id
    wanted = Filter(user_id, asked.agent_id, asked.is_live)
    now = ctx.now()

    def read(connection: Connection) -> Found:
        page = store.sessions.list_page(connection, wanted, now, before=asked.before, limit=asked.limit)
        total = store.sessions.count(connection, wanted, now)
        live = (
            0
            if wanted.is_live is False
            else store.sessions.count(connection, wanted._replace(is_live=True), now)
        )
        return Found(page, total, live)

    return await ctx.database.read(read)


async def count(ctx: Context) -> tuple[int, int]:
    """Count the sessions that have not ended, and those of them that are about to."""
    return await ctx.database.read(lambda connection: store.sessions.count_live(connection, ctx.now()))


async def beat(ctx: Context, principal: Principal, session_id: str) -> Session:
    """Take a heartbeat; one that comes soon after another is covered by that. Raises as :func:`require`.

    It waits a moment for others, so that those of thousands of sessions share a few reads and commits.
    """
    await asyncio.sleep(-asyncio.get_running_loop().time() % TOGETHER_SECONDS)
    session = await require(ctx, principal, session_id)
    if not timeouts.needs_beat(session, ctx.now()):
        return session
    return await _touch(ctx, principal, session_id, timeouts.beaten)


def begin_to_go_on(
    ctx: Context, principal: Principal, session_id: str
) -> asyncio.Future[Session | ParleyError]:
    """Note, with whatever else is being stored, that the user says something; the outcome is to come."""
    return ctx.journal.begin(_touch_all, Touch(principal, session_id, timeouts.active))


async def renew(ctx: Context, principal: Principal, session_id: str) -> Session:
    """Renew the session; raises as :func:`require`, and RenewalFailed once it may not last longer."""
    return await _touch(ctx, principal, session_id, timeouts.renewed_by_wish)


async def change(ctx: Context, principal: Principal, session_id: str, wish: Wish) -> Session:
    """Give the session other terms, where the wish has any.

    Raises as :func:`require`, and ValidationFailed for a timeout that is not allowed.
    """
    return await ctx.journal.append_one(_change_all, _Change(principal, session_id, wish))


async def delete(ctx: Context, principal: Principal, session_id: str) -> None:
    """End the session, and forget it; what was said in it stays. Raises as :func:`require`."""
    await ctx.journal.append_one(_delete_all, _Change(principal, session_id))


async def _touch(
    ctx: Context, principal: Principal, session_id: str, change: Callable[[Session, int], Session]
) -> Session:
    return await ctx.journal.append_one(_touch_all, Touch(principal, session_id, change))


def _touch_all(transaction: Transaction, touches: Sequence[Touch]) -> list[Session | ParleyError]:
    """Change sessions together, as many heartbeats come at once, and return an outcome for each touch."""
    known = store.sessions.find(transaction.connection, {touch.session_id for touch in touches})
    changed: dict[str, Session] = {}
    outcomes: list[Session | ParleyError] = []
    for touch in touches:
        try:
            session = changed[touch.session_id] = known[touch.session_id] = _touched(
                known.get(touch.session_id), touch, transaction.now
            )
            outcomes.append(session)
        except ParleyError as error:
            outcomes.append(error)
    store.sessions.change(transaction.connection, list(changed.values()))
    return outcomes


def _touched(found: Session | None, touch: Touch, now: int) -> Session:
    session = access.require_session(touch.principal, touch.session_id, found, Scope.MESSAGES_WRITE)
    return touch.change(session, now)


def _create(transaction: Transaction, draft: SessionDraft) -> Session:
    (user_id,) = access.resolve_stated(transaction.connection, [(draft.principal, draft.user_id)])
    draft = replace(draft, user_id=user_id)
    access.require_author(draft.principal, draft.user_id)
    settings = _require_agent(transaction.connection, draft)
    wish = draft.wish.over(timeouts.wish_of_agent(settings))
    terms = timeouts.grant(transaction.policy.sessions, wish)
    session = _session(draft, terms, transaction.now)
    channels.open_with_agent(transaction, _channel(session), session.user_id, session.agent_id)
    store.sessions.add(transaction.connection, session)
    return session


def _require_agent(connection: Connection, draft: SessionDraft) -> dict[str, Any]:
    """Return the agent's settings; raise AgentNotFound without it."""
    found = store.agents.find(connection, draft.agent_id)
    if found is None:
        raise AgentNotFound(f"Agent with ID '{draft.agent_id}' does not exist")
    if draft.user_id == draft.agent_id:
        raise ValidationFailed("Field 'userId' must name somebody else than the agent")
    return found.settings or {}


def _session(draft: SessionDraft, terms: Terms, now: int) -> Session:
    return timeouts.counted(
        Session(
            draft.id,
            new_id(),
            draft.agent_id,
            draft.user_id,
            draft.metadata,
            *terms,
            renewals=0,
            created_at=now,
            active_at=now,
            beat_at=None,
            base_at=now,
            expires_at=now,
            due_at=None,
        )
    )


def _channel(session: Session) -> Channel:
    about = {"sessionId": session.id, "agentId": session.agent_id, "userId": session.user_id}
    return Channel(
        id=session.channel_id,
        server_id=DEFAULT_SERVER_ID,
        name=f"session-{session.id}",
        type=participants.DM.upper(),
        source_type="session",
        source_id=session.id,
        details=about | {"timeoutConfig": timeouts.described(session)} | session.details,
        created_at=session.created_at,
        updated_at=session.created_at,
    )


def _change(transaction: Transaction, wanted: _Change) -> Session:
    session = _require_live(transaction, wanted)
    policy, wish = transaction.policy.sessions, wanted.wish or Wish()
    session = timeouts.changed(session, policy, wish, transaction.now)
    store.sessions.change(transaction.connection, [session])
    return session


def _delete(transaction: Transaction, unwanted: _Change) -> None:
    session = _require_live(transaction, unwanted)
    store.sessions.remove(transaction.connection, [session.id])


def _require_live(transaction: Transaction, wanted: _Change) -> Session:
    found = store.sessions.find(transaction.connection, [wanted.session_id]).get(wanted.session_id)
    session = access.require_session(wanted.principal, wanted.session_id, found, Scope.MESSAGES_WRITE)
    timeouts.require_live(session, transaction.now)
    return session


_create_all = one_by_one(_create)
_change_all = one_by_one(_change)
_delete_all = one_by_one(_delete)
