"""REST and elizaOS's dialect of Socket.IO: the newest lines of the server's log, for whoever may read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, Field

from handlers import envelope
from handlers.connection import Connection
from handlers.http import Call, Gate
from handlers.logbook import LEVELS
from handlers.parsing import BAD_PARAMETERS, whole_number
from rooms import access
from rooms.errors import ParleyError, PermissionDenied, ValidationFailed
from rooms.principals import Principal, Scope

DEFAULT_PAGE = 100
MAX_PAGE = 1_000
HOUR_MS = 60 * 60 * 1_000
ALL = "all"


class Line(BaseModel):
    """A line of the log."""

    time: int = Field(description="epoch milliseconds")
    level: int = Field(description=", ".join(f"{number} {name}" for name, number in LEVELS.items()))
    msg: str


class Lines(BaseModel):
    """Lines of the log, the oldest first, and how many are kept."""

    logs: list[Line]
    count: int
    total: int
    requestedLevel: str  # noqa: N815 - the wire's spelling
    agentName: str  # noqa: N815
    agentId: str  # noqa: N815
    levels: list[str]
    received: int = Field(description="lines that the request has added: none, whatever it sent")


class Cleared(BaseModel):
    """That the lines are kept no longer."""

    status: str
    message: str
    cleared: int


async def read(call: Call[None]) -> dict[str, Any]:
    """Answer the newest lines: of one level, since a time."""
    _require_right(call.principal)
    # elizaOS's page sends an empty level for all of them.
    wanted = {name: call.query.get(name) or ALL for name in ("level", "agentName", "agentId")}
    level = _level(wanted["level"].lower(), BAD_PARAMETERS)
    since = whole_number(call.query, "since", call.ctx.now() - HOUR_MS)
    limit = whole_number(call.query, "limit", DEFAULT_PAGE, MAX_PAGE) or DEFAULT_PAGE
    kept = call.gate.logs.lines()
    is_about_agents = {wanted["agentName"], wanted["agentId"]} != {ALL}
    fitting = [line for line in kept if line.time >= since and level in (0, line.level)]
    found = [] if is_about_agents else fitting[-limit:]
    return {
        "logs": [line.told() for line in found],
        "count": len(found),
        "total": len(kept),
        "requestedLevel": wanted["level"].lower(),
        "agentName": wanted["agentName"],
        "agentId": wanted["agentId"],
        "levels": list(LEVELS),
        "received": 0,
    }


async def submit(call: Call[None]) -> dict[str, Any]:
    """Answer what :func:`read` does: nobody adds lines to the server's log."""
    return await read(call)


async def clear(call: Call[None]) -> dict[str, Any]:
    """Forget the lines; what the operator's terminal or files have of them stays."""
    _require_right(call.principal)
    cleared = call.gate.logs.clear()
    return {"status": "success", "message": "Logs cleared successfully", "cleared": cleared}


async def dispatch(gate: Gate, connection: Connection, event: str, payload: Any) -> dict[str, Any]:
    """Handle an event about the log, and return its ack; its own answer tells what goes wrong, too."""
    try:
        await gate.limits.charge_read(connection.principal)
        return envelope.success(await EVENTS[event](gate, connection, payload))
    except ParleyError as error:
        refusal = f"{error.message}: {error.details}"
        if event == "update_log_filters":
            connection.emit("log_filters_updated", {"success": False, "error": refusal})
        else:
            connection.emit("log_subscription_confirmed", {"subscribed": False, "message": refusal})
        return envelope.failure(error)


async def _subscribe(gate: Gate, connection: Connection, _payload: Any) -> dict[str, Any]:
    _require_right(connection.principal)
    gate.logs.follow(connection)
    told = {"subscribed": True, "message": "Successfully subscribed to log stream"}
    connection.emit("log_subscription_confirmed", told)
    return told


async def _unsubscribe(gate: Gate, connection: Connection, _payload: Any) -> dict[str, Any]:
    gate.logs.leave(connection)
    told = {"subscribed": False, "message": "Successfully unsubscribed from log stream"}
    connection.emit("log_subscription_confirmed", told)
    return told


async def _filter(gate: Gate, connection: Connection, payload: Any) -> dict[str, Any]:
    if gate.logs.filter_for(connection, _change(payload)) is None:
        raise ValidationFailed(
            "The connection does not follow the log", message="Not subscribed to log stream"
        )
    told = {"success": True, "filters": payload}
    connection.emit("log_filters_updated", told)
    return told


EVENTS: dict[str, Callable[[Gate, Connection, Any], Awaitable[dict[str, Any]]]] = {
    "subscribe_logs": _subscribe,
    "unsubscribe_logs": _unsubscribe,
    "update_log_filters": _filter,
}


def _change(payload: Any) -> dict[str, Any]:
    """Return how filters are to change: ``level`` is a name or a number, ``all`` wants every line."""
    if not isinstance(payload, dict):
        raise ValidationFailed("The filters must be an object")
    change: dict[str, Any] = {}
    if "level" in payload:
        level = payload["level"]
        if isinstance(level, bool) or not isinstance(level, int | str):
            raise ValidationFailed("Field 'level' must be a name or a number")
        change["level"] = level if isinstance(level, int) else _level(level.lower(), "Invalid filters")
    if "agentName" in payload:
        if not isinstance(payload["agentName"], str):
            raise ValidationFailed("Field 'agentName' must be a text")
        change["agent_name"] = payload["agentName"]
    return change


def _level(name: str, message: str) -> int:
    if name == ALL:
        return 0
    if name not in LEVELS:
        raise ValidationFailed(f"The level must be all, {', '.join(LEVELS)}", message=message)
    return LEVELS[name]


def _require_right(principal: Principal) -> None:
    try:
        access.require_scope(principal, Scope.LOGS_READ)
    except PermissionDenied:
        raise PermissionDenied(f"The server's log is for services with {Scope.LOGS_READ}") from None
