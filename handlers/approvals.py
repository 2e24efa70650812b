"""Approvals, over REST and native Socket.IO: looked at, and resolved."""

from __future__ import annotations

from typing import Any

from handlers import approval_wire
from handlers.connection import Connection
from handlers.http import Call, Gate
from handlers.parsing import one_of, page_size
from rooms import approvals, decisions, payloads
from rooms.approvals import State
from rooms.decisions import Decision


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer the newest approvals that the principal may decide, or has asked for."""
    states = [
        one_of(State, "state", text) for text in call.query.get("state", State.REQUESTED).split(",") if text
    ]
    limit = page_size(call.query)
    found = await approvals.list_concerning(call.ctx, call.principal, states, limit)
    return {"approvals": [payloads.approval_in_place(approval) for approval in found]}


async def get(call: Call[None]) -> dict[str, Any]:
    """Answer the approval that a message carries."""
    found = await approvals.require(call.ctx, call.principal, _message_id(call))
    return payloads.approval_in_place(found)


async def resolve(call: Call[approval_wire.Resolve]) -> dict[str, Any]:
    """Choose one of the options."""
    decision = Decision(call.principal, _message_id(call), call.body.option)
    return payloads.approval_in_place(await decisions.resolve(call.ctx, decision))


async def resolve_event(
    gate: Gate, connection: Connection, body: approval_wire.ResolveEvent
) -> dict[str, Any]:
    """Choose one of the options."""
    decision = Decision(connection.principal, body.message_id, body.option)
    return payloads.approval_in_place(await decisions.resolve(gate.ctx, decision))


def _message_id(call: Call[Any]) -> str:
    return call.path_id("message_id")
