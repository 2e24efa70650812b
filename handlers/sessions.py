"""REST: conversations that end when nobody goes on with them. Their answers stand alone."""

from __future__ import annotations

from typing import Any

from handlers import session_wire
from handlers.connection import Connection
from handlers.health import uptime
from handlers.http import Call, Gate
from handlers.parsing import one_of, page_size
from handlers.session_wire import Status
from rooms import rules, sessions, times
from rooms.rows import Session
from rooms.sessions import Asked, SessionDraft
from rooms.timeouts import Wish


async def create(call: Call[session_wire.CreateSession]) -> dict[str, Any]:
    """Begin a session."""
    body = call.body
    wish = body.timeoutConfig.wish if body.timeoutConfig else Wish()
    draft = SessionDraft(call.principal, body.agentId, body.userId, body.metadata, wish)
    return session_wire.new_session(await sessions.create(call.ctx, draft))


async def get(call: Call[None]) -> dict[str, Any]:
    """Answer a session."""
    return _info(call, await sessions.require(call.ctx, call.principal, _id(call)))


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer the principal's newest sessions, those that have ended, too."""
    found = await sessions.list_page(call.ctx, call.principal, _asked(call))
    return {
        "sessions": [_info(call, session) for session in found.sessions],
        "total": found.total,
        "stats": {
            "totalSessions": found.total,
            "activeSessions": found.live,
            "expiredSessions": found.total - found.live,
        },
    }


async def health(call: Call[None]) -> dict[str, Any]:
    """Answer how many sessions there are."""
    live, near = await sessions.count(call.ctx)
    return {
        "status": "healthy",
        "activeSessions": live,
        "expiringSoon": near,
        "invalidSessions": 0,
        "timestamp": times.iso(call.ctx.now()),
        "uptime": uptime(),
    }


async def renew(call: Call[None]) -> dict[str, Any]:
    """Renew a session, also one that does not renew itself."""
    return _info(call, await sessions.renew(call.ctx, call.principal, _id(call)))


async def heartbeat(call: Call[None]) -> dict[str, Any]:
    """Keep a session alive."""
    return _info(call, await sessions.beat(call.ctx, call.principal, _id(call)))


async def heartbeat_event(gate: Gate, connection: Connection, session_id: str) -> dict[str, Any]:
    """Keep a session alive."""
    session = await sessions.beat(gate.ctx, connection.principal, session_id)
    return {"session": session_wire.info(session, gate.ctx.now())}


async def change_timeout(call: Call[session_wire.ChangeTimeout]) -> dict[str, Any]:
    """Let a session last for longer, or shorter."""
    changed = await sessions.change(call.ctx, call.principal, _id(call), call.body.wish)
    return _info(call, changed)


async def delete(call: Call[None]) -> dict[str, Any]:
    """End a session; what was said in it stays."""
    await sessions.delete(call.ctx, call.principal, _id(call))
    ended = {"success": True, "message": f"Session {_id(call)} deleted successfully"}
    return {**ended, "data": ended}


def _info(call: Call[Any], session: Session) -> dict[str, Any]:
    return session_wire.info(session, call.ctx.now())


def _id(call: Call[Any]) -> str:
    return call.path_id("session_id")


def _asked(call: Call[None]) -> Asked:
    query = call.query
    before, status = query.get("before"), query.get("status")
    return Asked(
        user_id=_entity(query.get("userId")),
        agent_id=_entity(query.get("agentId")),
        is_live=one_of(Status, "status", status) is Status.ACTIVE if status else None,
        before=before.lower() if before else None,
        limit=page_size(query),
    )


def _entity(stated: str | None) -> str | None:
    return rules.entity_id(stated) if stated else None
